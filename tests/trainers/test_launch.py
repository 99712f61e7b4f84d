"""A trainer's run is followed as it goes, fails with its reason, and leaves no process behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from infimed_plugins.errors import ConfigError, EngineError, MissingExtraError, MissingFileError
from infimed_plugins.trainers import Progress, launch, run_easyr1, run_llamafactory
from infimed_plugins.trainers.launch import Follower, environment_for, flat_numbers, last_words, run_logged

psutil = pytest.importorskip("psutil")


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make a module of some code, to run as ``python -m``."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def make(code: str) -> list[str]:
        (tmp_path / "trainer_under_test.py").write_text(code, encoding="utf-8")
        return [sys.executable, "-m", "trainer_under_test"]

    return make


def _follower(path: Path, seen: list[Progress]) -> Follower:
    return Follower(path, seen.append, 3)


def test_progress_is_reported_as_it_is_written_and_the_output_is_logged(program: Any, tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    code = (
        "import json\nprint('hello from the trainer')\n"
        f"for step in (1, 2, 3):\n    open({str(path)!r}, 'a').write(json.dumps({{'step': step, 'loss': 0.5}}) + '\\n')"
    )
    seen: list[Progress] = []
    run_logged(program(code), environment_for(cpu=True), tmp_path / "logs" / "run.log", _follower(path, seen))
    assert [(progress.step, progress.total, progress.metrics["loss"]) for progress in seen] == [
        (1, 3, 0.5),
        (2, 3, 0.5),
        (3, 3, 0.5),
    ]
    assert (tmp_path / "logs" / "run.log").read_text() == "hello from the trainer\n"


def test_a_failed_run_says_why_and_where_its_log_is(program: Any, tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    code = "print('loading')\nraise ValueError('batch size 7 does not divide')"
    with pytest.raises(EngineError, match=r"code 1: ValueError: batch size 7 does not divide \(log: .*run\.log\)"):
        run_logged(program(code), environment_for(cpu=True), log, _follower(tmp_path / "none", []))


SLEEPER = """\
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], start_new_session=True)
"""


def _still_there() -> list[int]:
    mine = os.environ["PYTEST_CURRENT_TEST"]
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get("PYTEST_CURRENT_TEST") == mine:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize(
    "end", ["pass", "raise SystemExit(3)", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"]
)
def test_what_a_run_started_in_sessions_of_its_own_ends_with_it(program: Any, tmp_path: Path, end: str) -> None:
    command = program(f"{SLEEPER}{end}")
    try:
        run_logged(command, environment_for(cpu=True), tmp_path / "run.log", _follower(tmp_path / "none", []))
    except EngineError:
        assert end != "pass"
    assert _still_there() == []


def test_an_interrupted_run_is_ended_with_all_it_started(program: Any, tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    command = program(f"{SLEEPER}open({str(path)!r}, 'w').write('{{\"step\": 1}}\\n')\ntime.sleep(300)")

    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    follower = Follower(path, interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_logged(command, environment_for(cpu=True), tmp_path / "run.log", follower)
    assert _still_there() == []


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells a process that its parent died")
def test_a_run_ends_when_its_parent_is_killed(program: Any, tmp_path: Path) -> None:
    program("import time\nopen('begun', 'w').close()\ntime.sleep(300)")
    code = (
        "import sys; from pathlib import Path\n"
        "from infimed_plugins.trainers.launch import Follower, environment_for, run_logged\n"
        "run_logged([sys.executable, '-m', 'trainer_under_test'], environment_for(cpu=True), Path('run.log'),\n"
        "           Follower(Path('none'), print))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path)
    _wait_for(lambda: (tmp_path / "begun").exists())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    _wait_for(lambda: _still_there() == [])


def _wait_for(condition: Any) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    pytest.fail("it did not come about in a minute")


def test_a_follower_skips_what_an_earlier_run_wrote_and_half_a_line(tmp_path: Path) -> None:
    path, seen = tmp_path / "progress.jsonl", list[Progress]()
    path.write_text('{"step": 1}\n{"step": 2}\n')
    follower = _follower(path, seen)
    follower.look()
    assert seen == []
    with path.open("a") as file:
        file.write('{"step": 3}\n{"ste')
    follower.look()
    assert [progress.step for progress in seen] == [3]
    with path.open("a") as file:
        file.write('p": 4}\n')
    follower.look()
    assert [progress.step for progress in seen] == [3, 4]


def test_a_follower_reads_a_file_that_was_started_anew_from_its_beginning(tmp_path: Path) -> None:
    path, seen = tmp_path / "progress.jsonl", list[Progress]()
    path.write_text('{"step": 7}\n')
    follower = _follower(path, seen)
    path.unlink()
    follower.look()
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n')
    follower.look()
    assert [progress.step for progress in seen] == [1, 2, 3]


def test_numbers_of_a_nested_row_get_joined_keys() -> None:
    row = json.loads('{"step": 2, "reward": {"overall": 0.5, "kind": "x"}, "actor": {"a": {"b": 1}}, "ok": true}')
    assert flat_numbers(row) == {"step": 2.0, "reward/overall": 0.5, "actor/a/b": 1.0}


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("", "it wrote nothing"),
        ("loading\n\n", "loading"),
        ("Traceback (most recent call last):\n  x\nKeyError: 'a'\nshutting down\n", "KeyError: 'a'"),
        ("ray.exceptions.RayTaskError(ValueError): ray::f()\nValueError: no\n", "ValueError: no"),
        ("\x1b[36m(Runner pid=12, ip=127.0.0.1)\x1b[0m RuntimeError: x\nbye", "RuntimeError: x"),
        (" 10%|#  | 1/3\r100%|###| 3/3\rlast", "last"),
        ("torch.cuda.OutOfMemoryError: CUDA out of memory\n", "torch.cuda.OutOfMemoryError: CUDA out of memory"),
    ],
)
def test_the_last_error_of_a_log_is_its_last_words(tmp_path: Path, log: str, words: str) -> None:
    (tmp_path / "run.log").write_text(log)
    assert last_words(tmp_path / "run.log") == words


def test_what_is_missing_is_said_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("llamafactory")
    with pytest.raises(MissingFileError, match="no configuration at"):
        run_llamafactory(tmp_path / "none.yaml", log=tmp_path / "run.log")
    (tmp_path / "sft.yaml").write_text("stage: sft\n")
    with pytest.raises(ConfigError, match="names no output_dir"):
        run_llamafactory(tmp_path / "sft.yaml", log=tmp_path / "run.log")
    monkeypatch.setattr(launch, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="llamafactory"):
        run_llamafactory(tmp_path / "sft.yaml", log=tmp_path / "run.log")
    with pytest.raises(MissingExtraError, match="EasyR1 is not on PyPI"):
        run_easyr1(tmp_path / "sft.yaml", log=tmp_path / "run.log")
    assert not (tmp_path / "run.log").exists()
    monkeypatch.setitem(sys.modules, "omegaconf", None)
    with pytest.raises(MissingExtraError, match=r"needs 'omegaconf'.*infimed-plugins\[rl\]"):
        launch.read_settings(tmp_path / "grpo.yaml")


def test_a_precision_left_by_this_process_does_not_reach_a_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers' TrainingArguments leave ACCELERATE_MIXED_PRECISION in the environment of whoever makes them."""
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    assert "ACCELERATE_MIXED_PRECISION" not in environment_for(cpu=True)
