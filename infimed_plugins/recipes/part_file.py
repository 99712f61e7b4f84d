"""A part's finished rows on disk, so that a build that was ended goes on behind its last finished part.

``PART.jsonl`` holds an ExportRow a line, its images in the store; ``PART.json`` the counts, written last: its
presence means that the part is whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from infimed_plugins.errors import DataError
from infimed_plugins.export import ExportRow, whole_file
from infimed_plugins.recipes.manifest import PartCount
from infimed_plugins.records import ImageRef, Sample


class PartFile:
    """The file of one part in a build's work folder."""

    def __init__(self, folder: Path, part: str) -> None:
        self._rows = folder / f"{part}.jsonl"
        self._count = folder / f"{part}.json"
        self._rejects = folder / f"{part}.rejects.jsonl"

    def count(self) -> PartCount | None:
        """The counts of the finished part; None when it is not finished."""
        return PartCount(**json.loads(self._count.read_text(encoding="utf-8"))) if self._count.exists() else None

    def write(self, lines: Iterable[str]) -> None:
        """Write the rows, whole or not at all."""
        with whole_file(self._rows) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{line}\n" for line in lines)

    def write_rejects(self, rejects: Iterable[Mapping[str, str]]) -> None:
        """Write the rows that cannot be used, each with its reason."""
        with whole_file(self._rejects) as partial:
            lines = [json.dumps(reject, ensure_ascii=False) + "\n" for reject in rejects]
            partial.write_text("".join(lines), encoding="utf-8")

    def reject_lines(self) -> list[str]:
        """The rejects, as JSON lines; none for a part that was not built yet."""
        return self._rejects.read_text(encoding="utf-8").splitlines(keepends=True) if self._rejects.exists() else []

    def finish(self, count: PartCount) -> None:
        """Mark the part finished."""
        with whole_file(self._count) as partial:
            partial.write_text(json.dumps(asdict(count)), encoding="utf-8")

    def rows(self, store_root: Path) -> Iterator[ExportRow]:
        """The finished rows, in the order they were written."""
        with self._rows.open(encoding="utf-8") as file:
            for line in file:
                yield _from_json(json.loads(line), store_root)


def row_to_line(row: ExportRow) -> str:
    """One line of a part file. Raises DataError when the sample's meta is no JSON."""
    sample = {f.name: getattr(row.sample, f.name) for f in fields(Sample) if f.name != "images"}
    try:
        line = {"sample": {**sample, "meta": dict(row.sample.meta)}, "images": row.images}
        return json.dumps({**line, "style": row.style, "into": row.into}, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"sample {row.sample.id} holds a value that is no JSON: {error}") from error


def _from_json(raw: dict[str, Any], store_root: Path) -> ExportRow:
    sample = raw["sample"]
    options = None if sample["options"] is None else tuple(sample["options"])
    images = tuple(ImageRef(path=str(store_root / path)) for path in raw["images"])
    return ExportRow(
        Sample(**{**sample, "options": options, "images": images}), tuple(raw["images"]), raw["style"], raw["into"]
    )
