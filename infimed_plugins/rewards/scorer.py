"""The total reward R_total = w_format · R_format + w_acc · R_accuracy (first paper, equation 3), of one or of a batch.

R_accuracy is 0 unless R_format is 1; the paper's weights are 0.1 and 0.9 (appendix A.4). R_format is 1 for one block of
reasoning and one explicit final answer (3.2.2; the conditions are those of parsing/response.py).

EasyR1 passes a batch of rows ``{"response": str, "response_length": int, "ground_truth": …}`` (EasyR1 b44b311,
verl/workers/reward/function.py:29) and takes a dict of floats for each, the same keys in all. An exception there ends
the job, a NaN silently skips the update, and too few rows leave zeros, so none of these leaves ``compute_score``.
"""

from __future__ import annotations

import copy
import importlib
import json
import logging
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from typing import Any, TypeVar

from infimed_plugins import plugins
from infimed_plugins.errors import ConfigError, MissingExtraError
from infimed_plugins.parsing.lexicon import Reading
from infimed_plugins.parsing.response import INFIMED_FORM, ResponseForm, parse_response
from infimed_plugins.records import Code, Frame, GroundTruth, Score, Verdict
from infimed_plugins.rewards.ground_truth import check_frame, in_frame, parse_truth
from infimed_plugins.rewards.math_pool import MATH, AskMath, MathProcessError, Pair

Reward = Callable[[str, GroundTruth], Verdict]

W_FORMAT, W_ACC = 0.1, 0.9
BUILT_IN = {
    "multiple_choice": "infimed_plugins.rewards.text_and_choice:multiple_choice",
    "text": "infimed_plugins.rewards.text_and_choice:jaccard",
    "math": "infimed_plugins.rewards.math_equivalence:math_equivalence",
    "grounding": "infimed_plugins.rewards.box_iou:grounding",
    "detection": "infimed_plugins.rewards.box_iou:detection",
}
BUILT_IN |= {  # other names of the same, and the gate alone
    "option": BUILT_IN["multiple_choice"],
    "jaccard": BUILT_IN["text"],
    "math_verify": BUILT_IN["math"],
    "iou": BUILT_IN["grounding"],
    "format": "infimed_plugins.rewards.text_and_choice:format_passed",
}
MATH_BUDGET_SECONDS = 60.0  # for one batch; math answers not verified by then earn 0 and count as timed out
SETTINGS: dict[str, type] = {
    **{"w_format": float, "w_acc": float, "task": str, "reward": str, "think_prefilled": bool},
    **{"think_tag": str, "answer_tag": str, "answer_frame": str, "confidence": bool},
}
VARIABLE = "INFIMED_REWARD"  # settings as JSON, for trainers that pass a reward no arguments
_log = logging.getLogger("infimed_plugins.rewards")
_said: set[str] = set()  # warnings that are given once
_T = TypeVar("_T")


def compute_score(
    reward_inputs: Iterable[Mapping[str, Any]],
    w_format: float = W_FORMAT,
    w_acc: float = W_ACC,
    task: str | None = None,
    reward: str | None = None,
    think_prefilled: bool = False,
    think_tag: str = "think",
    answer_tag: str = "answer",
    answer_frame: Frame | None = None,
    confidence: bool = False,
) -> list[dict[str, float]]:
    """Score a batch; EasyR1's ``reward_function``.

    ``task`` is the task of ground truths that name none; ``reward`` names one registered reward for every row.
    ``think_prefilled`` says that the chat template opens ``<think>`` itself; the tags may have other names.
    ``answer_frame`` declares the coordinates that predicted boxes are in (rewards/box_iou.py). ``confidence`` adds the
    key of that name, a metric of detection, 0 in rows of other tasks.
    Keys, all in [0, 1]: ``overall``, ``format``, ``accuracy``; and, as metrics, ``parsed`` (an answer of the task's
    kind was read), ``timed_out`` (a math answer hit a limit) and ``bad_row`` (the row itself cannot be scored: logged
    once). Raises ConfigError or UnknownPluginError at once for settings that cannot be, never for what a row holds.
    """
    w_format, w_acc = typed("w_format", w_format), typed("w_acc", w_acc)
    think_prefilled, confidence = typed("think_prefilled", think_prefilled), typed("confidence", confidence)
    form = ResponseForm(think_tag, answer_tag, think_prefilled)
    scorer = Scorer(w_format, w_acc, task, reward, form, answer_frame)
    if isinstance(reward_inputs, (Mapping, str, bytes)):
        raise ConfigError("compute_score takes a list of rows; set REWARD_TYPE = 'batch' in the reward file")
    columns = getattr(reward_inputs, "to_dict", None)  # a DataFrame, whose iteration gives the names of its columns
    rows = columns("records") if columns else list(reward_inputs)
    scores = [_floats(score, confidence) for _, score in scorer.score(rows)]
    if scores and not any(score["overall"] for score in scores):
        _warn_if_prefilled(rows, form)
    return scores


