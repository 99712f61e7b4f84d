"""One offline page of an evaluation: the table beside the paper's, intervals, breakdowns, curves, a browser of cases.

The page is a single file: style, script, drawings, replies and images are inside it, and its own policy forbids every
request. What models said is embedded as JSON and only ever shown as text.
"""

from __future__ import annotations

import json
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any

from infimed_plugins.benchmarks.judged import Judged, Run, Setting
from infimed_plugins.benchmarks.robustness.perturbations import WITHOUT_PICTURE
from infimed_plugins.errors import DataError
from infimed_plugins.images import thumbnail
from infimed_plugins.pages import MOST_NAME, data_uri, shortened, write_page
from infimed_plugins.records import OPTION_LETTERS, Json
from infimed_plugins.reports import evaluation_tables as tables
from infimed_plugins.reports.against import Comparison
from infimed_plugins.reports.published import header, published_table
from infimed_plugins.reports.statistics import interval
from infimed_plugins.reports.summary import Figure, Result, Summary, identified, summarize
from infimed_plugins.reports.svg import COLORS, curve_chart, forest_plot

# yields for wanted questions with an image their place and the encoded image, or why it cannot be shown
Images = Callable[[Sequence[tuple[Run, Judged]]], Iterable[tuple[int, bytes | str]]]

MOST_CASES = 300
SEEDED = frozenset({"shuffle", "rephrase"})  # variants whose number names a draw, not a severity
_VARIANT = re.compile(r"(?P<family>.+?)(?::(?P<number>\d+(?:\.\d+)?))?")
NO_IMAGE = "no image"
THUMBNAIL = 320  # pixels of the longer side
MOST_GROUPS = 40  # in one case
_FILTERS: Mapping[str, Callable[..., str]] = {
    **{"header": header, "accuracy": tables.accuracy_text, "rate": tables.rate_text, "interval": interval}
}
_GRIDS = ("paired", "changes", "look", "against")  # the others stand in tables of their own


@dataclass(frozen=True)
class Breakdown:
    """One grouping of one benchmark in one setting: for each value, each model's figure."""

    benchmark: str
    asked: Setting
    key: str
    models: tuple[str, ...]
    rows: Sequence[tuple[str, Sequence[Figure | None]]]


@dataclass(frozen=True)
class Curve:
    """One family of variants on one benchmark. ``points``: model → (severity, result), severity 0 as it was asked
    without a variant, on the questions that have one."""

    family: str
    benchmark: str
    asked: Setting
    points: Mapping[str, Sequence[tuple[float, Result]]]

    @property
    def axis(self) -> str:
        """The variant's number: ``seed``, ``severity``, or "" for one that has none."""
        if self.family in SEEDED:
            return "seed"
        numbered = any(":" in result.asked.variant for line in self.points.values() for _, result in line)
        return "severity" if numbered else ""


def write_evaluation_page(
    runs: Sequence[Run],
    path: Path,
    *,
    images: Images,
    metadata: Mapping[str, str],
    notes: Sequence[str] = (),
    most_cases: int = MOST_CASES,
    groupings: Mapping[str, Sequence[str]] | None = None,
    comparison: Comparison | None = None,
) -> None:
    """Write the page to ``path``.

    ``images`` as in ``cases_json``; ``metadata`` by name; ``notes`` are the honest remarks. At most
    ``most_cases`` are embedded: those on which the models differ or that are invalid first.
    ``groupings`` as in ``summarize``; ``comparison`` adds the lines beside published figures. Raises MissingExtraError
    without jinja2 or Pillow, and DataError for two runs of one model, benchmark and setting.
    """
    cases = all_cases(runs)
    write_page(
        path,
        Path(__file__).with_name("evaluation.html.jinja"),
        _FILTERS,
        **_sections(summarize(runs, groupings=groupings), comparison),
        metadata=metadata,
        notes=notes,
        total=sum(map(len, cases.values())),
        telling=sum(case.telling for listed in cases.values() for case in listed),
        cases=cases_json(draw_cases(cases, most_cases), images),
    )


