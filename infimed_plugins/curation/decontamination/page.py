"""A page of what decontamination found: each row beside the benchmark's, the two images side by side.

    write_page(Path("runs/decontamination/slake.jsonl"), Path("slake.html"))

One file, offline. What was dropped comes first, the farthest matches of each reason on top: those to doubt. Above
stand the thresholds and what is known to escape them (escapes.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infimed_plugins import pages
from infimed_plugins.curation.decontamination import escapes
from infimed_plugins.curation.decontamination.step import DecontaminationSettings
from infimed_plugins.curation.step_settings import read_settings
from infimed_plugins.errors import DataError, MissingFileError
from infimed_plugins.limits import parse_json

ROWS = 200


def write_page(report: Path, path: Path, *, rows: int = ROWS, settings: Mapping[str, Any] | None = None) -> None:
    """Write the page of a report, made with the step's settings.

    Raises MissingFileError without a report, MissingExtraError without jinja2.
    """
    found = read_report(report)
    counts = Counter((row["benchmark"], row["why"], row["dropped"]) for row in found)
    shown = [
        {**row, **{side: _data_uri(report.parent, row[side]) for side in ("sample_image", "item_image")}}
        for row in sorted(found, key=_doubt)[:rows]
    ]
    read = read_settings(DecontaminationSettings, "decontamination", settings or {})
    pages.write_page(
        path,
        Path(__file__).with_name("page.html.jinja"),
        title=report.stem,
        counts=sorted(counts.items()),
        rows=shown,
        total=len(found),
        thresholds=escapes.thresholds(read),
        escapes=escapes if read.tier == "hashes" else None,
    )


def read_report(report: Path) -> list[dict[str, Any]]:
    """The rows of a report. Raises MissingFileError without one, DataError for a line that is none."""
    if not report.is_file():
        raise MissingFileError(f"there is no report {report}; name it as the setting report of decontamination")
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(report.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            rows.append(parse_json(line))
        except ValueError as error:
            raise DataError(f"{report}, line {number}, is no JSON; run decontamination again") from error
    return rows


def _doubt(row: dict[str, Any]) -> tuple[bool, str, float]:
    distance = row["image_distance"] or 0
    return not row["dropped"], row["why"], (row["question_similarity"] or row["similarity"] or 0.0) - distance


def _data_uri(folder: Path, name: str | None) -> str | None:
    """An image of the report, None where there is none; names that lead out of its folder are not followed."""
    path = (folder / (name or "")).resolve()
    if not name or not path.is_file() or not path.is_relative_to(folder.resolve()):
        return None
    return pages.data_uri(path.read_bytes())