@dataclass(frozen=True)
class Scorer:
    """Scores rows by these settings. Raises ConfigError or UnknownPluginError at once for settings that cannot be."""

    w_format: float = W_FORMAT
    w_acc: float = W_ACC
    task: str | None = None
    reward: str | None = None
    form: ResponseForm = INFIMED_FORM
    answer_frame: Frame | None = None

    def __post_init__(self) -> None:
        check_weights(self.w_format, self.w_acc)
        for name in (self.task, self.reward):
            if name:
                find_reward(name)
        check_frame(self.answer_frame)

    def score(self, rows: Sequence[Any]) -> list[tuple[str, Score]]:
        """Return each row's task and score, whatever it holds; "unknown" and BAD_ROW where it cannot be scored.

        The pairs for math_verify are found first, and asked all at once.
        """
        deadline = time.monotonic() + MATH_BUDGET_SECONDS
        read = [_guarded(row, self._read, row) for row in rows]
        pairs = [pair for one in read if not isinstance(one, Score) for pair in one[2]]
        verdicts = MATH.ask_all(dict.fromkeys(pairs), deadline)

        def judged(truth: GroundTruth, reading: Reading, _: Sequence[Pair]) -> tuple[str, Score]:
            given = (self.w_format, self.w_acc, self.reward, lambda *pair: verdicts[pair])
            return truth.task, score_reading(reading, truth, *given)

        done = [
            one if isinstance(one, Score) else _guarded(row, judged, *one) for row, one in zip(rows, read, strict=True)
        ]
        return [("unknown", one) if isinstance(one, Score) else one for one in done]

    def _read(self, row: Any) -> tuple[GroundTruth, Reading, Sequence[Pair]]:
        """Return the truth of a row, its parsed response, and the pairs that math_verify must be asked of."""
        truth = in_frame(parse_truth(row["ground_truth"], self.task), self.answer_frame)
        if not isinstance(row["response"], str):
            raise TypeError(f"the response is a {type(row['response']).__name__}, not a string")
        reward, reading = self.reward or truth.task, parse_response(row["response"], self.form)
        find_reward(reward)
        if not (is_math(reward) and reading.format_ok):
            return truth, reading, ()
        from infimed_plugins.rewards.math_equivalence import pairs_to_verify

        return truth, reading, pairs_to_verify(reading.answer, truth)


def _guarded(row: Any, step: Callable[..., _T], *given: Any) -> _T | Score:
    """Return the result of a step, or a bad row's score: a row may hold anything, a plugin's reward raise anything."""
    try:
        return step(*given)
    except (MissingExtraError, MathProcessError):
        raise  # a broken installation, not a bad row
    except Exception as error:  # noqa: BLE001
        what = type(error).__name__
        _warn_once("a row that cannot be scored gets 0 in every key: %s: %s; row: %.500r", what, error, row)
        return bad_row(f"the row cannot be scored: {type(error).__name__}: {error}")


def bad_row(reason: str) -> Score:
    """Return the score of a row that cannot be scored."""
    return Score(0.0, 0.0, 0.0, None, reason, invalid=True, code=Code.BAD_ROW)


def _floats(score: Score, confidence: bool) -> dict[str, float]:
    floats = {
        "overall": float(score.overall),
        "format": float(score.format),
        "accuracy": float(score.accuracy or 0.0),
        "parsed": float(not score.invalid),
        "timed_out": float(score.code is Code.TIMED_OUT),
        "bad_row": float(score.code is Code.BAD_ROW),
    }
    return {**floats, "confidence": float(score.confidence)} if confidence else floats


