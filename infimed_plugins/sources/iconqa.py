"""IconQA: abstract diagrams with questions of three tasks (Lu et al. 2021).

official  iconqa_data.zip, or what it unpacks to: iconqa_data/problems.json, pid_splits.json, and for each problem
          iconqa_data/iconqa/<split>/<task>/<pid>/image.png, choice_0.png, …
    problems    {"1": {"question": "What has been done to this letter?", "choices": ["turn", "slide", "flip"],
                       "answer": 1, "ques_type": "choose_txt", "grade": "grade2", "label": "S2"}, …}
    pid_splits  {"choose_txt_train": ["1", …], "choose_img_train": […], "fill_in_blank_val": […], …}
hub       lmms-lab/ICON-QA, parquet, without a train split
    {"question_id": "1", "question": …, "choices": "turn,slide,flip", "answer": "slide", "ques_type": "choose_txt",
     "query_image": …, "choice_image_0": …, "choice_image_1": …}

The official answer is a 0-based index into the choices, or the text that fills the blank. The choices of
``choose_img`` are pictures: they follow the question's picture, so that choice A is "image 2", choice B "image 3".
The hub's copy joins choices with commas, so one that holds a comma cannot be told apart and is refused with its
answer; it has columns for two pictures, and a row with more choices is refused. Which form its choices and answers have
is not confirmed: a list written out, and an index that is none of the choices, are read too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from infimed_plugins.errors import DamagedFileError, MissingFileError
from infimed_plugins.limits import parse_json, read_bytes
from infimed_plugins.records import ImageRef, Sample
from infimed_plugins.sources.choices import letter_of_index, letter_of_text
from infimed_plugins.sources.files import Files, embedded_image, image_file
from infimed_plugins.sources.public import (
    PublicSource,
    Row,
    UnusableRow,
    as_text,
    clean,
    literal_list,
    text_or_math,
)
from infimed_plugins.sources.tables import check_columns, checked_rows

MOST_CHOICES = 26  # the letters
TASKS = ("choose_txt", "choose_img", "fill_in_blank")
COLUMNS = ("question", "choices", "answer")
HUB_PICTURES = ("choice_image_0", "choice_image_1")


class IconQa(PublicSource):
    """The official files: choices among texts or pictures, and blanks to fill."""

    name = "iconqa"
    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test")

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """Yield the problems of a split, task after task, from a folder or from the archive."""
        problems, pids, opener = _official(files)
        check_columns(Path("pid_splits.json"), [f"{task}_{split}" for task in TASKS], list(pids))
        for task in TASKS:
            for pid in pids[f"{task}_{split}"]:
                picture = partial(_picture, opener, f"iconqa/{split}/{task}/{pid}")
                yield Row(str(pid), {**problems.get(str(pid), {}), "ques_type": task, "picture": picture})

    def sample(self, row: Row, split: str) -> Sample:
        """Return a multiple choice, a text, or a number."""
        fields = row.fields
        if fields.keys() <= {"ques_type", "picture"}:
            raise UnusableRow("no such problem")
        choices = self._choices(row)
        names = choices if fields["ques_type"] == "choose_img" else []
        images = tuple(fields["picture"](name) for name in ["image.png", *names])
        meta = {"kind": fields["ques_type"], **row.some("grade")}
        make = partial(self.make, row, split, fields["question"], images=images, meta=meta)
        if fields["ques_type"] == "fill_in_blank":
            answer = as_text(fields["answer"])
            return make(text_or_math(answer), answer)
        options = tuple(f"image {place}" for place in range(2, len(names) + 2)) if names else tuple(choices)
        return make("multiple_choice", self._letter(row, choices), options=options)

    def _choices(self, row: Row) -> list[str]:
        choices = row.fields.get("choices") or []
        if len(choices) > MOST_CHOICES:
            raise UnusableRow("too many choices", f"{len(choices):,}")
        return [clean(choice) for choice in choices]

    def _letter(self, row: Row, choices: Sequence[str]) -> str:
        return letter_of_index(row.fields["answer"], choices)


class IconQaHub(IconQa):
    """The hub's copy of the validation and test rows, for evaluation."""

    name = "iconqa_hub"
    splits: ClassVar[tuple[str, ...]] = ("val", "test")
    columns = ("question_id", "question", "choices", "answer", "ques_type", "grade", "query_image", *HUB_PICTURES)
    id_column = "question_id"

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """Yield the parquet files of a split."""
        for row in PublicSource.rows(self, files, split):
            yield Row(row.id, {**row.fields, "picture": partial(_embedded, row.fields)})

    def _choices(self, row: Row) -> list[str]:
        written = clean(row.fields["choices"])
        if written.count(",") > MOST_CHOICES and written[:1] != "[":
            raise UnusableRow("too many choices", f"{written.count(','):,}")
        choices = [clean(choice) for choice in (literal_list(written) if written[:1] == "[" else written.split(","))]
        if row.fields["ques_type"] == "choose_img" and len(choices) > len(HUB_PICTURES):
            raise UnusableRow("more choices than pictures", f"{len(choices)} choices")
        return choices

    def _letter(self, row: Row, choices: Sequence[str]) -> str:
        answer = clean(row.fields["answer"])
        if answer.isdecimal() and answer not in choices:
            return letter_of_index(answer, choices)
        return letter_of_text(answer, choices)


def _official(files: Files) -> tuple[dict[str, Any], dict[str, list[str]], Callable[[str], ImageRef]]:
    """Return the problems, the ids of each split, and a function that opens a picture by path below ``iconqa_data``."""
    try:
        path = files.one("iconqa_data/problems.json", "problems.json")
    except MissingFileError:
        archive = files.archive("iconqa_data.zip")
        texts = [archive.image(f"iconqa_data/{name}", name).read() for name in ("problems.json", "pid_splits.json")]
        opener: Callable[[str], ImageRef] = archive.image
    else:
        splits = files.one("iconqa_data/pid_splits.json", "pid_splits.json")
        texts = [read_bytes(path), read_bytes(splits)]
        opener = partial(image_file, path.parent)
    try:
        problems, pids = (dict(parse_json(text)) for text in texts)
    except (ValueError, TypeError) as error:
        raise DamagedFileError(
            f"{files.name}: its problems or splits are no JSON objects ({error}); download them again"
        ) from error
    rows = checked_rows(Path("problems.json"), COLUMNS, problems.values())
    return dict(zip(problems, rows, strict=True)), pids, opener


def _picture(opener: Callable[[str], ImageRef], folder: str, name: str) -> ImageRef:
    return opener(f"{folder}/{name}")


def _embedded(row: Mapping[str, Any], name: str) -> ImageRef:
    column = "query_image" if name == "image.png" else f"choice_image_{name.removeprefix('choice_').partition('.')[0]}"
    return embedded_image(row.get(column), name)


ICONQA, ICONQA_HUB = IconQa(), IconQaHub()
