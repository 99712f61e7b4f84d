"""The total reward: R_total = w_format · R_format + w_acc · R_accuracy (first paper, equation 3).

R_accuracy is 0 unless R_format is 1; the paper's weights are 0.1 and 0.9 (appendix A.4).
"""

from __future__ import annotations

import copy
import importlib
import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache

from infimed_plugins import plugins
from infimed_plugins.errors import ConfigError
from infimed_plugins.parsing.response import INFIMED_FORM, ResponseForm, parse_response
from infimed_plugins.records import Code, GroundTruth, Score, Verdict

Reward = Callable[[str, GroundTruth], Verdict]

W_FORMAT, W_ACC = 0.1, 0.9
BUILT_IN = {
    "multiple_choice": "infimed_plugins.rewards.multiple_choice:multiple_choice",
    "text": "infimed_plugins.rewards.jaccard:jaccard",
    "math": "infimed_plugins.rewards.math_equivalence:math_equivalence",
    "grounding": "infimed_plugins.rewards.box_iou:grounding",
    "detection": "infimed_plugins.rewards.box_iou:detection",
}
BUILT_IN |= {  # other names of the same, and the gate alone
    "option": BUILT_IN["multiple_choice"],
    "jaccard": BUILT_IN["text"],
    "math_verify": BUILT_IN["math"],
    "iou": BUILT_IN["grounding"],
    "format": "infimed_plugins.rewards.format_gate:passed",
}


def check_weights(w_format: float, w_acc: float) -> None:
    """Raise ConfigError unless both weights are finite, not negative, and sum to 1."""
    for name, weight in (("w_format", w_format), ("w_acc", w_acc)):
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not math.isfinite(weight) or weight < 0:
            raise ConfigError(f"{name} is {weight!r}; it must be a number of at least 0")
    if abs(w_format + w_acc - 1) > 1e-6:
        raise ConfigError(f"w_format + w_acc is {w_format + w_acc:g}; they must sum to 1, such as 0.1 and 0.9")


@cache
def find_reward(name: str) -> Reward:
    """The reward of a task, or one that a plugin registered. Raises UnknownPluginError, listing what there is."""
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        return getattr(importlib.import_module(module), attribute)  # type: ignore[no-any-return]
    return plugins.registry().get("reward", name)  # type: ignore[no-any-return]


def judge_answer(answer: str, truth: GroundTruth, reward: str | None = None) -> Verdict:
    """The verdict on an answer alone, no format asked: a value in [0, 1], 0 for anything a plugin returns beyond it."""
    name = reward or truth.task
    judge = find_reward(name)
    if name in BUILT_IN:
        return judge(answer, truth)
    verdict = judge(answer, replace(truth, answer=copy.deepcopy(truth.answer)))  # rollouts share what was parsed
    value, confidence = float(verdict.value), verdict.confidence
    if not 0.0 <= value <= 1.0:
        reason = f"the reward {name!r} gave {value}, which is not in [0, 1]"
        return Verdict(0.0, None, reason, code=Code.BAD_ROW)
    sure = isinstance(confidence, (int, float)) and 0.0 <= confidence <= 1.0
    parsed = None if verdict.parsed is None else str(verdict.parsed)
    return replace(
        verdict, value=value, parsed=parsed, reason=str(verdict.reason or ""), confidence=confidence if sure else 0.0
    )


def score_response(
    response: str,
    truth: GroundTruth,
    w_format: float = W_FORMAT,
    w_acc: float = W_ACC,
    reward: str | None = None,
    form: ResponseForm = INFIMED_FORM,
) -> Score:
    """Score one response. ``reward`` names a registered reward to use in the place of the task's own.

    Raises ConfigError for weights that cannot be, UnknownPluginError for a task without a reward.
    """
    check_weights(w_format, w_acc)
    parsed = parse_response(response, form)
    if not parsed.format_ok:
        return Score(0.0, 0.0, 0.0, None, parsed.reason, invalid=True, code=parsed.code)
    if not parsed.answer:
        return Score(w_format, 1.0, 0.0, None, parsed.reason, invalid=True, code=parsed.code)
    verdict = judge_answer(parsed.answer, truth, reward)
    return Score(
        overall=min(1.0, w_format + w_acc * verdict.value),
        format=1.0,
        accuracy=float(verdict.value),
        parsed=verdict.parsed,
        reason=verdict.reason,
        invalid=verdict.parsed is None,
        confidence=verdict.confidence,
        code=verdict.code,
        trace=verdict.trace,
    )
