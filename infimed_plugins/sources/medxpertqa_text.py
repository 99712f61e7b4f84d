"""MedXpertQA Text: board-level questions without pictures, ten options (Zuo et al. 2025). hub: TsinghuaC3I/MedXpertQA

    {"id": "Text-12", "question": "A 45-year-old man … What is the cause?\\nAnswer Choices: (A) Gout … (J) Lupus",
     "options": {"A": "Gout", …, "J": "Lupus"}, "label": "B", "medical_task": "Diagnosis", "body_system": "Skeletal",
     "question_type": "Reasoning"}

All else is as in the part with pictures (medxpertqa_mm.py): options repeated in the question, lists on GitHub.
"""

from __future__ import annotations

from infimed_plugins.records import ImageRef
from infimed_plugins.sources.medxpertqa_mm import COLUMNS, MedXpertQaMm, layouts
from infimed_plugins.sources.public import PublicSource, Row


class MedXpertQaText(MedXpertQaMm):
    """The questions without pictures."""

    name = "medxpertqa_text"
    paths = layouts("Text")
    columns = COLUMNS
    rows = PublicSource.rows

    def pictures(self, row: Row) -> tuple[ImageRef, ...]:
        """Return no pictures."""
        return ()


MEDXPERTQA_TEXT = MedXpertQaText()
