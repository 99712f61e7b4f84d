"""A part's finished rows on disk, so that a build that was ended goes on behind its last finished part.

``PART.jsonl`` holds a row a line: the sample's fields, its images as paths in the store, its prompt style and set.
``PART.json`` holds the counts and the sha256 of the others, and is written last: the part is whole while they agree.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from infimed_plugins.errors import DataError
from infimed_plugins.export import ExportRow
from infimed_plugins.limits import parse_json, read_json
from infimed_plugins.recipes.manifest import PartCount
from infimed_plugins.recipes.sampling import Tally
from infimed_plugins.records import ImageRef, Sample
from infimed_plugins.storage import sha256_of, whole_file, write_whole

REJECTS_FILE, INPUTS_FILE = "rejects.jsonl", "inputs.sha256"  # of a build; each part has its own until then


class PartFile:
    """The file of one part in a build's work folder."""

    def __init__(self, folder: Path, part: str) -> None:
        self.path = folder / f"{part}.jsonl"
        self.aside = folder / f"{part}.aside.jsonl"
        self._count = folder / f"{part}.json"
        self.beside = {name: folder / f"{part}.{name}" for name in (REJECTS_FILE, INPUTS_FILE)}

    def count(self) -> PartCount | None:
        """The counts of the finished part; None when it is not finished, or its files have changed since."""
        try:
            raw = read_json(self._count)
            if raw.pop("files") == self._hashes():
                return PartCount.of_json(raw)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass
        return None

    def _hashes(self) -> dict[str, str]:
        paths = (self.path, self.aside, *self.beside.values())
        return {path.name: sha256_of(path) for path in paths if path.exists()}

    def write(self, lines: Iterable[str]) -> None:
        """Write the rows, whole or not at all."""
        with whole_file(self.path) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{line}\n" for line in lines)

    def write_beside(self, tally: Tally) -> None:
        """Write the rows that cannot be used with their reasons, by id as processes finish them in any order; what
        the steps put aside, without images: their ids lead back to the source; and the user's pictures (inputs.py)."""
        rejects = sorted(tally.rejects, key=lambda reject: reject["id"])
        write_whole(self.beside[REJECTS_FILE], "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rejects))
        pictures = sorted(tally.pictures.items())
        write_whole(self.beside[INPUTS_FILE], "".join(f"{sha}  {name}\n" for name, sha in pictures))
        if lines := [_bare_line(sample) + "\n" for sample in tally.aside]:
            write_whole(self.aside, "".join(lines))
        else:
            self.aside.unlink(missing_ok=True)

    def listed(self, name: str) -> list[str]:
        """The lines of its file for that of a build; none for a part that was not built yet."""
        path = self.beside[name]
        return path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []

    def finish(self, count: PartCount) -> None:
        """Mark the part finished."""
        write_whole(self._count, json.dumps(asdict(count) | {"files": self._hashes()}))

    def reopen(self) -> None:
        """Mark the part unfinished."""
        self._count.unlink(missing_ok=True)

    def images(self) -> set[str]:
        """The images that the rows name."""
        with self.path.open(encoding="utf-8") as file:
            return {image for line in file for image in json.loads(line)["images"]}

    def rows(self, store_root: Path) -> Iterator[ExportRow]:
        """The finished rows, in the order they were written."""
        with self.path.open(encoding="utf-8") as file:
            for line in file:
                yield _from_json(parse_json(line, self.path), store_root)


def row_to_line(row: ExportRow) -> str:
    """One line of a part file. Raises DataError when the sample's meta is no JSON."""
    line = {f.name: getattr(row.sample, f.name) for f in fields(Sample)}
    line |= {"meta": dict(row.sample.meta), "images": row.images, "style": row.style, "into": row.into}
    try:
        return json.dumps(line, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"sample {row.sample.id} holds a value that is no JSON: {error}") from error


def _bare_line(sample: Sample) -> str:
    line = {f.name: getattr(sample, f.name) for f in fields(Sample) if f.name != "images"}
    return json.dumps(line | {"meta": dict(sample.meta)}, ensure_ascii=False)


def _from_json(raw: dict[str, Any], store_root: Path) -> ExportRow:
    style, into, paths = raw.pop("style"), raw.pop("into"), tuple(raw.pop("images"))
    images = tuple(ImageRef(path=str(store_root / path)) for path in paths)
    options = None if raw["options"] is None else tuple(raw["options"])
    return ExportRow(Sample(**{**raw, "options": options, "images": images}), paths, style, into)
