"""Read the replies in another framework's result files: MedEvalKit's and VLMEvalKit's.

MedEvalKit (9b12e3b) leaves, below ``--output_path``::

    VQA_RAD/results.json          a list of upstream's fields with "response" and the verdict "correct"
                                  (base_dataset.py:64); with chunks results_0.json … beside it (:74)
    MMMU-Medical-val/<subject>/parsed_output.json   the reply already cut to its answer (MMMU/eval_val.py:79)

of which PMC-VQA's and MedQA's rows have the question in the prompt only, PubMedQA's as "Question", and MMMU's nowhere.

VLMEvalKit (e8e78f0) leaves ``MODEL_DATASET.xlsx``, ``.tsv``, ``.json`` or ``.csv`` (smp/file.py:208), a row for each
question with the columns ``index``, ``question``, ``A`` …, ``answer`` and ``prediction``.

Few of these files hold ids: without one a row is told by its place among upstream's rows, the same as among ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from infimed_plugins.benchmarks import Benchmark, benchmarks
from infimed_plugins.benchmarks.imported.result_rows import SUFFIXES, SUFFIXES_TEXT, json_rows, table_rows
from infimed_plugins.errors import ConfigError, DataError, MissingFileError
from infimed_plugins.plugins import registry
from infimed_plugins.records import Json

_SHAPES = {"choices": list, "all_choices": list, "index2ans": dict}  # types of MedEvalKit's fields
VLMEVALKIT_FAILED = "Failed to obtain answer"  # vlmeval/inference.py: what a failed request leaves for a reply
XLSX_CELL = 32_767  # characters of a cell: the writer cuts what is longer
_MMMU_FILES = ("*/parsed_output.json", "*/output_sample.json")
_MEDEVALKIT_NAME = re.compile(r"results(?:_\d+)?\.json|parsed_output\.json|output_sample\.json")


@dataclass(frozen=True)
class ImportedSet:
    """A split of ours. ``id_field`` holds the row's id; without one, rows are counted in ``digits`` digits.

    With neither (SLAKE's ids are not in MedEvalKit's files) an id is ``slake-test-row12``, which no Sample has.
    """

    source: str
    split: str = "test"
    id_field: str | None = None
    digits: int = 0

    def sample_id(self, row: Mapping[str, Json], position: int) -> tuple[str, bool]:
        """Return a row's id as ``sources/<source>.py`` makes it; True if it is a Sample's, and not only a place."""
        head, given = f"{self.source}-{self.split}-", row.get(self.id_field) if self.id_field else None
        if given not in (None, ""):
            return f"{head}{str(given).removeprefix(f'{self.split}_')}", True
        return (f"{head}{position:0{self.digits}d}", True) if self.digits else (f"{head}row{position}", False)


MEDEVALKIT_SETS = {  # by the folder's name, the --eval_datasets of eval.py
    one.name: ImportedSet(
        benchmark.source,
        benchmark.split,
        one.ids if isinstance(one.ids, str) else None,
        one.ids if isinstance(one.ids, int) else 0,
    )
    for benchmark in benchmarks()
    if (one := benchmark.medevalkit)
}
VLMEVALKIT_SETS = {  # by the end of the file's name
    name: ImportedSet(source, split, column)
    for (name, column), source, split in sorted(
        (one.vlmevalkit, one.source, one.split) for one in benchmarks() if one.vlmevalkit
    )
}


@dataclass(frozen=True)
class ImportedReply:
    """One reply. ``id`` is our Sample's id where the file tells it, ``position`` the row's place, from 0.

    ``told`` says that the id is one of a Sample's, by the file or by the place. ``row`` holds the file's fields but the
    reply, upstream's verdict (``correct``, ``judge``, ``hit``) among them, ``of_medevalkit`` whether they are its own.
    ``prompt`` is "" where the file has none; ``error`` says why there is no whole reply, and then nothing is scored.
    """

    benchmark: str
    id: str
    position: int
    row: dict[str, Json]
    prompt: str
    text: str
    error: str | None = None
    told: bool = True
    of_medevalkit: bool = True


def result_parts(path: Path, benchmark: str | None = None) -> list[Path]:
    """Return the folders or files of the data sets that ``path`` holds results of; a path without any is its own part.

    Of several only that of ``benchmark``, our source, where it is given. Raises ConfigError for two of one data set,
    and where none of several is the benchmark's.
    """
    parts = _parts(path) or [path]
    if benchmark is not None and len(parts) > 1:
        parts = [part for part in parts if _source_of(part) == benchmark]
        if not parts:
            raise ConfigError(
                f"{path} holds several data sets, and none is called as {asked_as(benchmark)} is there; name its folder"
            )
    if len({_source_of(part) for part in parts}) < len(parts):
        raise ConfigError(f"{path} holds several results of one data set; name one of them")
    return parts


def read_replies(path: Path, *, benchmark: str | None = None) -> Iterator[ImportedReply]:
    """Yield the replies of a result file, or of a folder of them, whichever framework wrote it.

    ``benchmark`` names our source where the file or folder was renamed. Of MMMU only health and medicine is taken.
    Raises MissingFileError, MissingExtraError for xlsx without openpyxl, DataError for a file that is cut off, of
    another layout or of MMMU without any of that, ConfigError for a data set that is not among ours.
    """
    if not path.exists():
        raise MissingFileError(f"there is no {path}; name the results' file or the folder given as --output_path")
    if path.suffix == ".pkl":
        raise DataError(f"{path} is a pickle, which may run code when read: not read; set PRED_FORMAT=json and rerun")
    parts = _parts(path)
    if not parts:
        raise DataError(
            f"{path} holds {_unknown(path)}; known are MedEvalKit's results.json in a folder "
            f"{', '.join(MEDEVALKIT_SETS)} and VLMEvalKit's MODEL_DATASET{SUFFIXES_TEXT} of "
            f"{', '.join(VLMEVALKIT_SETS)}: name the folder or file that the run wrote, with --benchmark where it was "
            "renamed"
        )
    for part in parts:
        is_medevalkits = any(_result_files(part)) if part.is_dir() else _MEDEVALKIT_NAME.fullmatch(part.name)
        yield from (_medevalkit if is_medevalkits else _vlmevalkit)(part, benchmark)


def benchmark_of(source: str) -> Benchmark | None:
    """Return the benchmark that asks a source; None where none does."""
    benchmarks: Iterator[Benchmark] = (thing.load() for thing in registry() if thing.kind == "benchmark")
    return next((benchmark for benchmark in benchmarks if benchmark.source == source), None)


def asked_as(source: str) -> str:
    """Return the name of a source for ``--benchmark``: pmc_vqa, where that is pmc_vqa_2."""
    benchmark = benchmark_of(source)
    return benchmark.name if benchmark else source


def _parts(path: Path) -> list[Path]:
    """Return the data sets' folders (MedEvalKit) or files at or below a path, but for those we have no source for."""
    if not path.is_dir():
        return [path]
    if any(_result_files(path)):
        return [path]
    children = sorted(path.iterdir())
    folders = [one for one in children if one.is_dir() and one.name in MEDEVALKIT_SETS and any(_result_files(one))]
    return folders or [one for one in children if one.suffix in SUFFIXES and _vlmevalkit_name(one) != one.stem]


