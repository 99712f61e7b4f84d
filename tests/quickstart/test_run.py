"""The whole recipe in little, through the command a user types; killed on the way, it goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from infimed_plugins.errors import ConfigError
from infimed_plugins.quickstart.lab import choose_trainer, open_lab

pytest.importorskip("torch")
psutil = pytest.importorskip("psutil")

STAGES = ["base", "sft_data", "rl_data", "sft", "rl", "eval_base", "eval_sft", "eval_rl"]


def _command(out: Path, *options: str) -> list[str]:
    return [str(Path(sys.executable).with_name("infimed")), "quickstart", "--smoke", "--out", str(out), *options]


def _quickstart(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(_command(out, *options), capture_output=True, text=True, check=False, timeout=900)


def _stages(out: Path) -> dict[str, dict[str, object]]:
    path = out / "state.json"
    return json.loads(path.read_text())["stages"] if path.exists() else {}


def _kill_in_training(out: Path, options: Sequence[str], how: signal.Signals) -> None:
    """Start a run and end it while the supervised trainer works."""
    process = subprocess.Popen(
        _command(out, *options),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    log, deadline = out / "sft.log", time.monotonic() + 600
    while not (log.exists() and log.stat().st_size):
        assert process.poll() is None, "it ended before the training began"
        assert time.monotonic() < deadline
        time.sleep(0.1)
    children = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, how)
    process.wait(timeout=60)
    gone, alive = psutil.wait_procs(children, timeout=60)
    assert gone
    assert not alive, [child.cmdline() for child in alive]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("trainer", "how"), [("trl", signal.SIGKILL), pytest.param("easyr1", signal.SIGINT, marks=pytest.mark.easyr1)]
)
def test_a_killed_run_goes_on_behind_the_last_finished_stage_and_ends_with_a_report(
    trainer: str, how: signal.Signals, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    options = ["--rl", trainer, "--seed", "1"]  # held-out questions are those of seed 0 all the same
    _kill_in_training(out, options, how)
    finished = _stages(out)
    assert list(finished) == STAGES[:3]

    done = _quickstart(out, *options, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("done before") == 3
    assert {name: _stages(out)[name] for name in finished} == finished
    assert list(_stages(out)) == STAGES
    results = json.loads(done.stdout)
    assert results["rl_trainer"] == trainer
    assert {(line["model"], line["prompt_style"]) for line in results["lines"]} == {
        (model, style) for model in ("base", "sft", "rl") for style in ("direct", "reasoning")
    }
    assert all(line["overall"]["total"] == 20 for line in results["lines"])
    page = (out / "report.html").read_text()
    assert "Wait, perhaps we could consider it from a different perspective." in page
    assert f"Reinforcement learning ran in {trainer}" in page
    assert "http://" not in page.replace("http://www.w3.org", "")

    again = _quickstart(out, *options)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("done before") == len(STAGES)

    other = _quickstart(out, "--rl", trainer, "--seed", "2")
    assert other.returncode == 2
    assert "made with other settings (seed); use --fresh, or another --out" in other.stderr


def test_an_unknown_trainer_and_a_folder_that_cannot_be_made_are_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--rl is 'ppo'; one of auto, easyr1, trl"):
        choose_trainer("ppo")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match=r"cannot write to .*choose another --out"):
        open_lab(tmp_path / "file" / "run", seed=0, rl="trl", questions=20, smoke=True, fresh=False)


def test_fresh_removes_an_earlier_run(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "state.json").write_text("{}")
    lab = open_lab(tmp_path / "run", seed=0, rl="trl", questions=20, smoke=True, fresh=True)
    assert list(lab.out.iterdir()) == []


def test_fresh_touches_no_folder_that_holds_something_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="holds files but no quickstart run"):
        open_lab(tmp_path, seed=0, rl="trl", questions=20, smoke=True, fresh=True)
    assert (tmp_path / "thesis.txt").exists()


def test_too_little_disk_is_said_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infimed_plugins.quickstart.lab.FREE_DISK_GB", 10**9)
    with pytest.raises(ConfigError, match=r"GB free at .*, 1000000000 are needed; free some, or choose another --out"):
        open_lab(tmp_path / "run", seed=0, rl="trl", questions=20, smoke=True, fresh=False)
