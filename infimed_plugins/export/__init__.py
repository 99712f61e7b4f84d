"""Write finished samples as the files the trainers read; one module for each trainer.

An exporter is handed ``ExportRow``s one at a time, so a set of any size is written in little memory, and writes whole
files (storage.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from infimed_plugins.errors import DataError
from infimed_plugins.records import Sample


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
