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


def write_jsonl(
    rows: Iterable[ExportRow],
    folder: Path,
    store_root: Path,
    _: str = "",
    *,
    to_row: Callable[[ExportRow, Path], dict[str, Any]],
    name_of: Callable[[str], str] = str,
) -> dict[str, int]:
    """Write ``train.jsonl``, ``val.jsonl`` and ``…_text.jsonl``; return the rows of each file, image sets first.

    ``name_of`` gives another name for ``train`` and ``val``.
    """
    counts: dict[str, int] = {}
    with ExitStack() as stack:
        files: dict[str, TextIO] = {}
        for row in rows:
            dataset = name_of(row.into) + ("" if row.images else "_text")
            if dataset not in files:
                partial = stack.enter_context(whole_file(folder / f"{dataset}.jsonl"))
                files[dataset] = stack.enter_context(partial.open("w", encoding="utf-8", newline="\n"))
            files[dataset].write(json.dumps(to_row(row, store_root), ensure_ascii=False) + "\n")
            counts[dataset] = counts.get(dataset, 0) + 1
    ordered = sorted(counts, key=lambda dataset: (dataset.endswith("_text"), dataset))
    return {f"{dataset}.jsonl": counts[dataset] for dataset in ordered}
