"""MedXpertQA Text: board-level questions without pictures, ten options (Zuo et al. 2025). hub: TsinghuaC3I/MedXpertQA

    {"id": "Text-12", "question": "A 45-year-old man … What is the cause?\\nAnswer Choices: (A) Gout … (J) Lupus",
     "options": {"A": "Gout", …, "J": "Lupus"}, "label": "B", "medical_task": "Diagnosis", "body_system": "Skeletal",
     "question_type": "Reasoning"}

All else is as in the part with pictures (medxpertqa_mm.py): options repeated in the question, lists on GitHub.
"""

from __future__ import annotations

from collections.abc import Iterator

from infimed_plugins.records import Sample
from infimed_plugins.sources.files import Files
from infimed_plugins.sources.medxpertqa_mm import layouts, question_of
from infimed_plugins.sources.public import PublicSource, Row, row_id
from infimed_plugins.sources.tables import json_rows, parquet_rows

COLUMNS = ("id", "question", "options", "label", "medical_task", "body_system", "question_type")


class MedXpertQaText(PublicSource):
    """The questions without pictures."""

    name = "medxpertqa_text"
    splits = ("dev", "test")

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """JSON lines, or the hub's conversion to parquet."""
        paths = files.all(*layouts("Text", split))
        found = parquet_rows(paths, COLUMNS) if paths[0].suffix == ".parquet" else json_rows(paths[0], COLUMNS)
        for index, row in enumerate(found):
            yield Row(row_id(row, "id", index), row)

    def sample(self, row: Row, split: str) -> Sample:
        """A multiple choice; ``meta["kind"]`` is the type of question."""
        asked = question_of(row.fields)
        return self.make(
            row, split, asked.text, "multiple_choice", asked.letter, options=asked.options, meta=asked.meta
        )


MEDXPERTQA_TEXT = MedXpertQaText()
