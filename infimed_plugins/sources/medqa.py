"""MedQA: questions of the United States Medical Licensing Examination, four options (Jin et al. 2021).

hub: GBaker/MedQA-USMLE-4-options, JSON lines

    {"question": "A 23-year-old pregnant woman … Which is the best treatment?", "answer": "Nitrofurantoin",
     "options": {"A": "Ampicillin", "B": "Ceftriaxone", "C": "Doxycycline", "D": "Nitrofurantoin"},
     "meta_info": "step2&3", "answer_idx": "D", "metamap_phrases": ["23 year old pregnant woman", …]}

The authors' own archive has the same files below ``questions/US/4_options``, with a dev split that the hub leaves out.
"""

from __future__ import annotations

import re

from infimed_plugins.records import Sample
from infimed_plugins.sources.choices import letter_among
from infimed_plugins.sources.public import PublicSource, Row, as_text, clean

_LEFT_OVER = re.compile(r"\s*\n[\s\"']*$")  # of upstream's table: 38 test rows end in a newline and a quote


class MedQa(PublicSource):
    """Questions without pictures; ids count rows."""

    name = "medqa"
    splits = ("train", "test")
    paths = ("phrases_no_exclude_{split}.jsonl", "4_options/phrases_no_exclude_{split}.jsonl")
    columns = ("question", "options", "answer_idx")

    def sample(self, row: Row, split: str) -> Sample:
        """Return a multiple choice; ``meta["kind"]`` is the step of the examination."""
        fields = row.fields
        options = [clean(_LEFT_OVER.sub("", as_text(fields["options"].get(letter)))) for letter in "ABCD"]
        meta = {"kind": clean(fields.get("meta_info")) or "unknown"}
        return self.choice(
            row, split, fields["question"], options, letter_among(fields["answer_idx"], options), meta=meta
        )


MEDQA = MedQa()
