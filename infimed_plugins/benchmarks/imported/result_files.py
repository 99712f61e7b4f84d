"""Read the replies in another framework's result files: ``FORMATS`` has MedEvalKit's, VLMEvalKit's and lmms-eval's.

MedEvalKit (9b12e3b) leaves, below ``--output_path``::

    VQA_RAD/results.json          a list of upstream's fields with "response" and the verdict "correct"
                                  (base_dataset.py:64); with chunks results_0.json … beside it (:74)
    MMMU-Medical-val/<subject>/parsed_output.json   the reply already cut to its answer (MMMU/eval_val.py:79)

of which PMC-VQA's and MedQA's rows have the question in the prompt only, PubMedQA's as "Question", and MMMU's nowhere.

VLMEvalKit (e8e78f0) leaves ``MODEL_DATASET.xlsx``, ``.tsv``, ``.json`` or ``.csv`` (smp/file.py:208), a row for each
question with the columns ``index``, ``question``, ``A`` …, ``answer`` and ``prediction``: of a set of its own, or one
that `infimed export` wrote, ``infimed_SOURCE``, whose column ``id`` is ours.

lmms-eval (0.7.3) leaves ``MODEL/DATE_samples_TASK.jsonl`` (loggers/evaluation_tracker.py), of which our tasks'
``infimed_SOURCE`` are taken: their verdicts carry our Sample, as its docs are left out.

Few of these files hold ids: without one a row is told by its place among upstream's rows, the same as among ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from infimed_plugins.benchmarks import Benchmark, benchmarks
from infimed_plugins.benchmarks.imported.result_rows import (
    FILE_NAME,
    SUFFIXES,
    SUFFIXES_TEXT,
    Rows,
    result_files,
    set_name,
    shaped_rows,
    table_rows,
)
from infimed_plugins.benchmarks.lmms_eval import sample_of
from infimed_plugins.benchmarks.vlmevalkit import OPENENDED, PREFIX, columns
from infimed_plugins.errors import ConfigError, DataError, MissingFileError
from infimed_plugins.records import Json
from infimed_plugins.tables.rows import read_rows

VLMEVALKIT_FAILED = "Failed to obtain answer"  # vlmeval/inference.py: what a failed request leaves for a reply
XLSX_CELL = 32_767  # characters of a cell: the writer cuts what is longer
_LOG = "_samples_"


@dataclass(frozen=True)
class ImportedSet:
    """A benchmark's questions in another framework. ``ids`` names the field with a row's id, or says in how many digits
    rows are counted.

    With neither (SLAKE's ids are not in MedEvalKit's files) an id is ``slake-test-row12``, which no Sample has.
    ``ours``: we wrote the questions, so that each row has the id of a Sample, and no other row has it.
    """

    benchmark: Benchmark
    ids: str | int | None = None
    ours: bool = False

    def sample_id(self, row: Mapping[str, Json], position: int) -> tuple[str, bool]:
        """Return a row's id as ``sources/<source>.py`` makes it; True if it is a Sample's, and not only a place."""
        head = f"{self.benchmark.source}-{self.benchmark.split}-"
        if isinstance(self.ids, int):
            return f"{head}{position:0{self.ids}d}", True
        given = row.get(self.ids) if self.ids else None
        if self.ours:
            return str(given), True
        told = given not in (None, "")
        return f"{head}{str(given).removeprefix(f'{self.benchmark.split}_') if told else f'row{position}'}", told


MEDEVALKIT_SETS = {  # by the folder's name, the --eval_datasets of eval.py
    one.medevalkit.name: ImportedSet(one, one.medevalkit.ids) for one in benchmarks() if one.medevalkit
}
OUR_SETS = {f"{PREFIX}{one.source}": ImportedSet(one, "id", ours=True) for one in benchmarks()}
VLMEVALKIT_SETS = {  # by the end of the file's name
    name: ImportedSet(one, column)
    for (name, column), one in sorted(
        ((one.vlmevalkit, one) for one in benchmarks() if one.vlmevalkit), key=lambda pair: pair[0]
    )
} | OUR_SETS


@dataclass(frozen=True)
class ResultFormat:
    """The result files of one framework.

    ``files`` and ``sets`` are what messages call them. ``name`` returns the data set in the path of a part; ``rows``
    yields its rows with their places; ``needs`` are fields of each, the first the reply.
    """

    files: str
    sets: Mapping[str, ImportedSet]
    name: Callable[[Path], str]
    rows: Callable[[Path], Rows]
    needs: tuple[str, ...]

    def find(self, path: Path, benchmark: Benchmark | None) -> ImportedSet:
        """Return the set that a path's name, or else ``benchmark`` stands for. Raises ConfigError when none is."""
        name = self.name(path)
        named = self.sets.get(name)
        if benchmark is not None and (named is None or named.benchmark.source != benchmark.source):
            named = next((one for one in self.sets.values() if one.benchmark.source == benchmark.source), None)
            if named is None:
                known = ", ".join(dict.fromkeys(one.benchmark.name for one in self.sets.values()))
                raise ConfigError(f"no replies of {benchmark.name!r} can be taken from there; one of {known}")
        if named is None:
            raise ConfigError(f"{path}: {name!r} is none of {', '.join(self.sets)}; rename it or name the benchmark")
        return named


