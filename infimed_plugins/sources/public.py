"""The base class of public data sets: a source says where its rows are and how one becomes a Sample."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

from infimed_plugins.errors import (
    ConfigError,
    DamagedFileError,
    DataError,
    MissingExtraError,
    MissingFileError,
    MissingImageError,
)
from infimed_plugins.limits import parse_literal
from infimed_plugins.records import BadRow, ImageRef, Json, Sample, Task
from infimed_plugins.sources import SourceEntry, source_entries
from infimed_plugins.sources.files import Files, embedded_image, hub_commit
from infimed_plugins.sources.tables import NO_OBJECT, read_files
from infimed_plugins.tables.cells import missing

_log = logging.getLogger(__name__)

PARQUET = ("data/{split}-*.parquet", "{split}*.parquet")  # as the hub names them, and without its folder
Paths = Sequence[str] | Mapping[str, Sequence[str]]
YES_NO = ("yes", "no")
IMAGE_TAG = re.compile(r"<image(?:[ _]?\d+)?>")  # <image>, <image 1>, <image_1>
_NUMBER = re.compile(r"[-−]?\$?(?:\d[\d,]*(?:\.\d+)?|\.\d+|\d+ \d+)(?:/\d+)?\s?%?")
_THINK_TAG = re.compile(r"</?think>")


@dataclass(frozen=True)
class Row:
    """One upstream row: an id that is the same in every build, its fields, and what opens its images."""

    id: str
    fields: Mapping[str, Any]

    def image(self) -> tuple[ImageRef]:
        """Return the picture in the field ``image``: bytes, or a call that opens it. Raises MissingImageError."""
        value = self.fields["image"]
        return (value() if callable(value) else embedded_image(value, "the row"),)

    def opening(self, read: Callable[[Mapping[str, Any]], ImageRef]) -> Row:
        """Return the row with a picture that ``read`` finds by its fields, when it is asked for."""
        return Row(self.id, {**self.fields, "image": partial(read, self.fields)})

    def some(self, *names: str) -> dict[str, Json]:
        """Return these fields for ``meta``, without the empty ones."""
        return {name: self.fields[name] for name in names if self.fields.get(name)}


class UnusableRow(DataError):
    """A row that cannot become a Sample. ``reason`` is one that many rows may share, ``detail`` what was found."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason, self.detail = reason, detail
        super().__init__(f"{reason}: {detail}" if detail else reason)


class PublicSource:
    """A public data set. A subclass gives ``name``, ``splits``, ``columns`` and ``sample``.

    ``paths`` are patterns of a split's files, ``{split}`` filled in, or those of each split; the first that matches
    counts. Another layout overrides ``rows``.
    """

    name: ClassVar[str]
    splits: ClassVar[tuple[str, ...]]
    paths: ClassVar[Paths] = PARQUET
    columns: ClassVar[tuple[str, ...]] = ()
    id_column: ClassVar[str | None] = None  # without one, ids count rows
    id_digits: ClassVar[int] = 5
    rows_are_counted: ClassVar[bool] = True  # False if the registry counts something else than the rows

    @property
    def entry(self) -> SourceEntry:
        """Its entry in the registry."""
        return source_entries()[self.name]

    @property
    def licence(self) -> str:
        """Its license, from the registry."""
        return self.entry.licence

    def opened(self, split: str, folder: Path | None) -> list[Path]:
        """Return the files that the last ``load`` of a split opened, images in folders left out."""
        return list(self._opened.get((split, folder), ()))

    @cached_property
    def _opened(self) -> dict[tuple[str, Path | None], dict[Path, None]]:
        return {}

    def is_local(self, folder: Path | None) -> bool:
        """True if it reads the user's folder, not the network."""
        return Files(self.name, self.entry, folder).is_local

    def revision(self, folder: Path | None) -> str | None:
        """Return the commit that was read (the hub's for the registry's revision), or "local files"."""
        if self.is_local(folder):
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
        """Yield the first ``limit`` rows of a split. Raises ConfigError for an unknown split."""
        if split not in self.splits:
            raise ConfigError(f"{self.name} has no split {split!r}; one of {', '.join(self.splits)}")
        if limit is not None and limit <= 0:
            return
        files, count = Files(self.name, self.entry, folder), 0
        self._opened[split, folder] = files.opened
        for count, row in enumerate(self.rows(files, split), 1):
            yield row
            if count == limit:
                return
        self._check_count(split, count, files)

    def _check_count(self, split: str, count: int, files: Files) -> None:
        """Raise DamagedFileError for half a split, as a text file that was cut off gives; local files may be a part."""
        known = self.entry.splits.get(split, 0)
        if self.rows_are_counted and 2 * count < known:
            said = f"{self.name}: {split} holds {count:,} rows where the registry knows {known:,}"
            if not files.is_local:
                raise DamagedFileError(f"{said}: download it again")
            _log.warning("%s; the files in %s are a part of it, or cut off", said, files.folder)

    def read(self, row: Row, split: str) -> Sample | BadRow:
        """Return the Sample of a row, or the BadRow that says why not. Raises only if that is not the row's fault."""
        try:
            return self._read(row, split)
        except (DamagedFileError, MissingFileError, MissingExtraError, MemoryError):
            raise
        except UnusableRow as error:
            reason, detail = error.reason, error.detail
        except MissingImageError as error:
            reason, detail = "its image is missing", str(error)
        except KeyError as error:
            reason, detail = "a field is missing", str(error)
        except Exception as error:  # noqa: BLE001  a field may hold anything
            reason, detail = "a field cannot be read", f"{type(error).__name__}: {error}"
        return BadRow(_escaped(self._id(split, row)), reason, _escaped(detail))

    def _read(self, row: Row, split: str) -> Sample:
        if NO_OBJECT in row.fields:
            raise UnusableRow("it is no object", row.fields[NO_OBJECT])
        return self.sample(row, split)

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """Return the upstream rows of a split."""
        return self.numbered(read_files(self.find(files, split), self.columns))

    def find(self, files: Files, split: str) -> list[Path]:
        """Return the files of a split: all parts in parquet, one of any other kind. Raises MissingFileError."""
        patterns = self.paths[split] if isinstance(self.paths, Mapping) else self.paths
        return files.all(*(pattern.replace("{split}", split) for pattern in patterns))

    def numbered(self, rows: Iterable[dict[str, Any]]) -> Iterator[Row]:
        """Yield the rows with their ids."""
        for index, fields in enumerate(rows):
            place = f"{index:0{self.id_digits}d}"
            yield Row(row_id(fields, self.id_column, index) if self.id_column else place, fields)

    def sample(self, row: Row, split: str) -> Sample:
        """Return the Sample of a row. Raises UnusableRow or another DataError where there is none."""
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
        """Return a Sample, its texts cleaned. Raises UnusableRow without a question, an answer or an option."""
        question = clean(question)
        if not question:
            raise UnusableRow("no question")
        if isinstance(answer, str) or missing(answer):
            answer = clean(answer)
        if answer == "":
            raise UnusableRow("no answer")
        if "" in (more.get("options") or ()):
            raise UnusableRow("a choice is empty")
        more["meta"] = {key: value for key, value in more.get("meta", {}).items() if not missing(value)}
        sample = Sample(self._id(split, row), self.name, split, question, task, answer, **more)
        _check_encodable(sample)
        return sample

    def choice(self, row: Row, split: str, question: str, options: Sequence[str], letter: str, **more: Any) -> Sample:
        """Return a multiple choice. Raises as ``make``."""
        return self.make(row, split, question, "multiple_choice", letter, options=tuple(options), **more)

    def as_written(
        self, row: Row, split: str, question: str, answer: str, kind: str, task: Task = "text", **more: Any
    ) -> Sample:
        """Return a question that states its own answer form; the layout of upstream's texts is kept (code, tables)."""
        sample = self.make(row, split, question, task, answer, meta={"kind": kind, "instruction": ""}, **more)
        return replace(sample, question=question.strip(), answer=answer.strip())

    def _id(self, split: str, row: Row) -> str:
        return f"{self.name}-{split}-{row.id}"


