"""The questions and images of the benchmarks that training data is checked against, read once in a process.

    read = hashed_items(Benchmarks(("slake/test",), folder))
    read.items[0]    # Item("slake/test", "slake-test-100", Text("What modality …"), shas=("9f0c…",), images=(0,))

Only texts and hashes stay in memory: a benchmark's images are read again when a report shows one of them.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path

from infimed_plugins.curation import StepContext
from infimed_plugins.curation.decontamination.image_match import ORIENTATIONS, ImageHash, ImageIndex, hash_images
from infimed_plugins.curation.decontamination.text_match import Item, Text
from infimed_plugins.engines import batched
from infimed_plugins.errors import ConfigError, DataError, MissingFileError, UnreachableFileError
from infimed_plugins.plugins import registry
from infimed_plugins.records import Sample
from infimed_plugins.sources import Source

NOT_CHECKED = "benchmarks not checked, files missing: "
CHUNK = 64  # rows whose images are in memory at a time


@dataclass(frozen=True)
class Benchmarks:
    """The benchmarks to check against, as ``source/split``, and where their files lie (the hub without a folder)."""

    names: tuple[str, ...]
    folder: Path | None = None
    skip_missing: bool = False


@dataclass
class BenchmarkItems:
    """The items of all benchmarks. ``counted`` and ``not_checked`` say what could not be read."""

    items: list[Item] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)
    not_checked: list[str] = field(default_factory=list)

    def count_unread(self, context: StepContext) -> None:
        """Tell the manifest what of the benchmarks could not be read."""
        context.counted.update(self.counted + Counter(f"{NOT_CHECKED}{benchmark}" for benchmark in self.not_checked))
        context.not_checked.update(self.not_checked)


@dataclass
class HashedItems(BenchmarkItems):
    """The items with the index of their images, those that show each image, and the image files with their sha256."""

    images: ImageIndex = field(default_factory=ImageIndex)
    of_image: dict[int, list[Item]] = field(default_factory=lambda: defaultdict(list))
    opened: dict[str, str] = field(default_factory=dict)


def default_benchmarks(suite: str | None = None) -> tuple[str, ...]:
    """Return the benchmark splits, of all or of one suite, that training data is checked against."""
    known = (one.load() for one in registry() if one.kind == "benchmark")
    wanted = [one for one in known if one.decontaminate and suite in (None, one.suite)]
    asked = [f"{one.source}/{one.split}" for one in wanted]
    return tuple(dict.fromkeys([*asked, *(split for one in wanted if suite is None for split in one.also_asked)]))


def text_of(sample: Sample) -> Text:
    """Return the text of a sample for near-duplicate matching."""
    return Text(sample.question, sample.options or ())


def benchmark_samples(benchmarks: Benchmarks, not_checked: list[str]) -> Iterator[tuple[str, Sample]]:
    """Yield the samples of all benchmarks, each with ``source/split``; rows that no run could ask are left out.

    Raises ConfigError for a benchmark whose files are missing, or notes it with ``skip_missing``.
    """
    for benchmark in benchmarks.names:
        name, _, split = benchmark.partition("/")
        source: Source = registry().get("source", name)
        try:
            rows = source.load(split, folder=benchmarks.folder)
            yield from ((benchmark, row) for row in rows if isinstance(row, Sample))
        except MissingFileError as error:
            if isinstance(error, UnreachableFileError) or not benchmarks.skip_missing:
                others = "set skip_missing: true to check against the other benchmarks only"
                fix = "leave it out of benchmarks" if benchmarks.skip_missing else others
                raise ConfigError(f"decontamination: {error}; or {fix}") from error
            not_checked.append(benchmark)


@lru_cache(maxsize=1)  # the parts of a recipe share it
def hashed_items(benchmarks: Benchmarks) -> HashedItems:
    """Return the benchmarks' items with all images hashed; files that change later are not read again."""
    read = HashedItems()
    known: dict[str, ImageHash] = {}
    samples = benchmark_samples(benchmarks, read.not_checked)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for chunk in batched(samples, CHUNK):
            images = [image for _, sample in chunk for image in sample.images]
            made = iter(hash_images(images, pool, known, ORIENTATIONS))
            for benchmark, sample in chunk:
                read_images = list(zip(sample.images, islice(made, len(sample.images)), strict=True))
                hashes = [found for _, found in read_images if found is not None]
                files = ((image, found) for image, found in read_images if image.is_file and found is not None)
                read.opened.update({str(image.path): found.sha256 for image, found in files})
                read.counted["benchmark images that cannot be read"] += len(sample.images) - len(hashes)
                numbers = tuple(read.images.add(found) for found in hashes)
                item = Item(benchmark, sample.id, text_of(sample), tuple(h.sha256 for h in hashes), numbers)
                read.items.append(item)
                for number in set(numbers):
                    read.of_image[number].append(item)
    return read


def first_sha(sample: Sample) -> tuple[str, ...]:
    """Return the sha256 of the first image, for a report; empty where there is none or it cannot be read."""
    try:
        return tuple(image.sha256() for image in sample.images[:1])
    except DataError:
        return ()
