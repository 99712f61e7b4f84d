"""The images of judged questions, for a page: read from the source again, since a run keeps their hashes only."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from infimed_plugins.benchmarks.judged import Judged, Run
from infimed_plugins.benchmarks.questions import Question, questions
from infimed_plugins.benchmarks.robustness.perturbations import CIRCULAR, vary_images
from infimed_plugins.errors import DataError, InfimedError
from infimed_plugins.plugins import registry

NOT_HERE = "no image: the data set is not at hand"
ANOTHER = "no image: the data set has another one here than the model was shown"
_SAME_IMAGE = (CIRCULAR, "shuffle", "rephrase")  # variants by how their names begin
_DIGEST = re.compile("[0-9a-f]{64}")
_Settings = tuple[
    str, str, int, int | None
]  # those that decide which images are given: benchmark, variant, seed, limit


def source_images(
    wanted: Sequence[tuple[Run, Judged]], downloads: Path | None = None
) -> Iterator[tuple[int, bytes | str]]:
    """Yield the place of each wanted question with its first image's bytes, or why there is none.

    They come as they are read, each data set once and only as far as needed; nothing is held. A question without an
    image has no entry. An image that is not the one whose hash the run keeps is not shown: another seed or another
    release of the data set may have the same ids.
    """
    places: dict[_Settings, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for place, (run, row) in enumerate(wanted):
        variant = "" if run.variant.startswith(_SAME_IMAGE) else run.variant
        id = str(row.meta.get("of") or row.id) if run.variant.startswith(CIRCULAR) else row.id  # a turn has another
        places[run.benchmark, variant, run.seed, run.limit][id].append(place)
    for asked, waiting in places.items():
        with suppress(InfimedError, ImportError, OSError):  # no files here, say
            for place, question in _read(asked, waiting, downloads):
                if question.sample.images:
                    yield place, _image(question, wanted[place][1])
        left = (place for listed in waiting.values() for place in listed)
        yield from ((place, NOT_HERE) for place in left if _DIGEST.fullmatch(wanted[place][1].image))


def _read(asked: _Settings, waiting: dict[str, list[int]], downloads: Path | None) -> Iterator[tuple[int, Question]]:
    """Yield the questions that wait, as they are met; they then wait no more."""
    name, variant, seed, limit = asked
    given = questions(registry().get("benchmark", name), folder=downloads, seed=seed, limit=limit)
    every = variant == "swap"  # there a question's picture depends on the questions beside it
    met = (one for one in given if isinstance(one, Question) and (every or one.sample.id in waiting))
    for question in vary_images(variant)(met):
        if isinstance(question, Question):
            yield from ((place, question) for place in waiting.pop(question.sample.id, ()))
        if not waiting:
            return


def _image(question: Question, row: Judged) -> bytes | str:
    try:
        data = question.sample.images[0].read()
    except DataError as error:
        return f"the image cannot be shown: {error}"
    is_other = _DIGEST.fullmatch(row.image) and hashlib.sha256(data).hexdigest() != row.image  # imports keep no hash
    return ANOTHER if is_other else data
