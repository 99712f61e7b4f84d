"""Whatever ends a command at whatever change of a file: the same command finishes, and gives the same bytes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from faults import DONE, FAILED, KILLED, run

from infimed_plugins.benchmarks import runner
from infimed_plugins.benchmarks.catalogue.phantom import PHANTOM
from infimed_plugins.benchmarks.imported.importer import import_run
from infimed_plugins.benchmarks.judging import judge_folder
from infimed_plugins.benchmarks.run_folder import RunFolder
from infimed_plugins.engines import ChatRequest, Reply, Sampling
from infimed_plugins.recipes import build
from infimed_plugins.recipes.recipe import Part, Recipe, Step

STRIDE = 9  # of the changes in the short run; the slow one takes all
ROWS = [{"question": f"Is there a mass in picture {n}?", "answer": "yes", "response": "yes"} for n in range(4)]


TIMED = ("run.json", "finished.json", "replies.sqlite", "replies.sqlite-wal", "replies.sqlite-shm")


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder but those that have times or sums of paths in them; where it lies does not count."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in TIMED)
    return {str(one.relative_to(folder)): one.read_bytes().replace(bytes(folder.parent), b"") for one in files}


def builder(form: str) -> Callable[[Path], Any]:
    parts = (
        Part("shapes", "phantom", "train", limit=5, order="first"),
        Part("more", "phantom", "val", limit=2, order="first", into="val"),
    )
    recipe = Recipe("demo", form, parts)  # type: ignore[arg-type]
    return lambda out: build(recipe, out)


class Asked:
    """It answers by the question's length, and notes each request in a file, which is a change that can be ended."""

    model = "by length"

    def __init__(self, folder: Path) -> None:
        self.notes = folder / "asked"

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        for request in requests:
            time.sleep(0.03)  # longer than a store waits before it writes
            with self.notes.open("a") as notes:
                notes.write("x")
            answers = ("A", "B", "yes", "12", "left")
            texts = [
                f"<think> So it is. </think>\n<answer> {answers[(len(request.text) + n) % 5]} </answer>"
                for n in range(sampling.n)
            ]
            yield Reply(request.id, tuple(texts))


def evaluator(out: Path) -> Any:
    out.parent.mkdir(parents=True, exist_ok=True)
    return runner.run(PHANTOM, Asked(out.parent), out, limit=6)


def scorer(out: Path) -> Any:
    evaluator(out)
    folder = RunFolder(out)
    return [judge_folder(folder, PHANTOM, [mode]) for mode in ("robust", "paper")]


def curator(step: str, **settings: Any) -> Callable[[Path], Any]:
    part = Part("asked", "phantom", "train", limit=6, order="first", style="reasoning", steps=(Step(step, settings),))
    recipe = Recipe("demo", "llamafactory", (part,))

    def build_with(out: Path) -> Any:
        out.parent.mkdir(parents=True, exist_ok=True)
        return build(recipe, out, engine=Asked(out.parent), allow_empty=True)

    return build_with


def importer(out: Path) -> Any:
    results = out.parent / "results" / "VQA_RAD" / "results.json"
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(ROWS))
    return import_run(results, out, model="m")


COMMANDS: dict[str, Callable[[Path], Any]] = {
    "llamafactory": builder("llamafactory"),
    "easyr1": builder("easyr1"),
    "datasets": builder("datasets"),
    "import": importer,
    "eval": evaluator,
    "score": scorer,
    "reflect": curator("reflective_cot", judge="rule", candidates=3),
    "difficulty": curator("difficulty", candidates=3, keep=4),
}


def asked(out: Path) -> int:
    """How many requests were paid for, over all starts."""
    notes = out.parent / "asked"
    return notes.stat().st_size if notes.exists() else 0


@pytest.mark.parametrize("fault", ["kill", "full"])
@pytest.mark.parametrize("every", [STRIDE, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", list(COMMANDS))
def test_a_command_that_was_ended_anywhere_finishes_when_it_is_run_again(
    name: str, every: int, fault: str, tmp_path: Path
) -> None:
    command = COMMANDS[name]
    whole = tmp_path / "whole" / "out"
    code, changes = run(lambda: command(whole), tmp_path)
    assert code == DONE
    assert changes > 5
    wrong = []
    for at in range(1, changes + 1, every):
        out = tmp_path / str(at) / "out"
        code, _ = run(lambda out=out: command(out), out.parent, fault, at)  # type: ignore[misc]
        if code not in ((KILLED,) if fault == "kill" else (FAILED, DONE)):  # a full disk lets files be removed
            wrong.append((at, "was not ended", code))
        again, _ = run(lambda out=out: command(out), out.parent)  # type: ignore[misc]
        if again != DONE or contents(out) != contents(whole):
            wrong.append((at, "again", again))
        if asked(out) > asked(whole) + 1:  # the one on its way may be paid again
            wrong.append((at, "asked", asked(out)))
        left = [path.name for path in out.parent.rglob(".*") if path.name.endswith((".partial", ".lock"))]
        if left:
            wrong.append((at, "left", len(left)))
    print(f"{name}, {fault}: {len(range(1, changes + 1, every))} trials")
    assert not wrong, wrong
