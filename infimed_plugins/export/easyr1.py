"""Write samples as EasyR1 reads them: one parquet file for each set, ``train.parquet`` and ``val.parquet``.

    problem  string                     the question with its image tags (EasyR1's jinja template adds the instruction)
    answer   string                     {"task": "text", "answer": "liver"}
    images   list<struct<bytes: binary>>  encoded images; [] in a text row
    id       string
    task     string
    style    string                     reasoning, or direct: which of the two templates of easyr1_configs/ to name

The images are in the file itself: on a Ray cluster the reading process has a working directory of its own, so paths
would be lost (verl/utils/dataset.py, process_image, reads ``{"bytes": …}``). Text rows need an empty list: EasyR1
asks every row for its length. A run has one template for
all rows; `infimed check rl` says where a row's style is another.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from infimed_plugins import prompts
from infimed_plugins.export import ExportRow
from infimed_plugins.export.parquet import embedded


def parquet_row(row: ExportRow, store_root: Path, _number: int = 0) -> dict[str, Any]:
    """Return a row of the parquet file, its images read from the store."""
    return {
        "problem": prompts.question_text(row.sample),
        "answer": row.sample.ground_truth.to_json(),
        "images": embedded(row, store_root),
        "id": row.sample.id,
        "task": row.sample.task,
        "style": row.style,
    }
