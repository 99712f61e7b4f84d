"""What settings may be, as tables: a ``Bound`` judges one value, a ``Rule`` how several fit together.

Bound("worker.rollout.top_p", "(0, 1]", "vLLM refuses it")
Rule("data.min_pixels", lambda s: s.data.min_pixels > s.data.max_pixels, "is above data.max_pixels", "lower it")
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from infimed_plugins.trainers.faults import Fault, nearest

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
        """What a value out of bounds does, and what to write; ``default`` is upstream's own."""
        if isinstance(value, (list, tuple)):
            value = next(item for item in value if not self.allows(item))
        if isinstance(self.allowed, tuple):
            listed = ", ".join(map(str, self.allowed))
            mend = nearest(str(value), map(str, self.allowed), otherwise=f"set it to one of {listed}")
            return Fault(self.key, f"{value!r} is not one of {listed}: {self.otherwise}", mend)
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
    """The settings that are out of bounds; ``default`` gives upstream's own value, for the mend."""
    for bound in bounds:
        value = find(bound.key)
        if value is not None and not bound.allows(value):
            yield bound.fault(value, default(bound.key))


@dataclass(frozen=True)
class Rule:
    """How settings must fit together. ``{…}`` in ``what`` and ``mend`` is filled in from the settings ``s``."""

    where: str
    broken: Callable[[Any], bool]
    what: str
    mend: str


def rule_faults(rules: Iterable[Rule], settings: Any) -> Iterator[Fault]:
    """The rules that settings break; one that cannot be judged for a value out of bounds is passed over."""
    for rule in rules:
        try:
            broken = rule.broken(settings)
        except (ArithmeticError, TypeError):
            continue
        if broken:
            yield Fault(rule.where, rule.what.format(s=settings), rule.mend.format(s=settings))
