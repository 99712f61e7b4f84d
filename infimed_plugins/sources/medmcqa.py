"""MedMCQA: Indian medical entrance examinations, 21 subjects (Pal et al. 2022). hub: openlifescienceai/medmcqa

    {"id": "45258d3d-…", "question": "Which vitamin is supplied from only animal source:", "opa": "Vitamin C",
     "opb": "Vitamin B7", "opc": "Vitamin B12", "opd": "Vitamin D", "cop": 2, "choice_type": "single",
     "exp": "Ans. (c) Vitamin B12 …" or None, "subject_name": "Biochemistry", "topic_name": "Vitamins"}

The hub's card counts ``cop`` from 1, its files from 0, as MedEvalKit reads them (utils/MedMCQA/MedMCQA.py:55). Test
rows have -1: reported figures are of validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from infimed_plugins.records import Sample
from infimed_plugins.sources.files import Files
from infimed_plugins.sources.public import PublicSource, Row, UnusableRow, clean, letter_of_index, row_id
from infimed_plugins.sources.tables import parquet_rows

OPTIONS = ("opa", "opb", "opc", "opd")
COLUMNS = ("id", "question", *OPTIONS, "cop", "choice_type", "exp", "subject_name", "topic_name")


class MedMcqa(PublicSource):
    """Questions without pictures, some with an expert's explanation."""

    name = "medmcqa"
    splits = ("train", "validation", "test")

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """The hub's parquet files."""
        paths = files.all(f"data/{split}-*.parquet", f"{split}*.parquet")
        for index, row in enumerate(parquet_rows(paths, COLUMNS)):
            yield Row(row_id(row, "id", index), row)

    def sample(self, row: Row, split: str) -> Sample:
        """A multiple choice; ``meta["kind"]`` is the subject, the explanation is the rationale."""
        fields = row.fields
        options = tuple(clean(fields[name]) for name in OPTIONS)
        if fields["cop"] == -1:
            raise UnusableRow("no answer")
        if not all(options):
            raise UnusableRow("a choice is empty")
        letter = letter_of_index(fields["cop"], options)
        meta = {"kind": fields["subject_name"], "choice_type": fields["choice_type"]}
        meta |= {"topic": fields["topic_name"]} if fields["topic_name"] else {}
        rationale = clean(fields["exp"]) or None
        return self.make(
            row,
            split,
            fields["question"],
            "multiple_choice",
            letter,
            options=options,
            rationale=rationale,
            meta=meta,
        )


MEDMCQA = MedMcqa()
