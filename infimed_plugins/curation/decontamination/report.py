"""Write the findings of decontamination as JSON lines, with small copies of the images beside them.

    {"sample": "vqa_rad-train-00012", "benchmark": "vqa_rad/test", "item": "vqa_rad-test-00003", "dropped": true,
     "why": "image and question", "image_distance": 2, "orientation": "mirrored", "question_similarity": 0.8,
     "similarity": null, "sample_question": "…", "item_question": "…",
     "sample_image": "report_images/3f2a….jpg", "item_image": "report_images/77b0….jpg"}

``report.jsonl`` keeps its images in ``report_images``; page.py shows both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from infimed_plugins.curation.decontamination.benchmark_items import Benchmarks, benchmark_samples, first_sha
from infimed_plugins.curation.decontamination.text_match import Item
from infimed_plugins.errors import DataError
from infimed_plugins.images import thumbnail
from infimed_plugins.records import ImageRef, Sample
from infimed_plugins.storage import whole_file, write_whole

THUMBNAIL = 320  # pixels of the longer side
MATCH = ("image_distance", "orientation", "question_similarity", "similarity")  # of a Finding
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


@contextmanager
def writing_report(path: Path | None, downloads: Path | None) -> Iterator[Callable[[Sample, Finding], None]]:
    """Yield a function that writes a line for a finding; without a path it writes none. Images of benchmarks follow at
    the end."""
    if path is None:
        yield lambda sample, finding: None
        return
    with ExitStack() as stack:
        try:
            partial = stack.enter_context(whole_file(path))
            file = stack.enter_context(partial.open("w", encoding="utf-8", errors="backslashreplace"))
        except OSError as error:
            raise DataError(f"report {path} cannot be written ({error.strerror}); choose another") from error
        report = _Report(path.with_name(f"{path.stem}_images"), file)
        yield report.add
    report.write_benchmark_images(downloads)


@dataclass
class _Report:
    """The images of a report go to ``folder``, the first MOST_SHOWN of them."""

    folder: Path
    file: TextIO
    wanted: dict[tuple[str, str], str] = field(default_factory=dict)  # (benchmark, item): sha256 of the image to show
    shown: int = 0

    def add(self, sample: Sample, finding: Finding) -> None:
        """Write one line and, of the first MOST_SHOWN, the sample's image."""
        item, shown = finding.item, self.shown < MOST_SHOWN
        row = {
            "sample": sample.id,
            "benchmark": item.benchmark,
            "item": item.id,
            "dropped": finding.dropped,
            "why": finding.why,
            **{key: getattr(finding, key) for key in MATCH},
            "sample_question": _one_text(sample.question, sample.options or ()),
            "item_question": _one_text(item.text.question, item.text.options),
            "sample_image": self._sample_image(sample, finding) if shown else None,
            "item_image": self._item_image(finding) if shown else None,
        }
        self.shown += 1
        self.file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def _sample_image(self, sample: Sample, finding: Finding) -> str | None:
        (sha,) = (finding.shas[:1] if finding.shas else first_sha(sample)) or ("",)
        image = next((one for one in sample.images if sha and one.sha256() == sha), None)
        return self._thumbnail(image, sha) if image else None

    def _item_image(self, finding: Finding) -> str | None:
        """Return the name that the image will have; it is written after all samples have passed."""
        item = finding.item
        sha = finding.shas[1] if finding.shas else next(iter(item.shas), None)
        if sha is None:
            return None
        self.wanted[item.benchmark, item.id] = sha
        return f"{self.folder.name}/{sha[:16]}.jpg"

    def write_benchmark_images(self, downloads: Path | None) -> None:
        """Read the benchmarks again and store the images that the lines name."""
        names = tuple(sorted({benchmark for benchmark, _ in self.wanted}))
        for benchmark, sample in benchmark_samples(Benchmarks(names, downloads, skip_missing=True), []):
            sha = self.wanted.get((benchmark, sample.id))
            for image in sample.images if sha is not None else ():
                data = image.read()
                if hashlib.sha256(data).hexdigest() == sha:
                    self._thumbnail(ImageRef(data=data), sha)

    def _thumbnail(self, image: ImageRef, sha: str) -> str | None:
        path = self.folder / f"{sha[:16]}.jpg"
        if not path.exists():
            try:
                write_whole(path, thumbnail(image.read(), image.path or "in memory", THUMBNAIL))
            except DataError:
                return None
        return f"{path.parent.name}/{path.name}"


def _one_text(question: str, options: tuple[str, ...]) -> str:
    return "\n".join([question, *(f"- {option}" for option in options)])
