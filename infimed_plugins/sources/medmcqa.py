"""MedMCQA: Indian medical entrance examinations, 21 subjects (Pal et al. 2022). hub: openlifescienceai/medmcqa

    {"id": "45258d3d-…", "question": "Which vitamin is supplied from only animal source:", "opa": "Vitamin C",
     "opb": "Vitamin B7", "opc": "Vitamin B12", "opd": "Vitamin D", "cop": 2, "choice_type": "single",
     "exp": "Ans. (c) Vitamin B12 …" or None, "subject_name": "Biochemistry", "topic_name": "Vitamins"}

The hub's card counts ``cop`` from 1, its files from 0, as MedEvalKit reads them (utils/MedMCQA/MedMCQA.py:55). Test
rows have -1: reported figures are of validation.
"""

from __future__ import annotations

from infimed_plugins.records import Sample
from infimed_plugins.sources.choices import letter_of_index
from infimed_plugins.sources.public import PublicSource, Row, UnusableRow, clean

OPTIONS = ("opa", "opb", "opc", "opd")


class MedMcqa(PublicSource):
    """Questions without pictures, some with an expert's explanation."""

    name = "medmcqa"
    splits = ("train", "validation", "test")
    columns = ("id", "question", *OPTIONS, "cop", "choice_type", "exp", "subject_name", "topic_name")
    id_column = "id"

    def sample(self, row: Row, split: str) -> Sample:
        """Return a multiple choice; ``meta["kind"]`` is the subject, the explanation is the rationale."""
        fields = row.fields
        options = [clean(fields[name]) for name in OPTIONS]
        if fields["cop"] == -1:
            raise UnusableRow("no answer")
        meta = {"kind": fields["subject_name"], "choice_type": fields["choice_type"]}
        meta |= {"topic": fields["topic_name"]} if fields["topic_name"] else {}
        more = {"rationale": clean(fields["exp"]) or None, "meta": meta}
        return self.choice(row, split, fields["question"], options, letter_of_index(fields["cop"], options), **more)


MEDMCQA = MedMcqa()
