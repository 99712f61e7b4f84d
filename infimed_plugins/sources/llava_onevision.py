"""LLaVA-OneVision's single-image mixture: general questions, charts, diagrams, text (Li et al. 2024).

hub: lmms-lab/LLaVA-OneVision-Data, one folder for each of its 83 configurations, ``ai2d(internvl)/train-*.parquet``

    {"id": "ai2d/4491.png", "image": …, "data_source": "ai2d(internvl)",
     "conversations": [{"from": "human", "value": "<image>\\nWhich label …?"}, {"from": "gpt", "value": "C"}, …]}

A split here is one configuration; add another to CONFIGS. Never add ``vqarad(cauldron,llava_format)`` or
``PMC-VQA(MathV360K)``: they hold questions that VQA-RAD and PMC-VQA are evaluated with. Which configurations InfiMed
used is not known. Text rows have no image; some configurations have an image but no ``<image>`` in the question. Of
a conversation with several turns only the first question and its answer are taken. Upstream's ids repeat and hold
slashes, so ids count rows.
"""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

from infimed_plugins.records import Sample
from infimed_plugins.sources.public import IMAGE_TAG, Paths, PublicSource, Row, UnusableRow, as_text

CONFIGS = {
    "ai2d_internvl": "ai2d(internvl)",
    "chartqa_cauldron": "chartqa(cauldron,llava_format)",
    "clevr_math_mathv360k": "CLEVR-Math(MathV360K)",
    "geo170k_qa": "geo170k(qa)",
    "iconqa_mathv360k": "IconQA(MathV360K)",
    "infographic_vqa": "infographic_vqa",
    "sharegpt4v_coco": "sharegpt4v(coco)",
    "tabmwp_mathv360k": "TabMWP(MathV360K)",
    "magpie_pro_l3_80b_mt": "magpie_pro(l3_80b_mt)",  # text only
}


class LlavaOneVision(PublicSource):
    """First turns of general conversations; a split is one configuration."""

    name = "llava_onevision"
    splits = tuple(CONFIGS)
    paths: ClassVar[Paths] = {split: [f"{glob.escape(config)}/train-*.parquet"] for split, config in CONFIGS.items()}
    columns = ("image", "conversations", "data_source")
    id_digits = 6

    def sample(self, row: Row, split: str) -> Sample:
        """Return a question that says itself how to answer, and a text."""
        question, answer = first_pair(row.fields["conversations"])
        images = row.image() if row.fields["image"] is not None else ()
        if not images and IMAGE_TAG.search(question):
            raise UnusableRow("it asks about an image it does not have")
        kind = row.fields["data_source"]
        return self.as_written(row, split, IMAGE_TAG.sub("", question), answer, kind, images=images)


def first_pair(turns: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Return the first human turn that is answered, and the answer. Raises UnusableRow when none is."""
    for asked, answered in pairwise(turns):
        if asked["from"] == "human" and answered["from"] == "gpt":
            return as_text(asked["value"]), as_text(answered["value"])
    raise UnusableRow("no turn is answered")


LLAVA_ONEVISION = LlavaOneVision()
