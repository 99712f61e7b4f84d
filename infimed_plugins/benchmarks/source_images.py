"""The images of judged questions, for a page: read from the source again, since a run keeps their hashes only."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.benchmarks.judged import Judged, Run
from infimed_plugins.benchmarks.questions import Question, questions
from infimed_plugins.benchmarks.robustness.perturbations import CIRCULAR, vary_images
from infimed_plugins.errors import DataError, InfimedError
from infimed_plugins.plugins import registry

NOT_HERE = "no image: the data set is not at hand"
ANOTHER = "no image: the data set has another one here than the model was shown"
_SAME_IMAGE = (CIRCULAR, "shuffle", "rephrase")  # variants by how their names begin
_DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class SourceImages:
    """``images(wanted)`` gives the place of each wanted question with its first image's bytes, or why there is none.

    They come as they are read, each data set once and no further than it is needed; nothing is held. A question without
    an image has no entry. An image that is not the one whose hash the run keeps is not shown: another seed or another
    release of the data set may have the same ids.
    """

    downloads: Path | None = None

    def __call__(self, wanted: Sequence[tuple[Run, Judged]]) -> Iterator[tuple[int, bytes | str]]:
        """What the pages of reports/ ask for."""
        places: dict[_Asked, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for place, (run, row) in enumerate(wanted):
            places[_asked(run)][_source_id(run, row)].append(place)
        for asked, waiting in places.items():
            with suppress(InfimedError, ImportError, OSError):  # no files here, say
                for place, question in self._read(asked, waiting):
                    if question.sample.images:
                        yield place, _image(question, wanted[place][1])
            left = (place for listed in waiting.values() for place in listed)
            yield from ((place, NOT_HERE) for place in left if _has_image(wanted[place][1]))

    def _read(self, asked: _Asked, waiting: dict[str, list[int]]) -> Iterator[tuple[int, Question]]:
        """The questions that wait, as they are met; they then wait no more."""
        benchmark: Benchmark = registry().get("benchmark", asked.benchmark)
        given = questions(benchmark, folder=self.downloads, seed=asked.seed, limit=asked.limit)
        for question in vary_images(asked.variant)(one for one in given if _id(one) in waiting):
            if isinstance(question, Question):
                yield from ((place, question) for place in waiting.pop(question.sample.id, ()))
            if not waiting:
                return


@dataclass(frozen=True)
class _Asked:
    """What decides which images a data set gives."""

    benchmark: str
    variant: str
    seed: int
    limit: int | None


def _asked(run: Run) -> _Asked:
    variant = "" if run.variant.startswith(_SAME_IMAGE) else run.variant
    return _Asked(run.benchmark, variant, run.seed, run.limit)


def _source_id(run: Run, row: Judged) -> str:
    """The id in the source: a turn of a circular variant has another."""
    return str(row.meta.get("of") or row.id) if run.variant.startswith(CIRCULAR) else row.id


def _id(question: object) -> str:
    return question.sample.id if isinstance(question, Question) else ""


def _image(question: Question, row: Judged) -> bytes | str:
    try:
        data = question.sample.images[0].read()
    except DataError as error:
        return f"the image cannot be shown: {error}"
    return ANOTHER if _has_image(row) and hashlib.sha256(data).hexdigest() != row.image else data


def _has_image(row: Judged) -> bool:
    """Whether the run kept the hash of an image; an imported one has none."""
    return _DIGEST.fullmatch(row.image) is not None
