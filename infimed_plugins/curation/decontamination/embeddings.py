"""The paper's tier: image and question embedded together, the nearest question of a benchmark by cosine, exactly.

The second paper (section 3.1) embeds with gme-Qwen2-VL-2B and leaves out what is more than 95% similar. Of a row whose
embedding fails nothing is known, so it is dropped and counted as an engine error.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

import numpy as np

from infimed_plugins import prompts
from infimed_plugins.curation import StepContext
from infimed_plugins.curation.decontamination.benchmark_items import (
    Benchmarks,
    Item,
    benchmark_samples,
    chunks,
    count_unread,
    first_sha,
    text_of,
)
from infimed_plugins.curation.decontamination.embedding_search import Vectors, nearest
from infimed_plugins.curation.decontamination.report import Finding
from infimed_plugins.engines import ChatRequest, Embedder
from infimed_plugins.errors import ConfigError
from infimed_plugins.records import OPTION_LETTERS, Sample

T = TypeVar("T")
SEARCHED_AT_ONCE = 1024
NEAR = "image and question by embedding"


class EmbeddedItems(NamedTuple):
    """The items of the benchmarks and, row by row, their vectors."""

    items: list[Item]
    vectors: Vectors
    counted: Counter[str]
    not_checked: list[str]


def by_embeddings(
    samples: Iterable[Sample], context: StepContext, benchmarks: Benchmarks, similarity: float
) -> Iterator[tuple[Sample, Finding | None]]:
    """Every sample that was embedded with the benchmark's item nearest to it, where that is above ``similarity``."""
    engine = context.engine
    if not isinstance(engine, Embedder):
        raise ConfigError(
            "decontamination by embeddings needs an engine that embeds, such as gme-Qwen2-VL-2B; "
            "name one in the recipe, or take tier: hashes"
        )
    known = _LAST.embedded(engine, benchmarks)
    count_unread(known.counted, known.not_checked, context)
    asked = ((sample, request_of(sample, sample.id)) for sample in samples)
    for found, vectors in _embedded(engine, asked, context.engine_failed, known.vectors.shape[1]):
        numbers, cosines = nearest(vectors, known.vectors, above=similarity)
        for sample, number, cosine in zip(found, numbers.tolist(), cosines.tolist(), strict=True):
            finding = None if number < 0 else Finding(known.items[number], NEAR, True, similarity=round(cosine, 6))
            yield sample, finding


def request_of(sample: Sample, request_id: str) -> ChatRequest:
    """What is embedded: the images, the question and its options; no instruction, which all rows would share."""
    options = zip(OPTION_LETTERS, sample.options or (), strict=False)
    text = "\n".join([sample.question, *(f"{letter}. {option}" for letter, option in options)])
    tags = prompts.IMAGE_TAG * len(sample.images)
    return ChatRequest(request_id, tags + prompts.escape_media_tags(text), sample.images)


def _embedded(
    engine: Embedder, asked: Iterable[tuple[T, ChatRequest]], failed: Callable[[str], None], length: int = 0
) -> Iterator[tuple[list[T], Vectors]]:
    """What was embedded, some at once, as the engine gets done with it; only what it works on is in memory.

    A vector of another ``length`` than the others, or than most of the first, is one that failed.
    """
    under_way: dict[str, T] = {}

    def requests() -> Iterator[ChatRequest]:
        for one, request in asked:
            under_way[request.id] = one
            yield request

    def vectors() -> Iterator[tuple[T, Vectors]]:
        for reply in engine.embed(requests()):
            one = under_way.pop(reply.id)
            if reply.error is None:
                yield one, np.asarray(reply.vector, dtype=np.float32)
            else:
                failed(reply.error)

    for found in chunks(vectors(), SEARCHED_AT_ONCE):
        length = length or Counter(len(vector) for _, vector in found).most_common(1)[0][0]
        fitting = [(one, vector) for one, vector in found if len(vector) == length]
        for _ in range(len(found) - len(fitting)):
            failed(f"a vector that has not {length} numbers as the others")
        if fitting:
            yield [one for one, _ in fitting], np.stack([vector for _, vector in fitting])


def _embed_items(engine: Embedder, benchmarks: Benchmarks) -> EmbeddedItems:
    counted: Counter[str] = Counter()
    not_checked: list[str] = []
    items: list[Item] = []
    blocks: list[Vectors] = []

    def asked() -> Iterator[tuple[Item, ChatRequest]]:
        for benchmark, sample in benchmark_samples(benchmarks, not_checked):
            item = Item(benchmark, sample.id, text_of(sample), first_sha(sample))
            yield item, request_of(sample, f"{benchmark}:{sample.id}")

    def failed(error: str) -> None:
        counted["benchmark questions that could not be embedded"] += 1

    for found, vectors in _embedded(engine, asked(), failed):
        items += found
        blocks.append(vectors)
    if not blocks:
        raise ConfigError(
            "decontamination: no question of a benchmark could be embedded; check the engine and benchmarks"
        )
    return EmbeddedItems(items, np.concatenate(blocks), counted, not_checked)


class _LastEmbedded:
    """The vectors made last: the parts of a recipe share benchmarks and engine, and a model takes hours for them."""

    def __init__(self) -> None:
        self._engine: weakref.ref[Embedder] | None = None  # so that nothing here keeps a model loaded
        self._of: Benchmarks | None = None
        self._made: EmbeddedItems | None = None

    def embedded(self, engine: Embedder, benchmarks: Benchmarks) -> EmbeddedItems:
        if self._made is None or self._engine is None or self._engine() is not engine or self._of != benchmarks:
            self._made = None
            self._made = _embed_items(engine, benchmarks)
            self._engine, self._of = weakref.ref(engine), benchmarks
        return self._made


_LAST = _LastEmbedded()
