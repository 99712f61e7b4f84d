"""Replies out of another framework's result files: MedEvalKit's and VLMEvalKit's. Nothing is ever unpickled.

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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infimed_plugins.benchmarks.imported.sets import (
    MEDEVALKIT_SETS,
    VLMEVALKIT_SETS,
    ImportedSet,
    asked_as,
    set_of,
    set_of_file,
)
from infimed_plugins.benchmarks.imported.tables import delimited_rows, json_rows, xlsx_rows
from infimed_plugins.errors import ConfigError, DataError, MissingFileError
from infimed_plugins.records import Json

MMMU_FILES = ("*/parsed_output.json", "*/output_sample.json")
VLMEVALKIT_SUFFIXES = (".xlsx", ".tsv", ".json", ".csv")
_SUFFIXES = f"{', '.join(VLMEVALKIT_SUFFIXES[:-1])} or {VLMEVALKIT_SUFFIXES[-1]}"
_SHAPES = {"choices": list, "all_choices": list, "index2ans": dict}  # of MedEvalKit's fields, where they are told
VLMEVALKIT_FAILED = "Failed to obtain answer"  # vlmeval/inference.py: what a failed request leaves for a reply
XLSX_CELL = 32_767  # characters of a cell: the writer cuts what is longer
_MEDEVALKIT_NAME = re.compile(r"results(?:_\d+)?\.json|parsed_output\.json|output_sample\.json")


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


def result_parts(path: Path, *, benchmark: str | None = None) -> list[Path]:
    """What ``path`` holds results of, a folder or file for each data set, each of which ``read_replies`` reads.

    Of several only that of ``benchmark``, our source, where it is given. A path that is neither is its own part. Raises
    ConfigError for two of one data set, and where none of several is the benchmark's.
    """
    if not path.is_dir():
        return [path]
    parts = _medevalkit_folders(path) or _vlmevalkit_files(path) or [path]
    if benchmark is not None and len(parts) > 1:
        parts = [part for part in parts if _source_of(part) == benchmark]
        if not parts:
            raise ConfigError(
                f"{path} holds several data sets, and none is called as {asked_as(benchmark)} is there; name its folder"
            )
    if len({_source_of(part) for part in parts}) < len(parts):
        raise ConfigError(f"{path} holds several results of one data set; name one of them")
    return parts


def _source_of(part: Path) -> str | None:
    sets = MEDEVALKIT_SETS if part.is_dir() else VLMEVALKIT_SETS
    return next((sets[name].source for name in sets if part.name == name or part.stem.endswith(f"_{name}")), None)


def read_replies(path: Path, *, benchmark: str | None = None) -> Iterator[ImportedReply]:
    """The replies of a result file, or of a folder of them, whichever framework wrote it.

    ``benchmark`` names our source where the file or folder was renamed. Raises MissingFileError, DataError for a file
    that is cut off or of another layout, ConfigError for a data set that is not among ours.
    """
    if not path.exists():
        raise MissingFileError(f"there is no {path}; name the results' file or the folder given as --output_path")
    if path.suffix == ".pkl":
        raise DataError(f"{path} is a pickle, which may run code when read: not read; set PRED_FORMAT=json and rerun")
    if _MEDEVALKIT_NAME.fullmatch(path.name) or _medevalkit_folders(path):
        return read_medevalkit(path, benchmark=benchmark)
    if path.is_dir() and not _vlmevalkit_files(path):
        raise DataError(
            f"{path} holds {_unknown(path)}; known are MedEvalKit's results.json in a folder "
            f"{', '.join(MEDEVALKIT_SETS)} and VLMEvalKit's MODEL_DATASET{_SUFFIXES} of {', '.join(VLMEVALKIT_SETS)}: "
            "name the folder or file that the run wrote, with --benchmark where it was renamed"
        )
    return read_vlmevalkit(path, benchmark=benchmark)


def _unknown(path: Path) -> str:
    """The data sets of a folder that we have no source for, in words."""
    folders = [child.name for child in sorted(path.iterdir()) if child.is_dir() and any(_result_files(child))]
    files = [child.name for child in sorted(path.iterdir()) if child.is_file() and child.suffix in VLMEVALKIT_SUFFIXES]
    found = [*folders, *files]
    return f"results of sets that are not known here ({', '.join(found[:10])})" if found else "no results"


def read_medevalkit(path: Path, *, benchmark: str | None = None) -> Iterator[ImportedReply]:
    """The replies below a MedEvalKit output folder, of one data set's folder, or of one of its files."""
    folders = _medevalkit_folders(path) if path.is_dir() else [path]
    if not folders:
        raise DataError(f"{path} holds no results.json and no <subject>/parsed_output.json; name MedEvalKit's output")
    for folder in folders:
        name = folder.name if folder.is_dir() else _folder_of(folder).name
        imported = set_of(name, MEDEVALKIT_SETS, benchmark, folder)
        for position, row in _medevalkit_rows(folder):
            _need(folder, row, "response", "answer")
            _check_shapes(folder, row)
            yield _reply(imported, position, row, "response")


