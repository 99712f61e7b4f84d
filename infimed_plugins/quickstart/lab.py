"""One quickstart: its folder, its trainer, its size."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from infimed_plugins import __version__
from infimed_plugins.errors import ConfigError, MissingExtraError
from infimed_plugins.paths import shipped
from infimed_plugins.quickstart.install_easyr1 import is_installed as easyr1_is_installed
from infimed_plugins.recipes import Recipe, load_recipe
from infimed_plugins.records import Json
from infimed_plugins.trainers.easyr1_merge import merged_checkpoint

TRL_STEPS = 45  # a step takes TRL twice as long: it reads the prompt anew for each reply of a group
MODELS = ("base", "sft", "rl")
FREE_DISK_GB = 2
FILES = (
    "data_registry/recipes/quickstart_sft.yaml",
    "data_registry/recipes/quickstart_rlvr.yaml",
    "llamafactory_configs/quickstart_sft.yaml",
    "easyr1_configs/quickstart_grpo.yaml",
    "easyr1_configs/infimed.jinja",
)
SMOKE_ROWS, SMOKE_STEPS, SMOKE_QUESTIONS = 40, 2, 20


@dataclass(frozen=True)
class Lab:
    """One run: its folder, seed, RL trainer with the reason for it, and number of questions.

    A ``smoke`` run does everything in little, to see that all of it is there and fits together.
    """

    out: Path
    seed: int
    trainer: str
    why: str
    questions: int
    smoke: bool = False

    @property
    def settings(self) -> dict[str, Json]:
        """The settings that a run folder must have been made with to be resumed."""
        return {
            "seed": self.seed,
            "rl": self.trainer,
            "questions": self.questions,
            "smoke": self.smoke,
            "version": __version__,
            "recipe and configuration files": _digest(FILES),
        }

    def model(self, name: str) -> Path:
        """Return the folder of a model of this run."""
        if name != "rl":
            return self.out / name
        return merged_checkpoint(self.out / "rl") if self.trainer == "easyr1" else self.out / "rl" / "huggingface"

    def data(self, recipe: str) -> Path:
        """Return the folder with the data of a recipe."""
        return self.out / "data" / recipe

    def recipe(self, name: str) -> Recipe:
        """Return a shipped recipe with the seed of this run; of a smoke run, a few rows of each part."""
        recipe = replace(load_recipe(name), seed=self.seed)
        if recipe.format == "easyr1":
            recipe = recipe.changed(format=self.trainer)
        if not self.smoke:
            return recipe
        parts = tuple(replace(part, limit=min(part.limit or SMOKE_ROWS, SMOKE_ROWS)) for part in recipe.parts)
        return replace(recipe, parts=parts)


def open_lab(out: Path, *, seed: int, rl: str, questions: int, smoke: bool, fresh: bool) -> Lab:
    """Return a run that was checked before any long work starts, its folder made.

    Raises ConfigError for too little disk or a trainer that is unknown or not installed, MissingExtraError without
    LLaMA-Factory.
    """
    if find_spec("llamafactory") is None:
        raise MissingExtraError("the quickstart", "llamafactory", "quickstart")
    trainer, why = choose_trainer(rl)
    if fresh:
        _remove_run(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot write to {out}: {error.strerror}; choose another --out") from error
    free = shutil.disk_usage(out).free / 1e9
    if free < FREE_DISK_GB:
        raise ConfigError(f"{free:.1f} GB free at {out}, {FREE_DISK_GB} are needed; free some, or choose another --out")
    return Lab(out, seed, trainer, why, SMOKE_QUESTIONS if smoke else questions, smoke)


def _digest(files: Sequence[str]) -> str:
    """Return a digest of the files in 12 letters: a run must not go on with other steps than it began with."""
    return hashlib.sha256(b"\0".join(shipped(file).read_bytes() for file in files)).hexdigest()[:12]


def _remove_run(out: Path) -> None:
    """Remove an earlier run, and nothing that is not one: ``--fresh --out ~`` must not empty a home."""
    if out.is_dir() and not (out / "state.json").exists() and any(out.iterdir()):
        raise ConfigError(f"{out} holds files but no quickstart run; remove it yourself, or choose another --out")
    shutil.rmtree(out, ignore_errors=True)


def choose_trainer(wanted: str) -> tuple[str, str]:
    """Return the RL trainer and why. Raises ConfigError for one that is unknown or not installed."""
    if wanted not in ("auto", "easyr1", "trl"):
        raise ConfigError(f"--rl is {wanted!r}; one of auto, easyr1, trl")
    if wanted == "trl":
        return "trl", "asked for"
    if easyr1_is_installed():
        return "easyr1", "it is installed"
    if wanted == "easyr1":
        raise ConfigError(
            "EasyR1 is not installed; run: make quickstart EASYR1=<folder or pip URL>, or choose --rl trl"
        )
    return "trl", "EasyR1 is not installed (EASYR1=<folder or pip URL> names where to get it)"
