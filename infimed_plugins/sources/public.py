"""What the sources of public data sets share: a source says where its rows are and how one becomes a Sample."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from infimed_plugins.errors import ConfigError, DataError
from infimed_plugins.records import OPTION_LETTERS, BadRow, Json, Sample, Task
from infimed_plugins.sources.entry import SourceEntry, source_entries
from infimed_plugins.sources.files import DamagedFileError, Files, MissingImageError, hub_commit

YES_NO = ("yes", "no")
IMAGE_TAG = re.compile(r"<image(?:[ _]?\d+)?>")  # <image>, <image 1>, <image_1>
_LETTERED = re.compile(r"^\s*\(?([A-Za-z])\s*(?:\)|\.|:|：)\s*(.*)$", re.DOTALL)


@dataclass(frozen=True)
class Row:
    """One upstream row: an id that is the same in every build, its fields, and what opens its images."""

    id: str
    fields: Mapping[str, Any]


class UnusableRow(DataError):
    """A row that cannot become a Sample. ``reason`` is one that many rows may share, ``detail`` what was found."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason, self.detail = reason, detail
        super().__init__(f"{reason}: {detail}" if detail else reason)


class PublicSource:
    """A public data set. A subclass gives ``name``, ``splits``, ``rows`` and ``sample``."""

    name: ClassVar[str]
    splits: ClassVar[tuple[str, ...]]

    @property
    def entry(self) -> SourceEntry:
        """What the registry says of it."""
        return source_entries()[self.name]

    @property
    def licence(self) -> str:
        """Its licence, from the registry."""
        return self.entry.licence

    def revision(self, folder: Path | None) -> str | None:
        """What was read: the commit that the hub gave for the registry's revision, or "local files"."""
        if folder is not None:
            return "local files"
        return hub_commit(self.entry) or self.entry.revision

    def load(
        self, split: str, *, folder: Path | None = None, seed: int = 0, limit: int | None = None
    ) -> Iterator[Sample | BadRow]:
        """Yield the rows of a split in the order of the files, those that cannot be used as BadRow.

        Raises ConfigError for an unknown split, MissingFileError naming what to download and where to put it, and
        DataError for a damaged file or a changed schema.
        """
        for row in self._first_rows(split, folder, limit):
            yield self.read(row, split)

    def load_rows(
        self, split: str, *, folder: Path | None = None, limit: int | None = None
    ) -> Iterator[tuple[dict[str, Json], Sample | BadRow]]:
        """Yield what ``load`` yields, each beside the upstream row's own fields, verbatim (see ``json_fields``).

        Scoring as another framework does needs the fields, those of rows that cannot be used too. Raises as ``load``.
        """
        for row in self._first_rows(split, folder, limit):
            yield json_fields(row.fields), self.read(row, split)

    def _first_rows(self, split: str, folder: Path | None, limit: int | None) -> Iterator[Row]:
        """The first ``limit`` rows of a split. Raises ConfigError for an unknown split."""
        if split not in self.splits:
            raise ConfigError(f"{self.name} has no split {split!r}; one of {', '.join(self.splits)}")
        rows = self.rows(Files(self.name, self.entry, folder), split)
        yield from rows if limit is None else islice(rows, max(0, limit))

    def read(self, row: Row, split: str) -> Sample | BadRow:
        """The Sample of a row, or why there is none. Raises DamagedFileError where no row can be read."""
        try:
            return self.sample(row, split)
        except DamagedFileError:
            raise
        except UnusableRow as error:
            return BadRow(self._id(split, row), error.reason, error.detail)
        except MissingImageError as error:
            return BadRow(self._id(split, row), "its image is missing", str(error))
        except (DataError, KeyError, TypeError, ValueError) as error:
            return BadRow(self._id(split, row), "a field cannot be read", f"{type(error).__name__}: {error}")

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """The upstream rows of a split."""
        raise NotImplementedError

    def sample(self, row: Row, split: str) -> Sample:
        """The Sample of a row. Raises UnusableRow or another DataError where there is none."""
        raise NotImplementedError

    def make(
        self,
        row: Row,
        split: str,
        question: str,
        task: Task,
        answer: Json,
        **more: Any,
    ) -> Sample:
        """A Sample of this source, its texts cleaned. Raises UnusableRow without a question or an answer."""
        question = clean(question)
        if not question:
            raise UnusableRow("no question")
        if isinstance(answer, str):
            answer = clean(answer)
        if answer is None or answer == "":
            raise UnusableRow("no answer")
        return Sample(self._id(split, row), self.name, split, question, task, answer, **more)

    def _id(self, split: str, row: Row) -> str:
        return f"{self.name}-{split}-{row.id}"


def json_fields(fields: Mapping[str, Any]) -> dict[str, Json]:
    """The fields that JSON can hold, unchanged: without images, their bytes, and what opens them."""
    return {name: value for name, value in fields.items() if _is_json(value)}


def _is_json(value: Any) -> bool:
    if isinstance(value, dict):
        if value.keys() == {"bytes", "path"}:  # an embedded image, even where its bytes are missing
            return False
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    if isinstance(value, list):
        return all(_is_json(item) for item in value)
    return value is None or isinstance(value, (str, int, float, bool))


def clean(text: Any) -> str:
    """Text without odd spaces (tabs, no-break and hair spaces) and what surrounds it."""
    return re.sub(r"[^\S\n]+", " ", str(text)).strip()


def without_image_tags(text: str) -> str:
    """Text without ``<image>`` and ``<image 1>``: exporters put the images first."""
    return clean(IMAGE_TAG.sub("", text))


def closed_or_open(answer: str) -> tuple[str, str]:
    """A short answer, in lower case where it is yes or no, and its kind, "closed" or "open"."""
    word = clean(answer).lower().rstrip(".")
    return (word, "closed") if word in YES_NO else (clean(answer), "open")


def letter_of_index(index: Any, options: Sequence[str]) -> str:
    """The letter of a 0-based index. Raises UnusableRow outside of the options."""
    number = int(index)
    if not 0 <= number < len(options):
        raise UnusableRow("the answer is none of the options", f"index {number} of {len(options)}")
    return OPTION_LETTERS[number]


def letter_of_text(text: str, options: Sequence[str]) -> str:
    """The letter of the one option with this text. Raises UnusableRow when none or several have it."""
    wanted = clean(text).casefold()
    found = [index for index, option in enumerate(options) if clean(option).casefold() == wanted]
    if len(found) != 1:
        raise UnusableRow("the answer is none of the options" if not found else "two options are the same", text[:100])
    return OPTION_LETTERS[found[0]]


def letter_among(letter: Any, options: Sequence[str]) -> str:
    """A letter that names one of the options. Raises UnusableRow otherwise."""
    word = clean(letter).strip("().:").upper()
    if len(word) != 1 or word not in OPTION_LETTERS[: len(options)]:
        raise UnusableRow("the answer is none of the options", repr(letter)[:100])
    return word


def split_letter(text: str) -> tuple[str, str]:
    """``" A: Green "`` as ("A", "Green"); without a letter in front, ("", text)."""
    found = _LETTERED.match(text)
    return (found[1].upper(), clean(found[2])) if found else ("", clean(text))


def literal_list(text: str) -> list[Any]:
    """A list written as a Python literal, never evaluated. Raises UnusableRow when it is none."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise UnusableRow("a list cannot be read", text[:100]) from error
    if not isinstance(value, (list, tuple)):
        raise UnusableRow("a list cannot be read", text[:100])
    return list(value)
