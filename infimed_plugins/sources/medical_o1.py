"""medical-o1-reasoning-SFT: verifiable medical questions with complex reasoning, of HuatuoGPT-o1 (Chen et al. 2024).

hub: FreedomIntelligence/medical-o1-reasoning-SFT, one JSON list for each split

    {"Question": "Given the symptoms of sudden weakness …?", "Complex_CoT": "Okay, let's see …", "Response": "The …"}

``en`` and ``zh`` are medical, ``en_mix`` and ``zh_mix`` hold general instructions as well, so that taking both may take
rows twice. Some reasoning carries think tags, which are taken away. The authors train on another form of target
("## Thinking … ## Final Response …").
"""

from __future__ import annotations

from collections.abc import Iterator

from infimed_plugins.records import Sample
from infimed_plugins.sources.files import Files
from infimed_plugins.sources.public import PublicSource, Row, UnusableRow, as_text
from infimed_plugins.sources.tables import json_rows
from infimed_plugins.sources.texts import as_written, reasoning

SPLIT_FILES = {
    "en": "medical_o1_sft.json",
    "zh": "medical_o1_sft_Chinese.json",
    "en_mix": "medical_o1_sft_mix.json",
    "zh_mix": "medical_o1_sft_mix_Chinese.json",
}


class MedicalO1(PublicSource):
    """Long answers in English or Chinese, with the reasoning before them."""

    name = "medical_o1"
    splits = tuple(SPLIT_FILES)

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """One JSON list for each split, below a folder in some copies."""
        path = files.one(SPLIT_FILES[split], f"*/{SPLIT_FILES[split]}")
        for index, row in enumerate(json_rows(path, ("Question", "Complex_CoT", "Response"))):
            yield Row(f"{index:05d}", row)

    def sample(self, row: Row, split: str) -> Sample:
        """A text with its rationale, in the language of the split."""
        question, answer = (as_text(row.fields[key]) for key in ("Question", "Response"))
        rationale = reasoning(row.fields["Complex_CoT"])
        if rationale is None:
            raise UnusableRow("no reasoning")
        language = split.partition("_")[0]
        meta = {"kind": "reasoning", "instruction": ""}
        sample = self.make(row, split, question, "text", answer, rationale=rationale, language=language, meta=meta)
        return as_written(sample, question, answer)


MEDICAL_O1 = MedicalO1()
