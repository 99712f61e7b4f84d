"""The rows of one part: chosen from its source, sent through its steps, their images stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from infimed_plugins.curation import CurationStep, StepContext
from infimed_plugins.engines import Engine
from infimed_plugins.errors import DataError
from infimed_plugins.export import ExportRow
from infimed_plugins.export.image_store import ImageStore
from infimed_plugins.plugins import registry
from infimed_plugins.recipes.part_file import row_to_line
from infimed_plugins.recipes.recipe import Part
from infimed_plugins.recipes.sampling import Tally, choose
from infimed_plugins.records import Sample
from infimed_plugins.sources import Source

Progress = Callable[[str, int, int | None], None]  # what is being done, done, total (None: not known)


@dataclass(frozen=True)
class PartRows:
    """One part on its way; ``engine`` is called only if the part has steps."""

    part: Part
    seed: int
    store: ImageStore
    engine: Callable[[], Engine | None]
    progress: Progress

    def lines(self, tally: Tally) -> Iterator[str]:
        """The lines of the part's file; ``tally`` is complete when they are all taken."""
        source: Source = registry().get("source", self.part.source)
        samples = choose(lambda: source.load(self.part.split, seed=self.seed), self.part, self.seed, tally)
        for sample in self._through_steps(samples, tally) if self.part.steps else samples:
            try:
                images = tuple(self.store.add(image) for image in sample.images)
            except DataError as error:
                tally.reject(self.part.name, sample.id, "an image cannot be used", str(error))
                continue
            try:
                line = row_to_line(ExportRow(sample, images, self.part.style, self.part.into))
            except DataError as error:
                tally.reject(self.part.name, sample.id, "a value is no JSON", str(error))
                continue
            tally.kept += 1
            self.progress(self.part.name, tally.kept, self.part.limit)
            yield line

    def _through_steps(self, samples: Iterator[Sample], tally: Tally) -> list[Sample]:
        """What the steps leave, in the order they were given it: engines may answer in any."""
        places: dict[str, int] = {}
        dropped: Counter[str] = Counter()
        counted: Counter[str] = Counter()
        flow: Iterable[Sample] = _noting_places(samples, places)
        for step in self.part.steps:
            context = StepContext(
                seed=self.seed,
                engine=self.engine(),
                settings=dict(step.settings),
                dropped=dropped,
                counted=counted,
                progress=self._step_progress(step.name),
            )
            run: CurationStep = registry().get("curation step", step.name)
            flow = run(flow, context)
        left = sorted(flow, key=lambda sample: places.get(sample.id, len(places)))
        tally.dropped.update(dropped)
        tally.counted.update(counted)
        if (unsaid := len(places) - len(left) - dropped.total()) > 0:
            tally.dropped["by a step that gave no reason"] += unsaid
        return left

    def _step_progress(self, step: str) -> Callable[[int, int], None]:
        return lambda done, total: self.progress(f"{self.part.name}: {step}", done, total)


def _noting_places(samples: Iterable[Sample], places: dict[str, int]) -> Iterator[Sample]:
    for sample in samples:
        places[sample.id] = len(places)
        yield sample
