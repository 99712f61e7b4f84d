"""The reader on labelled replies of our own: what it misses, pays, misreads and guesses stays within bounds."""

from __future__ import annotations

import gzip
import json
from collections import Counter

import pytest
from bench_reader import OWN, Reading, Row, counted, reading_of, rows_of, sample_of, score

from infimed_plugins.records import TASKS

BOUNDS = {"missed": 0.05, "paid": 0.01, "misread": 0.0, "abstained": 0.05, "guessed": 0.04}  # bench_reader.py: of what
MOST_ALIKE = 3  # replies of one wording
FEWEST_ROWS = 450
FEWEST_CHINESE = 0.2  # of all rows
GROUPS = {
    "letter", "announced", "answer then review", "review then answer", "by text", "retraction", "hedge", "left over",
    "cut list", "symbols", "code", "none of them", "not true", "next question", "beyond", "yes/no options", "zh letter",
    "zh by text", "zh review", "zh hedge", "yes/no", "yes/no wording", "zh yes/no", "open", "side", "list",
    "negated gold", "zh open", "number", "computation", "zh number", "box", "tags", "boxed",
}  # fmt: skip


@pytest.fixture(scope="module")
def read() -> list[tuple[Row, Reading]]:
    """Every row that counts, with the package's reading."""
    return [(row, reading_of(score(row["reply"], sample_of(row)))) for row in rows_of([OWN])]


@pytest.mark.parametrize("share", BOUNDS)
def test_the_reader_stays_within_its_bounds(share: str, read: list[tuple[Row, Reading]]) -> None:
    shares = {row["id"]: counted(row, reading) for row, reading in read}
    of = {name: found[share] for name, found in shares.items() if share in found}
    faults = [name for name, hit in of.items() if hit]
    assert len(faults) <= BOUNDS[share] * len(of), f"{share} {len(faults)} of {len(of)}: {', '.join(faults)}"


def test_the_file_holds_every_kind() -> None:
    with gzip.open(OWN, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    assert len(rows) >= FEWEST_ROWS
    assert len({row["id"] for row in rows}) == len(rows)
    assert {row["group"] for row in rows} == GROUPS
    assert {row["task"] for row in rows} == set(TASKS) - {"detection"}
    assert {row["origin"] for row in rows} == {"own"}
    languages = Counter(row["lang"] for row in rows)
    assert set(languages) == {"en", "zh"}
    assert languages["zh"] >= FEWEST_CHINESE * len(rows)
    assert max(Counter(row["reply"] for row in rows).values()) <= MOST_ALIKE


def test_a_letter_that_is_meant_agrees_with_the_label() -> None:
    for row in rows_of([OWN]):
        if row["task"] == "multiple_choice":
            letter = row["intended_letter"]
            meant = "none" if not letter else "right" if letter == row["answer"] else "wrong"
            assert meant == row["intended"], row["id"]
