"""The total reward: R_total = w_format · R_format + w_acc · R_accuracy (first paper, equation 3).

R_accuracy is 0 unless R_format is 1; the paper's weights are 0.1 and 0.9 (appendix A.4). R_format is 1 for one block of
reasoning and one explicit final answer (3.2.2; the conditions are those of parsing/response.py).
"""

from __future__ import annotations

import copy
import importlib
import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache

from infimed_plugins import plugins
from infimed_plugins.bounded_cache import cached
from infimed_plugins.errors import ConfigError
from infimed_plugins.parsing.options import read_choice, read_option, same_options
from infimed_plugins.parsing.reading import Reading
from infimed_plugins.parsing.response import INFIMED_FORM, ResponseForm, parse_response
from infimed_plugins.records import Code, GroundTruth, Score, Verdict

Reward = Callable[[str, GroundTruth], Verdict]
AskMath = Callable[[str, str], str]  # math_verify's verdict on a truth and an answer

W_FORMAT, W_ACC = 0.1, 0.9
BUILT_IN = {
    "multiple_choice": "infimed_plugins.rewards.total:multiple_choice",
    "text": "infimed_plugins.rewards.jaccard:jaccard",
    "math": "infimed_plugins.rewards.math_equivalence:math_equivalence",
    "grounding": "infimed_plugins.rewards.box_iou:grounding",
    "detection": "infimed_plugins.rewards.box_iou:detection",
}
BUILT_IN |= {  # other names of the same, and the gate alone
    "jaccard": BUILT_IN["text"],
    "math_verify": BUILT_IN["math"],
    "iou": BUILT_IN["grounding"],
    "format": "infimed_plugins.rewards.total:format_passed",
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


def is_math(reward: str) -> bool:
    """True for the names of the built-in reward that may ask math_verify."""
    return BUILT_IN.get(reward) == BUILT_IN["math"]


def judge_answer(answer: str, truth: GroundTruth, reward: str | None = None, ask: AskMath | None = None) -> Verdict:
    """The verdict on an answer alone, no format asked: a value in [0, 1], 0 for anything a plugin returns beyond it.

    ``ask`` is that of ``math_equivalence``.
    """
    name = reward or truth.task
    judge = find_reward(name)
    if name in BUILT_IN:
        return judge(answer, truth, ask) if ask and is_math(name) else judge(answer, truth)  # type: ignore[call-arg]
    verdict = judge(answer, replace(truth, answer=copy.deepcopy(truth.answer)))  # rollouts share what was parsed
    value, confidence = float(verdict.value), verdict.confidence
    if not 0.0 <= value <= 1.0:
        reason = f"the reward {name!r} gave {value}, which is not in [0, 1]"
        return Verdict(0.0, None, reason, code=Code.BAD_ROW)
    sure = isinstance(confidence, (int, float)) and 0.0 <= confidence <= 1.0
    parsed = None if verdict.parsed is None else str(verdict.parsed)
    reason = str(verdict.reason or "")
    return replace(verdict, value=value, parsed=parsed, reason=reason, confidence=confidence if sure else 0.0)


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
    return score_reading(parse_response(response, form), truth, w_format, w_acc, reward)


def score_reading(
    read: Reading, truth: GroundTruth, w_format: float, w_acc: float, reward: str | None, ask: AskMath | None = None
) -> Score:
    """Score a response that was parsed; accuracy is paid only behind the format gate."""
    form = float(read.format_ok)
    if not (read.format_ok and read.answer):
        return Score(w_format * form, form, 0.0, None, read.reason, invalid=True, code=read.code)
    verdict = judge_answer(read.answer, truth, reward, ask)
    return Score(
        overall=min(1.0, w_format + w_acc * verdict.value),
        format=form,
        accuracy=float(verdict.value),
        parsed=verdict.parsed,
        reason=verdict.reason,
        invalid=verdict.parsed is None,
        confidence=verdict.confidence,
        code=verdict.code,
        trace=verdict.trace,
    )


def format_passed(answer: str, truth: GroundTruth) -> Verdict:
    """The reward named ``format``: 1.0 for whatever answer it is shown, as it is shown none before the gate passes."""
    return Verdict(1.0, answer, "the format gate passes")


def multiple_choice(answer: str, truth: GroundTruth) -> Verdict:
    """1.0 when the answer states the truth's option and no other, by parsing/options.py (first paper, 3.2.2), else 0.0.

    For "B": ``B``, ``(B)``, ``B. Pneumonia``, ``The answer is B``; not ``A or B``, ``Not B``, ``B is seen``. For "AC"
    both: ``A, C``. An option with the same text as the right one is as right.
    """
    several = list(truth.answer) if isinstance(truth.answer, (list, tuple)) else [truth.answer]
    gold, options = ", ".join(map(str, several)), tuple(truth.options or ())
    right = _gold_letters(gold, options)
    if not right:
        return Verdict(0.0, None, f"the ground truth {gold[:80]!r} is not an option letter", code=Code.BAD_TRUTH)
    given = read_choice(answer, options, strict=True, several=len(right) > 1)
    if not given.answer:
        return Verdict(0.0, None, "no whole form of an answer", code=given.code)
    same = same_options(given.answer, right, options)
    reason = f"{'the' if same else 'another'} option, read as {', '.join(given.trace)}"
    return Verdict(float(same), given.answer, reason, trace=given.trace)


@cached(4096)  # the 16 rollouts of a question share its truth
def _gold_letters(gold: str, options: tuple[str, ...]) -> str:
    return read_option(gold, options, strict=True, several=True).answer