def _warn_if_prefilled(rows: list[Any], form: ResponseForm) -> None:
    """Say once that a batch may have earned nothing because the template, not the model, opened the reasoning."""
    missing = sum(closes_unopened(row.get("response"), form) for row in rows if isinstance(row, Mapping))
    if not form.think_prefilled and 2 * missing >= len(rows):
        _warn_once(
            "every reward of this batch is 0: %d of %d responses close %s without opening it; if the chat template "
            "opens it, set think_prefilled to true: in reward_function_kwargs (EasyR1), reward_kwargs (verl), "
            "functools.partial(infimed_reward, think_prefilled=True) (TRL), or, for any other adapter, the environment "
            f"variable {VARIABLE}='{{\"think_prefilled\": true}}'",
            *(missing, len(rows), form.tags[0]),
        )


def closes_unopened(response: Any, form: ResponseForm) -> bool:
    """True if a response ends its reasoning without having begun it, as where the chat template opens the tag."""
    think, think_end, _, _ = form.tags
    return isinstance(response, str) and think_end in response and think not in response


def _warn_once(message: str, *given: Any) -> None:
    if message in _said:
        return
    _said.add(message)
    try:
        text = message % given
    except Exception:  # noqa: BLE001  repr of a foreign object
        text = message % tuple(type(one).__name__ for one in given)
    _log.warning("%s (said once)", text)


def read_settings(passed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings among a trainer's keyword arguments; lists are columns of the data set.

    Raises ConfigError for a value of another type, and for a single value whose name is nearly a setting's.
    """
    settings = {}
    for name, value in passed.items():
        if isinstance(value, (list, tuple)) or value is None:
            continue
        if name in SETTINGS:
            settings[name] = typed(name, value)
        elif close := get_close_matches(name, SETTINGS, n=1, cutoff=0.75):
            raise ConfigError(f"{name} is no setting of the reward; did you mean {close[0]!r}?")
    return settings


def typed(name: str, value: Any) -> Any:
    """Return a setting's value; scalars of numpy and torch are taken, and "true" and "false". Raises ConfigError."""
    value = value.item() if hasattr(value, "item") and getattr(value, "shape", None) in ((), (1,)) else value
    kind = SETTINGS[name]
    if kind is bool and isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind):
        wanted = {bool: "true or false", float: "a number of at least 0", str: "a text"}[kind]
        raise ConfigError(f"{name} is {value!r}; it must be {wanted}")
    return value


def settings_of_environment() -> dict[str, Any]:
    """Return the settings in the variable INFIMED_REWARD, a JSON object such as {"think_prefilled": true}."""
    try:
        value = json.loads(os.environ.get(VARIABLE) or "{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ConfigError(f'{VARIABLE} is no JSON object of settings, such as {{"think_prefilled": true}}')
    if unknown := sorted(set(value) - set(SETTINGS)):
        raise ConfigError(f"{VARIABLE} names {unknown[0]!r}, which is no setting; one of {', '.join(SETTINGS)}")
    return read_settings(value)


def check_weights(w_format: float, w_acc: float) -> None:
    """Raise ConfigError unless both weights are finite, not negative, and sum to 1."""
    for name, weight in (("w_format", w_format), ("w_acc", w_acc)):
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not math.isfinite(weight) or weight < 0:
            raise ConfigError(f"{name} is {weight!r}; it must be a number of at least 0")
    if abs(w_format + w_acc - 1) > 1e-6:
        raise ConfigError(f"w_format + w_acc is {w_format + w_acc:g}; they must sum to 1, such as 0.1 and 0.9")


@cache
def find_reward(name: str) -> Reward:
    """Return the reward of a task, or a plugin's. Raises UnknownPluginError, listing the registered ones."""
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        return getattr(importlib.import_module(module), attribute)  # type: ignore[no-any-return]
    return plugins.registry().get("reward", name)  # type: ignore[no-any-return]


def is_math(reward: str) -> bool:
    """True for the names of the built-in reward that may ask math_verify."""
    return BUILT_IN.get(reward) == BUILT_IN["math"]


def judge_answer(answer: str, truth: GroundTruth, reward: str | None = None, ask: AskMath | None = None) -> Verdict:
    """Return the verdict on an answer alone, no format asked: a value in [0, 1], 0 if a plugin's is beyond it.

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
