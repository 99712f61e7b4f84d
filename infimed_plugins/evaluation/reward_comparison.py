"""Compare rewards on the same rollouts: agreement, what one pays and the others do not, and the cost of a sample.

A reward is named by where it comes from::

    infimed                      compute_score
    trl:accuracy                 a reward of trl.rewards (accuracy_reward), a function of completions and solutions
    easyr1:r1v                   examples/reward_function/r1v.py of EasyR1's repository, whose path EASYR1 names
    my_reward.py:compute_score   a file as EasyR1 loads it, REWARD_TYPE and all

Other rewards get the gold answer as plain text, which is what they compare with.
"""

from __future__ import annotations

import importlib.util
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from infimed_plugins.errors import (
    ConfigError,
    DataError,
    InfimedError,
    MissingFileError,
    known_name,
    optional_module,
)
from infimed_plugins.judge.agreement import Agreement, agreement
from infimed_plugins.records import Json
from infimed_plugins.rewards import compute_score, parse_truth
from infimed_plugins.rewards.box_iou import gold_answer
from infimed_plugins.rewards.generations import Generation

PAID = 0.5  # an accuracy from which a rollout counts as paid
OURS = "infimed"
Pay = Callable[[Sequence[Generation]], list[float | None]]  # the accuracy of each, None for no verdict


@dataclass(frozen=True)
class Compared:
    """One reward: its mean accuracy, the share paid, microseconds a sample, and its agreement with the first.

    ``alone`` are the places (in the file) of rollouts that it alone pays, or alone does not. ``unscored`` rollouts, on
    which it gives no verdict, count nowhere else.
    """

    name: str
    mean: float
    paid: float
    cost: float
    with_first: Agreement | None
    alone: tuple[int, ...]
    unscored: int

    def to_json(self) -> dict[str, Json]:
        """Return every field."""
        return asdict(self)


def compare(rows: Sequence[Generation], names: Sequence[str]) -> list[Compared]:
    """Score the rows by each reward. Raises DataError without a row, and ConfigError for a reward that is none."""
    if not rows:
        raise DataError("there is no rollout to score")
    found: dict[str, dict[str, float]] = {}  # by place among the rows
    cost: dict[str, float] = {}
    for name, pay in {name: find_reward(name) for name in names}.items():
        _scored(name, pay, rows[:1])  # what is loaded once is no cost of a sample
        begun = time.perf_counter()
        found[name] = _scored(name, pay, rows)
        cost[name] = 1e6 * (time.perf_counter() - begun) / len(rows)
        if not found[name]:
            raise DataError(
                f"{name} has a verdict on none of {len(rows):,} rollouts; mend their gold answers, or leave it out"
            )
    paid = {name: {n: value >= PAID for n, value in values.items()} for name, values in found.items()}
    first, compared = next(iter(paid)), []
    for name, values in found.items():
        others = [paid[other] for other in paid if other != name]
        alone = [
            rows[int(n)].number for n in values if others and all(one.get(n) is not paid[name][n] for one in others)
        ]
        both = name != first and paid[name].keys() & paid[first].keys()
        same = agreement(paid[name], paid[first]) if both else None
        mean, share = (sum(one.values()) / len(values) for one in (values, paid[name]))
        unscored = len(rows) - len(values)
        compared.append(Compared(name, mean, share, cost[name], same, tuple(dict.fromkeys(alone)), unscored))
    return compared


def _scored(name: str, pay: Pay, rows: Sequence[Generation]) -> dict[str, float]:
    """Return the accuracies by the rollouts' places. Raises ConfigError where the reward gives none."""
    try:
        values = pay(rows)
    except InfimedError:
        raise
    except Exception as error:  # a reward of somebody else may raise anything
        raise ConfigError(f"{name} fails ({type(error).__name__}: {error}); mend it, or leave it out") from error
    found = {str(n): value for n, value in enumerate(values) if value is not None}
    if len(values) != len(rows) or not all(map(math.isfinite, found.values())):
        raise ConfigError(f"{name} does not give each rollout a finite number; mend it, or leave it out")
    return found


def find_reward(name: str) -> Pay:
    """Return a reward by its name. Raises ConfigError, MissingFileError or MissingExtraError with what is missing."""
    family, _, rest = name.partition(":")
    if name == OURS:
        return _ours
    if family == "trl" and rest:
        return _of_trl(rest)
    if family == "easyr1" and rest:
        return _of_file(_easyr1_example(rest), "compute_score")
    if family.endswith(".py") and rest:
        return _of_file(Path(family), rest)
    raise ConfigError(f"{name!r} is no reward; write infimed, trl:NAME, easyr1:NAME or FILE.py:FUNCTION")


def _ours(rows: Sequence[Generation]) -> list[float | None]:
    scores = compute_score([{"response": row.response, "ground_truth": row.ground_truth} for row in rows])
    return [None if score["no_verdict"] else score["accuracy"] for score in scores]


def _of_trl(name: str) -> Pay:
    module = optional_module("trl.rewards", "TRL's rewards", "trl")
    known = [one.removesuffix("_reward") for one in dir(module) if one.endswith("_reward")]
    function = getattr(
        module, f"{known_name(name.removesuffix('_reward').replace('-', '_'), known, 'reward of TRL')}_reward"
    )

    def pay(rows: Sequence[Generation]) -> list[float | None]:
        completions = [[{"role": "assistant", "content": str(row.response)}] for row in rows]
        return list(function(completions, solution=list(map(_gold, rows))))

    return pay


def _easyr1_example(name: str) -> Path:
    root = os.environ.get("EASYR1", "")
    folder = Path(root) / "examples" / "reward_function"
    if not root or not folder.is_dir():
        raise MissingFileError(
            "easyr1:NAME needs EasyR1's repository: set EASYR1 to its path (git clone hiyouga/EasyR1)"
        )
    return folder / f"{known_name(name, [file.stem for file in folder.glob('*.py')], 'reward of EasyR1')}.py"


def _of_file(path: Path, name: str) -> Pay:
    if not path.is_file():
        raise MissingFileError(f"there is no file {path}; name FILE.py:FUNCTION")
    spec = importlib.util.spec_from_file_location(f"compared_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        function = getattr(module, name)
    except Exception as error:  # a file of somebody else may raise anything
        raise ConfigError(f"{path}:{name} does not load ({type(error).__name__}: {error}); mend it") from error
    sequential = getattr(module, "REWARD_TYPE", "batch") == "sequential"

    def pay(rows: Sequence[Generation]) -> list[float | None]:
        given: list[dict[str, Any]] = [
            {"response": str(row.response), "response_length": len(str(row.response)), "ground_truth": _gold(row)}
            for row in rows
        ]
        scores = [function(one) for one in given] if sequential else function(given)
        paid = [score["accuracy"] if "accuracy" in score else score["overall"] for score in scores]
        return [None if value is None else float(value) for value in paid]

    return pay


def _gold(row: Generation) -> str:
    """Return the gold answer as text."""
    try:
        return str(gold_answer(parse_truth(row.ground_truth)))
    except DataError:
        return str(row.ground_truth)
