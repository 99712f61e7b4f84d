"""Choose the samples of a source that a part takes: stable, so that adding a part changes nothing for the others.

With ``order: hash`` a part takes the rows with the lowest SHA-256 of ``seed/source/id``: the same rows whatever else
is in the recipe, and a smaller limit takes a subset. The source is read twice, and only ids are held in memory.
With ``order: first`` it takes the first rows, which suits a source whose order is random already.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from infimed_plugins.errors import DataError
from infimed_plugins.recipes.manifest import PartCount
from infimed_plugins.recipes.recipe import Part
from infimed_plugins.records import BadRow, Json, Sample


@dataclass
class Tally:
    """Counts of the rows of a part: ``read`` from the source, ``chosen`` of them, ``kept`` in the end.

    ``asked`` is how many the first step that asks a model was given, and ``errors`` holds the first error that a
    request ended with. ``bad`` counts the rejected rows that the source could not read: of all it holds, not of those
    chosen. ``aside`` is what a step dropped but wants kept, ``pictures`` the user's files with their sha256.
    """

    read: int = 0
    bad: int = 0
    chosen: int = 0
    asked: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    counted: Counter[str] = field(default_factory=Counter)
    right_of: Counter[tuple[int, int]] = field(default_factory=Counter)
    not_checked: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)
    rejects: list[dict[str, str]] = field(default_factory=list)
    aside: list[Sample] = field(default_factory=list)
    pictures: dict[str, str] = field(default_factory=dict)

    def reject(self, part: str, sample_id: str, reason: str, detail: str = "") -> None:
        """Count a bad row under a reason that others share, and keep what names it."""
        self.rejected[reason] += 1
        self.rejects.append({"part": part, "id": sample_id, "reason": reason, "detail": detail})

    def counts(self, part: Part, revision: str | None, licence: str, inputs: dict[str, dict[str, Json]]) -> PartCount:
        """Return the counts of a finished part for the manifest."""
        return PartCount(
            part=part.name,
            source=part.source,
            split=part.split,
            revision=revision,
            licence=licence,
            read=self.read,
            kept=self.kept,
            dropped=dict(sorted(self.dropped.items())),
            rejected=dict(sorted(self.rejected.items())),
            counted=dict(sorted(self.counted.items())),
            inputs=inputs,
            right_of=tuple((*key, count) for key, count in sorted(self.right_of.items())),
            not_checked=tuple(sorted(self.not_checked)),
            asked=self.asked,
            error=next(iter(self.errors), ""),
        )


def choose(load: Callable[[], Iterable[Sample | BadRow]], part: Part, seed: int, tally: Tally) -> Iterator[Sample]:
    """Yield the samples a part takes, in the source's order, and count the others by reason.

    ``load`` reads the source from its start; it is called twice where the choice needs all ids first.
    """
    wanted = None
    if part.order == "hash" and (part.limit is not None or part.skip):
        wanted = _lowest_hashes(load(), part, seed)
    seen: set[str] = set()
    matching = 0
    for sample in load():
        if isinstance(sample, BadRow):
            tally.read += 1
            tally.bad += 1
            tally.reject(part.name, sample.id, sample.reason, sample.detail)
            continue
        if not isinstance(sample, Sample):
            raise DataError(f"source {part.source!r} gave {type(sample).__name__}, not a Sample; mend the source")
        tally.read += 1
        if why := _filtered(sample, part):
            tally.dropped[why] += 1
            continue
        matching += 1
        left_out = sample.id not in wanted if wanted is not None else matching <= part.skip
        if left_out:
            tally.dropped["not sampled"] += 1
        else:
            tally.chosen += 1
            if sample.id in seen:
                tally.reject(part.name, sample.id, "its id is used twice")
            else:
                seen.add(sample.id)
                yield sample
        if wanted is None and part.limit is not None and matching == part.skip + part.limit:
            return


def _lowest_hashes(rows: Iterable[Sample | BadRow], part: Part, seed: int) -> set[str]:
    samples = (row for row in rows if isinstance(row, Sample))
    keyed = ((_key(seed, part.source, sample.id), sample.id) for sample in samples if not _filtered(sample, part))
    if part.limit is None:
        return {sample_id for _, sample_id in sorted(keyed)[part.skip :]}
    return {sample_id for _, sample_id in heapq.nsmallest(part.skip + part.limit, keyed)[part.skip :]}


def _key(seed: int, source: str, sample_id: str) -> bytes:
    return hashlib.sha256(f"{seed}/{source}/{sample_id}".encode()).digest()


def _filtered(sample: Sample, part: Part) -> str | None:
    if part.tasks and sample.task not in part.tasks:
        return "other task"
    if part.kinds and sample.kind not in part.kinds:
        return "other kind"
    if part.languages and sample.language not in part.languages:
        return "other language"
    return None
