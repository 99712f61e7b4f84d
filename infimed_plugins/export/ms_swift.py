"""Write samples as ms-swift reads them (4.6): JSON lines for ``swift rlhf`` and ``swift sft``, the images beside.

A row::

    {"messages": [{"role": "user", "content": "<image>Which organ is shown?\\nAnswer with a word …"}],
     "images": ["images/ab/ab3f….png"], "ground_truth": "{\\"task\\": \\"text\\", \\"answer\\": \\"liver\\"}",
     "id": "phantom-train-00004-organ"}

Where there is a text to train on (a direct answer, or reasoning) an assistant turn follows, for SFT; GRPO takes it off
(``remove_response``, swift/rlhf_trainers/grpo_trainer.py:838). Start it with ROOT_IMAGE_DIR=BUILD, which the paths are
relative to (swift/template/vision_utils.py:113). GRPO keeps the other columns and hands them to the reward
(swift/arguments/rlhf_args.py:349).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from infimed_plugins.export import ExportRow
from infimed_plugins.export.llamafactory import sharegpt_row


def swift_row(row: ExportRow, _: Path) -> dict[str, Any]:
    """Return the row as ms-swift reads it; no ``images`` in a text row."""
    made = sharegpt_row(row)
    turns = made["messages"] if row.style == "direct" or row.sample.rationale else made["messages"][:1]
    images = {"images": made["images"]} if row.images else {}
    return {"messages": turns, **images, "ground_truth": row.sample.ground_truth.to_json(), "id": made["id"]}
