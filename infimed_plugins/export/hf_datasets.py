"""Write samples as a Hugging Face data set on disk: ``datasets.load_from_disk("BUILD/train")``.

id, source, task, language    string
question                      string, bare: no options, no image tags
prompt                        string, as a model is asked, one ``<image>`` for each image
target                        string, what a model is trained to say
options                       list of strings, [] without any
answer                        string: {"task": "multiple_choice", "answer": "B", …}
rationale                     string, "" without one
images                        list of images
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from infimed_plugins import prompts
from infimed_plugins.errors import optional_module
from infimed_plugins.export import ExportRow, Format
from infimed_plugins.storage import whole_folder

_TEXTS = ("id", "source", "task", "language", "question", "prompt", "target", "answer", "rationale")
WRITER_ROWS = 100  # held in memory at a time


def write(rows: Iterable[ExportRow], folder: Path, store_root: Path, _: str = "") -> dict[str, int]:
    """Write a data set for each of ``train`` and ``val`` into ``folder``; return the rows of each Arrow file."""
    new_writer = optional_module("datasets.arrow_writer", "writing Hugging Face data sets", "data").ArrowWriter
    from datasets import Dataset, Features, Image, Sequence, Value

    features = Features(
        {name: Value("string") for name in _TEXTS} | {"options": Sequence(Value("string")), "images": Sequence(Image())}
    )
    writers: dict[str, tuple[Any, Path]] = {}
    counts = {}
    with ExitStack() as stack:
        for row in rows:
            if row.into not in writers:
                partial = stack.enter_context(whole_folder(folder / row.into))
                (partial / "rows").mkdir()
                path = str(partial / "rows" / "rows.arrow")
                writers[row.into] = new_writer(path=path, features=features, writer_batch_size=WRITER_ROWS), partial
            writers[row.into][0].write(dataset_row(row, store_root))
        for into, (writer, partial) in sorted(writers.items()):
            counts[f"{into}/{FILE}"], _ = writer.finalize()
            data = Dataset.from_file(str(partial / "rows" / "rows.arrow"))
            data._fingerprint = f"infimed-{into}"  # else a random one, and no two builds are the same
            data.save_to_disk(str(partial), num_shards=1)
            shutil.rmtree(partial / "rows")
    return counts


FILE, BESIDE = "data-00000-of-00001.arrow", ("dataset_info.json", "state.json")


def dataset_row(row: ExportRow, store_root: Path) -> dict[str, Any]:
    """Return a row of the data set, its images read from the store."""
    sample = row.sample
    return {
        "id": sample.id,
        "source": sample.source,
        "task": sample.task,
        "language": sample.language,
        "question": sample.question,
        "prompt": prompts.render(sample, row.style),
        "target": prompts.target(sample, row.style),
        "answer": sample.ground_truth.to_json(),
        "rationale": sample.rationale or "",
        "options": list(sample.options or ()),
        "images": [{"bytes": (store_root / path).read_bytes(), "path": None} for path in row.images],
    }


FORMAT = Format(write, 'datasets.load_from_disk("{folder}/train")', beside=BESIDE)
