"""A profile of groups: the unbiased pass@k, groups without an advantage, and advice that follows from the figures."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from infimed_plugins.errors import DataError
from infimed_plugins.reports.profile import Group, Profile, Rollout, profile, table, write_page

RIGHT = Rollout(1.0, 1.0, 1.0, True, 10)
WRONG = Rollout(0.1, 1.0, 0.0, False, 10)


def group(right: int, of: int = 8, *kinds: tuple[str, str], wrong: Rollout = WRONG) -> Group:
    return Group([RIGHT] * right + [wrong] * (of - right), kinds)


def advice(*groups: Group, rows: int | None = None) -> str:
    return "\n".join(profile(groups, "p", rows).advice)


@pytest.mark.parametrize("right", range(7))
def test_pass_at_k_is_the_share_of_all_draws_of_k_that_hold_a_right_one(right: int) -> None:
    one = group(right, 6)
    for k in range(1, 7):
        draws = list(combinations(range(6), k))
        assert one.passes(k) == pytest.approx(sum(min(draw) < right for draw in draws) / len(draws))


def test_groups_that_are_all_alike_have_no_advantage_whatever_they_earn() -> None:
    half = Rollout(0.55, 1.0, 0.5, False)
    made = profile([group(8), group(0), group(3), Group([half] * 8)], "p").slices[0]
    assert made.no_advantage.value == 0.75
    assert (made.all_right.value, made.all_wrong.value) == (0.25, 0.5)
    assert made.accuracy.value == 11 / 32
    assert list(made.pass_at) == [2, 4, 8]


def test_slices_are_given_where_there_are_several() -> None:
    groups = [
        *(group(8, 8, ("source", "slake"), ("task", "text")), group(0, 8, ("source", "path_vqa"), ("task", "text"))),
        group(4, 8, ("source", "slake"), ("task", "text")),
    ]
    made = profile(groups, "p")
    assert [one.name for one in made.slices] == ["all", "source: path_vqa", "source: slake"]
    assert [one.groups for one in made.slices] == [3, 1, 2]
    headers, rows = table(made)
    assert {len(row) for row in rows} == {len(headers)}


def test_advice_names_the_filter_with_its_settings() -> None:
    said = advice(*[group(8)] * 5, *[group(0)] * 2, *[group(3)] * 3, rows=1000)
    assert "70% of the groups have no advantage (50% all right, 20% all wrong)" in said
    assert "difficulty: {candidates: 8, least: 1, keep: 300}" in said


def test_advice_on_sft_prompt_prefill_and_length() -> None:
    assert "do more SFT first: pass@8 is 10%" in advice(*[group(0)] * 9, group(1))
    unformatted = Rollout(0.0, 0.0, 0.0, False)
    assert "the format gate passes 25%" in advice(*[group(2, wrong=unformatted)] * 3)
    unopened = Rollout(0.0, 0.0, 0.0, False, unopened=True)
    assert "think_prefilled: true" in advice(*[group(2, wrong=unopened)] * 3)
    cut, whole = Rollout(0.0, 0.0, 0.0, False, cut=True), Rollout(1.0, 1.0, 1.0, True, cut=False)
    assert "data.max_response_length: 50%" in advice(*[Group([whole, cut] * 4)] * 3)
    assert "go on: 100% of the groups" in advice(*[group(4)] * 3)


def test_too_few_rollouts_or_questions_are_said_with_the_number_needed() -> None:
    with pytest.raises(DataError, match=r"no question has two rollouts.*give 8 of each"):
        profile([group(1, 1)], "p")
    made = profile([group(4), group(1, 1)], "p")
    assert made.notes[0] == "1 questions with one rollout are left out"
    assert "known to ten points from 100 on" in made.notes[1]


def test_the_page_shows_every_slice(tmp_path: Path) -> None:
    made: Profile = profile([group(4, 8, ("task", "text")), group(8, 8, ("task", "math"))], "<b>p</b>")
    write_page(made, tmp_path / "p.html")
    page = (tmp_path / "p.html").read_text()
    assert "<h1>&lt;b&gt;p&lt;/b&gt;</h1>" in page
    assert all(one.name in page for one in made.slices)
