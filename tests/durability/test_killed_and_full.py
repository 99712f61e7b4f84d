"""Whatever ends a command at whatever change of a file: the same command finishes, and gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faults import DONE, FAILED, KILLED, run

from infimed_plugins.benchmarks.imported.run import import_run
from infimed_plugins.recipes import build
from infimed_plugins.recipes.recipe import Part, Recipe

STRIDE = 9  # of the changes in the short run; the slow one takes all
ROWS = [{"question": f"Is there a mass in picture {n}?", "answer": "yes", "response": "yes"} for n in range(4)]


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder but a run's record, which has its time; where it lies does not count."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "run.json")
    return {str(one.relative_to(folder)): one.read_bytes().replace(bytes(folder.parent), b"") for one in files}


def builder(form: str) -> Callable[[Path], Any]:
    parts = (
        Part("shapes", "phantom", "train", limit=5, order="first"),
        Part("more", "phantom", "val", limit=2, order="first", into="val"),
    )
    recipe = Recipe("demo", form, parts)  # type: ignore[arg-type]
    return lambda out: build(recipe, out)


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
}


@pytest.mark.parametrize("fault", ["kill", "full"])
@pytest.mark.parametrize("every", [STRIDE, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", list(COMMANDS))
def test_a_command_that_was_ended_anywhere_finishes_when_it_is_run_again(
    name: str, every: int, fault: str, tmp_path: Path
) -> None:
    command = COMMANDS[name]
    whole = tmp_path / "whole"
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
        left = [path.name for path in out.parent.rglob(".*") if path.name.endswith((".partial", ".lock"))]
        if left:
            wrong.append((at, "left", len(left)))
    assert not wrong
