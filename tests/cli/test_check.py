"""``infimed check``: 0 without faults, 1 with faults, one line each, 2 when it cannot be checked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infimed_plugins.cli.main import app
from infimed_plugins.paths import shipped
from infimed_plugins.recipes import Part, Recipe, build

RUNNER = CliRunner()
SFT = str(shipped("llamafactory_configs/infimed_sft.yaml"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    build(Recipe("small", "llamafactory", (Part("p", "phantom", "train", limit=4, order="first"),)), folder)
    return folder


@pytest.mark.slow
def test_each_fault_is_one_line_with_its_mend_and_the_exit_code_is_1(data: Path) -> None:
    overrides = ["dataset=smal", f"dataset_dir={data}", f"media_dir={data}", "learning_rte=1.0e-5"]
    lines = RUNNER.invoke(app, ["check", "sft", SFT, *overrides])
    machine = RUNNER.invoke(app, ["check", "sft", SFT, *overrides, "--json"])
    assert (lines.exit_code, machine.exit_code) == (1, 1)
    faults = json.loads(machine.stdout)["faults"]
    assert {"dataset", "learning_rte"} <= {fault["where"] for fault in faults}
    assert all(fault["mend"] for fault in faults)
    shown = lines.stdout.splitlines()
    assert [f"{fault['where']}: {fault['what']}; {fault['mend']}" for fault in faults] == shown[: len(faults)]
    assert shown[-1] == f"{len(faults)} faults"


def test_of_many_faults_of_one_kind_three_are_shown_and_the_others_counted(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("llamafactory")
    spoilt = tmp_path / "data"
    shutil.copytree(data, spoilt)
    for image in spoilt.rglob("*.png"):
        image.unlink()
    overrides = ["dataset=small", f"dataset_dir={spoilt}", f"media_dir={spoilt}", "learning_rte=1"]
    lines = RUNNER.invoke(app, ["check", "sft", SFT, *overrides]).stdout.splitlines()
    machine = json.loads(RUNNER.invoke(app, ["check", "sft", SFT, *overrides, "--json"]).stdout)
    of_rows = [line for line in lines if line.startswith("small.json")]
    assert ["cannot be read" in line for line in of_rows] == [True, True, True, False]
    assert of_rows[-1].endswith(": … and 1 more like these")
    assert sum("cannot be read" in fault["what"] for fault in machine["faults"]) == 4
    assert any(line.startswith("learning_rte: ") for line in lines)
    assert lines[-1] == f"{len(machine['faults'])} faults"


@pytest.mark.parametrize("kind", ["sft", "rl"])
@pytest.mark.parametrize("as_json", [False, True])
def test_a_configuration_that_is_not_there_is_an_error(kind: str, as_json: bool) -> None:
    done = RUNNER.invoke(app, ["check", kind, "no/such.yaml", *(["--json"] if as_json else [])])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
