"""On cases whose author says what was meant, the robust scorer errs at most a tenth as often as upstream does."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "robust_accuracy.py"
SHARE = 0.1


@pytest.fixture(scope="module")
def accuracy() -> ModuleType:
    spec = importlib.util.spec_from_file_location("robust_accuracy", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_robust_errs_at_most_a_tenth_as_often_as_upstream(accuracy: ModuleType) -> None:
    found = accuracy.tallies(accuracy.parity_folder())
    print(accuracy.table(found))
    assert set(found) == {*accuracy.CHOICE_RULES, *accuracy.TEXT_RULES, "total"}
    assert found["total"].upstream > 0
    assert found["total"].robust <= SHARE * found["total"].upstream


def test_an_upstream_crash_counts_as_its_error(accuracy: ModuleType) -> None:
    crash = {"rule": "mcq", "intended_correct": False, "upstream": {"correct": None, "error": "ValueError: x"}}
    assert accuracy.upstream_verdict(crash) is True


def test_the_tally_tells_false_positives_from_false_negatives(accuracy: ModuleType) -> None:
    tally = accuracy.Tally()
    for meant, ours, theirs in [(True, True, True), (True, False, True), (False, True, False), (True, True, False)]:
        tally.add(meant, ours, theirs)
    assert (tally.records, tally.upstream, tally.false_positives, tally.false_negatives) == (4, 1, 1, 1)
    assert tally.ratio == 2.0
