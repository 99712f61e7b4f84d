"""Medical questions with long reasoning, of HuatuoGPT-o1 (Chen et al. 2024): medical-o1-reasoning-SFT, whose questions
are verifiable, and Medical-R1-Distill-Data, answered by DeepSeek-R1.

hub: FreedomIntelligence/medical-o1-reasoning-SFT, one JSON list for each split

    {"Question": "Given the symptoms of sudden weakness …?", "Complex_CoT": "Okay, let's see …", "Response": "The …"}

``en`` and ``zh`` are medical, ``en_mix`` and ``zh_mix`` hold general instructions as well, so that taking both may take
rows twice. Some reasoning carries think tags, which are taken away. The authors train on another form of target
("## Thinking … ## Final Response …").

hub: FreedomIntelligence/Medical-R1-Distill-Data, one JSON list; the keys really have spaces and parentheses:

    {"question": "A 67-year-old man …?", "reasoning (reasoning_content)": "Okay, so …",
     "response (content)": "**Answer:** …"}

Its Chinese rows are another data set upstream.
"""

from __future__ import annotations

from typing import ClassVar

from infimed_plugins.records import Sample
from infimed_plugins.sources.public import Paths, PublicSource, Row, UnusableRow, as_text, reasoning

SPLIT_FILES = {
    "en": "medical_o1_sft.json",
    "zh": "medical_o1_sft_Chinese.json",
    "en_mix": "medical_o1_sft_mix.json",
    "zh_mix": "medical_o1_sft_mix_Chinese.json",
}


class MedicalO1(PublicSource):
    """Long answers in English or Chinese, with the reasoning before them. ``columns``: question, reasoning, answer."""

    name = "medical_o1"
    splits = tuple(SPLIT_FILES)
    paths: ClassVar[Paths] = {split: (file, f"*/{file}") for split, file in SPLIT_FILES.items()}
    columns = ("Question", "Complex_CoT", "Response")

    def sample(self, row: Row, split: str) -> Sample:
        """Return a text with its rationale, in the language of the split."""
        question, thought, answer = (as_text(row.fields[column]) for column in self.columns)
        rationale, language = reasoning(thought), "zh" if split.startswith("zh") else "en"
        if rationale is None:
            raise UnusableRow("no reasoning")
        return self.as_written(row, split, question, answer, "reasoning", rationale=rationale, language=language)


class MedicalR1Distill(MedicalO1):
    """Long answers in Markdown, with the reasoning before them."""

    name = "medical_r1_distill"
    splits = ("train",)
    paths = ("medical_r1_distill_sft.json",)
    columns = ("question", "reasoning (reasoning_content)", "response (content)")


MEDICAL_O1, MEDICAL_R1_DISTILL = MedicalO1(), MedicalR1Distill()
