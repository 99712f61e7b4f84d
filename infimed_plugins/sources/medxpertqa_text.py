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
from infimed_plugins.sources.medxpertqa_mm import REPEATED
from infimed_plugins.sources.medxpertqa_mm import _options as options_of
from infimed_plugins.sources.public import PublicSource, Row, as_text, letter_among, row_id
from infimed_plugins.sources.tables import json_rows, parquet_rows

COLUMNS = ("id", "question", "options", "label", "medical_task", "body_system", "question_type")


class MedXpertQaText(PublicSource):
    """The questions without pictures."""

    name = "medxpertqa_text"
    splits = ("dev", "test")

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """JSON lines, or the hub's conversion to parquet."""
        paths = files.all(f"Text/{split}.jsonl", f"Text/{split}-*.parquet", f"Text/{split}/*.parquet")
        found = parquet_rows(paths, COLUMNS) if paths[0].suffix == ".parquet" else json_rows(paths[0], COLUMNS)
        for index, row in enumerate(found):
            yield Row(row_id(row, "id", index), row)

    def sample(self, row: Row, split: str) -> Sample:
        """A multiple choice; ``meta["kind"]`` is the type of question."""
        fields, label = row.fields, row.fields["label"]
        options = options_of(fields["options"])
        meta = {"kind": fields["question_type"]}
        meta |= {key: fields[key] for key in ("medical_task", "body_system") if fields[key]}
        return self.make(
            row,
            split,
            as_text(fields["question"]).rpartition(REPEATED)[0] or fields["question"],
            "multiple_choice",
            letter_among(label[0] if isinstance(label, list) and label else label, options),
            options=options,
            meta=meta,
        )


MEDXPERTQA_TEXT = MedXpertQaText()
