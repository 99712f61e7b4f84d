"""TabMWP: word problems about a table that is shown as a picture (Lu et al. 2023).

GitHub: lupantech/PromptPG, data/tabmwp/problems_<split>.json, pictures data/tabmwp/tables/<pid>.png

    {"5": {"question": "How many bows did Sasha use on Monday?", "choices": null, "answer": "8.20", "unit": "$",
           "table_title": "Bows", "table": "Day | Number\\nMonday | 3", "solution": "Find Monday …",
           "ques_type": "free_text", "ans_type": "decimal_number", "grade": 3, "row_num": 2, "column_num": 2, …}, …}

The answer to a multiple choice (``multi_choice``) is the text of an option. A number may be "6,830", "1/12" or "8.20";
its unit is not part of it, so the question names the unit. The table itself is in the picture only.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from infimed_plugins.records import Sample
from infimed_plugins.sources.files import Files, check_columns, image_file, json_rows
from infimed_plugins.sources.public import PublicSource, Row, UnusableRow, clean, letter_of_text
from infimed_plugins.sources.texts import reasoning, text_or_math

COLUMNS = ("question", "choices", "answer", "unit", "ques_type", "solution")


class TabMwp(PublicSource):
    """Free answers and multiple choice."""

    name = "tabmwp"
    splits = ("train", "dev", "test")

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """One JSON object for each split, a picture for each problem in ``tables`` beside it."""
        path = files.one(f"data/tabmwp/problems_{split}.json", f"problems_{split}.json")
        for row in json_rows(path):
            check_columns(path, COLUMNS, list(row))
            picture = partial(image_file, path.parent, f"tables/{row['row_id']}.png")
            yield Row(row["row_id"], {**row, "picture": picture})

    def sample(self, row: Row, split: str) -> Sample:
        """A multiple choice, a number, or a text, with the solution as its rationale."""
        fields = row.fields
        question, unit, answer = clean(fields["question"]), clean(fields["unit"] or ""), str(fields["answer"] or "")
        if unit and question:
            question += f" (Unit: {unit})"
        meta = {"kind": fields["ques_type"]}
        meta |= {key: fields[key] for key in ("ans_type", "grade") if fields.get(key)}
        more = {"images": (fields["picture"](),), "rationale": reasoning(fields["solution"]), "meta": meta}
        if fields["ques_type"] != "multi_choice":
            return self.make(row, split, question, text_or_math(answer), answer, **more)
        options = tuple(clean(choice) for choice in fields["choices"] or ())
        if not options:
            raise UnusableRow("no choices")
        return self.make(
            row, split, question, "multiple_choice", letter_of_text(answer, options), options=options, **more
        )


TABMWP = TabMwp()