@dataclass(frozen=True)
class ImportedReply:
    """One reply. ``id`` is our Sample's id where the file tells it, ``position`` the row's place, from 0.

    ``told`` says that the id is one of a Sample's, by the file or by the place. ``row`` holds the file's fields but the
    reply, upstream's verdict (``correct``, ``judge``, ``hit``) among them, ``of_medevalkit`` whether they are its own.
    ``prompt`` is "" where the file has none; ``error`` says why there is no whole reply, and then nothing is scored.
    """

    id: str
    position: int
    row: dict[str, Json]
    prompt: str
    text: str
    error: str | None = None
    told: bool = True
    of_medevalkit: bool = True


@dataclass(frozen=True)
class ResultPart:
    """The folder or file of one data set."""

    path: Path
    form: ResultFormat
    of: ImportedSet

    def replies(self) -> Iterator[ImportedReply]:
        """Yield the replies. Of MMMU only health and medicine is taken.

        Raises MissingExtraError for xlsx without openpyxl, DataError for a file that is cut off, of another layout,
        with one of our ids twice, of MMMU without any of that, or without a row.
        """
        needed = (*self.form.needs, *[str(self.of.ids)] * self.of.ours)
        position, places = -1, dict[str, int]()
        for position, row in self.form.rows(self.path):
            self._check(row, *needed)
            if self.of.benchmark.source == "mmmu_health" and not _of_health(row):
                continue
            reply = self._reply(position, row)
            first = places.setdefault(reply.id, position)
            if self.of.ours and first != position:
                raise DataError(
                    f"{self.path}: rows {first + 1:,} and {position + 1:,} have one id, {reply.id}; keep one of them"
                )
            yield reply
        if position < 0:
            raise DataError(f"{self.path} holds no replies; name the file or folder that the run itself wrote")
        if not places:
            raise DataError(
                f"{self.path}: none of its {position + 1:,} rows is of MMMU's validation rows of health and medicine, "
                "the only ones that are taken; name a file of all of MMMU_DEV_VAL"
            )

    def _check(self, row: dict[str, Json], *names: str) -> None:
        missing = [name for name in names if name not in row]
        if missing:
            raise DataError(
                f"{self.path}: a row has no {missing[0]!r}, only {', '.join(map(str, row))}: these are no replies; "
                "name the file that the run itself wrote"
            )

    def _reply(self, position: int, fields: dict[str, Json]) -> ImportedReply:
        said = self.form.needs[0]
        row = {key: value for key, value in fields.items() if key not in (said, "messages")}
        text, error, xlsx = fields[said], None, self.path.suffix == ".xlsx"
        if text is None and not xlsx:  # an empty cell is an empty reply
            error = "the file has no reply"
        elif xlsx and len(str(text)) >= XLSX_CELL:
            error = f"the reply is cut at {XLSX_CELL:,} characters by xlsx; set PRED_FORMAT=json and rerun"
        elif VLMEVALKIT_FAILED in str(text)[:200]:
            error = str(text)[:200]
        prompt = str(row.get("prompt") or row.get("final_input_prompt") or "")
        id, told = self.of.sample_id(row, position)
        text = "" if text is None else str(text)
        return ImportedReply(id, position, row, prompt, text, error, told, self.form is MEDEVALKIT)


