"""PubMedQA, the 1,000 labelled rows: yes, no or maybe, from an abstract (Jin et al. 2019).

hub: openlifescienceai/pubmedqa, the copy that MedEvalKit reads

    {"id": "…", "subject_name": None, "data": {"Question": "Is anorectal endosonography valuable?",
     "Options": {"A": "yes", "B": "no", "C": "maybe"}, "Context": ["Dyschesia can be provoked by …", …],
     "Correct Option": "A", "Correct Answer": "yes", "Long Answer": "Linear anorectal …"}}

The abstract stands before the question; ids count rows. Where the parquet files lie is unconfirmed: ``data/`` and the
top are both tried.
"""

from __future__ import annotations

from collections.abc import Iterator

from infimed_plugins.records import Sample
from infimed_plugins.sources.files import Files
from infimed_plugins.sources.public import PublicSource, Row, UnusableRow, clean, letter_among
from infimed_plugins.sources.tables import parquet_rows

ANSWERS = "ABC"


class PubMedQa(PublicSource):
    """Questions about an abstract without its conclusion."""

    name = "pubmedqa"
    splits = ("train", "validation", "test")

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """The hub's parquet files; all that upstream reads is in one column."""
        paths = files.all(f"data/{split}-*.parquet", f"{split}*.parquet")
        for index, row in enumerate(parquet_rows(paths, ("data",))):
            yield Row(f"{index:04d}", row)

    def sample(self, row: Row, split: str) -> Sample:
        """A multiple choice behind its abstract; ``meta["kind"]`` is the answer in words."""
        data = row.fields["data"]
        options = tuple(clean(data["Options"].get(letter)) for letter in ANSWERS)
        if not all(options):
            raise UnusableRow("a choice is empty")
        letter = letter_among(data["Correct Option"], options)
        context = "\n".join(clean(part) for part in data["Context"] if clean(part))
        if not clean(data["Question"]):
            raise UnusableRow("no question")
        return self.make(
            row,
            split,
            f"{context}\n{data['Question']}" if context else data["Question"],
            "multiple_choice",
            letter,
            options=options,
            rationale=clean(data.get("Long Answer")) or None,
            meta={"kind": options[ANSWERS.index(letter)]},
        )


PUBMEDQA = PubMedQa()
