"""Write samples as OpenRLHF's PromptDataset reads them (0.11.2): JSON lines with the images in the rows.

A row::

    {"prompt": "<image>Which organ is shown?\\nAnswer with a word …", "images": ["data:image/png;base64,iVBO…"],
     "ground_truth": "{\\"task\\": \\"text\\", \\"answer\\": \\"liver\\"}", "datasource": "phantom", "id": "…"}

The flags: ``--data.input_key prompt --data.label_key ground_truth --data.apply_chat_template
--data.max_images_per_prompt 1`` (``--data.image_key`` is ``images`` by default). The tags become image parts of the
turn (``_str_to_content_list``, openrlhf/datasets/prompts_dataset.py:7). Images are opened by a Ray actor
(``load_images``, openrlhf/utils/vlm_utils.py:30), which has a working directory of its own, so paths would be lost; one
that does not open is left out with a warning.
"""

from __future__ import annotations

import mimetypes
from base64 import b64encode
from pathlib import Path
from typing import Any

from infimed_plugins import prompts
from infimed_plugins.export import ExportRow
from infimed_plugins.export.parquet import embedded


def prompt_row(row: ExportRow, store_root: Path) -> dict[str, Any]:
    """Return the row as OpenRLHF reads it, its images read from the store; no ``images`` in a text row."""
    sample, kinds = row.sample, (mimetypes.guess_type(path)[0] for path in row.images)
    images = [
        f"data:{kind};base64,{b64encode(image['bytes']).decode()}"
        for kind, image in zip(kinds, embedded(row, store_root), strict=True)
    ]
    return {
        "prompt": prompts.render(sample, row.style),
        **({"images": images} if images else {}),
        "ground_truth": sample.ground_truth.to_json(),
        "datasource": sample.source,
        "id": sample.id,
    }
