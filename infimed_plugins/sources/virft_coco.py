"""ViRFT_COCO: detection in photographs of COCO, for Visual-RFT (Liu et al. 2025). hub: laolao77/ViRFT_COCO

    {"image": … (RGBA), "problem": "Detect all objects belonging to the category 'umbrella' in the image, and provide
     the bounding boxes (between 0 and 1000, integer) and confidence (…).\\nIf no object … return 'No Objects'.\\n…",
     "solution": "<answer>[{'Position': [64, 0, 950, 411], 'Confidence': 1}]</answer>"}

Upstream's boxes are thousandths of the picture's width and height; here they are pixels, rounded to one decimal. The
problem's request for thousandths, confidences and tags is left out: the prompt of the recipe says how to answer.
"""

from __future__ import annotations

import re
from typing import Any

from infimed_plugins.images import image_size
from infimed_plugins.records import Sample
from infimed_plugins.sources.public import PublicSource, Row, UnusableRow, as_text, literal_list

NO_OBJECTS = "no objects"
_CATEGORY = re.compile(r"the category '([^'\n]+)' in the image")
_SOLUTION = re.compile(r"<answer>(.*)</answer>", re.DOTALL)


class VirftCoco(PublicSource):
    """Detection of all objects of one category in a photograph."""

    name = "virft_coco"
    splits = ("train",)
    columns = ("image", "problem", "solution")

    def sample(self, row: Row, split: str) -> Sample:
        """Return boxes in pixels of the original picture; ``meta`` names the category."""
        category = _CATEGORY.search(as_text(row.fields["problem"]))
        if category is None:
            raise UnusableRow("no category", as_text(row.fields["problem"])[:100])
        images = row.image()
        width, height = image_size(images[0].read(), row.id)
        boxes = [in_pixels(box, width, height) for box in positions(as_text(row.fields["solution"]))]
        question = f"Detect all objects of the category '{category[1]}' in the image."
        meta = {"kind": "detection", "category": category[1]}
        return self.make(row, split, question, "detection", boxes, images=images, meta=meta)


def positions(solution: str) -> list[Any]:
    """Return the boxes as upstream writes them, none for "No Objects". Raises UnusableRow for anything else."""
    found = _SOLUTION.search(solution)
    text = (found[1] if found else solution).strip()
    if text.rstrip(".").casefold() == NO_OBJECTS:
        return []
    boxes = literal_list(text)
    if not all(isinstance(box, dict) and "Position" in box for box in boxes):
        raise UnusableRow("a box cannot be read", text[:100])
    return [box["Position"] for box in boxes]


def in_pixels(box: Any, width: int, height: int) -> list[float]:
    """Return a box of thousandths in pixels. Raises UnusableRow if it is empty or leaves the picture."""
    if not isinstance(box, (list, tuple)) or len(box) != 4 or not all(type(number) in (int, float) for number in box):
        raise UnusableRow("a box cannot be read", repr(box)[:100])
    if not all(0 <= number <= 1000 for number in box):
        raise UnusableRow("a box is not in thousandths", repr(box)[:100])
    x1, y1, x2, y2 = (round(at * side / 1000, 1) for at, side in zip(box, (width, height) * 2, strict=True))
    if x2 <= x1 or y2 <= y1:
        raise UnusableRow("a box is empty", repr(box)[:100])
    return [x1, y1, x2, y2]


VIRFT_COCO = VirftCoco()