def _result_files(folder: Path) -> Iterator[Path]:
    for pattern in ("results.json", "results_*.json", *_MMMU_FILES):
        yield from folder.glob(pattern)


def _vlmevalkit_name(file: Path) -> str:
    """Return the data set that a file's name ends in (``Qwen2.5-VL-7B_MMMU_DEV_VAL.xlsx``), or the name."""
    return next((name for name in VLMEVALKIT_SETS if f"_{file.stem}".endswith(f"_{name}")), file.stem)


def _source_of(part: Path) -> str | None:
    imported = MEDEVALKIT_SETS.get(part.name) if part.is_dir() else VLMEVALKIT_SETS.get(_vlmevalkit_name(part))
    return imported.source if imported else None


def _set_of(name: str, sets: Mapping[str, ImportedSet], benchmark: str | None, path: Path) -> ImportedSet:
    """Return the set that ``benchmark`` (our source) or else a name stands for. Raises ConfigError when none is."""
    if benchmark is not None:
        found = next((imported for imported in sets.values() if imported.source == benchmark), None)
        if found is None:
            known = ", ".join(asked_as(imported.source) for imported in sets.values())
            raise ConfigError(f"no replies of {asked_as(benchmark)!r} can be taken from there; one of {known}")
        return found
    if name not in sets:
        raise ConfigError(f"{path}: {name!r} is none of {', '.join(sets)}; rename it or name the benchmark")
    return sets[name]


def _unknown(path: Path) -> str:
    """Return the data sets of a folder that we have no source for, in words."""
    children = sorted(path.iterdir())
    found = [child.name for child in children if child.is_dir() and any(_result_files(child))]
    found += [child.name for child in children if child.is_file() and child.suffix in SUFFIXES]
    return f"results of sets that are not known here ({', '.join(found[:10])})" if found else "no results"


def _medevalkit(part: Path, benchmark: str | None) -> Iterator[ImportedReply]:
    folder = part if part.is_dir() else part.parent
    if part.is_file() and not part.name.startswith("results"):  # MMMU's files lie one deeper
        folder = folder.parent
    imported = _set_of(folder.name, MEDEVALKIT_SETS, benchmark, part)
    for position, row in _medevalkit_rows(part):
        _check(part, row, "response", "answer")
        for name, kind in _SHAPES.items():  # options of another kind its rules could not judge
            if row.get(name) is not None and not isinstance(row[name], kind):
                wanted = "a list" if kind is list else "an object of letters"
                raise DataError(f"{part}: a row's {name!r} is not {wanted}; name the file that the run itself wrote")
        yield _reply(imported, position, row, "response")


