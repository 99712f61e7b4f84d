"""A stage runs once; what a killed one left is cleared; a folder of other settings is refused."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from infimed_plugins.errors import ConfigError
from infimed_plugins.quickstart.stages import RunState, Stage, Tick, run_stage
from infimed_plugins.records import Json

SETTINGS: dict[str, Json] = {"seed": 0, "rl": "trl"}


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def _run(stage: Stage, folder: Path, console: Console) -> RunState:
    state = RunState(folder, SETTINGS)
    run_stage(stage, state, console, 1, 1)
    return state


def test_a_finished_stage_is_not_run_again_and_its_result_is_kept(tmp_path: Path, console: Console) -> None:
    calls = []

    def work(tick: Tick) -> Json:
        calls.append("ran")
        tick(1, 2, "half")
        return {"loss": 0.5}

    stage = Stage("sft", "training", work)
    _run(stage, tmp_path, console)
    state = _run(stage, tmp_path, console)
    assert calls == ["ran"]
    assert state.result("sft") == {"loss": 0.5}
    assert "done before" in console.file.getvalue()  # type: ignore[attr-defined]


def test_what_a_killed_stage_left_is_gone_before_it_starts_again(tmp_path: Path, console: Console) -> None:
    folder = tmp_path / "sft"

    def die(tick: Tick) -> Json:
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"half")
        raise KeyboardInterrupt

    def work(tick: Tick) -> Json:
        return {"found": folder.exists()}

    with pytest.raises(KeyboardInterrupt):
        _run(Stage("sft", "training", die, (folder,)), tmp_path, console)
    assert not (tmp_path / "state.json").exists()
    assert _run(Stage("sft", "training", work, (folder,)), tmp_path, console).result("sft") == {"found": False}


def test_a_folder_of_other_settings_is_refused_by_name_and_left_alone(tmp_path: Path, console: Console) -> None:
    _run(Stage("sft", "training", lambda tick: {}), tmp_path, console)
    before = (tmp_path / "state.json").read_bytes()
    with pytest.raises(ConfigError, match=r"other settings \(seed\); use --fresh, or another --out"):
        RunState(tmp_path, SETTINGS | {"seed": 1})
    assert (tmp_path / "state.json").read_bytes() == before


@pytest.mark.parametrize("content", ["", "{", "[]", json.dumps({"stages": {}})])
def test_a_state_file_that_cannot_be_read_is_named_with_its_mend(tmp_path: Path, content: str) -> None:
    (tmp_path / "state.json").write_text(content)
    with pytest.raises(ConfigError, match=r"state\.json .*--fresh"):
        RunState(tmp_path, SETTINGS)
