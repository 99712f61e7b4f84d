"""The rows of one part: chosen from its source, sent through its steps, their images stored."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from infimed_plugins import prompts
from infimed_plugins.curation import CurationStep, StepContext, no_other_engine
from infimed_plugins.engines import Engine
from infimed_plugins.errors import DataError
from infimed_plugins.export import ExportRow
from infimed_plugins.export.image_store import ImageStore, StoredImage
from infimed_plugins.export.token_count import TokenCounter
from infimed_plugins.images import TURNED
from infimed_plugins.plugins import registry
from infimed_plugins.recipes.image_spill import ImageSpill
from infimed_plugins.recipes.inputs import noting_pictures, pictures_in
from infimed_plugins.recipes.part_file import row_to_line
from infimed_plugins.recipes.recipe import DECONTAMINATION, Part, Step
from infimed_plugins.recipes.sampling import Tally, choose
from infimed_plugins.records import BAD_IMAGE, BadRow, Json, Sample
from infimed_plugins.sources import Source

BOX_TASKS = ("grounding", "detection")
IMAGES_AHEAD = 64  # samples whose images are being prepared
Progress = Callable[[str, int, int | None], None]  # what is being done, done, total (None: not known)


@dataclass(frozen=True)
class PartRows:
    """One part on its way. ``engine`` is called only if the part has steps; ``work`` is the build's work folder."""

    part: Part
    steps: tuple[Step, ...]
    seed: int
    store: ImageStore
    work: Path
    engine: Callable[[], Engine | None]
    progress: Progress
    folder: Path | None = None
    counter: Callable[[], TokenCounter | None] = lambda: None
    most_tokens: int = 0
    ahead: int = IMAGES_AHEAD
    start_engine: Callable[[Mapping[str, Json]], Engine] = no_other_engine

    def lines(self, tally: Tally) -> Iterator[str]:
        """The lines of the part's file; ``tally`` is complete when they are all taken."""
        source: Source = registry().get("source", self.part.source)

        def load() -> Iterator[Sample | BadRow]:
            return source.load(self.part.split, folder=self.folder, seed=self.seed)

        samples = choose(load, self.part, self.seed, tally)
        self.store.opened.clear()
        if self.steps:
            samples = noting_pictures(samples, self.store.opened)
        with ImageSpill(self.work / f"{self.part.name}.images") as spill:
            chosen = self._through_steps(map(spill.move, samples), tally) if self.steps else samples
            yield from self._lines(chosen, tally)
        tally.pictures.update(pictures_in(self.folder, self.store.opened))

    def _lines(self, samples: Iterable[Sample], tally: Tally) -> Iterator[str]:
        for sample, images in self._stored(samples, tally):
            try:
                line = row_to_line(ExportRow(sample, images, self.part.style, self.part.into))
            except DataError as error:
                tally.reject(self.part.name, sample.id, "a value is no JSON", str(error))
                continue
            tally.kept += 1
            self.progress(self.part.name, tally.kept, self.part.limit)
            yield line

    def _stored(self, samples: Iterable[Sample], tally: Tally) -> Iterator[tuple[Sample, tuple[str, ...]]]:
        """The samples in their order, with the paths of their images; some images are on their way at a time."""
        waiting: deque[tuple[Sample, list[Callable[[], StoredImage]]]] = deque()
        for sample in samples:
            try:
                begun = [self.store.submit(image, exact=sample.task in BOX_TASKS) for image in sample.images]
            except DataError as error:
                tally.reject(self.part.name, sample.id, BAD_IMAGE, str(error))
                continue
            waiting.append((sample, begun))
            if len(waiting) > self.ahead:
                yield from self._finished(*waiting.popleft(), tally)
        while waiting:
            yield from self._finished(*waiting.popleft(), tally)

    def _finished(
        self, sample: Sample, begun: list[Callable[[], StoredImage]], tally: Tally
    ) -> Iterator[tuple[Sample, tuple[str, ...]]]:
        try:
            stored = [wait() for wait in begun]
        except DataError as error:
            tally.reject(self.part.name, sample.id, BAD_IMAGE, str(error))
            return
        if sample.task in BOX_TASKS and any(TURNED in image.notes for image in stored):
            tally.reject(self.part.name, sample.id, "boxes on a picture that EXIF turns")  # which frame is unknown
            return
        sample = in_stored_frame(sample, stored)
        if self._is_too_long(sample, stored):
            tally.dropped[f"over {self.most_tokens} tokens"] += 1
            return
        tally.counted.update(f"images {note}" for image in stored for note in image.notes)
        yield sample, tuple(image.path for image in stored)

    def _is_too_long(self, sample: Sample, stored: Sequence[StoredImage]) -> bool:
        counter = self.counter()
        if counter is None:
            return False
        asked, answer = prompts.render(sample, self.part.style), prompts.target(sample, self.part.style)
        return counter.count(asked, answer, tuple(image.size for image in stored)) > self.most_tokens

    def _through_steps(self, samples: Iterator[Sample], tally: Tally) -> list[Sample]:
        """What the steps leave, in the order they were given it: engines may answer in any."""
        places: dict[str, int] = {}
        dropped: Counter[str] = Counter()
        counted: Counter[str] = Counter()
        asking = next(filter(_asks_engine, self.steps), None)
        shown = samples if asking is None else self._decoded(samples, tally)
        flow: Iterable[Sample] = _noting_places(shown, places)
        for step in self.steps:
            if step is asking:
                flow = _counting(flow, tally)
            context = StepContext(
                seed=self.seed,
                engine=self.engine() if _asks_engine(step) else None,
                settings=dict(step.settings),
                dropped=dropped,
                counted=counted,
                right_of=tally.right_of,
                not_checked=tally.not_checked,
                errors=tally.errors,
                opened=self.store.opened,
                progress=self._step_progress(step.name),
                aside=tally.aside.append,
                start_engine=self.start_engine,
                downloads=self.folder,
                part=self.part.name,
                report_folder=self.work.parent / step.name,
            )
            run: CurationStep = registry().get("curation step", step.name)
            flow = run(flow, context)
        left = sorted(flow, key=lambda sample: places.get(sample.id, len(places)))
        tally.dropped.update(dropped)
        tally.counted.update(counted)
        unsaid = len(places) - len(left) - dropped.total()
        if self.part.keep is not None and len(left) > self.part.keep:
            tally.dropped["over the number to keep"] += len(left) - self.part.keep
            left = left[: self.part.keep]
        if unsaid > 0:
            tally.dropped["by a step that gave no reason"] += unsaid
        return left

    def _decoded(self, samples: Iterator[Sample], tally: Tally) -> Iterator[Sample]:
        """The samples whose images all decode: no model is paid for the others, which could not be written."""
        for sample in samples:
            try:
                for image in sample.images:
                    image.open()
            except DataError as error:
                tally.reject(self.part.name, sample.id, BAD_IMAGE, str(error))
                continue
            yield sample

    def _step_progress(self, step: str) -> Callable[[int, int], None]:
        return lambda done, total: self.progress(f"{self.part.name}: {step}", done, total)


