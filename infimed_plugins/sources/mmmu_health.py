"""MMMU's five subjects of health and medicine, 150 questions in validation (Yue et al. 2024). hub: MMMU/MMMU

    {"id": "validation_Clinical_Medicine_1", "question": "<image 1> Which sign is shown?",
     "options": "['Target sign', '<image 2>', 'Neither']", "answer": "A", "explanation": "",
     "subfield": "Clinical Radiology", "question_type": "multiple-choice",
     "image_1": …, "image_2": …, "image_3": None, …, "image_7": None}

Pictures are referred to in questions and in options, so a tag becomes words ("image 1") that count the pictures there
are. Pictures that only the explanation names are not sent, and an explanation that names them is left out. Options are
a list written as text, and so is an open answer with several forms. Test rows have "?" for an answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infimed_plugins.records import Sample, Task
from infimed_plugins.sources.choices import letter_among
from infimed_plugins.sources.files import Files, embedded_image
from infimed_plugins.sources.public import PublicSource, Row, UnusableRow, as_text, clean, literal_list, row_id
from infimed_plugins.sources.tables import parquet_rows

CONFIGS = (
    "Basic_Medical_Science",
    "Clinical_Medicine",
    "Diagnostics_and_Laboratory_Medicine",
    "Pharmacy",
    "Public_Health",
)
IMAGES = tuple(f"image_{number}" for number in range(1, 8))
COLUMNS = ("id", "question", "options", "explanation", *IMAGES, "answer", "question_type", "subfield")

_TAG = re.compile(r"<image[ _]?(\d+)>")
_NUMBER = re.compile(r"[-+]?(?:\d[\d,]*)?\.?\d+")


class MmmuHealth(PublicSource):
    """The five subjects, one behind the other."""

    name = "mmmu_health"
    splits = ("dev", "validation", "test")

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """Yield the rows of each subject's folder of parquet files."""
        for config in CONFIGS:
            for index, row in enumerate(parquet_rows(files.all(f"{config}/{split}-*.parquet"), COLUMNS)):
                name = row_id(row, "id", f"{config}-{index}").removeprefix(f"{split}_")
                yield Row(name, {**row, "config": config})

    def sample(self, row: Row, split: str) -> Sample:
        """Return a multiple choice, or an open question with a text or a number for its answer."""
        fields = row.fields
        if clean(fields["answer"]) in ("", "?"):
            raise UnusableRow("no answer")
        places = _places(fields)
        meta = {"kind": fields["question_type"], "subject": fields["config"], "subfield": fields["subfield"]}
        question = _with_words(fields["question"], places)
        images = tuple(embedded_image(fields[name], name) for name in places)
        more = {"images": images, "rationale": _rationale(fields["explanation"], places), "meta": meta}
        if fields["question_type"] == "multiple-choice":
            options = [_with_words(option, places) for option in literal_list(fields["options"])]
            return self.choice(row, split, question, options, letter_among(fields["answer"], options), **more)
        answers = _open_answers(fields["answer"])
        meta |= {"synonyms": answers} if len(answers) > 1 else {}
        task: Task = "math" if _NUMBER.fullmatch(answers[0]) else "text"
        return self.make(row, split, question, task, answers[0], **more)


def _places(fields: Mapping[str, Any]) -> dict[str, int]:
    """Return the columns whose pictures are sent (those named, else all) with the place of each, from 1."""
    present = [name for name in IMAGES if fields[name] and fields[name].get("bytes")]
    asked = as_text(fields["question"]) + as_text(fields["options"])
    named = {f"image_{number}" for number in _TAG.findall(asked)}
    sent = [name for name in present if name in named] or present
    return {name: place for place, name in enumerate(sent, 1)}


def _with_words(text: Any, places: dict[str, int]) -> str:
    """Return text with "image 2" for ``<image 2>``. Raises UnusableRow for a picture that is not there."""

    def words(tag: re.Match[str]) -> str:
        if f"image_{tag[1]}" not in places:
            raise UnusableRow("its image is missing", tag[0])
        before, after = tag.string[: tag.start()][-1:], tag.string[tag.end() :][:1]
        glued = before.isalnum() or before in tuple(".,;:?!)]}>")  # the tag stood for a break
        return f"{' ' * glued}image {places[f'image_{tag[1]}']}{' ' * after.isalnum()}"

    return clean(_TAG.sub(words, as_text(text)))


def _rationale(text: Any, places: dict[str, int]) -> str | None:
    """Return the explanation; None where there is none, or it names a picture that is not sent."""
    try:
        return _with_words(text, places) or None
    except UnusableRow:
        return None


def _open_answers(written: str) -> list[str]:
    """Return the forms of an open answer: one, or those of a list written as text."""
    forms = literal_list(written) if written.lstrip().startswith("[") else [written]
    answers = [clean(form) for form in forms if clean(form)]
    if not answers:
        raise UnusableRow("no answer")
    return answers


MMMU_HEALTH = MmmuHealth()
