"""MedQA: questions of the United States Medical Licensing Examination, four options (Jin et al. 2021).

hub: GBaker/MedQA-USMLE-4-options, JSON lines

    {"question": "A 23-year-old pregnant woman … Which is the best treatment?", "answer": "Nitrofurantoin",
     "options": {"A": "Ampicillin", "B": "Ceftriaxone", "C": "Doxycycline", "D": "Nitrofurantoin"},
     "meta_info": "step2&3", "answer_idx": "D", "metamap_phrases": ["23 year old pregnant woman", …]}

The authors' own archive has the same files below ``questions/US/4_options``, with a dev split that the hub leaves out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from infimed_plugins.records import Sample
from infimed_plugins.sources.files import Files
from infimed_plugins.sources.public import PublicSource, Row, UnusableRow, as_text, clean, letter_among
from infimed_plugins.sources.tables import json_rows

_LEFT_OVER = re.compile(r"\s*\n[\s\"']*$")
COLUMNS = ("question", "options", "answer_idx")


class MedQa(PublicSource):
    """Questions without pictures; ids count rows."""

    name = "medqa"
    splits = ("train", "test")

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """One file of JSON lines for each split."""
        name = f"phrases_no_exclude_{split}.jsonl"
        path = files.one(name, f"4_options/{name}")
        for index, row in enumerate(json_rows(path, COLUMNS)):
            yield Row(f"{index:05d}", row)

    def sample(self, row: Row, split: str) -> Sample:
        """A multiple choice; ``meta["kind"]`` is the step of the examination."""
        fields = row.fields
        options = tuple(_option(fields["options"].get(letter)) for letter in "ABCD")
        if not all(options):
            raise UnusableRow("a choice is empty")
        letter = letter_among(fields["answer_idx"], options)
        meta = {"kind": clean(fields.get("meta_info")) or "unknown"}
        return self.make(row, split, fields["question"], "multiple_choice", letter, options=options, meta=meta)


def _option(text: Any) -> str:
    """The option without what the end of upstream's table left in it: 38 test rows end in a newline and a quote."""
    return clean(_LEFT_OVER.sub("", as_text(text)))


MEDQA = MedQa()
