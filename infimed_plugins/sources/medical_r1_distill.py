"""Medical-R1-Distill-Data: medical questions answered by DeepSeek-R1 (Chen et al. 2024, FreedomIntelligence).

hub: FreedomIntelligence/Medical-R1-Distill-Data, one JSON list; the keys really have spaces and parentheses:

    {"question": "A 67-year-old man …?", "reasoning (reasoning_content)": "Okay, so …",
     "response (content)": "**Answer:** …"}

The Chinese rows are another data set upstream.
"""

from __future__ import annotations

from infimed_plugins.sources.medical_o1 import MedicalO1


class MedicalR1Distill(MedicalO1):
    """Long answers in Markdown, with the reasoning before them."""

    name = "medical_r1_distill"
    splits = ("train",)
    paths = ("medical_r1_distill_sft.json",)
    columns = ("question", "reasoning (reasoning_content)", "response (content)")


MEDICAL_R1_DISTILL = MedicalR1Distill()
