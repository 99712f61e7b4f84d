"""The images of judged questions, for a page: read from the source again, since a run keeps their hashes only."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.benchmarks.judged import Judged, Run
from infimed_plugins.benchmarks.questions import Question, questions
from infimed_plugins.errors import DataError, InfimedError
from infimed_plugins.image_spill import ImageSpill
from infimed_plugins.plugins import registry
from infimed_plugins.records import BadRow, ImageRef

Vary = Callable[[Iterable[Question | BadRow]], Iterable[Question | BadRow]]


class SourceImages:
    """``images(run, judged)`` gives the first image's bytes, None where the data set is not at hand. A context manager.

    A benchmark is read once, when its first image is asked for; images that come as bytes wait in a temporary file.
    ``vary`` gives what a variant did to the questions.
    """

    def __init__(
        self,
        downloads: Path | None = None,
        *,
        seed: int = 0,
        limit: int | None = None,
        vary: Callable[[str], Vary] = lambda variant: iter,
    ) -> None:
        self._downloads, self._seed, self._limit, self._vary = downloads, seed, limit, vary
        self._folder = tempfile.TemporaryDirectory(prefix="infimed-images-")
        self._spill = ImageSpill(Path(self._folder.name) / "images")
        self._known: dict[tuple[str, str], dict[str, ImageRef]] = {}

    def __call__(self, run: Run, judged: Judged) -> bytes | None:
        """The encoded image, or None."""
        key = (run.benchmark, run.variant)
        if key not in self._known:
            self._known[key] = self._read(run)
        image = self._known[key].get(judged.id)
        try:
            return None if image is None else image.read()
        except DataError:
            return None

    def _read(self, run: Run) -> dict[str, ImageRef]:
        benchmark: Benchmark = registry().get("benchmark", run.benchmark)
        found: dict[str, ImageRef] = {}
        wanted = {row.id for row in run.rows}
        try:
            given = questions(benchmark, folder=self._downloads, seed=self._seed, limit=self._limit)
            for question in self._vary(run.variant)(given):
                if isinstance(question, Question) and question.sample.id in wanted and question.sample.images:
                    found[question.sample.id] = self._spill.move(question.sample).images[0]
        except InfimedError:  # no files here, say: the page then shows the question without
            return found
        return found

    def __enter__(self) -> SourceImages:
        return self

    def __exit__(self, *error: object) -> None:
        self._spill.__exit__(None, None, None)
        self._folder.cleanup()
