"""What decontamination found, as JSON lines, with small copies of the images beside them.

    {"sample": "vqa_rad-train-00012", "benchmark": "vqa_rad/test", "item": "vqa_rad-test-00003", "dropped": true,
     "why": "image and question", "image_distance": 2, "orientation": "mirrored", "question_similarity": 0.8,
     "similarity": null, "sample_question": "…", "item_question": "…",
     "sample_image": "report_images/3f2a….jpg", "item_image": "report_images/77b0….jpg"}

``report.jsonl`` keeps its images in ``report_images``; page.py shows both.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TextIO

from infimed_plugins.curation.decontamination.benchmark_items import Benchmarks, Item, benchmark_samples, first_sha
from infimed_plugins.errors import DataError
from infimed_plugins.images import thumbnail
from infimed_plugins.records import ImageRef, Sample
from infimed_plugins.storage import whole_file, write_whole

THUMBNAIL = 320  # pixels of the longer side
MOST_SHOWN = 1_000  # rows with images: tens of megabytes


@dataclass(frozen=True)
class Finding:
    """One sample and the benchmark's item that is most like it. ``shas`` are of the two images that match."""

    item: Item
    why: str
    dropped: bool
    image_distance: int | None = None
    orientation: str | None = None
    question_similarity: float | None = None
    similarity: float | None = None
    shas: tuple[str, str] | None = None


class Report:
    """Written as the samples pass; the benchmarks' images follow on closing. Without a path it does nothing."""

    def __init__(self, path: Path | None, downloads: Path | None) -> None:
        self._path = path
        self._downloads = downloads
        self._whole = ExitStack()
        self._file: TextIO | None = None
        self._wanted: dict[tuple[str, str], str] = {}  # (benchmark, item): the sha256 of the image to show
        self._shown = 0

    def __enter__(self) -> Report:
        if self._path is not None:
            try:
                partial = self._whole.enter_context(whole_file(self._path))
                self._file = partial.open("w", encoding="utf-8", errors="backslashreplace")
            except OSError as error:
                raise DataError(f"report {self._path} cannot be written ({error.strerror}); choose another") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._whole.__exit__(kind, error, trace)
            if kind is None:
                self._write_benchmark_images()

    def add(self, sample: Sample, finding: Finding) -> None:
        """Write one line and, of the first MOST_SHOWN, the sample's image."""
        if self._file is None:
            return
        item, shown = finding.item, self._shown < MOST_SHOWN
        row = {
            "sample": sample.id,
            "benchmark": item.benchmark,
            "item": item.id,
            "dropped": finding.dropped,
            "why": finding.why,
            "image_distance": finding.image_distance,
            "orientation": finding.orientation,
            "question_similarity": finding.question_similarity,
            "similarity": finding.similarity,
            "sample_question": _one_text(sample.question, sample.options or ()),
            "item_question": _one_text(item.text.question, item.text.options),
            "sample_image": self._sample_image(sample, finding) if shown else None,
            "item_image": self._item_image(finding) if shown else None,
        }
        self._shown += 1
        self._file.write(json.dumps(row, ensure_ascii=False) + "\n")

    @property
    def _images(self) -> Path:
        assert self._path is not None
        return self._path.with_name(f"{self._path.stem}_images")

    def _sample_image(self, sample: Sample, finding: Finding) -> str | None:
        shas = finding.shas[:1] if finding.shas else first_sha(sample)
        for image in sample.images:
            if shas and image.sha256() == shas[0]:
                return self._thumbnail(image, shas[0])
        return None

    def _item_image(self, finding: Finding) -> str | None:
        """The name that the image will have: it is read again when all samples have passed."""
        item = finding.item
        sha = finding.shas[1] if finding.shas else next(iter(item.shas), None)
        if sha is None:
            return None
        self._wanted[item.benchmark, item.id] = sha
        return f"{self._images.name}/{sha[:16]}.jpg"

    def _write_benchmark_images(self) -> None:
        names = tuple(sorted({benchmark for benchmark, _ in self._wanted}))
        for benchmark, sample in benchmark_samples(Benchmarks(names, self._downloads, skip_missing=True), []):
            sha = self._wanted.get((benchmark, sample.id))
            for image in sample.images if sha is not None else ():
                data = image.read()
                if hashlib.sha256(data).hexdigest() == sha:
                    self._thumbnail(ImageRef(data=data), sha)

    def _thumbnail(self, image: ImageRef, sha: str) -> str | None:
        path = self._images / f"{sha[:16]}.jpg"
        if not path.exists():
            try:
                write_whole(path, thumbnail(image.read(), image.path or "in memory", THUMBNAIL))
            except DataError:
                return None
        return f"{path.parent.name}/{path.name}"


def _one_text(question: str, options: tuple[str, ...]) -> str:
    return "\n".join([question, *(f"- {option}" for option in options)])
