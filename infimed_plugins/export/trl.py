"""Write samples as TRL's GRPOTrainer takes them (TRL 1.16): parquet that ``trl grpo --dataset_name BUILD`` loads.

    prompt        list<{role, content}>   one user turn with the reasoning instruction, without image tags
    images        list<image>             decoded by `datasets`; [] in a text row
    ground_truth  string                  {"task": "text", "answer": "liver"}
    id, source, task, style  string

``trl grpo`` calls ``load_dataset(dataset_name)`` (trl/scripts/grpo.py:142), which reads no saved data set; the card
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
from infimed_plugins.errors import optional_module
from infimed_plugins.export import ExportRow
from infimed_plugins.export.parquet import embedded, write_parquet
from infimed_plugins.storage import write_whole

CARD = "README.md"  # of a data set, as the hub's and local ones have
_SPLITS = {"train": "train", "val": "validation"}
_TEXTS = ("ground_truth", "id", "source", "task", "style")


def write(rows: Iterable[ExportRow], folder: Path, store_root: Path) -> dict[str, int]:
    """Write the files into ``folder``; return the rows of each. Image paths are relative to ``store_root``."""
    arrow = optional_module("pyarrow", "writing parquet", "data")
    text = arrow.string()
    columns = {
        "prompt": arrow.list_(arrow.struct([("role", text), ("content", text)])),
        "images": arrow.list_(arrow.struct([("bytes", arrow.binary()), ("path", text)])),
        **dict.fromkeys(_TEXTS, text),
    }
    schema = arrow.schema(list(columns.items()), {"huggingface": json.dumps({"info": {"features": _features()}})})
    counts = write_parquet(rows, folder, store_root, schema, parquet_row)
    splits = "".join(f"  - split: {_SPLITS[Path(file).stem]}\n    path: {file}\n" for file in counts)
    write_whole(folder / CARD, f"---\nconfigs:\n- config_name: default\n  data_files:\n{splits}---\n")
    return counts


def _features() -> dict[str, Any]:
    """Return the features in the spelling that `datasets` 2.16 to 5 reads, or pictures would stay dicts of bytes."""
    text = {"dtype": "string", "_type": "Value"}
    return {"prompt": [{"role": text, "content": text}], "images": [{"_type": "Image"}], **dict.fromkeys(_TEXTS, text)}


def parquet_row(row: ExportRow, store_root: Path, _number: int = 0) -> dict[str, Any]:
    """Return a row of the parquet file, its images read from the store."""
    sample = row.sample
    asked = prompts.render(sample, row.style).removeprefix(prompts.IMAGE_TAG * len(row.images))
    return {
        "prompt": [{"role": "user", "content": asked}],
        "images": [{**image, "path": None} for image in embedded(row, store_root)],
        "ground_truth": sample.ground_truth.to_json(),
        "id": sample.id,
        "source": sample.source,
        "task": sample.task,
        "style": row.style,
    }
