"""Write rows as JSON lines, rows with and without images in files of their own, line by line.

The JSON loader of `datasets` (4.0 and 5.2), which LLaMA-Factory, ms-swift and OpenRLHF read with, takes the columns and
their types from the first 10 MiB of a file: a thousand text rows before the first image end in ``Couldn't cast array of
type list<item: string> to null``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from infimed_plugins.export import ExportRow
from infimed_plugins.storage import whole_file


def set_name(name: str, row: ExportRow) -> str:
    """Return the data set a row belongs to: ``NAME[_val][_text]``; without a name ``train[_text]``, ``val[_text]``."""
    into = "" if row.into == "train" else f"_{row.into}"
    return (f"{name}{into}" if name else row.into) + ("" if row.images else "_text")


def write_jsonl(
    rows: Iterable[ExportRow], folder: Path, name: str, to_row: Callable[[ExportRow], dict[str, Any]]
) -> dict[str, int]:
    """Write a ``.jsonl`` file for each set into ``folder``; return the rows of each file, image sets first."""
    counts: dict[str, int] = {}
    with ExitStack() as stack:
        files: dict[str, TextIO] = {}
        for row in rows:
            dataset = set_name(name, row)
            if dataset not in files:
                partial = stack.enter_context(whole_file(folder / f"{dataset}.jsonl"))
                files[dataset] = stack.enter_context(partial.open("w", encoding="utf-8", newline="\n"))
            files[dataset].write(json.dumps(to_row(row), ensure_ascii=False) + "\n")
            counts[dataset] = counts.get(dataset, 0) + 1
    ordered = sorted(counts, key=lambda dataset: (dataset.endswith("_text"), dataset))
    return {f"{dataset}.jsonl": counts[dataset] for dataset in ordered}
