"""Make the rows of one part: choose them from its source, run its steps, store their images."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from infimed_plugins import prompts
from infimed_plugins.curation import CurationStep, StepContext
from infimed_plugins.errors import DataError
from infimed_plugins.export import ExportRow
from infimed_plugins.export.image_store import ImageStore, StoredImage
from infimed_plugins.export.token_count import TokenCounter
from infimed_plugins.images import TURNED
from infimed_plugins.plugins import registry
from infimed_plugins.recipes.build_folder import BuildFolder, row_to_line
from infimed_plugins.recipes.fingerprints import pictures_in, record_pictures
from infimed_plugins.recipes.recipe import DECONTAMINATION, Part, Recipe, Step
from infimed_plugins.recipes.sampling import Tally, choose
from infimed_plugins.recipes.step_engine import BuildEngines, model_path
from infimed_plugins.records import BAD_IMAGE, BadRow, ImageRef, Sample
from infimed_plugins.sources import Source
from infimed_plugins.trainers.registry import find_format

BOX_TASKS = ("grounding", "detection")
DEFAULT_MAX_PIXELS = 262_144  # the paper's
Progress = Callable[[str, int, int | None], None]  # current work, done, total (None: not known)


@dataclass
class BuildContext:
    """One build: what is made, where, and with what. ``ahead`` is how many samples have images under way."""

    recipe: Recipe
    folder: BuildFolder
    downloads: Path | None
    store: ImageStore
    engines: BuildEngines
    progress: Progress
    ahead: int

    @cached_property
    def tokens(self) -> TokenCounter | None:
        """The counter of a recipe with a token limit, its tokenizer loaded when a row first needs it."""
        pixels = self.recipe.image_max_pixels or DEFAULT_MAX_PIXELS
        limit = self.recipe.token_limit
        return TokenCounter(model_path(limit.model), pixels, self.recipe.family) if limit else None


@dataclass(frozen=True)
class PartRows:
    """One part on its way; ``tally`` is complete when all of its ``lines`` are taken."""

    part: Part
    build: BuildContext
    tally: Tally

    @property
    def steps(self) -> tuple[Step, ...]:
        """The part's steps, with the decontamination that all parts share."""
        return self.build.recipe.steps_of(self.part)

    def lines(self) -> Iterator[str]:
        """Yield the lines of the part's file."""
        source: Source = registry().get("source", self.part.source)
        folder, seed, opened = self.build.downloads, self.build.recipe.seed, self.build.store.opened

        def load() -> Iterator[Sample | BadRow]:
            return source.load(self.part.split, folder=folder, seed=seed)

        samples = choose(load, self.part, seed, self.tally)
        opened.clear()
        if self.steps:
            with image_buffer(self.build.folder.work / f"{self.part.name}.images") as buffered:
                yield from self._lines(self._through_steps(map(buffered, record_pictures(samples, opened))))
        else:
            yield from self._lines(samples)
        self.tally.pictures.update(pictures_in(folder, opened))

    def _lines(self, samples: Iterable[Sample]) -> Iterator[str]:
        form = find_format(self.build.recipe.format)
        for sample, images in self._stored(samples):
            if self.build.recipe.for_judge:
                sample = sample.with_meta(for_judge=True)
            row = ExportRow(sample, images, self.part.style, self.part.into)
            if refused := form.refusal(row):
                self._reject(sample, *refused)
                continue
            try:
                line = row_to_line(row)
            except DataError as error:
                self._reject(sample, "a value is no JSON", str(error))
                continue
            self.tally.kept += 1
            self.build.progress(self.part.name, self.tally.kept, self.part.limit)
            yield line

    def _reject(self, sample: Sample, reason: str, detail: str = "") -> None:
        self.tally.reject(self.part.name, sample.id, reason, detail)

    def _stored(self, samples: Iterable[Sample]) -> Iterator[tuple[Sample, tuple[str, ...]]]:
        """Yield the samples in order with the paths of their images, preparing some images ahead."""
        waiting: deque[tuple[Sample, list[Callable[[], StoredImage]]]] = deque()
        for sample in samples:
            try:
                begun = [self.build.store.submit(image, exact=sample.task in BOX_TASKS) for image in sample.images]
            except DataError as error:
                self._reject(sample, BAD_IMAGE, str(error))
                continue
            waiting.append((sample, begun))
            if len(waiting) > self.build.ahead:
                yield from self._finished(*waiting.popleft())
        while waiting:
            yield from self._finished(*waiting.popleft())

    def _finished(
        self, sample: Sample, begun: list[Callable[[], StoredImage]]
    ) -> Iterator[tuple[Sample, tuple[str, ...]]]:
        try:
            stored = [wait() for wait in begun]
        except DataError as error:
            self._reject(sample, BAD_IMAGE, str(error))
            return
        if sample.task in BOX_TASKS and any(TURNED in image.notes for image in stored):
            self._reject(sample, "boxes on a picture that EXIF turns")  # stored or turned frame: unknown
            return
        sample = scale_boxes(sample, stored)
        if why := self._too_long(sample, stored):
            self.tally.dropped[why] += 1
            return
        self.tally.counted.update(f"images {note}" for image in stored for note in image.notes)
        yield sample, tuple(image.path for image in stored)

    def _too_long(self, sample: Sample, stored: Sequence[StoredImage]) -> str:
        """Return the reason to drop a row of more tokens than the recipe's limit, or ""."""
        limit, counter = self.build.recipe.token_limit, self.build.tokens
        if limit is None or counter is None:
            return ""
        asked, answer = prompts.render(sample, self.part.style), prompts.target(sample, self.part.style)
        count = counter.count(asked, answer, tuple(image.size for image in stored))
        return f"over {limit.tokens} tokens" if count > limit.tokens else ""

    def _through_steps(self, samples: Iterator[Sample]) -> list[Sample]:
        """Return the samples that the steps leave, in their original order: engines may answer in any."""
        places: dict[str, int] = {}
        dropped: Counter[str] = Counter()
        asking = next(filter(_asks_engine, self.steps), None)
        flow: Iterable[Sample] = _record_places(samples if asking is None else self._decoded(samples), places)
        for step in self.steps:
            if step is asking:
                flow = self._counting(flow)
            run: CurationStep = registry().get("curation step", step.name)
            flow = run(flow, self._context(step, dropped))
        left = sorted(flow, key=lambda sample: places.get(sample.id, len(places)))
        unsaid = len(places) - len(left) - dropped.total()
        if self.part.keep is not None and len(left) > self.part.keep:
            dropped["over the number to keep"] += len(left) - self.part.keep
            left = left[: self.part.keep]
        if unsaid > 0:
            dropped["by a step that gave no reason"] += unsaid
        self.tally.dropped.update(dropped)
        return left

    def _context(self, step: Step, dropped: Counter[str]) -> StepContext:
        tally, build = self.tally, self.build
        return StepContext(
            seed=build.recipe.seed,
            engine=build.engines.main() if _asks_engine(step) else None,
            settings=dict(step.settings),
            dropped=dropped,
            counted=tally.counted,
            right_of=tally.right_of,
            not_checked=tally.not_checked,
            errors=tally.errors,
            opened=build.store.opened,
            progress=lambda done, total: build.progress(f"{self.part.name}: {step.name}", done, total),
            aside=tally.aside.append,
            start_engine=build.engines.other,
            downloads=build.downloads,
            part=self.part.name,
            report_folder=build.folder.out / step.name,
        )

    def _decoded(self, samples: Iterator[Sample]) -> Iterator[Sample]:
        """Yield the samples whose images all decode: no model is paid for rows that cannot be written."""
        for sample in samples:
            try:
                for image in sample.images:
                    image.open()
            except DataError as error:
                self._reject(sample, BAD_IMAGE, str(error))
                continue
            yield sample

    def _counting(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        for sample in samples:
            self.tally.asked += 1
            yield sample


def scale_boxes(sample: Sample, stored: Sequence[StoredImage]) -> Sample:
    """Return the sample with its boxes in pixels of the image as stored, where that was resized."""
    if sample.task not in BOX_TASKS or len(stored) != 1 or stored[0].size == stored[0].original:
        return sample
    (width, height), (original_width, original_height) = stored[0].size, stored[0].original
    factors = (width / original_width, height / original_height) * 2
    boxes = [sample.answer] if sample.task == "grounding" else sample.answer
    scaled = [[round(value * factor, 1) for value, factor in zip(box, factors, strict=True)] for box in boxes]
    answer = scaled[0] if sample.task == "grounding" else scaled
    return replace(sample, answer=answer).with_meta(original_size=list(stored[0].original))


def _asks_engine(step: Step) -> bool:
    """True if a step asks a model: decontamination by hashes needs none, and a recipe's engine may be one of 32B."""
    return step.name != DECONTAMINATION or (step.settings.get("tier") == "embeddings" and "engine" not in step.settings)


def _record_places(samples: Iterable[Sample], places: dict[str, int]) -> Iterator[Sample]:
    for sample in samples:
        places[sample.id] = len(places)
        yield sample


@contextmanager
def image_buffer(path: Path) -> Iterator[Callable[[Sample], Sample]]:
    """Yield a function that moves a sample's images from memory to one file, which is deleted at the end.

    Steps may hold a part's samples all at once, and images from parquet files come as bytes: 60,000 of them are
    gigabytes. Images that are read when asked, files and members of archives, stay as they are. Raises OSError when the
    disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("w+b", buffering=0) as file:

            def moved(image: ImageRef) -> ImageRef:
                if image.data is None:
                    return image
                start, size, left = file.tell(), len(image.data), memoryview(image.data)
                while left:  # an unbuffered write may take only a part
                    left = left[file.write(left) :]
                # pread keeps no place in the file, so several threads may read
                return ImageRef(path="in memory", reader=partial(os.pread, file.fileno(), size, start))

            yield lambda sample: replace(sample, images=tuple(map(moved, sample.images)))
    finally:
        path.unlink(missing_ok=True)
