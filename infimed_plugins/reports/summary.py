"""Summarize evaluation runs as plain figures: every output of reports/ is made from a Summary.

Several models, benchmarks, prompt styles, variants, modes and judges go in at once. Figures of different settings are
never mixed: a comparison or an average is of runs that were asked and judged the same way.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from infimed_plugins.benchmarks.judged import Judged, Run, Setting
from infimed_plugins.benchmarks.robustness.perturbations import WITHOUT_PICTURE
from infimed_plugins.errors import DataError
from infimed_plugins.pages import MOST_NAME, shortened
from infimed_plugins.records import Json
from infimed_plugins.reports.look_or_guess import Baseline, Look, baseline, looks
from infimed_plugins.reports.published import in_paper_order, published_table
from infimed_plugins.reports.statistics import (
    OVER_IMAGES,
    Estimate,
    Paired,
    Rate,
    clustered,
    holm,
    macro_average,
    paired,
    power_note,
    stream,
    wilson,
)

GROUPINGS = ("kind", "modality")  # default if the caller names none for a benchmark
REASONS = 5
NOT_GIVEN = "(not given)"
_FIELDS = ("group", "task", "language")  # groupings that are fields of Judged, where meta has no such key


@dataclass(frozen=True)
class Figure:
    """An accuracy over scored questions. ``accuracy`` has the Wilson interval, ``interval`` the one clustered by
    ``images``. ``invalid`` replies could not be read: they count as wrong, but in modes (medevalkit, paper) whose
    rules then guess an answer, which may be right. Of these ``abstained`` said something."""

    accuracy: Rate
    interval: Estimate
    images: int
    invalid: Rate
    abstained: Rate

    @property
    def shared(self) -> bool:
        """True if questions share images: then Wilson's interval is too narrow."""
        return self.images < self.accuracy.total

    @property
    def estimate(self) -> Estimate:
        """The interval to show: the clustered one where questions share images, else Wilson's."""
        return self.interval if self.shared else self.accuracy

    @property
    def kind(self) -> str:
        """The kind of that interval."""
        return OVER_IMAGES if self.shared else "Wilson"


Key = tuple[str, str, Setting]  # model, benchmark, setting


@dataclass(frozen=True)
class Result:
    """One run, counted. ``unscored`` questions are in no rate. ``groups``: grouping key → value → figure.
    ``reasons``: the commonest reasons of invalid replies with their counts."""

    model: str
    benchmark: str
    asked: Setting
    figure: Figure
    unscored: int
    groups: Mapping[str, Mapping[str, Figure]]
    reasons: Sequence[tuple[str, int]]


@dataclass(frozen=True)
class Average:
    """The mean of the accuracies on the paper's ``benchmarks`` (Table 1, "Avg."); ``missing`` are the others."""

    model: str
    asked: Setting
    estimate: Estimate
    benchmarks: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Contrast:
    """``b`` against ``a`` on one benchmark, asked the same way. ``corrected`` is the p-value after Holm's correction
    over the benchmarks on which both have scored questions; ``note`` says what so many questions can show."""

    a: str
    b: str
    benchmark: str
    asked: Setting
    paired: Paired
    corrected: float
    note: str


@dataclass(frozen=True)
class Change:
    """A variant against the same questions as they are, or another prompt against the direct one: ``plain`` is the
    accuracy without the change, ``paired`` the difference to it, both over the questions scored in both runs."""

    model: str
    benchmark: str
    asked: Setting
    plain: Result
    paired: Paired

    @property
    def against(self) -> str:
        """What it is compared with."""
        return "as is" if self.asked.variant else self.plain.asked.prompt_style


@dataclass(frozen=True)
class Summary:
    """Everything that a report shows; ``benchmarks`` in the paper's order, ``models`` in the order of the runs."""

    models: tuple[str, ...]
    benchmarks: tuple[str, ...]
    results: tuple[Result, ...]
    averages: tuple[Average, ...]
    contrasts: tuple[Contrast, ...]
    changes: tuple[Change, ...] = ()
    baselines: tuple[Baseline, ...] = ()
    looks: tuple[Look, ...] = ()

    @property
    def settings(self) -> tuple[Setting, ...]:
        """The settings of all results, in their order."""
        return tuple(dict.fromkeys(result.asked for result in self.results))


def summarize(runs: Sequence[Run], *, groupings: Mapping[str, Sequence[str]] | None = None, seed: int = 0) -> Summary:
    """Count the runs and compare the models.

    ``groupings`` names, for a benchmark, the keys of ``Judged.meta`` that get a breakdown (``group``, ``task`` and
    ``language`` too); kind and modality for those it does not name. Raises DataError for two runs of the same model,
    benchmark and setting.
    """
    by_key: dict[Key, Run] = {}
    for run in runs:
        key = (run.model, run.benchmark, run.asked)
        if key in by_key:
            raise DataError(
                f"two runs of {run.model} on {run.benchmark} ({key[2].label}); leave one of them out, or give one "
                "model another name in its settings.json"
            )
        by_key[key] = run
    benchmarks = in_paper_order(run.benchmark for run in runs)
    ordered = sorted(by_key, key=lambda key: benchmarks.index(key[1]))
    keys = groupings or {}
    by_scored = sorted((by_key[key] for key in ordered if not key[2].variant), key=_scored)
    most_scored = {run.benchmark: run for run in by_scored if _scored(run)}  # of each benchmark
    results = tuple(count(by_key[key], keys.get(key[1], GROUPINGS), seed=seed) for key in ordered)
    return Summary(
        models=tuple(dict.fromkeys(run.model for run in runs)),
        benchmarks=benchmarks,
        results=results,
        averages=tuple(_averages(results)),
        contrasts=tuple(_contrasts(by_key, benchmarks, seed)),
        changes=tuple(_changes(by_key, ordered, seed)),
        baselines=tuple(baseline(most_scored[name]) for name in benchmarks if name in most_scored),
        looks=tuple(looks([by_key[key] for key in ordered], seed)),
    )


