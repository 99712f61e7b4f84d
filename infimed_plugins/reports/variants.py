"""How accuracy changes with what was done to the questions: ``shuffle:1``, ``circular``, ``blur:2``, ``jpeg:1`` …"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from infimed_plugins.reports.summary import Asked, Result, Summary

SEEDED = frozenset({"shuffle", "rephrase"})  # the number names a draw, not a severity
_NAMED = re.compile(r"(?P<family>.+?)(?::(?P<number>\d+(?:\.\d+)?))?")


@dataclass(frozen=True)
class Curve:
    """One family of variants on one benchmark. ``points``: model → (severity, result), severity 0 as it was asked
    without a variant, on the questions that have one."""

    family: str
    benchmark: str
    asked: Asked
    points: Mapping[str, Sequence[tuple[float, Result]]]

    @property
    def axis(self) -> str:
        """What the numbers are: ``seed``, ``severity``, or nothing for a variant that has none."""
        if self.family in SEEDED:
            return "seed"
        numbered = any(":" in result.asked.variant for line in self.points.values() for _, result in line)
        return "severity" if numbered else ""


def split_variant(variant: str) -> tuple[str, float]:
    """``("blur", 2.0)`` of ``blur:2``; a variant without a number has severity 1."""
    found = _NAMED.fullmatch(variant)
    if found is None:
        return variant, 1.0
    return found["family"], float(found["number"] or 1)


def curves(summary: Summary) -> list[Curve]:
    """A curve for each family of variants, benchmark and setting, in the order of the results."""
    plain = {(change.model, change.benchmark, change.asked): change.plain for change in summary.changes}
    found: dict[tuple[str, str, Asked], dict[str, list[tuple[float, Result]]]] = defaultdict(lambda: defaultdict(list))
    for result in summary.results:
        if result.asked.variant:
            family, severity = split_variant(result.asked.variant)
            asked = replace(result.asked, variant="")
            found[family, result.benchmark, asked][result.model].append((severity, result))
    for (_, benchmark, _), by_model in found.items():
        for model, points in by_model.items():
            bases = [plain[key] for _, result in points if (key := (model, benchmark, result.asked)) in plain]
            points += [(0.0, base) for base in bases[:1]]
            points.sort(key=lambda point: point[0])
    return [Curve(*key, by_model) for key, by_model in found.items()]