def _vlmevalkit(file: Path, benchmark: str | None) -> Iterator[ImportedReply]:
    imported = _set_of(_vlmevalkit_name(file), VLMEVALKIT_SETS, benchmark, file)
    position, taken = -1, 0
    for position, row in enumerate(table_rows(file)):
        _check(file, row, "index", "prediction")
        if imported.source != "mmmu_health" or _of_health(row):
            taken += 1
            yield _reply(imported, position, row, "prediction", xlsx=file.suffix == ".xlsx")
    if position >= 0 and not taken:
        raise DataError(
            f"{file}: none of its {position + 1:,} rows is of MMMU's validation rows of health and medicine, the "
            "only ones that are taken; name a file of all of MMMU_DEV_VAL"
        )


def _reply(
    imported: ImportedSet, position: int, fields: dict[str, Json], reply: str, *, xlsx: bool = False
) -> ImportedReply:
    row = {key: value for key, value in fields.items() if key not in (reply, "messages")}
    text, error = fields[reply], None
    if text is None and not xlsx:  # an empty cell is an empty reply
        error = "the file has no reply"
    elif xlsx and len(str(text)) >= XLSX_CELL:
        error = f"the reply is cut at {XLSX_CELL:,} characters by xlsx; set PRED_FORMAT=json and rerun"
    elif VLMEVALKIT_FAILED in str(text)[:200]:
        error = str(text)[:200]
    prompt = str(row.get("prompt") or row.get("final_input_prompt") or "")
    text = "" if text is None else str(text)
    id, told = imported.sample_id(row, position)
    return ImportedReply(imported.source, id, position, row, prompt, text, error, told, reply == "response")


def _check(path: Path, row: dict[str, Json], *names: str) -> None:
    missing = [name for name in names if name not in row]
    if missing:
        raise DataError(
            f"{path}: a row has no {missing[0]!r}, only {', '.join(map(str, row))}: these are no replies; "
            "name the file that the run itself wrote"
        )


def _medevalkit_rows(path: Path) -> Iterator[tuple[int, dict[str, Json]]]:
    """Yield the rows of a data set's folder or file with their places among upstream's rows."""
    if path.is_file():
        if path.name.startswith("results_"):
            raise DataError(
                f"{path} is one chunk of a run, whose rows lie apart in the set; name its folder {path.parent}"
            )
        yield from _in_order(path) if path.name == "results.json" else enumerate(json_rows(path))
        return
    subjects = [files for pattern in _MMMU_FILES if (files := sorted(path.glob(pattern)))]
    if subjects:
        yield from enumerate(row for file in subjects[0] for row in json_rows(file))
    elif (path / "results.json").exists():
        yield from _in_order(path / "results.json")
    else:
        chunks = _chunks(path)
        for offset, (number, rows) in enumerate(chunks):
            if number != offset:
                raise DataError(f"{path} has no results_{offset}.json: a chunk is missing; run or copy it")
            yield from ((offset + index * len(chunks), row) for index, row in enumerate(rows))


def _in_order(path: Path) -> Iterator[tuple[int, dict[str, Json]]]:
    """Yield the rows of ``results.json``: chunks stand in it one behind the other, in the order of a folder listing."""
    rows, chunks = json_rows(path), _chunks(path.parent)
    if not chunks or sum(len(part) for _, part in chunks) != len(rows):  # none, or left by an earlier run
        yield from enumerate(rows)
        return
    at, count = 0, len(chunks)
    while at < len(rows):
        found = next((chunk for chunk in chunks if chunk[1] and _holds(rows[at:], chunk[1])), None)
        if found is None:
            raise DataError(f"{path} is not its results_*.json put together; remove those that are of another run")
        number, part = found
        yield from ((number + index * count, rows[at + index]) for index in range(len(part)))
        chunks.remove(found)
        at += len(part)


def _holds(rows: list[dict[str, Json]], part: list[dict[str, Json]]) -> bool:
    """True if rows begin with those of a chunk; scoring has added fields to them."""
    whole = len(part) <= len(rows)
    return whole and all(row.get(key) == one[key] for row, one in zip(rows, part, strict=False) for key in one)


def _chunks(folder: Path) -> list[tuple[int, list[dict[str, Json]]]]:
    """Return the chunks of a run by their numbers."""
    numbered = {file.stem.removeprefix("results_"): file for file in folder.glob("results_*.json")}
    return sorted((int(number), json_rows(file)) for number, file in numbered.items() if number.isdecimal())


def _of_health(row: dict[str, Json]) -> bool:
    """True for a row of MMMU's validation rows of health and medicine; files without these columns hold no other."""
    domain, split = str(row.get("l2-category") or "health"), str(row.get("split") or "validation")
    return domain.lower().startswith("health") and split == "validation"
