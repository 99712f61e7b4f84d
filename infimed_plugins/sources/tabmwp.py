"""TabMWP: word problems about a table that is shown as a picture (Lu et al. 2023).

GitHub: lupantech/PromptPG, data/tabmwp/problems_<split>.json, pictures data/tabmwp/tables/<pid>.png

    {"5": {"question": "How many bows did Sasha use on Monday?", "choices": null, "answer": "8.20", "unit": "$",
           "table_title": "Bows", "table": "Day | Number\\nMonday | 3", "solution": "Find Monday …",
           "ques_type": "free_text", "ans_type": "decimal_number", "grade": 3, "row_num": 2, "column_num": 2, …}, …}

The answer to a multiple choice (``multi_choice``) is the text of an option. A number may be "6,830", "1/12" or "8.20";
its unit is not part of it, so the question names the unit. The table itself is in the picture only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from infimed_plugins.errors import MissingFileError
from infimed_plugins.records import ImageRef, Sample
from infimed_plugins.sources.choices import letter_of_text
from infimed_plugins.sources.files import Files, image_file
from infimed_plugins.sources.public import (
    PublicSource,
    Row,
    UnusableRow,
    as_text,
    clean,
    reasoning,
    text_or_math,
)
from infimed_plugins.sources.tables import json_rows

ARCHIVE = "PromptPG-*.zip"  # as GitHub gives the repository
COLUMNS = ("row_id", "question", "choices", "answer", "unit", "ques_type", "solution")


class TabMwp(PublicSource):
    """Free answers and multiple choice."""

    name = "tabmwp"
    splits = ("train", "dev", "test")
    id_column = "row_id"

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """Yield the problems of a split's JSON object, with their pictures in ``tables`` beside it."""
        rows, opener = _folder(files, split)
        for row in self.numbered(rows):
            yield row.opening(lambda fields: opener(f"tables/{fields.get('row_id')}.png"))

    def sample(self, row: Row, split: str) -> Sample:
        """Return a multiple choice, a number, or a text, with the solution as its rationale."""
        fields = row.fields
        question, unit, answer = clean(fields["question"]), clean(fields["unit"]), as_text(fields["answer"])
        if unit and question:
            question += f" (Unit: {unit})"
        meta = {"kind": fields["ques_type"], **row.some("ans_type", "grade")}
        more = {"images": row.image(), "rationale": reasoning(fields["solution"]), "meta": meta}
        if fields["ques_type"] != "multi_choice":
            return self.make(row, split, question, text_or_math(answer), answer, **more)
        options = [clean(choice) for choice in fields["choices"] or ()]
        if not options:
            raise UnusableRow("no choices")
        return self.choice(row, split, question, options, letter_of_text(answer, options), **more)


def _folder(files: Files, split: str) -> tuple[Iterator[dict[str, Any]], Callable[[str], ImageRef]]:
    """Return the rows, and a function that opens a picture, from the folder or the archive of the repository."""
    name = f"problems_{split}.json"
    try:
        part = name.replace(".json", "1k.json")  # the thousand problems that papers report
        path = files.one(f"data/tabmwp/{name}", name, f"data/tabmwp/{part}", part)
    except MissingFileError:
        archive = files.archive(ARCHIVE)
        text = archive.image(f"data/tabmwp/{name}").read()
        return json_rows(archive.path / name, COLUMNS, text), lambda picture: archive.image(f"data/tabmwp/{picture}")
    return json_rows(path, COLUMNS), partial(image_file, path.parent)


TABMWP = TabMwp()