def _scored(run: Run) -> int:
    return sum(row.accuracy is not None for row in run.rows)


def count(run: Run, keys: Sequence[str] = GROUPINGS, *, seed: int = 0) -> Result:
    """Count one run, with a breakdown for each of ``keys`` that its questions have."""
    scored = [row for row in run.rows if row.accuracy is not None]
    reasons = Counter(row.reason or "no reason given" for row in scored if row.invalid)
    draws = stream(seed, run.benchmark)
    return Result(
        run.model,
        run.benchmark,
        run.asked,
        figure(scored, draws),
        len(run.rows) - len(scored),
        {key: groups for key in keys if (groups := breakdown(scored, key, draws))},
        tuple(reasons.most_common(REASONS)),
    )


def figure(scored: Sequence[Judged], seed: Sequence[int]) -> Figure:
    """Count some scored questions."""
    total, images = len(scored), [row.image for row in scored]
    right = [float(row.accuracy == 1.0) for row in scored]
    invalid = [row for row in scored if row.invalid]
    return Figure(
        wilson(int(sum(right)), total),
        clustered(right, images, seed=seed),
        len(set(images)),
        wilson(len(invalid), total),
        wilson(sum(row.text != "" and not row.text.isspace() for row in invalid), total),
    )


def breakdown(scored: Sequence[Judged], key: str, seed: Sequence[int]) -> dict[str, Figure]:
    """Return a figure for each value of one grouping; a question with a list of values counts under each of them."""
    groups: dict[str, list[Judged]] = defaultdict(list)
    for row in scored:
        for value in _values(row, key) or (NOT_GIVEN,):
            groups[value].append(row)
    if set(groups) <= {NOT_GIVEN}:
        return {}
    named = sorted(groups, key=lambda value: (value == NOT_GIVEN, value))
    return {value: figure(groups[value], seed) for value in named}


def _values(row: Judged, key: str) -> Sequence[str]:
    value: Json = row.meta.get(key, getattr(row, key) if key in _FIELDS else None)
    values = value if isinstance(value, (list, tuple)) else (value,)
    return list(dict.fromkeys(shortened(one, MOST_NAME) for one in values if one not in (None, "")))


def identified(rows: Sequence[Judged]) -> dict[str, Judged]:
    """Return the rows by id; the second row of one id (the turns of a circular variant) as ``id #2``."""
    seen: Counter[str] = Counter()
    named: dict[str, Judged] = {}
    for row in rows:
        seen[row.id] += 1
        named[row.id if seen[row.id] == 1 else f"{row.id} #{seen[row.id]}"] = row
    return named


def _scores(run: Run) -> dict[str, float]:
    """Return 1.0 or 0.0 for each question with a verdict."""
    rows = identified(run.rows).items()
    return {name: float(row.accuracy == 1.0) for name, row in rows if row.accuracy is not None}


def _images(run: Run) -> dict[str, str]:
    return {name: row.image for name, row in identified(run.rows).items()}


def _averages(results: Sequence[Result]) -> Iterator[Average]:
    """Yield each model's macro average in each setting, over those of the paper's benchmarks that it was run on."""
    columns = published_table().columns
    found: dict[tuple[str, Setting], dict[str, Estimate]] = defaultdict(dict)
    for result in results:  # in the paper's order
        if result.benchmark in columns and result.figure.accuracy.total:
            found[result.model, result.asked][result.benchmark] = result.figure.estimate
    for (model, asked), figures in found.items():
        missing = tuple(name for name in columns if name not in figures)
        yield Average(model, asked, macro_average(list(figures.values())), tuple(figures), missing)


def _contrasts(by_key: Mapping[Key, Run], benchmarks: Sequence[str], seed: int) -> Iterator[Contrast]:
    """Yield every pair of models in the order given, with Holm's correction over the benchmarks of the pair.

    Without the right picture nobody's answers are better: there a model stands beside itself only (looks).
    """
    models = list(dict.fromkeys(model for model, _, _ in by_key))
    scores = {key: _scores(run) for key, run in by_key.items()} if len(models) > 1 else {}
    for asked in dict.fromkeys(asked for _, _, asked in by_key if asked.variant not in WITHOUT_PICTURE):
        for a, b in combinations(models, 2):
            found: dict[str, Paired] = {}
            for name in benchmarks:
                one, other = (a, name, asked), (b, name, asked)
                if one in by_key and other in by_key:
                    found[name] = paired(scores[one], scores[other], _images(by_key[one]), seed=seed)
            corrected = holm({name: result.p_value for name, result in found.items() if result.total})
            for name, result in found.items():
                yield Contrast(a, b, name, asked, result, corrected.get(name, result.p_value), power_note(result))


def _changes(by_key: Mapping[Key, Run], ordered: Sequence[Key], seed: int) -> Iterator[Change]:
    """Yield each variant that keeps its questions' ids against the run without it, and each prompt against direct."""
    for model, benchmark, asked in ordered:
        as_it_is = replace(asked, variant="") if asked.variant else replace(asked, prompt_style="direct")
        plain = by_key.get((model, benchmark, as_it_is))
        if plain is None or as_it_is == asked:
            continue
        after = _scores(by_key[model, benchmark, asked])
        alike = replace(plain, rows=[row for row in plain.rows if row.id in after and row.accuracy is not None])
        if alike.rows:
            change = paired(_scores(alike), after, _images(alike), seed=seed)
            yield Change(model, benchmark, asked, count(alike, (), seed=seed), change)