def json_fields(fields: Mapping[str, Any]) -> dict[str, Json]:
    """Return the fields that JSON can hold, unchanged: not images, their bytes, or functions that open them."""
    return {name: value for name, value in fields.items() if _is_json(value)}


def _is_json(value: Any) -> bool:
    if isinstance(value, dict):
        if value.keys() == {"bytes", "path"}:  # an embedded image, even where its bytes are missing
            return False
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    if isinstance(value, list):
        return all(_is_json(item) for item in value)
    return value is None or isinstance(value, (str, int, float, bool))


def _check_encodable(sample: Sample) -> None:
    """Raise UnusableRow for half a surrogate pair: JSON may hold one ("\\ud800"), no file of text can."""
    texts = [sample.id, sample.question, sample.answer, sample.options, sample.rationale, dict(sample.meta)]
    try:
        json.dumps(texts, ensure_ascii=False, default=str).encode("utf-8")
    except UnicodeEncodeError as error:
        raise UnusableRow("a text cannot be encoded", f"{error.object[error.start]!r}") from error


def _escaped(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def as_text(value: Any) -> str:
    """Return a field as text, "" if missing."""
    return "" if missing(value) else str(value)


def clean(text: Any) -> str:
    """Return text, stripped, with odd spaces (tabs, no-break, hair) made plain; "" if missing."""
    return re.sub(r"[^\S\n]+", " ", as_text(text)).strip()


def row_id(row: Mapping[str, Any], column: str, place: int | str) -> str:
    """Return the id that upstream gives a row, or its place among the rows."""
    return as_text(row.get(column)) or f"row-{place}"


def without_image_tags(text: Any) -> str:
    """Return text without ``<image>`` and ``<image 1>``: exporters put the images first."""
    return clean(IMAGE_TAG.sub("", as_text(text)))


def closed_or_open(answer: Any) -> tuple[str, str]:
    """Return a short answer, yes or no in lower case, and its kind, "closed" or "open"."""
    word = clean(answer).lower().rstrip(".")
    return (word, "closed") if word in YES_NO else (clean(answer), "open")


def literal_list(text: Any) -> list[Any]:
    """Return a list written as a Python literal, never evaluated. Raises UnusableRow if it is none."""
    text = as_text(text)
    try:
        value = parse_literal(text)
    except ValueError as error:
        raise UnusableRow("a list cannot be read", text[:100]) from error
    if not isinstance(value, (list, tuple)):
        raise UnusableRow("a list cannot be read", text[:100])
    return list(value)


def text_or_math(answer: str) -> Task:
    """Return the task of a short answer: "math" for a number such as ``6,830``, ``1/12``, ``1 1/2`` or ``$8.20``."""
    return "math" if _NUMBER.fullmatch(clean(answer)) else "text"


def reasoning(text: Any) -> str | None:
    """Return a rationale without the think tags that some rows carry; None when nothing is left."""
    return _THINK_TAG.sub("", as_text(text)).strip() or None
