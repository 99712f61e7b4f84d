"""Run LLaMA-Factory and EasyR1 as subprocesses: their output in a log file, their progress as they report it.

LLaMA-Factory writes ``trainer_log.jsonl`` into its output folder (llamafactory/train/callbacks.py, LogCallback), EasyR1
``experiment_log.jsonl`` into its checkpoint folder (verl/utils/logger/logger.py, FileLogger). Whatever ends the run, no
process of it stays behind: Ray starts a dozen, in sessions of their own.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from infimed_plugins.errors import ConfigError, EngineError, MissingExtraError, MissingFileError, optional_module
from infimed_plugins.trainers.upstream_easyr1 import CPU_LAYER, MissingEasyR1Error

POLL_SECONDS = 0.5
MAX_CPU_THREADS = 4  # a model that trains on a CPU is too small to keep more busy
_RUN_MARK = "INFIMED_RUN"  # an environment variable by which every process of a run is found again


@dataclass(frozen=True)
class Progress:
    """One report: the step, of how many (0 while unknown), and what upstream logged of it, keys joined by ``/``."""

    step: int
    total: int
    metrics: Mapping[str, float]


OnProgress = Callable[[Progress], None]


def run_llamafactory(
    config: Path,
    overrides: Sequence[str] = (),
    *,
    log: Path,
    on_progress: OnProgress = lambda _: None,
    cpu: bool = False,
) -> None:
    """Run ``llamafactory-cli train CONFIG key=value …``, its output written to ``log``.

    ``cpu`` hides GPUs and the network. Raises MissingFileError without the configuration, MissingExtraError without
    LLaMA-Factory, and EngineError, with the end of the log, when the run fails.
    """
    if find_spec("llamafactory") is None:
        raise MissingExtraError("supervised fine-tuning", "llamafactory", "sft")
    settings = read_settings(config, overrides)
    if "output_dir" not in settings:
        raise ConfigError(f"{config} names no output_dir; add one")
    command = [sys.executable, "-m", "llamafactory.cli", "train", str(config), *overrides]
    follower = Follower(Path(settings["output_dir"]) / "trainer_log.jsonl", on_progress)
    run_logged(command, environment_for(cpu), log, follower)


def run_easyr1(
    config: Path,
    overrides: Sequence[str] = (),
    *,
    log: Path,
    on_progress: OnProgress = lambda _: None,
    cpu: bool = False,
) -> None:
    """Run ``python -m verl.trainer.main config=CONFIG key=value …``, its output written to ``log``.

    ``cpu`` runs it without a GPU, through the compatibility layer, in a Ray of its own. Raises as run_llamafactory;
    the configuration must log to ``file`` for progress to be seen.
    """
    if find_spec("verl") is None:
        raise MissingEasyR1Error("EasyR1 is not installed")
    trainer = read_settings(config, overrides).get("trainer", {})
    folder = trainer.get("save_checkpoint_path") or Path(
        "checkpoints", trainer.get("project_name", "easy_r1"), trainer.get("experiment_name", "demo")
    )
    command = [sys.executable, "-m", "verl.trainer.main", f"config={config}", *overrides]
    environment = environment_for(cpu) | (_ray_on_cpu() if cpu else {})
    follower = Follower(Path(folder) / "experiment_log.jsonl", on_progress, trainer.get("max_steps"))
    run_logged(command, environment, log, follower)


def read_settings(config: Path, overrides: Sequence[str] = (), *, resolve: bool = True) -> dict[str, Any]:
    """Return a trainer's YAML with ``key=value`` overrides; ``resolve`` fills in ``${oc.env:NAME,default}``.

    Raises MissingFileError, ConfigError naming the file, and MissingExtraError without omegaconf.
    """
    optional_module("omegaconf", "reading a trainer's configuration", "rl")  # LLaMA-Factory brings its own
    from omegaconf import DictConfig, OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    if not config.is_file():
        raise MissingFileError(f"no configuration at {config}; check the path")
    try:
        loaded = OmegaConf.load(config)
        if isinstance(loaded, DictConfig):
            loaded = OmegaConf.merge(loaded, OmegaConf.from_cli(list(overrides)))
        settings: Any = OmegaConf.to_container(loaded, resolve=resolve)
    except (OmegaConfBaseException, YAMLError, ValueError, OSError) as error:
        raise ConfigError(f"{config} cannot be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(settings, dict):
        raise ConfigError(f"{config} holds a list; write key: value lines")
    return settings


def environment_for(cpu: bool) -> dict[str, str]:
    """Return the parent's environment, with this interpreter's own programs (torchrun) first."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = dict(os.environ, PATH=path, PYTHONUNBUFFERED="1", TOKENIZERS_PARALLELISM="false")
    # left by TrainingArguments that were made in this process; the configuration says the precision
    environment.pop("ACCELERATE_MIXED_PRECISION", None)
    environment["TQDM_DISABLE"] = "1"  # Ray's bars are never closed: a log would grow with the square of the steps
    if cpu:
        environment |= {
            "OMP_NUM_THREADS": str(min(os.cpu_count() or 1, MAX_CPU_THREADS)),
            "OMP_WAIT_POLICY": "passive",  # threads that spin while they wait cost a third of a quickstart's CPU time
            "HF_HUB_OFFLINE": "1",
            "CUDA_VISIBLE_DEVICES": "",
        }
    return environment


