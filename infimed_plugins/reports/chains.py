"""A page of reflective chains to read: each question with its ten candidates, what the judge said, and the chain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from infimed_plugins.errors import MissingExtraError, MissingFileError
from infimed_plugins.recipes.manifest import Manifest

ROWS = 60


def write_page(folder: Path, manifest: Manifest, path: Path, rows: int = ROWS) -> None:
    """Write the page from a build whose part went through reflective_cot: one file, offline.

    Raises MissingExtraError without jinja2, MissingFileError when the build holds no chains.
    """
    try:
        from jinja2 import Environment
    except ImportError as error:
        raise MissingExtraError("the HTML page", "jinja2", "report") from error
    chains, hard = [], []
    for part in manifest.parts:
        chains += _read(folder / "samples" / f"{part.part}.jsonl", rows)
        hard += _read(folder / "samples" / f"{part.part}.aside.jsonl", rows // 3)
    if not chains and not hard:
        raise MissingFileError(f"{folder} holds no reflective chains; make them with: infimed reflect")
    template = Path(__file__).with_name("chains.html.jinja").read_text(encoding="utf-8")
    counts = sorted((item for part in manifest.parts for item in part.counted.items()), key=_by_number)
    text = Environment(autoescape=True).from_string(template).render(counts=counts, chains=chains, hard=hard)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _by_number(item: tuple[str, int]) -> tuple[int, str]:
    """``9 right of 10`` before ``10 right of 10``, and words behind."""
    first = item[0].split()[0]
    return (int(first), "") if first.isdigit() else (1000, item[0])


def _read(path: Path, limit: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    if path.is_file():
        with path.open(encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                if "reflective" in row["meta"]:
                    rows.append(row)
                if len(rows) == limit:
                    break
    return rows