def _sections(summary: Summary, comparison: Comparison | None) -> dict[str, Any]:
    """Return the tables and drawings of the page."""
    beside = any(name in summary.benchmarks for name in published_table().columns)
    colors = {model: number for number, model in enumerate(summary.models)}
    return {
        "summary": summary,
        "published": published_table(),
        "columns": tables.wide_columns(summary) if beside else summary.benchmarks,
        "beside": beside,
        "rows": tables.wide_rows(summary),
        "alone": tables.wide_rows(summary, "noimage"),
        "grids": [grid for grid in tables.grids(summary, comparison) if grid.id in _GRIDS],
        "in_words": tables.IN_WORDS,
        "forests": _forests(summary),
        "breakdowns": breakdowns(summary),
        "charts": [(curve, chart) for curve in curves(summary) if (chart := _chart(curve, colors))],
        "colors": {model: number % COLORS for model, number in colors.items()},
    }


def breakdowns(summary: Summary) -> list[Breakdown]:
    """Return the groupings with more than one value, of runs without a variant."""
    found: dict[tuple[str, Setting, str], list[Result]] = {}
    for result in summary.results:
        for key in result.groups if not result.asked.variant else ():
            found.setdefault((result.benchmark, result.asked, key), []).append(result)
    listed = []
    for (benchmark, asked, key), results in found.items():
        values = sorted({value for result in results for value in result.groups[key]})
        if len(values) > 1:
            rows = [(value, [result.groups[key].get(value) for result in results]) for value in values]
            listed.append(Breakdown(benchmark, asked, key, tuple(result.model for result in results), rows))
    return listed


def split_variant(variant: str) -> tuple[str, float]:
    """Return ``("blur", 2.0)`` of ``blur:2``; a variant without a number has severity 1."""
    found = _VARIANT.fullmatch(variant)
    return (found["family"], float(found["number"] or 1)) if found else (variant, 1.0)


