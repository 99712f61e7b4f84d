"""Plan a build before anything is fetched: rows, sources, licenses, download sizes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from infimed_plugins.errors import ConfigError
from infimed_plugins.plugins import registry
from infimed_plugins.recipes.recipe import Part, Recipe
from infimed_plugins.recipes.recipe_file import load_recipe
from infimed_plugins.records import Json
from infimed_plugins.sources import source_entries


@dataclass(frozen=True)
class PlanRow:
    """One part. ``rows`` is the most it can contribute before its steps drop any; None when that is not known."""

    part: str
    source: str
    split: str
    into: str
    style: str
    steps: tuple[str, ...]
    rows: int | None
    licence: str
    revision: str | None
    download_mb: float | None
    origin: str | None = None


@dataclass(frozen=True)
class Plan:
    """The parts of a recipe, checked against what is registered."""

    recipe: str
    format: str
    seed: int
    parts: tuple[PlanRow, ...]
    checked_against: tuple[str, ...] = ()  # benchmarks, as source/split
    checked_mb: float = 0.0  # megabytes to fetch for these besides
    needs_word: tuple[str, ...] = ()  # settings of the recipe's file that are refused without --trust

    @property
    def total(self) -> int:
        """Rows over all parts whose number is known."""
        return sum(row.rows or 0 for row in self.parts)

    @property
    def train(self) -> int:
        """Rows to train on; the others validate."""
        return sum(row.rows or 0 for row in self.parts if row.into == "train")

    @property
    def download_mb(self) -> float:
        """Megabytes to fetch, each file once: sources of one origin and one size read the same files."""
        return sum(size for _, size in {(row.origin or row.source, row.download_mb or 0.0) for row in self.parts})

    def to_json(self) -> dict[str, Json]:
        """Return the plan as JSON, the totals beside the parts."""
        return {**asdict(self), "total": self.total, "train": self.train, "download_mb": self.download_mb}


def plan(recipe: Recipe | str | Path) -> Plan:
    """Return the plan of a recipe.

    Raises UnknownPluginError for a source, step or engine that is not registered, ConfigError for a split that the
    source does not have, and what ``load_recipe`` raises.
    """
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    if recipe.engine is not None:
        registry().find("engine", recipe.engine.name)
    parts = tuple(_row(replace(part, steps=recipe.steps_of(part))) for part in recipe.parts)
    against = tuple((recipe.decontaminate or {}).get("benchmarks", ()))
    untrusted = tuple(map(str, recipe.untrusted))
    return Plan(recipe.name, recipe.format, recipe.seed, parts, against, _more_mb(against, parts), untrusted)


def _more_mb(benchmarks: tuple[str, ...], parts: tuple[PlanRow, ...]) -> float:
    """Return the megabytes of the benchmarks whose files no part reads."""
    entries = source_entries()
    named = [entries[name] for name in (one.partition("/")[0] for one in benchmarks) if name in entries]
    more = {(entry.origin, entry.download_mb) for entry in named} - {(row.origin, row.download_mb) for row in parts}
    return sum(size for _, size in more)


def _row(part: Part) -> PlanRow:
    source = registry().get("source", part.source)
    if part.split not in source.splits and "*" not in source.splits:
        raise ConfigError(
            f"part {part.name}: source {part.source!r} has no split {part.split!r}; one of {', '.join(source.splits)}"
        )
    for step in part.steps:
        registry().find("curation step", step.name)
    entry = source_entries().get(part.source)
    return PlanRow(
        part=part.name,
        source=part.source,
        split=part.split,
        into=part.into,
        style=part.style,
        steps=tuple(step.name for step in part.steps),
        rows=_rows(part, entry.splits.get(part.split) if entry else None),
        licence=entry.licence if entry else source.licence,
        revision=entry.revision if entry else None,
        download_mb=entry.download_mb if entry else None,
        origin=entry.origin if entry else None,
    )


def _rows(part: Part, in_split: int | None) -> int | None:
    bounds = [bound for bound in (part.limit, part.keep) if bound is not None]
    if in_split is not None and not (part.tasks or part.kinds or part.languages):  # else known only by reading
        bounds.append(max(0, in_split - part.skip))
    return min(bounds, default=None)
