"""Write finished samples as files of rows; what a row of a trainer holds is in the trainer's file (trainers/).

A writer is handed ``ExportRow``s one at a time, so a set of any size is written in little memory, and writes whole
files (storage.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from infimed_plugins.errors import DataError
from infimed_plugins.records import Sample
from infimed_plugins.rewards import parse_truth


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


# rows, the build folder, the root of the images, the recipe's name; returns the rows of each file
Write = Callable[[Iterable[ExportRow], Path, Path, str], dict[str, int]]


@dataclass(frozen=True)
class Format:
    """One format; ``hint`` is how a trainer is told of its rows.

    ``images_beside``: the images stay as files in the build; in the other formats they are in the rows.
    ``for_rewards``: a row whose truth no reward reads is refused. ``beside`` are further files, of each set's folder or
    of the build.
    """

    write: Write
    hint: str
    images_beside: bool = False
    for_rewards: bool = False
    beside: tuple[str, ...] = ()

    def refusal(self, row: ExportRow) -> tuple[str, str] | None:
        """Return why the format cannot carry a row, and what of it; None if it can."""
        try:
            if self.for_rewards:
                parse_truth(row.sample.ground_truth.to_json())
        except DataError as error:
            return "no reward reads its answer", str(error)
        return None

    def files_beside(self, sets: Iterable[str]) -> Iterator[str]:
        """Yield the paths of the further files of these sets."""
        return (
            str(folder / name) for folder in dict.fromkeys(Path(file).parent for file in sets) for name in self.beside
        )
