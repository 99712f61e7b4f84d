"""What the checks of a LLaMA-Factory row and of an EasyR1 row share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infimed_plugins.trainers.faults import Fault, first_line
from infimed_plugins.trainers.file_check import check_image, unreadable_file

# what upstream's converters, templates and processors raise on rows they cannot read
ROW_ERRORS = (KeyError, ValueError, TypeError, IndexError, AttributeError, OSError, RuntimeError)


@dataclass
class Rows:
    """What was read: ``count`` rows to train on, and the ``longest`` in tokens, None when nothing was tokenised."""

    count: int = 0
    longest: int | None = None
    faults: list[Fault] = field(default_factory=list)

    def measured(self, length: int) -> None:
        """Note the length of one more row."""
        self.longest = max(self.longest or 0, length)


def load_errors() -> tuple[type[Exception], ...]:
    """What loading a data set raises."""
    from datasets.exceptions import DatasetGenerationError, DatasetNotFoundError
    from pyarrow import ArrowException

    return (DatasetGenerationError, DatasetNotFoundError, ArrowException, *ROW_ERRORS)


def load_fault(where: str, name: str, files: Iterable[str], error: Exception, mend: str) -> Fault:
    """The fault of a data set that cannot be loaded: of its first unreadable file, or else what was raised."""
    known = next(filter(None, (unreadable_file(Path(file)) for file in files)), None)
    what, mend = known or (first_line(error.__cause__ or error), mend)
    return Fault(where, f"{name} cannot be loaded ({what})".strip(), mend)


def picture_faults(
    where: str, said: str, tags: int, images: Sequence[Any], max_aspect_ratio: float | None = None
) -> tuple[list[Fault], list[tuple[int, int]]]:
    """The faults of a row's images and their sizes; ``said`` is for a prompt with another number of tags."""
    faults = []
    if tags != len(images):
        mend = "write <image> once for each image" if images else "write it <img>"
        faults.append(Fault(where, said, mend))
    found = [check_image(image, where, max_aspect_ratio=max_aspect_ratio) for image in images]
    faults += [one for one in found if isinstance(one, Fault)]
    return faults, [one for one in found if not isinstance(one, Fault)]
