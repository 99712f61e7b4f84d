"""On cases whose author says what was meant, the robust scorer errs at most a tenth as often as upstream does."""

from __future__ import annotations

import gzip
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[1] / "measure" / "robust_accuracy.py"
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


def test_robust_errs_at_most_a_tenth_as_often_as_upstream(
    accuracy: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = accuracy.parity_folder()
    found = accuracy.tallies(folder)
    with capsys.disabled():
        print(f"\n{folder}\n{accuracy.table(found)}")
    rules = set(found) - {"total"}
    every = {*accuracy.CHOICE_RULES, *accuracy.TEXT_RULES}
    assert rules == every if folder == accuracy.PACKED else rules & every, "no case says what was meant"
    assert found["total"].robust <= SHARE * found["total"].upstream


def test_records_are_known_by_their_rule_and_not_by_their_file(accuracy: ModuleType, tmp_path: Path) -> None:
    record = {"rule": "yesno", "id": "1", "answer": "yes", "response": "Yes.", "intended_correct": True,
              "upstream": {"correct": False, "error": None}}  # fmt: skip
    others = [{"rule": "aggregate"}, {"intended_correct": True}, {**record, "intended_correct": None}, [1]]
    with gzip.open(tmp_path / "hidden-7.jsonl.gz", "wt", encoding="utf-8") as lines:
        lines.writelines(f"{json.dumps(one)}\n" for one in [record, *others])
    found = accuracy.tallies(tmp_path)
    assert set(found) == {"yesno", "total"}
    assert (found["total"].records, found["total"].upstream, found["total"].robust) == (1, 1, 0)


def test_an_upstream_crash_counts_as_its_error(accuracy: ModuleType) -> None:
    crash = {"rule": "mcq", "intended_correct": False, "upstream": {"correct": None, "error": "ValueError: x"}}
    assert accuracy.upstream_verdict(crash) is True


def test_the_tally_tells_false_positives_from_false_negatives(accuracy: ModuleType) -> None:
    tally = accuracy.Tally()
    for meant, ours, theirs in [(True, True, True), (True, False, True), (False, True, False), (True, True, False)]:
        tally.add(meant, ours, theirs)
    assert (tally.records, tally.upstream, tally.false_positives, tally.false_negatives) == (4, 1, 1, 1)
    assert tally.ratio == 2.0
