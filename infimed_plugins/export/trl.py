"""Rows as TRL's GRPOTrainer takes them (TRL 1.16): parquet that ``trl grpo --dataset_name BUILD`` loads.

``trl grpo`` calls ``load_dataset(dataset_name)`` (trl/scripts/grpo.py:132), which reads no saved data set; the card
``README.md`` names the file of each split, ``train`` and ``validation``, or ``samples/train.jsonl`` would be one, too.
The images go before the text of the first user turn (``prepare_multimodal_messages``, trl/data_utils.py:82). Columns
beside ``prompt`` reach the reward as lists (trl/trainer/grpo_trainer.py:1584).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from infimed_plugins import prompts
from infimed_plugins.export import ExportRow
from infimed_plugins.export.parquet import embedded, write_parquet
from infimed_plugins.storage import write_whole

CARD = "README.md"  # of a data set, as the hub's and local ones have
_SPLITS = {"train": "train", "val": "validation"}
_TEXT = {"dtype": "string", "_type": "Value"}
_FEATURES = {  # in a spelling that `datasets` 2.16 to 5 reads
    "prompt": [{"role": _TEXT, "content": _TEXT}],
    "images": [{"_type": "Image"}],
    **dict.fromkeys(("ground_truth", "id", "source", "task", "style"), _TEXT),
}


def write(rows: Iterable[ExportRow], folder: Path, store_root: Path, _: str = "") -> dict[str, int]:
    """Write the files and their card into ``folder``; return the rows of each file."""
    metadata = {"huggingface": json.dumps({"info": {"features": _FEATURES}})}
    image = {"bytes": b"", "path": ""}  # without a path the features would not fit, and pictures stay dicts of bytes
    counts = write_parquet(rows, folder, store_root, to_row=trl_row, image=image, metadata=metadata)
    splits = "".join(f"  - split: {_SPLITS[Path(file).stem]}\n    path: {file}\n" for file in counts)
    write_whole(folder / CARD, f"---\nconfigs:\n- config_name: default\n  data_files:\n{splits}---\n")
    return counts


def trl_row(row: ExportRow, store_root: Path, _number: int) -> dict[str, Any]:
    """Return a row, with the reasoning instruction in the prompt and no image tags; ``images`` is [] in a text row."""
    sample = row.sample
    asked = prompts.render(sample, row.style).removeprefix(prompts.IMAGE_TAG * len(row.images))
    return {
        "prompt": [{"role": "user", "content": asked}],
        "images": embedded(row, store_root),
        "ground_truth": sample.ground_truth.to_json(),
        "id": sample.id,
        "source": sample.source,
        "task": sample.task,
        "style": row.style,
    }
