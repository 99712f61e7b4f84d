"""Drop training rows that a benchmark asks too (second paper, section 3.1: image-query pairs above 95%).

    steps:
      - decontamination: {benchmarks: [slake/test, vqa_rad/test]}

Medical sets ask many questions about one image, in train and in test, and stock questions of many images. So what
counts is the pair:

    image    question     verdict
    same     alike        dropped: "image and question"
    same     another      counted; dropped with ``image_alone: true``
    another  alike        counted where the question is no stock question; dropped with ``text_alone: true``
    none     alike        dropped: "question" (either side has no image, so the text is all there is)

Tier ``hashes`` needs no model: the same file, or perceptual hashes near each other in any orientation and a second
look (image_match.py); questions alike by their words (text_match.py). Text that stands alone is looked at from
``least_tokens`` distinct words on, and never where the benchmarks ask it of two images. It does not find crops, nor
questions in words of their own. Tier ``embeddings`` is the paper's: the engine embeds image and question together,
such as gme-Qwen2-VL-2B, and a cosine above ``similarity`` is dropped.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal

from infimed_plugins.curation import StepContext
from infimed_plugins.curation.decontamination.benchmark_items import (
    CHUNK,
    Benchmarks,
    HashedItems,
    default_benchmarks,
    hashed_items,
    text_of,
)
from infimed_plugins.curation.decontamination.image_match import ImageHash, ImageMatch, hash_images
from infimed_plugins.curation.decontamination.report import Finding, writing_report
from infimed_plugins.curation.decontamination.text_match import Item, ItemTexts, question_similarity
from infimed_plugins.curation.settings import (
    ENGINE,
    FLAG,
    NAMES,
    PATH,
    SHARE,
    StepSettings,
    one_of,
    setting,
    whole,
)
from infimed_plugins.engines import batched
from infimed_plugins.errors import ConfigError
from infimed_plugins.records import Json, Sample

PAIR, IMAGE_ALONE, TEXT, TEXT_ALONE = "image and question", "image alone", "question", "question of another image"
MOST_BITS = 16  # an image_distance beyond takes anything for anything


@dataclass(frozen=True)
class DecontaminationSettings(StepSettings):
    """``similarity`` is the paper's; the rest is ours, from the tables of tests/measure/bench_decontamination.py.

    ``folder`` holds the benchmarks' downloaded files; without it they are where the recipe's sources are (--from, or
    the hub). ``report`` is written anew; without it a build writes ``decontamination/PART.jsonl``. ``engine`` is the
    one that embeds, ``{name: vllm, model: …}``; the recipe's without it.
    """

    benchmarks: Sequence[str] = setting((), NAMES)  # "source/split"; all that are known when empty
    folder: str | None = setting(None, PATH)
    skip_missing: bool = setting(False, FLAG)
    tier: Literal["hashes", "embeddings"] = setting("hashes", one_of(("hashes", "embeddings")))
    image_distance: int = setting(6, whole(0))  # bits of 64
    image_correlation: float = setting(0.98, SHARE)  # of the images at 32 x 32 pixels
    question_similarity: float = setting(0.6, SHARE)  # of the content words of two questions about one image
    text_similarity: float = setting(0.6, SHARE)  # of the pairs of words of two texts that stand alone
    least_tokens: int = setting(8, whole(0))
    image_alone: bool = setting(False, FLAG)
    text_alone: bool = setting(False, FLAG)
    similarity: float = setting(0.95, SHARE)
    report: str | None = setting(None, PATH)
    engine: Mapping[str, Json] | None = setting(None, ENGINE)

    def __post_init__(self) -> None:
        super().__post_init__()
        for benchmark in self.benchmarks:
            if benchmark.count("/") != 1:
                raise ConfigError(f"benchmarks are written source/split, not {benchmark!r}")
        if self.image_distance > MOST_BITS:
            raise ConfigError(f"image_distance is at most {MOST_BITS} bits; unrelated images differ by 32")


def decontamination(samples: Iterable[Sample], context: StepContext) -> Iterator[Sample]:
    """Yield the samples that no benchmark asks, in their order (with embeddings: in the engine's).

    Raises ConfigError for an unknown setting, a benchmark without its files, or an engine that cannot embed.
    """
    settings = DecontaminationSettings.read("decontamination", context.settings)
    names = tuple(settings.benchmarks) or default_benchmarks()
    downloads = context.downloads if settings.folder is None else Path(settings.folder)
    benchmarks = Benchmarks(names, downloads, settings.skip_missing)
    with writing_report(_report_path(settings, context), downloads) as report:
        if settings.tier == "embeddings":
            from infimed_plugins.curation.decontamination.embeddings import by_embeddings

            if settings.engine is not None:
                context = replace(context, engine=context.start_engine(settings.engine))
            found = by_embeddings(samples, context, benchmarks, settings.similarity)
        else:
            found = by_hashes(samples, context, settings, benchmarks)
        for done, (sample, finding) in enumerate(found, start=1):
            context.progress(done, done)  # how many are to come is not known
            if finding is not None:
                report(sample, finding)
                _count(finding, context)
            if finding is None or not finding.dropped:
                yield sample


def by_hashes(
    samples: Iterable[Sample], context: StepContext, settings: DecontaminationSettings, benchmarks: Benchmarks
) -> Iterator[tuple[Sample, Finding | None]]:
    """Yield every sample with the finding of the CPU tier, None where there is none."""
    items = hashed_items(benchmarks)
    items.count_unread(context)
    context.opened.update(items.opened)
    texts = ItemTexts(items.items, settings.text_similarity, settings.least_tokens)
    known: dict[str, ImageHash] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for chunk in batched(samples, CHUNK):
            hashes = hash_images([image for sample in chunk for image in sample.images], pool, known)
            unread = hashes.count(None)
            if unread:
                context.counted["images that cannot be read, not checked"] += unread
            distinct = list({one.sha256: one for one in hashes if one is not None}.values())
            matches = items.images.search(distinct, settings.image_distance, settings.image_correlation)
            of_sha = {one.sha256: found for one, found in zip(distinct, matches, strict=True)}
            left = iter(hashes)
            for sample, text_match in zip(chunk, texts.nearest([text_of(sample) for sample in chunk]), strict=True):
                shas = [one.sha256 for one in islice(left, len(sample.images)) if one is not None]
                seen = [(sha, match) for sha in shas for match in of_sha[sha]]
                yield sample, judge(sample, seen, items, text_match, settings)


def judge(
    sample: Sample,
    seen: list[tuple[str, ImageMatch]],
    items: HashedItems,
    text_match: tuple[Item, float] | None,
    settings: DecontaminationSettings,
) -> Finding | None:
    """Return the finding for a sample from the matches of its images and text; None when there are none."""
    best: tuple[float, str, ImageMatch, Item] | None = None
    for sha, match in seen:
        for item in items.of_image.get(match.image, ()):
            alike = question_similarity(sample.question, item.text.question)
            if best is None or alike > best[0]:
                best = (alike, sha, match, item)
    if best is not None:
        alike, sha, match, item = best
        pair = alike >= settings.question_similarity
        if pair or text_match is None:
            return Finding(
                item,
                PAIR if pair else IMAGE_ALONE,
                dropped=pair or settings.image_alone,
                image_distance=match.distance,
                orientation="same file" if match.same_file else match.orientation,
                question_similarity=round(alike, 4),
                shas=(sha, items.images.entries[match.image].sha256),
            )
    if text_match is None:
        return None
    item, alike = text_match
    alone = bool(sample.images and item.shas)
    dropped = not alone or settings.text_alone or (best is not None and settings.image_alone)
    return Finding(item, TEXT_ALONE if alone else TEXT, dropped=dropped, question_similarity=round(alike, 4))


def _report_path(settings: DecontaminationSettings, context: StepContext) -> Path | None:
    if settings.report is not None:
        return Path(settings.report)
    return None if context.report_folder is None else context.report_folder / f"{context.part or 'report'}.jsonl"


def _count(finding: Finding, context: StepContext) -> None:
    if finding.dropped:
        context.dropped[f"in {finding.item.benchmark}: {finding.why}"] += 1
    else:
        context.counted[f"kept, in {finding.item.benchmark}: {finding.why}"] += 1
