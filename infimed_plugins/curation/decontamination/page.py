"""Write an HTML page of what decontamination found: each row beside the benchmark's, with both images.

    write_page(Path("runs/decontamination/slake.jsonl"), Path("slake.html"))

One file, offline. Dropped rows come first, the most doubtful (farthest) matches of each reason on top. Above are the
thresholds, and the share of copies that the CPU tier's defaults find, as tests/measure/bench_decontamination.py
measured it on phantoms, which are as alike as radiographs of one view, and on blurred noise, not on real radiographs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from infimed_plugins import pages
from infimed_plugins.curation.decontamination import DecontaminationSettings
from infimed_plugins.errors import DataError, MissingFileError
from infimed_plugins.limits import parse_json

ROWS = 200
MEASURED_BY = "tests/measure/bench_decontamination.py"
PICTURES = "400 phantoms and 400 pictures of noise"


class Measured(NamedTuple):
    """A change of a copy, the share of such copies that is found, and of what."""

    change: str
    found: str
    of: str


COLUMNS = ("changed copy", "found", "of")
MEASURED = (
    Measured("resized to a half, then JPEG of quality 75", "100%", PICTURES),
    Measured("mirrored, or turned by 90 degrees", "100%", PICTURES),
    Measured("brightness or contrast up by a fifth", "100%", PICTURES),
    Measured("cropped by 2%", "58% and 99%", PICTURES),
    Measured("cropped by 5% or more", "none", PICTURES),
    Measured("turned by 5 degrees", "none", PICTURES),
    Measured("another picture, taken for a copy", "0.04% and 0.00%", PICTURES),
    Measured("question about the same image, reworded", "82%", "22 questions"),
    Measured("another question about the same image, taken for it", "12%", "24 questions"),
    Measured("text without an image, one word in ten replaced", "99%", "300 vignettes"),
    Measured("text without an image, one word in seven replaced", "34%", "300 vignettes"),
)


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
    read = DecontaminationSettings.read("decontamination", settings or {})
    pages.write_page(
        path,
        Path(__file__).with_name("page.html.jinja"),
        title=report.stem,
        counts=sorted(counts.items()),
        rows=shown,
        total=len(found),
        thresholds=thresholds(read),
        columns=COLUMNS,
        measured=MEASURED if read.tier == "hashes" else (),
        measured_by=MEASURED_BY,
    )


def thresholds(settings: DecontaminationSettings) -> str:
    """Return the thresholds of a run in words."""
    if settings.tier == "embeddings":
        return f"image and question embedded together with a cosine above {settings.similarity}"
    return (
        f"images within {settings.image_distance} of 64 bits, in any of 8 orientations, that correlate from "
        f"{settings.image_correlation}; questions about one image from {settings.question_similarity} of their content "
        f"words; texts that stand alone, of {settings.least_tokens} words or more, from {settings.text_similarity} of "
        "their pairs of words"
    )


def read_report(report: Path) -> list[dict[str, Any]]:
    """Return the rows of a report. Raises MissingFileError without one, DataError for a line that is none."""
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
    """Return an image of the report, None where there is none; names that leave its folder are not followed."""
    path = (folder / (name or "")).resolve()
    if not name or not path.is_file() or not path.is_relative_to(folder.resolve()):
        return None
    return pages.data_uri(path.read_bytes())
