"""A summary counts each run by itself, compares only what was asked alike, and mixes no settings. Runs are made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

import pytest

from infimed_plugins.benchmarks.judged import Judged, Run
from infimed_plugins.errors import DataError
from infimed_plugins.records import Json
from infimed_plugins.reports.evaluation_page import curves, split_variant
from infimed_plugins.reports.summary import NOT_GIVEN, count, identified, summarize


def judged(number: int, accuracy: float | None = 1.0, **fields: Json) -> Judged:
    row = Judged(
        str(number), "organ", f"image {number}", "?", "lung", "lung", "lung", accuracy, 1.0, False, "", meta={}
    )
    return replace(row, **fields)


def run(model: str, rows: Sequence[Judged], benchmark: str = "phantom", **fields: str) -> Run:
    return Run(model, benchmark, fields.pop("prompt_style", "direct"), fields.pop("mode", "robust"), rows, **fields)


def test_the_unscored_are_in_no_rate_and_the_invalid_count_wrong() -> None:
    rows = [
        *(judged(number) for number in range(6)),
        judged(6, 0.0, invalid=True, text="either", reason="two options"),
        judged(7, 0.0, invalid=True, text=" \n"),
        judged(8, 0.0),
        judged(9, None, reason="the server went away"),
    ]
    result = count(run("base", rows))
    assert (result.figure.accuracy.right, result.figure.accuracy.total, result.unscored) == (6, 9, 1)
    assert (result.figure.invalid.right, result.figure.abstained.right) == (2, 1)
    assert result.reasons == (("two options", 1), ("no reason given", 1))


def test_an_empty_run_has_figures_that_say_nothing() -> None:
    summary = summarize([run("base", []), run("sft", [judged(0, None)])])
    assert [(r.figure.estimate.low, r.figure.estimate.high) for r in summary.results] == [(0.0, 1.0)] * 2
    assert summary.contrasts[0].note == "No question was answered by both."


def test_the_shown_interval_is_clustered_only_where_questions_share_images() -> None:
    alone = count(run("base", [judged(n, float(n % 3 > 0)) for n in range(60)])).figure
    together = count(run("base", [judged(n, float(n % 3 > 0), image=str(n // 6)) for n in range(60)])).figure
    assert (alone.shared, together.shared, together.images) == (False, True, 10)
    assert alone.estimate.low == alone.accuracy.low
    assert together.estimate == together.interval


@pytest.mark.parametrize(
    ("meta", "key", "groups"),
    [
        pytest.param([{"kind": "organ"}, {"kind": "side"}], "kind", {"organ": 1, "side": 1}, id="a-key"),
        pytest.param([{"kind": ["CT", "MRI"]}, {"kind": "CT"}], "kind", {"CT": 2, "MRI": 1}, id="several-values"),
        pytest.param([{"kind": "organ"}, {}], "kind", {"organ": 1, NOT_GIVEN: 1}, id="not-given"),
        pytest.param([{}, {}], "kind", None, id="no-question-has-it"),
        pytest.param([{}, {}], "language", {"en": 2}, id="a-field"),
        pytest.param([{"stage": 0}, {"stage": False}], "stage", {"0": 1, "False": 1}, id="falsy-values"),
    ],
)
def test_breakdowns_follow_the_keys_that_are_asked_for(
    meta: list[dict[str, Json]], key: str, groups: dict[str, int] | None
) -> None:
    result = count(run("base", [judged(n, meta=one) for n, one in enumerate(meta)]), [key])
    found = {value: figure.accuracy.total for value, figure in result.groups.get(key, {}).items()}
    assert found == (groups or {})
    assert (key in result.groups) == (groups is not None)


def test_baselines_stand_in_the_papers_order_whatever_was_scored() -> None:
    runs = [run("base", [judged(0)], "slake"), run("base", [judged(n) for n in range(3)], "vqa_rad")]
    for given in (runs, runs[::-1]):
        summary = summarize(given)
        assert [one.benchmark for one in summary.baselines] == list(summary.benchmarks)
    more = [replace(one, rows=(runs[1].rows if one.benchmark == "slake" else runs[0].rows)) for one in runs]
    assert [one.benchmark for one in summarize(more).baselines] == list(summary.benchmarks)


def test_groupings_are_named_by_benchmark() -> None:
    rows = [judged(n, meta={"dataset": "x", "kind": "y"}) for n in range(3)]
    runs = [run("base", rows), run("base", rows, "slake")]
    found = {r.benchmark: set(r.groups) for r in summarize(runs, groupings={"slake": ["dataset"]}).results}
    assert found == {"phantom": {"kind"}, "slake": {"dataset"}}


def test_only_runs_asked_and_judged_alike_are_compared() -> None:
    rows = [judged(n) for n in range(4)]
    summary = summarize(
        [
            run("base", rows),
            run("sft", rows, prompt_style="reasoning"),
            run("sft", rows, mode="medevalkit"),
            run("sft", rows, judge="a judge"),
            run("sft", rows, variant="blur:1"),
            run("rl", rows),
        ]
    )
    assert [(c.a, c.b, c.asked.label) for c in summary.contrasts] == [("base", "rl", "direct · robust · rules only")]


def test_a_pair_is_compared_on_shared_scored_questions_and_corrected_over_benchmarks() -> None:
    weak = [judged(n, float(n < 50)) for n in range(100)]
    strong = [judged(n, float(n < 60) if n else None) for n in range(100)]
    runs = [run(m, rows, b) for b in ("slake", "vqa_rad") for m, rows in (("base", weak), ("sft", strong))]
    first, second = summarize(runs).contrasts
    assert (first.benchmark, second.benchmark) == ("vqa_rad", "slake")  # the paper's order
    assert (first.paired.total, first.paired.only_a, first.paired.only_b) == (99, 0, 10)
    assert first.corrected == pytest.approx(2 * first.paired.p_value)


def test_a_benchmark_without_a_shared_question_is_not_in_holms_family() -> None:
    weak, strong = ([judged(n, float(n < right)) for n in range(100)] for right in (50, 60))
    unscored = [judged(n, None) for n in range(100)]
    runs = [run(m, rows, b) for b in ("slake", "vqa_rad") for m, rows in (("base", weak), ("sft", strong))]
    runs += [run("base", weak, "phantom"), run("sft", unscored, "phantom")]
    found = {contrast.benchmark: contrast for contrast in summarize(runs).contrasts}
    assert found["slake"].corrected == pytest.approx(2 * found["slake"].paired.p_value)
    assert (found["phantom"].paired.total, found["phantom"].corrected) == (0, 1.0)


def test_rows_of_one_id_are_paired_in_their_order() -> None:
    rows = [judged(0, 1.0), judged(0, 0.0), judged(1, 1.0)]
    assert list(identified(rows)) == ["0", "0 #2", "1"]
    other = [judged(0, 1.0), judged(0, 1.0), judged(1, 1.0)]
    (contrast,) = summarize([run("base", rows), run("sft", other)]).contrasts
    assert (contrast.paired.total, contrast.paired.only_b) == (3, 1)


def test_the_average_is_of_the_papers_benchmarks_and_names_the_missing() -> None:
    rates = {"slake": 10, "vqa_rad": 5, "phantom": 0}
    runs = [run("base", [judged(n, float(n < right)) for n in range(10)], name) for name, right in rates.items()]
    (average,) = summarize(runs).averages
    assert (average.benchmarks, average.estimate.value) == (("vqa_rad", "slake"), 0.75)
    assert average.missing == ("mmmu_health", "path_vqa", "pmc_vqa", "omnimedvqa", "medxpertqa_mm")


def test_two_runs_of_the_same_are_refused() -> None:
    with pytest.raises(DataError, match=r"two runs of base on phantom \(direct · robust · rules only\)"):
        summarize([run("base", [judged(0)]), run("base", [judged(1)])])


def test_a_summary_is_plain_data(synthetic_runs: list[Run]) -> None:
    summary = summarize(synthetic_runs)
    assert summary == summarize(synthetic_runs)
    assert len(asdict(summary)["results"]) == len(synthetic_runs)


@pytest.mark.parametrize(
    ("variant", "found"),
    [("shuffle:1", ("shuffle", 1)), ("blur:2.5", ("blur", 2.5)), ("circular", ("circular", 1)), ("a:b", ("a:b", 1))],
)
def test_a_variant_has_a_family_and_a_number(variant: str, found: tuple[str, float]) -> None:
    assert split_variant(variant) == found


def test_curves_begin_with_the_question_as_it_was_asked(synthetic_runs: list[Run]) -> None:
    found = {curve.family: curve for curve in curves(summarize(synthetic_runs))}
    assert {family: curve.axis for family, curve in found.items()} == {
        **{"shuffle": "seed", "circular": "", "blur": "severity", "noise": "severity"}
    }
    assert [x for x, _ in found["blur"].points["rl"]] == [0, 1, 2, 3]
    assert found["blur"].points["rl"][0][1].asked.variant == ""
    assert set(found["blur"].points) == {"base", "rl"}


def test_a_variant_is_compared_on_the_questions_that_it_has() -> None:
    plain = [judged(number, None if number == 3 else float(number % 3 == 0)) for number in range(60)]
    half = [replace(row, accuracy=1.0) for row in plain[:30]]
    made = summarize([run("base", plain), run("base", half, variant="shuffle:1")])
    (change,) = made.changes
    expected = [row for row in plain[:30] if row.accuracy is not None]
    right = sum(row.accuracy == 1.0 for row in expected)
    assert (change.plain.figure.accuracy.right, change.plain.figure.accuracy.total) == (right, len(expected))
    assert change.paired.total == len(expected)
    assert change.paired.difference == pytest.approx(1 - right / len(expected))
    (curve,) = curves(made)
    assert curve.points["base"][0] == (0.0, change.plain)


def test_both_figures_of_a_change_are_over_questions_scored_in_both() -> None:
    plain = [judged(number, float(number < 2)) for number in range(4)]
    varied = [judged(0, 1.0), judged(1, None), judged(2, 1.0), judged(3, None)]
    unscored = [judged(number, None) for number in range(4)]
    runs = [run("m", plain), run("m", unscored, variant="blur:1"), run("m", varied, variant="blur:2")]
    made = summarize(runs)
    (change,) = made.changes  # none for the variant that left all of them unscored
    assert (change.plain.figure.accuracy.right, change.plain.figure.accuracy.total, change.plain.unscored) == (1, 2, 0)
    assert (change.paired.total, change.paired.difference) == (2, 0.5)
    (curve,) = curves(made)
    assert curve.points["m"][0] == (0.0, change.plain)


def test_another_prompt_is_compared_with_the_direct_one() -> None:
    direct, reasoning = ([judged(number, float(number % k == 0)) for number in range(40)] for k in (2, 3))
    made = summarize([run("m", direct), replace(run("m", reasoning), prompt_style="reasoning")])
    (change,) = made.changes
    assert (change.asked.prompt_style, change.plain.asked.prompt_style) == ("reasoning", "direct")
