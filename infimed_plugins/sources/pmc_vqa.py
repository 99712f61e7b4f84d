"""PMC-VQA: multiple choice about figures of PubMed Central, in two versions, and the captions (Zhang et al. 2023).

    v1  train.csv, test.csv, test_clean.csv; images.zip
        Figure_path PMC1064097_F1.jpg, Question, Answer "Focal uptake pattern", Choice A " A:Diffuse uptake pattern",
        …, Answer_label B          (before May 2023 a column was called Anwser)
    v2  train_2.csv, test_2.csv; images_2.zip
        index 35, Figure_path PMC8253797_Fig4_11.jpg, Caption, Question, Choice A " A: Green ", …, Answer B, split train

Real rows are bad in many ways: an answer label that is a quotation mark, a choice B that begins "C:", a no-break space
behind the letter, "N/A". Rows whose parts do not agree are refused. A quotation mark may be
part of a choice ('"Pre" treatment', "3'"), so only a pair around all of it is taken away. hub: RadGenome/PMC-VQA
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import ClassVar

from infimed_plugins.records import Sample
from infimed_plugins.sources.choices import letter_among
from infimed_plugins.sources.files import Files
from infimed_plugins.sources.public import Paths, PublicSource, Row, UnusableRow, clean
from infimed_plugins.sources.tables import delimited_rows

CHOICES = ("Choice A", "Choice B", "Choice C", "Choice D")
QUOTES = "'\""
_LETTERED = re.compile(r"([A-Za-z])\s*[:：]\s*(.*)", re.DOTALL)  # "E. coli" has no letter in front
CAPTION_QUESTION = "Describe this figure."


class PmcVqa(PublicSource):
    """The rows of one version."""

    name = "pmc_vqa"
    splits: ClassVar[tuple[str, ...]] = ("train", "test", "test_clean")
    paths: ClassVar[Paths] = ("{split}.csv",)
    archives: ClassVar[tuple[str, ...]] = ("images.zip",)
    folders = ("images", "figures")
    columns: ClassVar[tuple[str, ...]] = ("Figure_path", "Question", "Answer", *CHOICES, "Answer_label")
    id_digits = 6

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """Yield the rows of a split's CSV file, with their pictures in an archive."""
        path, images = self.find(files, split)[0], files.archive(*self.archives)
        for row in self.numbered(delimited_rows(path, self.columns, renamed={"Anwser": "Answer"})):
            names = [f"{folder}/{row.fields['Figure_path']}" for folder in self.folders] + [row.fields["Figure_path"]]
            yield Row(row.id, {**row.fields, "image": partial(images.image, *names)})

    def sample(self, row: Row, split: str) -> Sample:
        """Return a multiple choice whose letter, label and text agree."""
        options = tuple(_option(letter, row.fields[f"Choice {letter}"]) for letter in "ABCD")
        letter = self._answer(row, options)
        return self.choice(row, split, row.fields["Question"], options, letter, images=row.image())

    def _answer(self, row: Row, options: tuple[str, ...]) -> str:
        letter = letter_among(_bare(row.fields["Answer_label"]), options)
        said, wanted = _unquoted(row.fields["Answer"]), _bare(options["ABCD".index(letter)])
        if wanted.casefold() not in {_bare(form).casefold() for form in (said, _split(said)[1])}:
            raise UnusableRow("answer and label differ", f"{letter}, {said!r}"[:100])
        return letter


class PmcVqa2(PmcVqa):
    """The second version: ``Answer`` is the letter."""

    name = "pmc_vqa_2"
    splits: ClassVar[tuple[str, ...]] = ("train", "test")
    paths: ClassVar[Paths] = ("{split}_2.csv",)
    archives: ClassVar[tuple[str, ...]] = ("images_2.zip", "figures")  # the archive, or its unpacked folder
    folders = ("figures", "images")
    columns: ClassVar[tuple[str, ...]] = ("Figure_path", "Question", *CHOICES, "Answer")

    def _answer(self, row: Row, options: tuple[str, ...]) -> str:
        return letter_among(_bare(row.fields["Answer"]), options)


class PmcVqaCaptions(PmcVqa2):
    """The captions of the second version, one for each figure: which captions InfiMed used is not known."""

    name = "pmc_vqa_captions"
    columns: ClassVar[tuple[str, ...]] = ("Figure_path", "Caption")
    rows_are_counted = False

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """Yield the first row of each figure."""
        seen: set[str] = set()
        for row in super().rows(files, split):
            if row.fields["Figure_path"] not in seen:
                seen.add(row.fields["Figure_path"])
                yield Row(clean(row.fields["Figure_path"]).rpartition(".")[0], row.fields)

    def sample(self, row: Row, split: str) -> Sample:
        """Return a description; it has no answer form."""
        more = {"images": row.image(), "meta": {"kind": "caption", "instruction": ""}}
        return self.make(row, split, CAPTION_QUESTION, "text", row.fields["Caption"], **more)


def _option(letter: str, cell: str) -> str:
    """Return the text of a choice. Raises UnusableRow if it is empty or has the letter of another."""
    written, option = _split(_unquoted(cell))
    if written not in ("", letter):
        raise UnusableRow("a choice has another letter", f"Choice {letter} is {cell!r}"[:100])
    if not option.strip(QUOTES) or option.upper() == "N/A":
        raise UnusableRow("a choice is empty", f"Choice {letter}")
    return option


def _split(text: str) -> tuple[str, str]:
    """``A: Green`` as ("A", "Green"), also behind a quotation mark; without a letter in front, ("", text)."""
    found = _LETTERED.fullmatch(text.lstrip(QUOTES))
    return (found[1].upper(), _unquoted(found[2])) if found else ("", text)


def _unquoted(text: str) -> str:
    """Return text without the pair of quotation marks around it."""
    text = clean(text)
    paired = len(text) > 1 and text[0] == text[-1] and text[0] in QUOTES and text.count(text[0]) == 2
    return clean(text[1:-1]) if paired else text


def _bare(text: str) -> str:
    """Return text without the quotation marks at its ends, for comparing."""
    return clean(clean(text).strip(QUOTES))


PMC_VQA, PMC_VQA_2, PMC_VQA_CAPTIONS = PmcVqa(), PmcVqa2(), PmcVqaCaptions()
