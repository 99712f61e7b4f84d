"""Write samples as LLaMA-Factory reads them: ShareGPT rows, one JSON object a line, and a ``dataset_info.json``.

A row::

    {"messages": [{"role": "user", "content": "<image>Which organ is shown?\\nAnswer with a word …"},
                  {"role": "assistant", "content": "liver"}],
     "images": ["images/ab/ab3f….png"], "id": "phantom-train-00004-organ"}

Rows with and without images go to sets of their own, ``NAME`` and ``NAME_text``: LLaMA-Factory 0.9.5 fails with
``Couldn't cast array of type list<item: string> to null`` when a thousand text rows come before the first image, so
image sets are also listed first. ``media_dir`` and ``dataset_dir`` are both the build folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from infimed_plugins import prompts
from infimed_plugins.export import ExportRow
from infimed_plugins.storage import whole_file, write_whole

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


def set_name(name: str, row: ExportRow) -> str:
    """Return the data set a row belongs to: ``NAME[_val][_text]``."""
    return name + ("" if row.into == "train" else f"_{row.into}") + ("" if row.images else "_text")


def write(rows: Iterable[ExportRow], folder: Path, name: str) -> dict[str, int]:
    """Write a ``.jsonl`` file per set and ``dataset_info.json``; return the rows of each file, image sets first."""
    counts: dict[str, int] = {}
    with ExitStack() as stack:
        files: dict[str, TextIO] = {}
        for row in rows:
            dataset = set_name(name, row)
            if dataset not in files:
                partial = stack.enter_context(whole_file(folder / f"{dataset}.jsonl"))
                files[dataset] = stack.enter_context(partial.open("w", encoding="utf-8", newline="\n"))
            files[dataset].write(json.dumps(sharegpt_row(row), ensure_ascii=False) + "\n")
            counts[dataset] = counts.get(dataset, 0) + 1
    ordered = sorted(counts, key=lambda dataset: (dataset.endswith("_text"), dataset))
    write_whole(folder / REGISTRY_FILE, json.dumps(dataset_info(ordered), indent=2) + "\n")
    return {f"{dataset}.jsonl": counts[dataset] for dataset in ordered}


def dataset_info(datasets: Iterable[str]) -> dict[str, Any]:
    """Return the registry LLaMA-Factory reads from its ``dataset_dir``."""
    return {
        dataset: {"file_name": f"{dataset}.jsonl", "formatting": "sharegpt", "columns": COLUMNS, "tags": TAGS}
        for dataset in datasets
    }
