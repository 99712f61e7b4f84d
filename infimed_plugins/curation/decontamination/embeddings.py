"""Decontaminate by embeddings, the paper's tier: find the benchmark question nearest to each row by cosine, exactly.

The second paper (section 3.1) embeds with gme-Qwen2-VL-2B and leaves out pairs above 95% similarity. A row
whose embedding fails is dropped and counted as an engine error, since nothing is known of it.

The search is exact and in float32 (in bfloat16, pairs near 0.95 are lost): a matrix product, block by block. That of
two whole sets is never in memory (188,000 x 150,000 would be 113 GB).
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from infimed_plugins import prompts
from infimed_plugins.curation import StepContext
from infimed_plugins.curation.decontamination.benchmark_items import (
    BenchmarkItems,
    Benchmarks,
    benchmark_samples,
    first_sha,
    text_of,
)
from infimed_plugins.curation.decontamination.report import Finding
from infimed_plugins.curation.decontamination.text_match import Item
from infimed_plugins.engines import ChatRequest, Embedder, batched
from infimed_plugins.errors import ConfigError
from infimed_plugins.records import OPTION_LETTERS, Sample

T = TypeVar("T")
Vectors = NDArray[np.float32]
BLOCK = 4_096  # vectors of the table at a time: fewer keep the product waiting, more push it out of the cache
SEARCHED_AT_ONCE = 1024
NEAR = "image and question by embedding"


@dataclass
class EmbeddedItems(BenchmarkItems):
    """The items and, row by row, their vectors."""

    vectors: Vectors = field(default_factory=lambda: np.empty((0, 0), np.float32))


def by_embeddings(
    samples: Iterable[Sample], context: StepContext, benchmarks: Benchmarks, similarity: float
) -> Iterator[tuple[Sample, Finding | None]]:
    """Yield each embedded sample with the nearest benchmark item, where its cosine is above ``similarity``."""
    engine = context.engine
    if not isinstance(engine, Embedder):
        raise ConfigError(
            "decontamination by embeddings needs an engine that embeds, such as gme-Qwen2-VL-2B; "
            "name one in the recipe, or take tier: hashes"
        )
    known = _embedded_items(engine, benchmarks)
    known.count_unread(context)
    asked = ((sample, request_of(sample, sample.id)) for sample in samples)
    for found, vectors in _embedded(engine, asked, context.engine_failed, known.vectors.shape[1]):
        numbers, cosines = nearest(vectors, known.vectors, above=similarity)
        for sample, number, cosine in zip(found, numbers.tolist(), cosines.tolist(), strict=True):
            finding = None if number < 0 else Finding(known.items[number], NEAR, True, similarity=round(cosine, 6))
            yield sample, finding


def request_of(sample: Sample, request_id: str) -> ChatRequest:
    """Return the request to embed: images, question and options, without the instruction that all rows share."""
    options = zip(OPTION_LETTERS, sample.options or (), strict=False)
    text = "\n".join([sample.question, *(f"{letter}. {option}" for letter, option in options)])
    tags = prompts.IMAGE_TAG * len(sample.images)
    return ChatRequest(request_id, tags + prompts.escape_media_tags(text), sample.images)


def _embedded(
    engine: Embedder, asked: Iterable[tuple[T, ChatRequest]], failed: Callable[[str], None], length: int = 0
) -> Iterator[tuple[list[T], Vectors]]:
    """Yield the embedded ones, some at once, as the engine finishes them; only those it works on are in memory.

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

    for found in batched(vectors(), SEARCHED_AT_ONCE):
        length = length or Counter(len(vector) for _, vector in found).most_common(1)[0][0]
        fitting = [(one, vector) for one, vector in found if len(vector) == length]
        for _ in range(len(found) - len(fitting)):
            failed(f"a vector that has not {length} numbers as the others")
        if fitting:
            yield [one for one, _ in fitting], np.stack([vector for _, vector in fitting])


def nearest(
    queries: Vectors, table: Vectors, *, above: float = -2.0, block: int = BLOCK
) -> tuple[NDArray[np.int64], Vectors]:
    """Return the index of each query's nearest entry and its cosine, if greater than ``above``; else -1."""
    numbers = np.full(len(queries), -1, dtype=np.int64)
    cosines: Vectors = np.full(len(queries), above, dtype=np.float32)
    for start in range(0, len(table), block):
        product = queries @ table[start : start + block].T
        highest = product.max(axis=1)
        better = np.flatnonzero(highest > cosines)
        numbers[better] = start + product[better].argmax(axis=1)
        cosines[better] = highest[better]
    return numbers, cosines


def _embed_items(engine: Embedder, benchmarks: Benchmarks) -> EmbeddedItems:
    made = EmbeddedItems()
    blocks: list[Vectors] = []

    def asked() -> Iterator[tuple[Item, ChatRequest]]:
        for benchmark, sample in benchmark_samples(benchmarks, made.not_checked):
            item = Item(benchmark, sample.id, text_of(sample), first_sha(sample))
            yield item, request_of(sample, f"{benchmark}:{sample.id}")

    def failed(error: str) -> None:
        made.counted["benchmark questions that could not be embedded"] += 1

    for found, vectors in _embedded(engine, asked(), failed):
        made.items += found
        blocks.append(vectors)
    if not blocks:
        raise ConfigError(
            "decontamination: no question of a benchmark could be embedded; check the engine and benchmarks"
        )
    made.vectors = np.concatenate(blocks)
    return made


_last: list[tuple[weakref.ref[Embedder], Benchmarks, EmbeddedItems]] = []  # weak: nothing here keeps a model loaded


def _embedded_items(engine: Embedder, benchmarks: Benchmarks) -> EmbeddedItems:
    """Return the embedded items, those of the last call if they fit: the parts of a recipe share them, and a model
    takes hours to make them."""
    for of_engine, of_benchmarks, made in _last:
        if of_engine() is engine and of_benchmarks == benchmarks:
            return made
    _last.clear()
    made = _embed_items(engine, benchmarks)
    _last.append((weakref.ref(engine), benchmarks, made))
    return made
