"""Finished samples written as the files the trainers read; one file for each trainer.

An exporter is handed ``ExportRow``s one at a time, so a set of any size is written in little memory. It writes to a
temporary name and renames at the end: a file is either whole or not there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infimed_plugins.errors import DataError
from infimed_plugins.records import Sample

PARTIAL = ".partial"  # the end of an unfinished file's name


@dataclass(frozen=True)
class ExportRow:
    """A sample on its way to a trainer.

    ``images`` are the paths of its images relative to the store's root, one for each image of the question, in order.
    ``style`` is the prompt style it is asked in, ``into`` the set it belongs to (``train`` or ``val``).
    Raises DataError when there are not as many paths as images: EasyR1 would train on without noticing.
    """

    sample: Sample
    images: tuple[str, ...]
    style: str
    into: str = "train"

    def __post_init__(self) -> None:
        if len(self.images) != len(self.sample.images):
            found, wanted = len(self.images), len(self.sample.images)
            raise DataError(f"sample {self.sample.id} has {wanted} images, but {found} were stored for it")


def remove_partial_files(folder: Path) -> None:
    """Remove what a kill left of unfinished files below a folder; nobody else may be writing there."""
    for path in folder.rglob(f".*{PARTIAL}"):
        path.unlink(missing_ok=True)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path that becomes ``path`` when the block ends well, and is removed when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
