"""Write samples as LLaMA-Factory reads them: ShareGPT rows, one JSON object a line, and a ``dataset_info.json``.

A row::

    {"messages": [{"role": "user", "content": "<image>Which organ is shown?\\nAnswer with a word …"},
                  {"role": "assistant", "content": "liver"}],
     "images": ["images/ab/ab3f….png"], "id": "phantom-train-00004-organ"}

Rows with and without images go to sets of their own, ``NAME`` and ``NAME_text`` (jsonl.py says why), image sets listed
first. ``media_dir`` and ``dataset_dir`` are both the build folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from infimed_plugins import prompts
from infimed_plugins.export import ExportRow
from infimed_plugins.export.jsonl import write_jsonl
from infimed_plugins.storage import write_whole

REGISTRY_FILE = "dataset_info.json"  # the name LLaMA-Factory looks for (data/parser.py)


# every column and tag is named: naming one resets all others to None (llamafactory/data/parser.py, DatasetAttr.join)
COLUMNS = {"messages": "messages", "images": "images"}
TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "observation_tag": "observation",
    "function_tag": "function_call",
    "system_tag": "system",
}


def sharegpt_row(row: ExportRow) -> dict[str, Any]:
    """Return the row as LLaMA-Factory reads it."""
    asked = prompts.render(row.sample, row.style)
    answer = prompts.escape_media_tags(prompts.target(row.sample, row.style))
    turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
    return {"messages": turns, "images": list(row.images), "id": row.sample.id}


def write(rows: Iterable[ExportRow], folder: Path, name: str) -> dict[str, int]:
    """Write a ``.jsonl`` file per set and ``dataset_info.json``; return the rows of each file, image sets first."""
    counts = write_jsonl(
        rows,
        folder,
        folder,
        to_row=lambda row, _: sharegpt_row(row),
        name_of=lambda into: name + ("" if into == "train" else f"_{into}"),
    )
    registry = dataset_info(file.removesuffix(".jsonl") for file in counts)
    write_whole(folder / REGISTRY_FILE, json.dumps(registry, indent=2) + "\n")
    return counts


def dataset_info(datasets: Iterable[str]) -> dict[str, Any]:
    """Return the registry LLaMA-Factory reads from its ``dataset_dir``."""
    return {
        dataset: {"file_name": f"{dataset}.jsonl", "formatting": "sharegpt", "columns": COLUMNS, "tags": TAGS}
        for dataset in datasets
    }
