"""A batch of rollouts, as EasyR1 passes them: one dict of floats for each, the same keys in all, whatever they hold.

Each row is ``{"response": str, "response_length": int, "ground_truth": …}`` (EasyR1 b44b311,
verl/workers/reward/function.py:29). An exception there ends the job, a NaN silently skips the update, and too few
rows leave zeros, so none of these leaves this function.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infimed_plugins.errors import ConfigError, MissingExtraError
from infimed_plugins.parsing.response import INFIMED_FORM, ResponseForm
from infimed_plugins.records import Code, Frame, GroundTruth, Score
from infimed_plugins.rewards.frames import check_frame, in_frame
from infimed_plugins.rewards.ground_truth import parse_truth
from infimed_plugins.rewards.math_pool import MATH, Pending, batch
from infimed_plugins.rewards.math_process import MathProcessError
from infimed_plugins.rewards.settings import VARIABLE, typed
from infimed_plugins.rewards.total import W_ACC, W_FORMAT, check_weights, find_reward, score_response

MATH_BUDGET_SECONDS = 60.0  # for one batch; math answers not verified by then earn 0 and count as timed out
_log = logging.getLogger("infimed_plugins.rewards")
_warned = False
_warned_of_prefill = False


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
    ``answer_frame`` declares the coordinates that predicted boxes are in (rewards/frames.py). ``confidence`` adds the
    key of that name, a metric of detection (rewards/box_iou.py), 0 in rows of other tasks.
    Keys, all in [0, 1]: ``overall``, ``format``, ``accuracy``; and, as metrics, ``parsed`` (an answer of the task's
    kind was read), ``timed_out`` (a math answer hit a limit) and ``bad_row`` (the row itself cannot be scored: logged
    once). Raises ConfigError or UnknownPluginError at once for settings that cannot be, never for what a row holds.
    """
    w_format, w_acc = typed("w_format", w_format), typed("w_acc", w_acc)
    think_prefilled, confidence = typed("think_prefilled", think_prefilled), typed("confidence", confidence)
    check_settings(w_format, w_acc, task, reward)
    if isinstance(reward_inputs, (Mapping, str, bytes)):
        raise ConfigError("compute_score takes a list of rows; set REWARD_TYPE = 'batch' in the reward file")
    check_frame(answer_frame)
    form = ResponseForm(think_tag, answer_tag, think_prefilled)
    columns = getattr(reward_inputs, "to_dict", None)  # a DataFrame, whose iteration gives the names of its columns
    rows = columns("records") if columns else list(reward_inputs)
    scored = score_rows(rows, w_format, w_acc, task, reward, form, answer_frame)
    scores = [_floats(row, confidence) for row in scored]
    if scores and not any(score["overall"] for score in scores):
        _warn_if_prefilled(rows, form)
    return scores


def check_settings(w_format: float, w_acc: float, task: str | None = None, reward: str | None = None) -> None:
    """Raise ConfigError for weights that cannot be, UnknownPluginError for a task or reward that there is not."""
    check_weights(w_format, w_acc)
    for name in (task, reward):
        if name:
            find_reward(name)


@dataclass(frozen=True)
class ScoredRow:
    """One row's score. ``task`` is "unknown", and ``bad_row`` true, where the row itself cannot be scored."""

    task: str
    score: Score
    bad_row: bool = False


def score_rows(rows: Sequence[Any], *settings: Any) -> list[ScoredRow]:
    """Score rows as ``score_row`` does with the same settings; what math_verify must be asked is asked all at once."""
    with batch(MATH_BUDGET_SECONDS) as current:
        current.noting = True
        scored: list[ScoredRow | None] = []
        for row in rows:
            noted = current.noted
            try:
                done = score_row(row, *settings)
            except Pending:
                done = None
            # a plugin's reward may have caught Pending, with a bare except
            scored.append(done if current.noted == noted else None)
        current.noting = False
        MATH.ask_all(current.wanted, current)
        return [done or score_row(row, *settings) for row, done in zip(rows, scored, strict=True)]


def score_row(
    row: Any,
    w_format: float,
    w_acc: float,
    task: str | None = None,
    reward: str | None = None,
    form: ResponseForm = INFIMED_FORM,
    answer_frame: Frame | None = None,
) -> ScoredRow:
    """Score one row of a batch, whatever it holds."""
    try:
        truth: GroundTruth = in_frame(parse_truth(row["ground_truth"], task), answer_frame)
        if not isinstance(row["response"], str):
            raise TypeError(f"the response is a {type(row['response']).__name__}, not a string")
        find_reward(reward or truth.task)
        score = score_response(row["response"], truth, w_format, w_acc, reward, form)
    except (MissingExtraError, MathProcessError):
        raise  # a broken installation, not a bad row
    except Exception as error:  # noqa: BLE001  a row may hold anything, and a plugin's reward may raise anything
        _warn_once(row, error)
        reason = f"the row cannot be scored: {type(error).__name__}: {error}"
        return ScoredRow("unknown", Score(0.0, 0.0, 0.0, None, reason, invalid=True, code=Code.BAD_ROW), bad_row=True)
    return ScoredRow(truth.task, score, bad_row=score.code is Code.BAD_ROW)


def _floats(scored: ScoredRow, confidence: bool) -> dict[str, float]:
    score = scored.score
    floats = {
        "overall": float(score.overall),
        "format": float(score.format),
        "accuracy": float(score.accuracy or 0.0),
        "parsed": float(not score.invalid),
        "timed_out": float(score.code is Code.TIMED_OUT),
        "bad_row": float(scored.bad_row),
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
    """Whether a response ends its reasoning without having begun it, as where the chat template opens the tag."""
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