def result_parts(path: Path, benchmark: Benchmark | None = None) -> list[ResultPart]:
    """Return the data sets that ``path``, a file or a folder of them, holds results of, whichever framework wrote them.

    ``benchmark`` is that of a file or folder which was renamed; of several only its own is taken. Raises
    MissingFileError, DataError for a pickle or where there is none, ConfigError for two of one data set, for one that
    is not among ours, and where none of several is the benchmark's.
    """
    if not path.exists():
        raise MissingFileError(f"there is no {path}; name the results' file or the folder given as --output_path")
    if path.suffix == ".pkl":
        raise DataError(f"{path} is a pickle, which may run code when read: not read; set PRED_FORMAT=json and rerun")
    found = _known(path) if path.is_dir() and not any(result_files(path)) else [path]
    if not found:
        known = "; ".join(f"{one.files} {', '.join(one.sets)}" for one in FORMATS)
        raise DataError(
            f"{path} holds {_unknown(path)}; known are {known}: name the folder or file that the run wrote, with "
            "--benchmark where it was renamed"
        )
    forms = [(one, _format(one)) for one in found]
    parts = [ResultPart(one, form, form.find(one, benchmark if len(found) == 1 else None)) for one, form in forms]
    if benchmark is not None and len(parts) > 1:
        parts = [part for part in parts if part.of.benchmark.source == benchmark.source]
        if not parts:
            raise ConfigError(
                f"{path} holds several data sets, and none is called as {benchmark.name} is there; name its folder"
            )
    if len({part.of.benchmark.source for part in parts}) < len(parts):
        raise ConfigError(f"{path} holds several results of one data set; name one of them")
    return parts


def _known(folder: Path) -> list[Path]:
    """Return the data sets' folders (MedEvalKit) or files below a folder, but for those we have no source for."""
    below = sorted([*folder.glob("*"), *folder.glob("*/*")])  # MODEL/DATE_samples_…
    found = [one for one in below if (form := _format(one)).name(one) in form.sets]
    return [one for one in found if one.is_dir() and any(result_files(one))] or [one for one in found if _is_file(one)]


def _is_file(path: Path) -> bool:
    return path.suffix in (*SUFFIXES, ".jsonl")


def _format(path: Path) -> ResultFormat:
    if path.is_dir() or FILE_NAME.fullmatch(path.name):
        return MEDEVALKIT
    return LMMS_EVAL if path.suffix == ".jsonl" else VLMEVALKIT


def _unknown(path: Path) -> str:
    """Return the data sets of a folder that we have no source for, in words."""
    children = sorted(path.iterdir())
    found = [child.name for child in children if child.is_dir() and any(result_files(child))]
    found += [child.name for child in children if child.is_file() and _is_file(child)]
    return f"results of sets that are not known here ({', '.join(found[:10])})" if found else "no results"


def _vlmevalkit_name(file: Path) -> str:
    """Return the data set that a file's name ends in (``Qwen2.5-VL-7B_MMMU_DEV_VAL.xlsx``), or the name."""
    stem = file.stem.removesuffix(OPENENDED)
    return next((name for name in VLMEVALKIT_SETS if f"_{stem}".endswith(f"_{name}")), file.stem)


def _log_rows(path: Path) -> Rows:
    """Yield the questions and replies of a sample log of lmms-eval, of one of our tasks."""
    for place, line in enumerate(read_rows(path)):
        try:
            if line.fault:
                raise ValueError(f"{line.fault} ({line.detail})")
            # "resps" is there where its filters have changed the reply, such as by dropping the reasoning
            reply = line.fields["resps"] if "resps" in line.fields else line.fields["filtered_resps"]
            while isinstance(reply, list):
                reply = reply[0]
            kept = columns(sample_of(line.fields["infimed_accuracy"]))
            yield place, {**kept, "prediction": reply, "prompt": line.fields.get("input", "")}
        except (LookupError, TypeError, ValueError) as error:
            raise DataError(
                f"{path}:{line.number}: no line of a sample log of our tasks ({type(error).__name__}: {error}); run "
                "them with --log_samples and the task files of this version"
            ) from error


def _of_health(row: dict[str, Json]) -> bool:
    """True for a row of MMMU's validation rows of health and medicine; files without these columns hold no other."""
    domain, split = str(row.get("l2-category") or "health"), str(row.get("split") or "validation")
    return domain.lower().startswith("health") and split == "validation"


MEDEVALKIT = ResultFormat(
    "MedEvalKit's results.json in a folder", MEDEVALKIT_SETS, set_name, shaped_rows, ("response", "answer")
)
VLMEVALKIT = ResultFormat(
    f"VLMEvalKit's MODEL_DATASET{SUFFIXES_TEXT} of",
    VLMEVALKIT_SETS,
    _vlmevalkit_name,
    lambda file: enumerate(table_rows(file)),
    ("prediction", "index"),
)
LMMS_EVAL = ResultFormat(
    f"lmms-eval's DATE{_LOG}TASK.jsonl of",
    OUR_SETS,
    lambda file: file.stem.partition(_LOG)[2],
    _log_rows,
    ("prediction", "id"),
)
FORMATS = (MEDEVALKIT, VLMEVALKIT, LMMS_EVAL)