def read_vlmevalkit(path: Path, *, benchmark: str | None = None) -> Iterator[ImportedReply]:
    """The replies of a VLMEvalKit prediction file, or of all those of a folder that are of our data sets.

    Of MMMU only health and medicine is taken. Raises MissingExtraError for xlsx without openpyxl, DataError for a file
    of MMMU without any of that.
    """
    paths = _vlmevalkit_files(path) if path.is_dir() else [path]
    if not paths:
        names = ", ".join(VLMEVALKIT_SETS)
        raise DataError(f"{path} holds no MODEL_DATASET{_SUFFIXES} of {names}; name the file of predictions")
    for file in paths:
        imported = set_of_file(file, benchmark)
        position, taken = -1, 0
        for position, row in enumerate(_vlmevalkit_rows(file)):
            _need(file, row, "index", "prediction")
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
    of_medevalkit = reply == "response"
    text, error = fields[reply], None
    if text is None and not xlsx:  # an empty cell is an empty reply
        error = "the file has no reply"
    elif xlsx and len(str(text)) >= XLSX_CELL:
        error = f"the reply is cut at {XLSX_CELL:,} characters by xlsx; set PRED_FORMAT=json and rerun"
    elif VLMEVALKIT_FAILED in str(text)[:200]:
        error = str(text)[:200]
    prompt = str(row.get("prompt") or row.get("final_input_prompt") or "")
    text = "" if text is None else str(text)
    id, told = imported.sample_id(row, position), imported.tells(row)
    return ImportedReply(imported.source, id, position, row, prompt, text, error, told, of_medevalkit)


def _need(path: Path, row: dict[str, Json], *names: str) -> None:
    missing = [name for name in names if name not in row]
    if missing:
        raise DataError(
            f"{path}: a row has no {missing[0]!r}, only {', '.join(map(str, row))}: these are no replies; "
            "name the file that the run itself wrote"
        )


def _check_shapes(path: Path, row: dict[str, Json]) -> None:
    """Raise DataError for options of another kind than MedEvalKit writes, which its rules could not judge."""
    for name, kind in _SHAPES.items():
        if row.get(name) is not None and not isinstance(row[name], kind):
            wanted = "a list" if kind is list else "an object of letters"
            raise DataError(f"{path}: a row's {name!r} is not {wanted}; name the file that the run itself wrote")


def _medevalkit_folders(path: Path) -> list[Path]:
    """The data sets' folders at or below a folder, by name; those that we have no source for are left out."""
    if not path.is_dir():
        return []
    here = [path] if any(True for _ in _result_files(path)) else []
    below = [folder for folder in sorted(path.iterdir()) if folder.is_dir() and folder.name in MEDEVALKIT_SETS]
    return here or [folder for folder in below if any(True for _ in _result_files(folder))]


def _result_files(folder: Path) -> Iterator[Path]:
    for pattern in ("results.json", "results_*.json", *MMMU_FILES):
        yield from folder.glob(pattern)


def _folder_of(file: Path) -> Path:
    """The data set's folder of a result file: MMMU's lie one deeper."""
    return file.parent if file.name.startswith("results") else file.parent.parent


def _medevalkit_rows(path: Path) -> Iterator[tuple[int, dict[str, Json]]]:
    """The rows of a data set's folder or file with their places among upstream's rows."""
    if path.is_file():
        if path.name.startswith("results_"):
            raise DataError(
                f"{path} is one chunk of a run, whose rows lie apart in the set; name its folder {path.parent}"
            )
        yield from _in_order(path) if path.name == "results.json" else enumerate(json_rows(path))
        return
    subjects = [files for pattern in MMMU_FILES if (files := sorted(path.glob(pattern)))]
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
    """The rows of ``results.json``: chunks stand in it one behind the other, in the order of a folder listing."""
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
    """Whether rows begin with those of a chunk; scoring has added fields to them."""
    whole = len(part) <= len(rows)
    return whole and all(row.get(key) == one[key] for row, one in zip(rows, part, strict=False) for key in one)


def _chunks(folder: Path) -> list[tuple[int, list[dict[str, Json]]]]:
    """The chunks of a run by their numbers."""
    numbered = {file.stem.removeprefix("results_"): file for file in folder.glob("results_*.json")}
    return sorted((int(number), json_rows(file)) for number, file in numbered.items() if number.isdecimal())


def _vlmevalkit_files(folder: Path) -> list[Path]:
    files = [path for path in sorted(folder.iterdir()) if path.suffix in VLMEVALKIT_SUFFIXES]
    return [path for path in files if any(path.stem.endswith(f"_{name}") for name in VLMEVALKIT_SETS)]


def _vlmevalkit_rows(path: Path) -> Iterator[dict[str, Json]]:
    if path.suffix == ".xlsx":
        yield from xlsx_rows(path)
    elif path.suffix in (".tsv", ".csv"):
        yield from delimited_rows(path, "\t" if path.suffix == ".tsv" else ",")
    elif path.suffix == ".json":
        yield from json_rows(path)
    else:
        raise ConfigError(f"{path}: a file of predictions ends in {_SUFFIXES}")


def _of_health(row: dict[str, Json]) -> bool:
    """Whether a row is of MMMU's validation rows of health and medicine; files without these columns hold no other."""
    domain, split = str(row.get("l2-category") or "health"), str(row.get("split") or "validation")
    return domain.lower().startswith("health") and split == "validation"
