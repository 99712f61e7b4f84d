"""Profile a training set before GRPO: what groups of rollouts would teach, and what to change first.

pass@k is the unbiased estimator 1 - C(n-c, k) / C(n, k) of n rollouts of which c are right (Chen et al. 2021,
arXiv 2107.03374, equation 1). A group whose rewards are all equal has no advantage (DeepSeekMath, equation 3: rewards
less their mean): a step without a gradient, but for the KL term.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, pstdev

from infimed_plugins import pages
from infimed_plugins.errors import DataError
from infimed_plugins.reports.statistics import Estimate, clustered, interval, wilson

GROUPS_NEEDED = 100  # for shares that are known to ten points
EVEN = 1e-6  # rewards closer than this are equal
LOW, WASTED, UNFORMATTED, CUT = 0.3, 0.3, 0.5, 0.05  # shares above or below which advice is given


@dataclass(frozen=True)
class Rollout:
    """One rollout's reward and its parts, each in [0, 1]; ``length`` in tokens, or in characters where none are
    counted. ``cut`` is None where it is not known. ``unopened``: it closes its reasoning without having opened it."""

    overall: float
    format: float
    accuracy: float
    right: bool
    length: int = 0
    cut: bool | None = None
    unopened: bool = False


@dataclass(frozen=True)
class Group:
    """The rollouts of one question; ``kinds`` are the names of the slices it belongs to: source, task, language."""

    rollouts: Sequence[Rollout]
    kinds: tuple[tuple[str, str], ...] = ()

    @property
    def right(self) -> int:
        """How many rollouts are right."""
        return sum(rollout.right for rollout in self.rollouts)

    @property
    def spread(self) -> float:
        """The standard deviation of the group's rewards."""
        return pstdev(rollout.overall for rollout in self.rollouts)

    def passes(self, k: int) -> float:
        """Return pass@k. Needs at least k rollouts."""
        wrong, count = len(self.rollouts) - self.right, len(self.rollouts)
        return 1.0 - math.comb(wrong, k) / math.comb(count, k)


@dataclass(frozen=True)
class Slice:
    """The figures of some groups: shares in [0, 1], with 95% intervals where groups are counted."""

    name: str
    groups: int
    accuracy: Estimate
    pass_at: dict[int, float]
    spread: float
    no_advantage: Estimate
    all_right: Estimate
    all_wrong: Estimate
    format: float
    length: float
    cut: float | None


@dataclass(frozen=True)
class Profile:
    """The profile of a set: all its groups, then by source, task and language, and advice with its reason."""

    title: str
    rollouts: int
    slices: Sequence[Slice]
    advice: Sequence[str]
    notes: Sequence[str] = field(default_factory=tuple)


def profile(groups: Sequence[Group], title: str, rows: int | None = None, notes: Iterable[str] = ()) -> Profile:
    """Profile groups; ``rows`` is the size of the set that they were drawn from.

    Raises DataError where no group has two rollouts.
    """
    whole = [group for group in groups if len(group.rollouts) > 1]
    if not whole:
        raise DataError("no question has two rollouts, so that nothing is known of a group's spread; give 8 of each")
    by_kind: dict[tuple[str, str], list[Group]] = {}
    for group in whole:
        for kind in group.kinds:
            by_kind.setdefault(kind, []).append(group)
    several = {name for name, _ in by_kind if len({value for key, value in by_kind if key == name}) > 1}
    every = _slice("all", whole)
    slices = [every] + [_slice(": ".join(kind), by_kind[kind]) for kind in sorted(by_kind) if kind[0] in several]
    told = list(notes)
    if len(whole) < len(groups):
        told.append(f"{len(groups) - len(whole):,} questions with one rollout are left out")
    if len(whole) < GROUPS_NEEDED:
        told.append(f"{len(whole)} questions are few: shares of groups are known to ten points from {GROUPS_NEEDED} on")
    count = max(len(group.rollouts) for group in whole)
    return Profile(
        title, sum(len(one.rollouts) for one in whole), slices, list(_advice(every, whole, count, rows)), told
    )


