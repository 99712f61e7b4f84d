"""Images that a source holds in memory, moved to a file while steps collect their samples.

Steps may hold a part's samples all at once, and images from parquet files come as bytes: 60,000 of them are gigabytes.
On disk they cost a number each. Images that are read when asked, files and members of archives, stay as they are.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType

from infimed_plugins.records import ImageRef, Sample


class ImageSpill:
    """One file of image bytes, gone when it is closed. Raises OSError when the disk is full."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w+b", buffering=0)
        self._path, self._end = path, 0

    def move(self, sample: Sample) -> Sample:
        """The sample with its images on disk."""
        if all(image.data is None for image in sample.images):
            return sample
        return replace(sample, images=tuple(self._moved(image) for image in sample.images))

    def _moved(self, image: ImageRef) -> ImageRef:
        if image.data is None:
            return image
        start, size = self._end, len(image.data)
        left = memoryview(image.data)
        while left:  # an unbuffered write may take only a part
            left = left[self._file.write(left) :]
        self._end += size
        # pread keeps no place in the file, so several threads may read
        return ImageRef(path="in memory", reader=partial(os.pread, self._file.fileno(), size, start))

    def __enter__(self) -> ImageSpill:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)
