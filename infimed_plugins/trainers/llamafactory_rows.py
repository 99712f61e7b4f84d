"""Read and encode every row as LLaMA-Factory will, and name each one it would cut, drop or fail on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infimed_plugins.prompts import IMAGE_TAG
from infimed_plugins.trainers.data_check import ROW_ERRORS, OnProgress, Rows, load_errors, load_fault, picture_faults
from infimed_plugins.trainers.faults import Fault, first_line
from infimed_plugins.trainers.upstream_llamafactory import Encoder, join_data_sets


def check_rows(arguments: Any, tokenize: bool, on_progress: OnProgress) -> Rows:
    """Check the rows of all sets, and count those to train on. Without ``tokenize`` (no model here) lengths are not."""
    _, data, _, _, _ = arguments
    rows = Rows()
    encoder = _encoder(arguments, rows.faults) if tokenize else None
    done, first_image = 0, None
    try:
        trained, held_out = _load_sets(data.dataset, data), _load_sets(data.eval_dataset, data)
        total = sum(len(one.rows) for one in (*trained, *held_out))
        for one in (*trained, *held_out):
            for index, row in one.read():
                faults, images = one.check(index, row, encoder, rows)
                rows.faults += faults
                if images and first_image is None:
                    first_image = done
                done += 1
                on_progress(done, total)
    except _LoadError as error:
        rows.faults.append(error.args[0])
        return rows
    rows.count = sum(len(one.rows) for one in trained)
    if first_image is not None and data.preprocessing_batch_size <= first_image < rows.count:
        before = f"{first_image:,} rows without images come before the first image"
        what = f"{before}, which ends the run while it reads the data"
        rows.faults.append(Fault(f"dataset {trained[0].name}", what, "list data sets with images first"))
    if not rows.faults:
        rows.faults += _merge_faults(arguments)
    return rows


def _load_sets(names: list[str] | None, data: Any) -> list[_Set]:
    from llamafactory.data.parser import get_dataset_list

    return [_Set(attributes, data) for attributes in get_dataset_list(names, data.dataset_dir)]


def _encoder(arguments: Any, faults: list[Fault]) -> Encoder | None:
    try:
        return Encoder(arguments)
    except (ValueError, TypeError, OSError, KeyError) as error:
        fix = "name a template that LLaMA-Factory has, and a model folder that is whole"
        faults.append(Fault("template", f"the rows cannot be encoded ({first_line(error)})", fix))
    return None


class _LoadError(Exception):
    """A data set that cannot be loaded; its argument is the Fault."""


class _Set:
    """One data set as upstream loads it (data/loader.py:_load_single_dataset), with its converter."""

    def __init__(self, attributes: Any, data: Any) -> None:
        from llamafactory.data.converter import get_dataset_converter

        self.name = attributes.dataset_name
        self.attributes, self.data = attributes, data
        self.rows = self._load()
        self.convert = get_dataset_converter(attributes.formatting, attributes, data)

    def _load(self) -> Any:
        from datasets import load_dataset
        from llamafactory.extras.constants import FILEEXT2TYPE

        options: dict[str, Any] = {"split": self.attributes.split}
        self.files: list[str] = []
        if self.attributes.load_from == "file":
            path = Path(self.data.dataset_dir) / self.name
            files = sorted(path.iterdir()) if path.is_dir() else [path]
            kinds = {FILEEXT2TYPE.get(file.suffix[1:]) for file in files}
            if len(kinds) != 1 or None in kinds:
                what = f"{path} must hold files of one type, of {', '.join(sorted(FILEEXT2TYPE))}"
                raise _LoadError(Fault(f"dataset {self.name}", what, "move the others away"))
            self.files = [str(file) for file in files]
            options |= {"path": kinds.pop(), "data_files": self.files}
        else:
            options |= {"path": self.name, "name": self.attributes.subset, "data_dir": self.attributes.folder}
        try:
            rows = load_dataset(**options)
        except load_errors() as error:
            raise _LoadError(self._load_fault(error)) from error
        if not len(rows):
            raise _LoadError(Fault(f"dataset {self.name}", "it holds no rows", "build it again, or leave it out"))
        return rows.select(range(min(self.data.max_samples or len(rows), len(rows))))

    def _load_fault(self, error: Exception) -> Fault:
        fix = "give every row the same columns of the same types"
        return load_fault(f"dataset {self.name}", "", self.files, error, fix)

    def read(self) -> Iterator[tuple[int, Any]]:
        """Yield the number of each row and the row; text in another encoding is decoded only here."""
        try:
            yield from enumerate(self.rows)
        except UnicodeDecodeError as error:
            raise _LoadError(self._load_fault(error)) from error

    def check(self, index: int, row: Any, encoder: Encoder | None, rows: Rows) -> tuple[list[Fault], bool]:
        """Return the faults of one row, and True if it has images."""
        where = f"{self.name}[{index}]"
        try:
            converted = self.convert(row)
        except ROW_ERRORS as error:
            return [Fault(where, f"cannot be read ({first_line(error)})", "give it the columns of the others")], False
        images = converted["_images"] or []
        faults = list(_content_faults(where, converted, images))
        if encoder is not None:
            turns = (*converted["_prompt"], *converted["_response"])
            for text in (converted["_system"], *(turn["content"] for turn in turns)):
                faults += encoder.special.faults(where, str(text or ""))
        if not faults and encoder is not None:
            faults = _encoding_faults(where, converted, encoder, rows)
        return faults, bool(images)


def _content_faults(where: str, row: dict[str, Any], images: list[Any]) -> Iterator[Fault]:
    turns = [*row["_prompt"], *row["_response"]]
    if len(row["_prompt"]) % 2 != 1 or len(row["_response"]) != 1:
        what = "its turns are not user, assistant, …; it would be dropped"
        yield Fault(where, what, "end it with an assistant turn and use the roles of dataset_info.json")
        return
    if not str(row["_response"][0]["content"] or "").strip():
        yield Fault(where, "the answer is empty", "drop the row or answer it")
    tags = sum(str(turn["content"]).count(IMAGE_TAG) for turn in turns)
    said = f"{_count(tags, f'{IMAGE_TAG} tag')} but {_count(len(images), 'image')}"
    yield from picture_faults(where, said, tags, images)[0]


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _encoding_faults(where: str, row: dict[str, Any], encoder: Encoder, rows: Rows) -> list[Fault]:
    """Measure a row before any cut; return the fault of one that is cut or cannot be encoded."""
    try:
        whole, _ = encoder.encode(row, cut=False)
        rows.measured(len(whole))
        if len(whole) <= encoder.cutoff:
            return []
        kept, labels = encoder.encode(row, cut=True)
    except ROW_ERRORS as error:
        return [Fault(where, f"cannot be encoded ({first_line(error)})", "mend or drop the row")]
    lost_images = whole.count(encoder.image_token) - kept.count(encoder.image_token)
    what = f"{len(whole):,} tokens are cut to cutoff_len {encoder.cutoff:,}"
    if lost_images:
        what += f", {lost_images:,} of an image among them: training would fail there"
    elif all(label < 0 for label in labels):
        what += ", nothing is left to learn"
    return [Fault(where, what, "raise cutoff_len, lower image_max_pixels, or drop the row")]


def _merge_faults(arguments: Any) -> Iterator[Fault]:
    """Yield a fault if upstream cannot load, convert and join the sets: types that differ show only here."""
    try:
        join_data_sets(arguments)
    except load_errors() as error:
        what = f"LLaMA-Factory cannot join the data sets ({first_line(error.__cause__ or error)})"
        yield Fault("dataset", what, "give all sets the same columns of the same types, or list them apart")
