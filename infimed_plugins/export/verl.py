"""Write samples as verl's RLHFDataset reads them (verl 0.9.1): ``train.parquet`` and ``val.parquet``.

    data_source   string                  what validation is grouped by, and the reward is told
    prompt        list<{role, content}>   one user turn, an ``<image>`` for each image, with the reasoning instruction
    images        list<{bytes}>           encoded images; [] in a text row
    ability       string                  the task
    reward_model  {style, ground_truth}   ground_truth: {"task": "text", "answer": "liver"}
    extra_info    {index, split, id, style}

``_build_messages`` (verl/utils/dataset/rl_dataset.py:267) puts the images into the places of the tags and asserts that
there are as many; the reward manager reads ``reward_model`` and ``data_source``
(verl/experimental/reward_loop/reward_manager/naive.py:44).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from infimed_plugins import prompts
from infimed_plugins.errors import optional_module
from infimed_plugins.export import ExportRow
from infimed_plugins.export.parquet import embedded, write_parquet


def write(rows: Iterable[ExportRow], folder: Path, store_root: Path) -> dict[str, int]:
    """Write the files into ``folder``; return the rows of each. Image paths are relative to ``store_root``."""
    arrow = optional_module("pyarrow", "writing parquet", "data")
    text = arrow.string()
    columns = {
        "data_source": text,
        "prompt": arrow.list_(arrow.struct([("role", text), ("content", text)])),
        "images": arrow.list_(arrow.struct([("bytes", arrow.binary())])),
        "ability": text,
        "reward_model": arrow.struct([("style", text), ("ground_truth", text)]),
        "extra_info": arrow.struct([("index", arrow.int64()), ("split", text), ("id", text), ("style", text)]),
    }
    return write_parquet(rows, folder, store_root, arrow.schema(list(columns.items())), parquet_row)


def parquet_row(row: ExportRow, store_root: Path, number: int) -> dict[str, Any]:
    """Return a row of the parquet file, its images read from the store."""
    sample = row.sample
    return {
        "data_source": sample.source,
        "prompt": [{"role": "user", "content": prompts.render(sample, row.style)}],
        "images": embedded(row, store_root),
        "ability": sample.task,
        "reward_model": {"style": "rule", "ground_truth": sample.ground_truth.to_json()},
        "extra_info": {"index": number, "split": row.into, "id": sample.id, "style": row.style},
    }
