"""Medical-R1-Distill-Data: medical questions answered by DeepSeek-R1 (Chen et al. 2024, FreedomIntelligence).

hub: FreedomIntelligence/Medical-R1-Distill-Data, one JSON list; the keys really have spaces and parentheses:

    {"question": "A 67-year-old man …?", "reasoning (reasoning_content)": "Okay, so …",
     "response (content)": "**Answer:** …"}

The Chinese rows are another data set upstream.
"""

from __future__ import annotations

from collections.abc import Iterator

from infimed_plugins.records import Sample
from infimed_plugins.sources.files import Files
from infimed_plugins.sources.public import PublicSource, Row, UnusableRow, as_text
from infimed_plugins.sources.tables import json_rows
from infimed_plugins.sources.texts import as_written, reasoning

QUESTION, REASONING, RESPONSE = "question", "reasoning (reasoning_content)", "response (content)"


class MedicalR1Distill(PublicSource):
    """Long answers in Markdown, with the reasoning before them."""

    name = "medical_r1_distill"
    splits = ("train",)

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """One JSON list."""
        path = files.one("medical_r1_distill_sft.json")
        for index, row in enumerate(json_rows(path, (QUESTION, REASONING, RESPONSE))):
            yield Row(f"{index:05d}", row)

    def sample(self, row: Row, split: str) -> Sample:
        """A text with its rationale."""
        question, answer = (as_text(row.fields[key]) for key in (QUESTION, RESPONSE))
        rationale = reasoning(row.fields[REASONING])
        if rationale is None:
            raise UnusableRow("no reasoning")
        meta = {"kind": "reasoning", "instruction": ""}
        sample = self.make(row, split, question, "text", answer, rationale=rationale, meta=meta)
        return as_written(sample, question, answer)


MEDICAL_R1_DISTILL = MedicalR1Distill()
