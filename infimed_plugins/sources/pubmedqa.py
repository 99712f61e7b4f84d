"""PubMedQA, the 1,000 labeled rows: yes, no or maybe, from an abstract (Jin et al. 2019).

hub: openlifescienceai/pubmedqa, the copy that MedEvalKit reads

    {"id": "…", "subject_name": None, "data": {"Question": "Is anorectal endosonography valuable?",
     "Options": {"A": "yes", "B": "no", "C": "maybe"}, "Context": ["Dyschesia can be provoked by …", …],
     "Correct Option": "A", "Correct Answer": "yes", "Long Answer": "Linear anorectal …"}}

The authors' own files (pubmedqa/pubmedqa, ``data/ori_pqal.json``) are objects by PubMed id

    {"QUESTION": …, "CONTEXTS": […], "LABELS": […], "final_decision": "yes", "LONG_ANSWER": …}

``test_ground_truth.json`` names the test rows; what is left trains, without a validation split unless the authors'
script has made its folds. The abstract stands before the question; ids count rows. The place of the
parquet files is unconfirmed: ``data/`` and the top are both tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from infimed_plugins.records import Sample
from infimed_plugins.sources.choices import letter_among
from infimed_plugins.sources.files import Files
from infimed_plugins.sources.public import Paths, PublicSource, Row, UnusableRow, clean
from infimed_plugins.sources.tables import json_rows

ANSWERS = "ABC"
WORDS = ("yes", "no", "maybe")
WHOLE = "ori_pqal.json"
OWN_FILES = {
    "train": ("pqal_fold0/train_set.json", WHOLE),
    "validation": ("pqal_fold0/dev_set.json",),
    "test": ("test_set.json", WHOLE),
}


class PubMedQa(PublicSource):
    """Questions about an abstract without its conclusion."""

    name = "pubmedqa"
    splits = ("train", "validation", "test")
    paths: ClassVar[Paths] = {
        split: ["data/{split}-*.parquet", "{split}-*.parquet", *(f"{at}{name}" for name in own for at in ("", "data/"))]
        for split, own in OWN_FILES.items()
    }
    columns = ("data",)  # one column holds all that upstream reads
    id_digits = 4

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """Yield the rows of the hub's parquet files, or of the authors' JSON."""
        path = self.find(files, split)[0]
        return _own_rows(path, files, split) if path.suffix == ".json" else super().rows(files, split)

    def sample(self, row: Row, split: str) -> Sample:
        """Return a multiple choice behind its abstract; ``meta["kind"]`` is the answer in words."""
        data = row.fields["data"]
        options = [clean(data["Options"].get(letter)) for letter in ANSWERS]
        if not all(options):
            raise UnusableRow("a choice is empty")
        letter = letter_among(data["Correct Option"], options)
        if not clean(data["Question"]):
            raise UnusableRow("no question")
        question = "\n".join([*filter(None, map(clean, data["Context"])), data["Question"]])
        more = {"rationale": clean(data.get("Long Answer")) or None, "meta": {"kind": options[ANSWERS.index(letter)]}}
        return self.choice(row, split, question, options, letter, **more)


def _own_rows(path: Path, files: Files, split: str) -> Iterator[Row]:
    """Yield the authors' rows of a split, with the hub's column."""
    tested = None
    if path.name == WHOLE:
        truth = files.one("test_ground_truth.json", "data/test_ground_truth.json")
        tested = set(next(json_rows(truth), {}))  # one object, id -> answer
    for row in json_rows(path, ("QUESTION", "CONTEXTS", "final_decision")):
        if tested is None or (row["row_id"] in tested) == (split == "test"):
            yield Row(row["row_id"], {"data": _as_on_the_hub(row)})


def _as_on_the_hub(row: Mapping[str, Any]) -> dict[str, Any]:
    word = clean(row["final_decision"]).lower()
    return {
        "Question": row["QUESTION"],
        "Options": dict(zip(ANSWERS, WORDS, strict=True)),
        "Context": row["CONTEXTS"],
        "Correct Option": ANSWERS[WORDS.index(word)] if word in WORDS else word,
        "Long Answer": row.get("LONG_ANSWER"),
    }


PUBMEDQA = PubMedQa()
