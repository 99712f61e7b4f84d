"""A page shows the picture that the model was shown, or says why not; a data set is read no further than needed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infimed_plugins.benchmarks import runner
from infimed_plugins.benchmarks.catalogue.phantom import PHANTOM
from infimed_plugins.benchmarks.judged import Judged, Run
from infimed_plugins.benchmarks.judging import judge_folder
from infimed_plugins.benchmarks.questions import questions
from infimed_plugins.benchmarks.robustness.perturbations import folded, vary
from infimed_plugins.benchmarks.run_folder import RunFolder
from infimed_plugins.benchmarks.source_images import ANOTHER, NOT_HERE, source_images
from infimed_plugins.engines import ChatRequest, Reply, Sampling


class Yes:
    """An engine with one answer."""

    model = "yes"

    def generate(self, requests: Iterator[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        for request in requests:
            yield Reply(request.id, ("yes",))


def run_of(path: Path, variant: str = "", seed: int = 0) -> Run:
    """Forty questions asked with a seed, as a run folder keeps them."""
    options = runner.RunOptions(limit=40, seed=seed, variant=variant, vary=vary(variant))
    runner.ask(PHANTOM, Yes(), RunFolder(path), options)
    (run,) = judge_folder(RunFolder(path), PHANTOM, ["robust"])
    return run


def shown(run: Run, rows: list[Judged] | None = None) -> list[bytes | str | None]:
    wanted = [(run, row) for row in (run.rows if rows is None else rows)]
    found = dict(source_images(wanted))
    return [found.get(place) for place in range(len(wanted))]


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("variant", ["", "shuffle:1", "circular", "blur:2"])
def test_every_row_gets_the_picture_whose_hash_the_run_keeps(variant: str, seed: int, tmp_path: Path) -> None:
    for run in folded(run_of(tmp_path, variant, seed)):
        assert run.rows
        digests = [hashlib.sha256(data).hexdigest() for data in shown(run) if isinstance(data, bytes)]
        assert digests == [row.image for row in run.rows]


def test_a_picture_of_another_seed_or_release_is_refused(tmp_path: Path) -> None:
    run = run_of(tmp_path, seed=7)
    assert set(shown(replace(run, seed=0))) <= {ANOTHER, NOT_HERE}
    assert shown(run, [replace(run.rows[0], image="0" * 64)]) == [ANOTHER]


def test_what_is_not_at_hand_is_said_and_what_has_no_picture_is_left_out(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    gone, bare = replace(run.rows[0], id="gone"), replace(run.rows[1], id="bare", image="bare")
    assert shown(run, [gone, bare, run.rows[2]])[:2] == [NOT_HERE, None]
    wanted = [(replace(run, benchmark="slake"), row) for row in run.rows[:2]]
    assert dict(source_images(wanted, tmp_path)) == {0: NOT_HERE, 1: NOT_HERE}


def test_the_data_set_is_read_once_and_no_further_than_the_last_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, read = run_of(tmp_path), []

    def counted(*args: object, **options: object) -> Iterator[object]:
        for question in questions(*args, **options):  # type: ignore[arg-type]
            read.append(question)
            yield question

    monkeypatch.setattr("infimed_plugins.benchmarks.source_images.questions", counted)
    assert all(isinstance(data, bytes) for data in shown(run, [run.rows[9], run.rows[3], run.rows[3]]))
    assert len(read) == 10