def curves(summary: Summary) -> list[Curve]:
    """Return a curve for each family of variants, benchmark and setting, in the order of the results."""
    plain = {(change.model, change.benchmark, change.asked): change.plain for change in summary.changes}
    found: dict[tuple[str, str, Setting], dict[str, list[tuple[float, Result]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for result in summary.results:
        if result.asked.variant and result.asked.variant not in WITHOUT_PICTURE:  # of those the table on looking tells
            family, severity = split_variant(result.asked.variant)
            asked = replace(result.asked, variant="")
            found[family, result.benchmark, asked][result.model].append((severity, result))
    for (_, benchmark, _), by_model in found.items():
        for model, points in by_model.items():
            bases = [plain[key] for _, result in points if (key := (model, benchmark, result.asked)) in plain]
            points += [(0.0, base) for base in bases[:1]]
            points.sort(key=lambda point: point[0])
    return [Curve(*key, by_model) for key, by_model in found.items()]


def _forests(summary: Summary) -> list[tuple[str, str]]:
    """Return (benchmark, drawing) of the runs without a variant."""
    published, drawn = published_table(), []
    places = {name: number for number, name in enumerate(published.columns)}
    several = len({asked for asked in summary.settings if not asked.variant}) > 1
    for benchmark in summary.benchmarks:
        results = [r for r in summary.results if r.benchmark == benchmark and not r.asked.variant and _counted(r)]
        rows = []
        for result in results:
            label = f"{result.model} · {result.asked.label}" if several else result.model
            note = f"{interval(result.figure.estimate)}, n = {result.figure.accuracy.total:,}"
            rows.append((label, result.figure.estimate, f"{note}, {result.asked.label}"))
        rings = [(row.model, row.values[places[benchmark]]) for row in published.rows] if benchmark in places else []
        if rows:
            drawn.append((benchmark, forest_plot(header(benchmark), rows, rings)))
    return drawn


def _counted(result: Result) -> bool:
    """True if anything was scored: else there is nothing to draw."""
    return result.figure.accuracy.total > 0


def _chart(curve: Curve, colors: Mapping[str, int]) -> str:
    points = {m: [(x, r.figure.estimate) for x, r in line if _counted(r)] for m, line in curve.points.items()}
    if not any(points.values()):
        return ""
    return curve_chart(f"{curve.family} on {header(curve.benchmark)}", points, colors, curve.axis)


@dataclass(frozen=True)
class Case:
    """One question with the run and the judged reply of each model that was asked it."""

    id: str
    replies: tuple[tuple[Run, Judged], ...]

    @property
    def telling(self) -> bool:
        """True if the models differ on it or a reply was invalid."""
        return len({row.accuracy for _, row in self.replies}) > 1 or any(row.invalid for _, row in self.replies)


def all_cases(runs: Sequence[Run]) -> dict[tuple[str, str], list[Case]]:
    """Return every question by (benchmark, label of the setting), in the order of the runs."""
    found: dict[tuple[str, str], dict[str, list[tuple[Run, Judged]]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        for name, row in identified(run.rows).items():
            found[run.benchmark, run.asked.label][name].append((run, row))
    return {key: [Case(name, tuple(replies)) for name, replies in by_id.items()] for key, by_id in found.items()}


def draw_cases(cases: Mapping[tuple[str, str], Sequence[Case]], most: int, seed: int = 0) -> list[Case]:
    """Return at most ``most`` cases: telling ones first, in turn over benchmarks and settings so that a large benchmark
    does not crowd out the others; at random within each.
    """
    telling, plain = [], []
    for key, listed in cases.items():
        order = random.Random(f"{seed} {key}").sample(list(listed), len(listed))
        telling.append([case for case in order if case.telling])
        plain.append([case for case in order if not case.telling])
    return list(islice(chain(_in_turn(telling), _in_turn(plain)), most))


def _in_turn(queues: Sequence[Sequence[Case]]) -> Iterator[Case]:
    """Yield the first of each, the second of each …"""
    return (case for layer in zip_longest(*queues) for case in layer if case is not None)


def cases_json(cases: Sequence[Case], images: Images) -> dict[str, Json]:
    """Return the data of the page's browser: ``cases``, and ``images`` as JPEG data URIs.

    A case's ``image`` indexes the images, or says in words why there is none; each image of a benchmark and variant is
    there once. ``accuracy`` is 1, 0, or null for unscored. Raises MissingExtraError without Pillow; a missing or
    broken image is noted in its cases.
    """
    wanted: dict[tuple[str, str, str], tuple[Run, Judged]] = {}
    for case in cases:
        wanted.setdefault(_image_key(case), case.replies[0])
    keys, asked = list(wanted), list(wanted.values())
    shown: dict[tuple[str, str, str], int | str] = dict.fromkeys(keys, NO_IMAGE)
    uris: list[str] = []
    for place, found in images(asked):  # made small as it comes: no more than one is held whole
        try:
            uris += [] if isinstance(found, str) else [data_uri(thumbnail(found, asked[place][1].id, THUMBNAIL))]
            shown[keys[place]] = found if isinstance(found, str) else len(uris) - 1
        except DataError as error:
            shown[keys[place]] = f"the image cannot be shown: {error}"
    return {"cases": [_case_json(case, shown[_image_key(case)]) for case in cases], "images": uris}


def _image_key(case: Case) -> tuple[str, str, str]:
    run, row = case.replies[0]
    return run.benchmark, run.variant, row.image


def _case_json(case: Case, image: int | str) -> dict[str, Json]:
    run, row = case.replies[0]
    options = [shortened(option) for option in row.options or ()]
    plain = (f"{key}: {value}" for key, value in row.meta.items() if isinstance(value, (str, int, float)))
    return {
        "id": shortened(case.id, MOST_NAME),
        "benchmark": shortened(run.benchmark),
        "asked": shortened(run.asked.label),
        "image": image if isinstance(image, int) else shortened(image),
        "question": shortened(row.question),
        "prompt": shortened(row.prompt),
        "options": options,
        "gold": shortened(row.gold if isinstance(row.gold, str) else json.dumps(row.gold, ensure_ascii=False)),
        "right": _right_option(row.gold, options),
        "language": shortened(row.language, MOST_NAME),
        "groups": [shortened(group, MOST_NAME) for group in islice(plain, MOST_GROUPS)],
        "replies": [
            {
                "model": shortened(one.model),
                "text": shortened(judged.text),
                "parsed": None if judged.parsed is None else shortened(judged.parsed),
                "accuracy": judged.accuracy,
                "invalid": judged.invalid,
                "reason": shortened(judged.why),
            }
            for one, judged in case.replies
        ],
    }


def _right_option(gold: Json, options: Sequence[str]) -> int | None:
    """Return the index of the gold option, given by its letter or its text."""
    if not isinstance(gold, str) or not options:
        return None
    if gold in options:
        return options.index(gold)
    letters = OPTION_LETTERS[: len(options)]
    return letters.index(gold) if len(gold) == 1 and gold in letters else None