def _ray_on_cpu() -> dict[str, str]:
    """Return variables for a Ray on the loopback with one pretended GPU, which CUDA_VISIBLE_DEVICES must name."""
    python_path = [str(CPU_LAYER), os.environ.get("PYTHONPATH", "")]
    return {
        "PYTHONPATH": os.pathsep.join(entry for entry in python_path if entry),
        "CUDA_VISIBLE_DEVICES": "0",
        "GLOO_SOCKET_IFNAME": "lo" if sys.platform == "linux" else "lo0",
        "RAY_ADDRESS": "local",  # a Ray of its own, even where a cluster runs
        "RAY_DEDUP_LOGS": "0",
        "RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES": "1",
        "RAY_OVERRIDE_RESOURCES": json.dumps({"CPU": 5, "GPU": 1}),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_enable_worker_prestart": "0",
    }


def run_logged(command: Sequence[str], environment: dict[str, str], log: Path, follower: Follower) -> None:
    """Run ``python -m module …`` to its end. Raises EngineError, with the end of the log, when it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    follower.log = log
    with log.open("wb") as output, _process(command, environment, output) as process:
        while process.poll() is None:
            time.sleep(POLL_SECONDS)
            follower.look()
        follower.look()
    if process.returncode != 0:
        raise EngineError(f"{command[2]} ended with code {process.returncode}: {last_words(log)} (log: {log})")


@contextmanager
def _process(command: Sequence[str], environment: dict[str, str], output: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Yield the running process; when the block is left, nothing that it started is alive."""
    mark = uuid.uuid4().hex
    process = subprocess.Popen(
        command,
        stdout=output,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env=environment | {_RUN_MARK: mark},
        start_new_session=True,
        preexec_fn=_end_with_parent if sys.platform == "linux" else None,
    )
    try:
        yield process
    finally:
        _end(process, mark)


def _end_with_parent() -> None:
    """Ask Linux to send SIGTERM to this process when its parent dies, were it by SIGKILL."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    """End the process and everything that carries its mark: by SIGTERM, then by SIGKILL."""
    import psutil

    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    left = [other for other in psutil.process_iter() if _carries(other, mark)]
    for other in left:
        try:
            other.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(left, timeout=10)


def _carries(process: Any, mark: str) -> bool:
    import psutil

    try:
        return bool(process.environ().get(_RUN_MARK) == mark)
    except (psutil.Error, OSError):  # gone, or another user's
        return False


class Follower:
    """Reads the lines that upstream adds to its progress file, and reports each that has a step.

    ``total`` is for lines without ``total_steps``; without it, what EasyR1 writes into ``log`` counts.
    """

    def __init__(self, path: Path, report: OnProgress, total: int | None = None) -> None:
        self.path, self.report, self.total = path, report, total or 0
        self.log: Path | None = None
        self._position, self._file = (path.stat().st_size, path.stat().st_ino) if path.exists() else (0, 0)

    def look(self) -> None:
        """Report what is new; a file that is another, or has become shorter, was started anew."""
        if not self.path.exists():
            self._position = 0
            return
        now = self.path.stat()
        if now.st_ino != self._file or now.st_size < self._position:
            self._position, self._file = 0, now.st_ino
        with self.path.open("rb") as file:
            file.seek(self._position)
            for line in file:
                if not line.endswith(b"\n"):  # still being written
                    return
                self._position += len(line)
                row = json.loads(line)
                step = row.get("current_steps", row.get("step"))  # LLaMA-Factory's name for it, EasyR1's
                if step is not None:
                    total = int(row.get("total_steps") or self._total())
                    self.report(Progress(int(step), total, flat_numbers(row)))

    def _total(self) -> int:
        if not self.total and self.log is not None:
            said = re.search(rb"Total training steps: (\d+)", self.log.read_bytes())
            self.total = int(said[1]) if said else 0
        return self.total


def flat_numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a nested mapping, under keys such as ``reward/overall``."""
    values = flat(row, "/").items()
    return {key: float(one) for key, one in values if isinstance(one, (int, float)) and not isinstance(one, bool)}


def flat(values: Mapping[str, Any], joint: str = ".", prefix: str = "") -> dict[str, Any]:
    """Return the values of a nested mapping by keys such as ``data.seed``; an empty mapping is a value, too."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        inner = isinstance(value, Mapping) and value
        found |= flat(value, joint, f"{prefix}{key}{joint}") if inner else {f"{prefix}{key}": value}
    return found


_ERROR_LINE = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception|Interrupt|Exit)\b(?::|$)")
_COLOR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_RAY_PREFIX = re.compile(r"^\(\w[^)]*pid=\d+[^)]*\) ?")


def last_words(log: Path) -> str:
    """Return why a run ended, on one line: the last error in its log, else its last line."""
    text = _COLOR.sub("", log.read_text(encoding="utf-8", errors="replace"))
    lines = [_RAY_PREFIX.sub("", line.rpartition("\r")[2]).strip() for line in text.splitlines()]
    said = [line for line in lines if line]
    errors = [line for line in said if _ERROR_LINE.match(line)]
    return (errors or said or ["it wrote nothing"])[-1]
