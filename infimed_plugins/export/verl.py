"""Rows as verl's RLHFDataset reads them (verl 0.9.1), in ``train.parquet`` and ``val.parquet``.

The images take the places of the ``<image>`` tags of the one turn, and there must be as many (``_build_messages``,
verl/utils/dataset/rl_dataset.py:299); the reward manager reads ``reward_model`` and ``data_source``, which groups the
validation (verl/experimental/reward_loop/reward_manager/naive.py:42).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from infimed_plugins import prompts
from infimed_plugins.export import ExportRow
from infimed_plugins.export.parquet import embedded


def verl_row(row: ExportRow, store_root: Path, number: int) -> dict[str, Any]:
    """Return a row, with the reasoning instruction in the prompt; ``images`` is [] in a text row."""
    sample = row.sample
    return {
        "data_source": sample.source,
        "prompt": [{"role": "user", "content": prompts.render(sample, row.style)}],
        "images": embedded(row, store_root),
        "ability": sample.task,
        "reward_model": {"style": "rule", "ground_truth": sample.ground_truth.to_json()},
        "extra_info": {"index": number, "split": row.into, "id": sample.id, "style": row.style},
    }
