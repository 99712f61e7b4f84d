"""A batch of rollouts, as EasyR1 passes them: one dict of floats for each, the same keys in all, whatever they hold.

Each row is ``{"response": str, "response_length": int, "ground_truth": …}`` (EasyR1 b44b311,
verl/workers/reward/function.py:29). An exception there ends the job, a NaN silently skips the update, and too few
rows leave zeros, so none of these leaves this function.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeVar

from infimed_plugins.errors import ConfigError, MissingExtraError
from infimed_plugins.parsing.reading import Reading
from infimed_plugins.parsing.response import INFIMED_FORM, ResponseForm, parse_response
from infimed_plugins.records import Code, Frame, GroundTruth, Score
from infimed_plugins.rewards.ground_truth import check_frame, in_frame, parse_truth
from infimed_plugins.rewards.math_pool import MATH, MathProcessError, Pair
from infimed_plugins.rewards.total import W_ACC, W_FORMAT, check_weights, find_reward, is_math, score_reading

MATH_BUDGET_SECONDS = 60.0  # for one batch; math answers not verified by then earn 0 and count as timed out
SETTINGS: dict[str, type] = {
    **{"w_format": float, "w_acc": float, "task": str, "reward": str, "think_prefilled": bool},
    **{"think_tag": str, "answer_tag": str, "answer_frame": str, "confidence": bool},
}
VARIABLE = "INFIMED_REWARD"  # settings as JSON, for trainers that pass a reward no arguments
_log = logging.getLogger("infimed_plugins.rewards")
_warned = False
_warned_of_prefill = False
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
        """The task and the score of each row, whatever it holds; "unknown" and BAD_ROW where it cannot be scored.

        What math_verify must be asked is found first, and asked all at once.
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
        """The truth of a row, its parsed response, and the pairs that math_verify must be asked of."""
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
    """What a step gives, or the score of a row that cannot be scored: it may hold anything, a plugin raise anything."""
    try:
        return step(*given)
    except (MissingExtraError, MathProcessError):
        raise  # a broken installation, not a bad row
    except Exception as error:  # noqa: BLE001
        _warn_once(row, error)
        return bad_row(f"the row cannot be scored: {type(error).__name__}: {error}")


def bad_row(reason: str) -> Score:
    """The score of a row that cannot be scored."""
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
    global _warned_of_prefill
    missing = sum(closes_unopened(row.get("response"), form) for row in rows if isinstance(row, Mapping))
    if _warned_of_prefill or form.think_prefilled or 2 * missing < len(rows):
        return
    _warned_of_prefill = True
    _log.warning(
        "every reward of this batch is 0: %d of %d responses close %s without opening it; if the chat template opens "
        "it, set think_prefilled to true: in reward_function_kwargs (EasyR1), reward_kwargs (verl), "
        "functools.partial(infimed_reward, think_prefilled=True) (TRL), or, for any other adapter, the environment "
        "variable %s='{\"think_prefilled\": true}' (said once)",
        missing,
        len(rows),
        form.tags[0],
        VARIABLE,
    )


def closes_unopened(response: Any, form: ResponseForm) -> bool:
    """True if a response ends its reasoning without having begun it, as where the chat template opens the tag."""
    think, think_end, _, _ = form.tags
    return isinstance(response, str) and think_end in response and think not in response


def _warn_once(row: Any, error: Exception) -> None:
    global _warned
    if _warned:
        return
    _warned = True
    try:
        shown = repr(row)[:500]
    except Exception:  # noqa: BLE001  repr of a foreign object
        shown = f"a {type(row).__name__}"
    _log.warning(
        "a row that cannot be scored gets 0 in every key (said once): %s: %s; row: %s",
        type(error).__name__,
        error,
        shown,
    )


def read_settings(passed: Mapping[str, Any]) -> dict[str, Any]:
    """The settings among what a trainer passes, which may be anything else; lists are columns of the data set.

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
    """The value of a setting; scalars of numpy and torch are taken, and "true" and "false". Raises ConfigError."""
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
    """The settings in the environment variable INFIMED_REWARD, a JSON object such as {"think_prefilled": true}."""
    try:
        value = json.loads(os.environ.get(VARIABLE) or "{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ConfigError(f'{VARIABLE} is no JSON object of settings, such as {{"think_prefilled": true}}')
    if unknown := sorted(set(value) - set(SETTINGS)):
        raise ConfigError(f"{VARIABLE} names {unknown[0]!r}, which is no setting; one of {', '.join(SETTINGS)}")
    return read_settings(value)
