"""Results of a check (Fault, Summary, Checked), and the bounds and rules that settings are checked by.

A ``Fault`` says what is wrong and how to fix it, a ``Summary`` describes the run that would start. A ``Bound`` limits
one setting, a ``Rule`` combines several:

    Bound("worker.rollout.top_p", "(0, 1]", "vLLM refuses it")
    Rule("data.min_pixels", lambda s: s.data.min_pixels > s.data.max_pixels, "is above data.max_pixels", "lower it")
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from infimed_plugins.errors import closest


@dataclass(frozen=True)
class Fault:
    """One thing that would stop or silently spoil a run. ``where`` is a key, a file, or ``file[row]`` from row 0."""

    where: str
    what: str
    mend: str  # how to fix it; also the key of --json

    @classmethod
    def of(cls, where: str, error: Exception, otherwise: str = "correct it") -> Fault:
        """Return the fault that an error of ours tells, behind its semicolon the fix."""
        what, _, fix = str(error).partition("; ")
        return cls(where, what, fix or otherwise)

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.mend}"

    @property
    def kind(self) -> tuple[str, str]:
        """The key or file and the fix, which faults of one kind share."""
        return self.where.partition("[")[0], self.mend


_SHOWN = 3  # faults of one kind


def grouped(faults: Sequence[Fault]) -> Iterator[str]:
    """Yield the faults as lines for people, by kind: the first three of each, and how many more there are."""
    kinds: dict[tuple[str, str], list[Fault]] = {}
    for fault in faults:
        kinds.setdefault(fault.kind, []).append(fault)
    for (where, _), alike in kinds.items():
        yield from map(str, alike[:_SHOWN])
        if len(alike) > _SHOWN:
            yield f"{where}: … and {len(alike) - _SHOWN:,} more like these"


@dataclass(frozen=True)
class Summary:
    """The run in figures. ``max_tokens`` is the longest row (SFT) or prompt (RL), None when it could not be counted.

    ``sequences_per_update`` are those of one optimizer step on all devices. Both are None where they are not judged.
    """

    rows: int
    max_tokens: int | None
    sequences_per_update: int | None = None
    steps_per_epoch: int | None = None

    def __str__(self) -> str:
        longest = "not counted" if self.max_tokens is None else f"{self.max_tokens:,} tokens"
        rows = f"{self.rows:,} rows, longest {longest}"
        if self.sequences_per_update is None or self.steps_per_epoch is None:
            return rows
        return f"{rows}; {self.sequences_per_update:,} sequences per update, {self.steps_per_epoch:,} steps per epoch"


@dataclass(frozen=True)
class Checked:
    """The faults of a configuration, none when it is fit to run; ``summary`` is None when rows could not be read.

    ``warnings`` stop nothing.
    """

    faults: tuple[Fault, ...]
    summary: Summary | None
    warnings: tuple[str, ...] = ()


def nearest(name: str, known: Iterable[str], *, otherwise: str = "remove it") -> str:
    """Return the fix for an unknown name: the nearest known one, or ``otherwise``."""
    return closest(name, known) or otherwise


def first_line(error: BaseException) -> str:
    """Return an exception on one line: its type and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].strip()}" if lines else type(error).__name__


Find = Callable[[str], Any]  # a setting by its key; None where it is not set


@dataclass(frozen=True)
class Bound:
    """One setting, each of its values if it holds several: an interval such as ``(0, 1]``, or the values themselves.

    ``besides`` are values beyond the interval that mean something of their own. Values that are not set pass.
    """

    key: str
    allowed: str | tuple[Any, ...]
    otherwise: str
    besides: tuple[Any, ...] = ()

    def allows(self, value: Any) -> bool:
        if isinstance(value, (list, tuple)):
            return all(map(self.allows, value))
        if isinstance(self.allowed, tuple):
            return value in self.allowed
        return value is None or value in self.besides or _is_within(value, self.allowed)

    def fault(self, value: Any, default: Any) -> Fault:
        """Describe a value out of bounds and the value to write; ``default`` is upstream's own."""
        if isinstance(value, (list, tuple)):
            value = next(item for item in value if not self.allows(item))
        if isinstance(self.allowed, tuple):
            listed = ", ".join(map(str, self.allowed))
            fix = nearest(str(value), map(str, self.allowed), otherwise=f"set it to one of {listed}")
            return Fault(self.key, f"{value!r} is not one of {listed}: {self.otherwise}", fix)
        wanted = " or ".join([_in_words(self.allowed), *map(str, self.besides)])
        such = f", such as {default}" if default is not None and self.allows(default) else ""
        return Fault(self.key, f"{value!r} is not {wanted}: {self.otherwise}", f"set it to {wanted}{such}")


def _is_within(value: Any, interval: str) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
        return False
    low, high = map(float, interval[1:-1].split(","))
    above = value >= low if interval[0] == "[" else value > low
    return above and (value <= high if interval[-1] == "]" else value < high)


def _in_words(interval: str) -> str:
    low, high = interval[1:-1].split(", ")
    least = f"{low} or more" if interval[0] == "[" else f"more than {low}"
    return least if high == "inf" else f"{least} and {'at most' if interval[-1] == ']' else 'less than'} {high}"


def bound_faults(bounds: Iterable[Bound], find: Find, default: Find) -> Iterator[Fault]:
    """Yield a fault for each setting out of bounds; ``default`` gives upstream's own value, for the fix."""
    for bound in bounds:
        value = find(bound.key)
        if value is not None and not bound.allows(value):
            yield bound.fault(value, default(bound.key))


@dataclass(frozen=True)
class Rule:
    """A condition on several settings. ``{…}`` in ``what`` and ``fix`` is filled in from the settings ``s``."""

    where: str
    broken: Callable[[Any], bool]
    what: str
    fix: str


def rule_faults(rules: Iterable[Rule], settings: Any) -> Iterator[Fault]:
    """Yield a fault for each broken rule; one that a value out of bounds keeps from being judged is passed over."""
    for rule in rules:
        try:
            broken = rule.broken(settings)
        except (ArithmeticError, TypeError):
            continue
        if broken:
            yield Fault(rule.where, rule.what.format(s=settings), rule.fix.format(s=settings))
