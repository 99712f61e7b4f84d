"""Whether the reward function of an EasyR1 configuration loads, keeps EasyR1's contract, and pays a gold answer 1."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from infimed_plugins import prompts
from infimed_plugins.errors import ConfigError, DataError, InfimedError
from infimed_plugins.rewards import parse_truth
from infimed_plugins.rewards.frames import check_frame, gold_answer, in_frame
from infimed_plugins.trainers.faults import Fault, first_line

KEY = "worker.reward.reward_function"
Row = tuple[str, Any]  # where it is, and its ground truth


@dataclass(frozen=True)
class LoadedReward:
    """The function with its keyword arguments bound; ``batch`` functions take all rows at once."""

    function: Callable[[Any], Any]
    batch: bool
    settings: Mapping[str, Any] = field(default_factory=dict)  # those keyword arguments


def load_reward(config: Any, faults: list[Fault]) -> LoadedReward | None:
    """The function as EasyR1 loads it (verl/workers/reward/function.py:104), or None and a fault.

    ``config`` is EasyR1's RewardConfig after its ``post_init``, which makes a path that is not there None: no fault.
    """
    from verl.workers.reward import AutoRewardManager

    if config.reward_function is None:
        return None
    try:
        manager = AutoRewardManager(config, None)
    except (AttributeError, RuntimeError, OSError, SyntaxError) as error:
        named = f"{config.reward_function}:{config.reward_function_name}"
        faults.append(Fault(KEY, f"{named} does not load ({first_line(error)})", "correct the file or the name"))
        return None
    if manager.reward_type not in ("batch", "sequential"):
        faults.append(Fault(KEY, f"REWARD_TYPE is {manager.reward_type!r}", "set it to 'batch' or 'sequential'"))
        return None
    settings = dict(config.reward_function_kwargs or {})
    return LoadedReward(manager.reward_fn, manager.reward_type == "batch", settings)


def gold_response(truth: Any, settings: Mapping[str, Any]) -> str:
    """A well-formed response that says the gold answer, with the tags and in the frame of compute_score's settings.

    Raises DataError where there is none, or a size that the frame needs is missing.
    """
    answer = gold_answer(in_frame(parse_truth(truth), check_frame(settings.get("answer_frame"))))
    response = prompts.tagged("This is the gold answer.", "No Objects" if answer == [] else str(answer))
    for tag in ("think", "answer"):
        name = settings.get(f"{tag}_tag", tag)
        response = response.replace(f"<{tag}>", f"<{name}>").replace(f"</{tag}>", f"</{name}>")
    return response


def gold_faults(rows: Sequence[Row], reward: LoadedReward) -> list[Fault]:
    """Rows whose own answer does not earn 1.0, or for which the function breaks EasyR1's contract."""
    inputs, faults, where = [], [], []
    for place, truth in rows:
        try:
            response = gold_response(truth, reward.settings)
        except (DataError, ConfigError) as error:
            faults.append(Fault(place, *_split(str(error))))
            continue
        inputs.append({"response": response, "response_length": len(response), "ground_truth": truth})
        where.append(place)
    try:
        scores = list(reward.function(inputs)) if reward.batch else [reward.function(row) for row in inputs]
    except InfimedError as error:
        return [*faults, Fault(f"{KEY}_kwargs", *_split(str(error)))]
    except Exception as error:  # noqa: BLE001  a user's function may raise anything, and any would end the run
        what = f"raises on gold answers ({first_line(error)}); EasyR1 would stop there"
        return [*faults, Fault(KEY, what, "let it score every row")]
    return [*faults, *_contract_faults(scores, len(inputs)), *_score_faults(scores, where)]


def _contract_faults(scores: Sequence[Any], rows: int) -> list[Fault]:
    """EasyR1 leaves the rows of too few scores at 0, and stops or skips updates on what is no finite number."""
    if len(scores) != rows:
        return [Fault(KEY, f"gives {len(scores)} scores for {rows} rows", "return one for each row")]
    if not all(isinstance(score, dict) and "overall" in score for score in scores):
        return [Fault(KEY, "gives scores that are no dicts with 'overall'", "return {'overall': …} for each row")]
    if len({frozenset(score) for score in scores}) > 1:
        return [Fault(KEY, "gives rows different keys", "return the same keys for every row")]
    values = {key: value for score in scores for key, value in score.items() if not _is_finite(value)}
    return [
        Fault(KEY, f"gives {key} = {value!r}", "return finite floats only, in every key")
        for key, value in values.items()
    ]


def _is_finite(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _score_faults(scores: Sequence[Any], where: Sequence[str]) -> list[Fault]:
    faults = []
    for place, score in zip(where, scores, strict=False):
        overall = score.get("overall") if isinstance(score, dict) else None
        if _is_finite(overall) and overall < 1.0 - 1e-6:
            what = f"the gold answer itself earns {overall:.2f}, not 1.00"
            faults.append(Fault(place, what, "correct the answer or its task, or drop the row"))
    return faults


def _split(message: str) -> tuple[str, str]:
    what, _, mend = message.partition("; ")
    return what, mend or "correct it"