def _slice(name: str, groups: Sequence[Group]) -> Slice:
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    owners = [number for number, group in enumerate(groups) for _ in group.rollouts]
    least = min(len(group.rollouts) for group in groups)
    steps = sorted({2**power for power in range(1, least.bit_length()) if 2**power <= least} | {least})

    def share(of: Iterable[bool]) -> Estimate:
        return wilson(sum(of), len(groups))

    return Slice(
        name,
        len(groups),
        clustered([float(rollout.right) for rollout in rollouts], owners),
        {k: fmean(group.passes(k) for group in groups) for k in steps},
        fmean(group.spread for group in groups),
        share(group.spread <= EVEN for group in groups),
        share(group.right == len(group.rollouts) for group in groups),
        share(group.right == 0 for group in groups),
        fmean(rollout.format for rollout in rollouts),
        fmean(rollout.length for rollout in rollouts),
        fmean(known) if (known := [rollout.cut for rollout in rollouts if rollout.cut is not None]) else None,
    )


def _advice(every: Slice, groups: Sequence[Group], count: int, rows: int | None) -> Iterator[str]:
    """Yield what to change before the run, each with the figure that says so."""
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    unopened = fmean(rollout.unopened for rollout in rollouts)
    if unopened >= UNFORMATTED:
        yield f"set think_prefilled: true: {unopened:.0%} of the rollouts close <think> without opening it"
    elif every.format < UNFORMATTED:
        yield (
            f"mend the prompt, or do SFT with it first: the format gate passes {every.format:.0%} of the rollouts, and "
            "nothing else is paid for the others"
        )
    if every.cut is not None and every.cut > CUT:
        yield f"raise data.max_response_length: {every.cut:.0%} of the rollouts end at the limit"
    best = max(every.pass_at)
    if every.pass_at[best] < LOW:
        yield (
            f"do more SFT first: pass@{best} is {every.pass_at[best]:.0%}; GRPO sharpens what a model can already do"
        )
    if every.no_advantage.value > WASTED:
        left = 1 - every.no_advantage.value
        keep = f", keep: {math.floor(left * rows)}" if rows and every.all_right.value else ""
        yield (
            f"filter: {every.no_advantage.value:.0%} of the groups have no advantage ({every.all_right.value:.0%} all "
            f"right, {every.all_wrong.value:.0%} all wrong); in the recipe, under the part: "
            f"steps: [{{difficulty: {{candidates: {count}, least: 1{keep}}}}}]; or data.online_filtering in EasyR1"
        )
    if not (unopened >= UNFORMATTED or every.format < UNFORMATTED or every.no_advantage.value > WASTED):
        yield f"go on: {1 - every.no_advantage.value:.0%} of the groups have something to teach"


def write_page(made: Profile, path: Path) -> None:
    """Write the page: one file, offline. Raises MissingExtraError without jinja2."""
    headers, rows = table(made)
    template = Path(__file__).with_name("profile.html.jinja")
    pages.write_page(path, template, profile=made, headers=headers, rows=rows)


def table(made: Profile) -> tuple[list[str], list[list[str]]]:
    """Return the headers and rows of the profile's one table."""
    ks = list(made.slices[0].pass_at)
    rows = [
        [
            *(one.name, f"{one.groups:,}", interval(one.accuracy)),
            *(f"{100 * one.pass_at[k]:.1f}" if k in one.pass_at else "–" for k in ks),
            *(f"{one.spread:.3f}", *map(interval, (one.no_advantage, one.all_right, one.all_wrong))),
            *(f"{100 * one.format:.1f}", f"{one.length:,.0f}", "–" if one.cut is None else f"{100 * one.cut:.1f}"),
        ]
        for one in made.slices
    ]
    passes = [f"pass@{k}" for k in ks]
    headers = ["of", "questions", "right", *passes, "spread", "no advantage", "all right", "all wrong", "format"]
    return [*headers, "length", "cut"], rows