def in_stored_frame(sample: Sample, stored: Sequence[StoredImage]) -> Sample:
    """The sample with its boxes in pixels of the image as stored, where that was resized."""
    if sample.task not in BOX_TASKS or len(stored) != 1 or stored[0].size == stored[0].original:
        return sample
    (width, height), (original_width, original_height) = stored[0].size, stored[0].original
    factors = (width / original_width, height / original_height) * 2
    boxes = [sample.answer] if sample.task == "grounding" else sample.answer
    scaled = [[round(value * factor, 1) for value, factor in zip(box, factors, strict=True)] for box in boxes]
    answer = scaled[0] if sample.task == "grounding" else scaled
    return replace(sample, answer=answer).with_meta(original_size=list(stored[0].original))


def _asks_engine(step: Step) -> bool:
    """Decontamination by hashes needs no model, and a recipe's engine may be one of 32B."""
    return step.name != DECONTAMINATION or (step.settings.get("tier") == "embeddings" and "engine" not in step.settings)


def _counting(samples: Iterable[Sample], tally: Tally) -> Iterator[Sample]:
    for sample in samples:
        tally.asked += 1
        yield sample


def _noting_places(samples: Iterable[Sample], places: dict[str, int]) -> Iterator[Sample]:
    for sample in samples:
        places[sample.id] = len(places)
        yield sample
