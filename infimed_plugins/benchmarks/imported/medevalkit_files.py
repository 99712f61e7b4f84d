"""Read MedEvalKit's result files: the rows of a data set with their places among upstream's, chunks put in order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from infimed_plugins.benchmarks.imported.result_rows import json_rows
from infimed_plugins.errors import DataError
from infimed_plugins.records import Json

Rows = Iterator[tuple[int, dict[str, Json]]]  # with their places
FILE_NAME = re.compile(r"results(?:_\d+)?\.json|parsed_output\.json|output_sample\.json")
_SHAPES = {"choices": list, "all_choices": list, "index2ans": dict}  # types of its fields
_MMMU_FILES = ("*/parsed_output.json", "*/output_sample.json")


def result_files(folder: Path) -> Iterator[Path]:
    """Yield the result files of a data set's folder."""
    for pattern in ("results.json", "results_*.json", *_MMMU_FILES):
        yield from folder.glob(pattern)


def set_name(part: Path) -> str:
    """Return the name of the data set's folder, which is that of a file or lies above it."""
    folder = part if part.is_dir() else part.parent
    deeper = part.is_file() and not part.name.startswith("results")  # MMMU's files
    return folder.parent.name if deeper else folder.name


def shaped_rows(part: Path) -> Rows:
    """Yield the rows of MedEvalKit, whose options its rules can judge."""
    for position, row in _rows(part):
        for name, kind in _SHAPES.items():
            if row.get(name) is not None and not isinstance(row[name], kind):
                wanted = "a list" if kind is list else "an object of letters"
                raise DataError(f"{part}: a row's {name!r} is not {wanted}; name the file that the run itself wrote")
        yield position, row


def _rows(path: Path) -> Rows:
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


def _in_order(path: Path) -> Rows:
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
