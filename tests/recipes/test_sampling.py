"""What a part takes is stable: a matter of seed, source and id, whatever else is in the recipe."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infimed_plugins.errors import DataError
from infimed_plugins.recipes import Part
from infimed_plugins.recipes.sampling import Tally, choose
from infimed_plugins.records import Sample


def source(count: int = 100) -> Iterator[Sample]:
    for n in range(count):
        yield Sample(
            f"s-{n}", "demo", "train", "How many?", "math", str(n), meta={"kind": "even" if n % 2 == 0 else "odd"}
        )


def ids(seed: int = 0, count: int = 100, **settings: object) -> list[str]:
    part = Part("p", "demo", "train", **settings)  # type: ignore[arg-type]
    return [sample.id for sample in choose(lambda: source(count), part, seed, Tally())]


def test_a_smaller_limit_takes_a_subset_and_a_longer_source_keeps_most() -> None:
    assert set(ids(limit=10)) < set(ids(limit=20))
    assert len(ids(limit=20)) == 20
    assert set(ids(limit=20, count=200)) & set(ids(limit=20)) == {
        i for i in ids(limit=20, count=200) if int(i[2:]) < 100
    }


def test_the_choice_depends_on_the_seed_and_on_nothing_else() -> None:
    assert ids(limit=20) == ids(limit=20)
    assert ids(limit=20) != ids(limit=20, seed=1)
    assert ids(limit=20) != [f"s-{n}" for n in range(20)]


@pytest.mark.parametrize("order", ["hash", "first"])
def test_parts_that_skip_what_another_takes_share_no_row_and_lose_none(order: str) -> None:
    taken = ids(order=order, limit=30) + ids(order=order, limit=30, skip=30) + ids(order=order, skip=60)
    assert sorted(taken) == sorted(ids())


def test_first_takes_the_first_and_reads_no_further() -> None:
    tally = Tally()
    part = Part("p", "demo", "train", order="first", limit=3, skip=2, kinds=("odd",))
    assert [s.id for s in choose(source, part, 0, tally)] == ["s-5", "s-7", "s-9"]
    assert (tally.read, tally.chosen, dict(tally.dropped)) == (10, 3, {"other kind": 5, "not sampled": 2})


@pytest.mark.parametrize(
    ("settings", "dropped"),
    [
        ({"tasks": ("text",)}, {"other task": 100}),
        ({"kinds": ("odd",), "limit": 10}, {"other kind": 50, "not sampled": 40}),
        ({}, {}),
    ],
)
def test_every_row_read_is_chosen_or_counted_with_a_reason(
    settings: dict[str, object], dropped: dict[str, int]
) -> None:
    tally = Tally()
    chosen = list(choose(source, Part("p", "demo", "train", **settings), 0, tally))  # type: ignore[arg-type]
    assert dict(tally.dropped) == dropped
    assert tally.read == 100 == len(chosen) + tally.dropped.total()


def test_an_id_used_twice_is_a_bad_row() -> None:
    tally = Tally()
    twice = [*source(3), *source(2)]
    assert len(list(choose(lambda: twice, Part("p", "demo", "train"), 0, tally))) == 3
    assert [reject["id"] for reject in tally.rejects] == ["s-0", "s-1"]


def test_a_source_that_gives_something_else_is_named() -> None:
    with pytest.raises(DataError, match="source 'demo' gave dict, not a Sample"):
        list(choose(lambda: [{"id": 1}], Part("p", "demo", "train"), 0, Tally()))  # type: ignore[list-item]
