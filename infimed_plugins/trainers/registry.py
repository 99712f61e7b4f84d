"""The trainers. Each is a record ``Trainer`` in a file of this folder, beside its rows and its adapter to the rewards.

    print(find_trainer("trl").show())

A file is imported when its trainer is asked for: adapters refuse wrong settings in INFIMED_REWARD_KWARGS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from infimed_plugins.errors import known_name
from infimed_plugins.export import Format, hf_datasets
from infimed_plugins.paths import shipped
from infimed_plugins.records import Json

GRPO = ("easyr1", "verl", "trl", "ms-swift", "openrlhf")  # with rows, a configuration and a check
REWARDED = (*GRPO, "verifiers", "prime-rl", "slime", "areal", "rllm", "nemo-gym")  # that take the rewards
FORMATS = ("llamafactory", *GRPO, "datasets")  # of a build
_FILES = {"prime-rl": "verifiers", **dict.fromkeys(("slime", "areal", "rllm", "nemo-gym"), "single_calls")}

# where a trainer has no arguments for the settings; Ray's workers have the environment of `ray start`
SETTINGS_LINES = """export INFIMED_REWARD_KWARGS='{{"w_format": 0.1, "w_acc": 0.9, "think_prefilled": false}}'
# think_prefilled: true where the chat template opens <think> itself
"""
PARQUET_HINT = "data.train_files={folder}/train.parquet data.val_files={folder}/val.parquet; sets: {sets}"

# replies, ground truths and the reward's settings; None is no verdict
Score = Callable[[list[str], list[Any], Mapping[str, Any]], Sequence[float | None]]


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The keys of a trainer's configuration that its check reads and names, and how its adapter is called (``score``).

    ``asks`` says how its prompt is made to ask for a form, ``template_file`` a shipped template that does, ``smaller``
    what makes pictures smaller, for the fix of a long prompt. ``columns`` are those of prompt, truth and images, by the
    keys that name others. ``taken_off`` is the key of what is taken off ``length``; a longer prompt is ``too_long``, or
    ``unfiltered`` where the key ``filter`` is not set. ``images_first``: the images go before a prompt without tags.
    Without the ``needed`` keys no row is right.
    """

    title: str
    model: str
    reward: str
    arguments: str = "INFIMED_REWARD_KWARGS"  # of the reward
    prompt: str
    template: str = "the model's own chat template"
    asks: str = "build the rows in the style reasoning, which asks for"
    template_file: str = ""
    images: str = ""  # how many there may be
    length: str = ""  # of a prompt
    smaller: str = ""
    score: Score = lambda said, truths, settings: []
    files: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    images_first: bool = False
    taken_off: str = ""
    filter: str = ""
    too_long: str = "left out"
    unfiltered: str = ""
    needed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """One trainer and the ``version`` tried, with all that the package has for it.

    ``takes`` says what it takes for a reward, and ``lines`` plug it in, with ``{file}`` for the adapter's path here.
    ``format`` is that of its rows, ``template`` its configuration (configs.py), where it is none of the shipped files,
    and ``architectures`` are its own names of some ``model_type``. Without ``keys`` its check is its own.
    """

    name: str
    version: str = ""
    takes: str = ""
    file: str = ""
    lines: str = ""
    format: Format | None = None
    keys: Keys | None = None
    template: str = ""
    architectures: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The adapter's file in this installation."""
        return shipped(self.file or f"infimed_plugins/trainers/{_file(self.name)}.py").resolve()

    def show(self) -> str:
        """Return the lines to paste."""
        return self.lines.format(file=self.path)

    def to_json(self) -> dict[str, Json]:
        """Return the texts, the real path, the format of the rows and the command that prints the configuration."""
        has_rows = self.format is not None
        return {
            **{"name": self.name, "version": self.version, "takes": self.takes},
            **{"file": str(self.path), "lines": self.show(), "rows": self.name if has_rows else None},
            "configuration": f"infimed trainers config {self.name}" if has_rows else None,
        }


def _file(name: str) -> str:
    return _FILES.get(name, name.replace("-", "_"))


def find_trainer(name: str, known: Iterable[str] = REWARDED) -> Trainer:
    """Return a trainer, its name in any case, ``_`` as ``-``. Raises ConfigError with the ``known`` ones."""
    name = known_name(name, known, "trainer")
    module = import_module(f"infimed_plugins.trainers.{_file(name)}")
    found: Trainer = next(one for one in module.TRAINERS if one.name == name)
    return found


def find_format(name: str) -> Format:
    """Return the format of a build, by a name as ``format_name`` returns it."""
    made = None if name == "datasets" else find_trainer(name, FORMATS).format
    return made or hf_datasets.FORMAT


def format_name(name: str) -> str:
    """Return the known spelling of a format (any case, ``_`` as ``-``). Raises ConfigError listing them."""
    return known_name(name, FORMATS, "format")
