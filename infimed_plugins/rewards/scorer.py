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
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache, lru_cache
from typing import Any, TypeVar, cast

from infimed_plugins import plugins
from infimed_plugins.errors import ConfigError, MissingExtraError, NoVerdictError, UnknownPluginError, known_name
from infimed_plugins.parsing.lexicon import Reading
from infimed_plugins.parsing.response import INFIMED_FORM, ResponseForm, parse_response
from infimed_plugins.records import Code, Frame, GroundTruth, Json, Score, Verdict
from infimed_plugins.rewards.asking import Ask, Asking, Question
from infimed_plugins.rewards.ground_truth import check_frame, in_frame, parse_truth
from infimed_plugins.rewards.math_pool import MathProcessError
from infimed_plugins.rewards.settings import SETTINGS, check_weights, typed
from infimed_plugins.rewards.shaping import Shaping

Reward = Callable[[str, GroundTruth], Verdict]

W_FORMAT, W_ACC = 0.1, 0.9
JUDGE = "judge"  # the reward and the setting of that name
BUILT_IN = {
    "multiple_choice": "infimed_plugins.rewards.text_and_choice:multiple_choice",
    "text": "infimed_plugins.rewards.text_and_choice:jaccard",
    "math": "infimed_plugins.rewards.math_equivalence:MATH_REWARD",
    "grounding": "infimed_plugins.rewards.box_iou:grounding",
    "detection": "infimed_plugins.rewards.box_iou:detection",
}
BUILT_IN |= {  # other names of the same, and the gate alone
    "option": BUILT_IN["multiple_choice"],
    "jaccard": BUILT_IN["text"],
    "math_verify": BUILT_IN["math"],
    "iou": BUILT_IN["grounding"],
    "format": "infimed_plugins.rewards.text_and_choice:format_passed",
    JUDGE: "infimed_plugins.judge.reward:Judge",  # with the settings of that name
}
VARIABLE, OLD_VARIABLE = "INFIMED_REWARD_KWARGS", "INFIMED_REWARD"  # settings as JSON
SECONDS_BETWEEN = 60.0  # from one warning of replies without a verdict to the next
_log = logging.getLogger("infimed_plugins.rewards")
_said: set[str] = set()  # warnings that are given once
_lost = {"rows": 0, "next": 0.0}  # replies without a verdict since the last warning; time.monotonic() of the next
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
    overlong_tokens: int = 0,
    overlong_buffer: int = 0,
    overlong_penalty: float = 1.0,
    repetition_penalty: float = 0.0,
    repetition_ngram: int = 3,
    judge: Mapping[str, Json] | None = None,
) -> list[dict[str, float]]:
    """Score a batch; EasyR1's ``reward_function``.

    ``task`` is the task of ground truths that name none; ``reward`` names one registered reward for every row.
    ``think_prefilled`` says that the chat template opens ``<think>`` itself; the tags may have other names.
    ``answer_frame`` declares the coordinates that predicted boxes are in (rewards/box_iou.py). ``confidence`` adds the
    key of that name, a metric of detection, 0 in rows of other tasks. ``judge`` names a model that judges open answers
    (judge/reward.py): rows of the task text, or every row where ``reward`` is "judge". ``overlong_…`` and
    ``repetition_…`` subtract penalties from ``overall`` (rewards/shaping.py) and add the keys ``overlong`` and
    ``repetition``.
    Keys, all in [0, 1]: ``overall``, ``format``, ``accuracy``; and, as metrics, ``parsed`` (an answer of the task's
    kind was read), ``timed_out`` (a math answer hit a limit), ``bad_row`` (the row itself cannot be scored: logged
    once) and ``no_verdict`` (what judges was out: accuracy 0, or the text reward's where a model judges; logged once a
    minute). Raises ConfigError or UnknownPluginError at once for settings that cannot be, never for what a row holds.
    """
    judging = json.dumps(typed(JUDGE, judge), sort_keys=True) if judge else ""
    given = (w_format, w_acc, task, reward, think_prefilled, think_tag, answer_tag, answer_frame, confidence, judging)
    shaped = (overlong_tokens, overlong_buffer, overlong_penalty, repetition_penalty, repetition_ngram)
    try:
        scorer, confidence, shaping = _scorer(*given, *shaped)
    except TypeError:  # what has no hash cannot be remembered
        scorer, confidence, shaping = _scorer.__wrapped__(*given, *shaped)
    if not isinstance(reward_inputs, list):
        reward_inputs = _rows(reward_inputs)
    judged = [score for _, score in scorer.score(reward_inputs)]
    if lost := [score.reason for score in judged if score.accuracy is None]:
        _warn_of_lost(lost, len(judged))
    elif judged and not any(score.overall for score in judged):
        _warn_if_prefilled(reward_inputs, scorer.form)
    scores = [_floats(score, confidence) for score in judged]
    if shaping:
        for score, row in zip(scores, reward_inputs, strict=True):
            score |= (penalties := shaping.penalties(row))
            score["overall"] -= sum(penalties.values())
    return scores


def _rows(reward_inputs: Iterable[Any]) -> list[Any]:
    if isinstance(reward_inputs, (Mapping, str, bytes)):
        raise ConfigError("compute_score takes a list of rows; in EasyR1 set REWARD_TYPE = 'batch' in its file")
    columns = getattr(reward_inputs, "to_dict", None)  # a DataFrame, whose iteration gives the names of its columns
    return columns("records") if columns else list(reward_inputs)


@lru_cache(maxsize=64, typed=True)  # a trainer that calls for each reply pays for them once
def _scorer(w_format: Any, w_acc: Any, *others: Any) -> tuple[Scorer, bool, Shaping | None]:
    task, reward, think_prefilled, think_tag, answer_tag, answer_frame, confidence, judge, *shaped = others
    form = ResponseForm(think_tag, answer_tag, typed("think_prefilled", think_prefilled))
    scorer = Scorer(typed("w_format", w_format), typed("w_acc", w_acc), task, reward, form, answer_frame, judge)
    names = [field.name for field in fields(Shaping)]
    shaping = Shaping(*(typed(name, value) for name, value in zip(names, shaped, strict=True)))
    return scorer, typed("confidence", confidence), shaping if shaping != Shaping() else None


@dataclass(frozen=True)
class Scorer:
    """Scores rows by these settings. Raises ConfigError or UnknownPluginError at once for settings that cannot be.

    ``judge`` is the JSON of the settings of a model that judges in the place of the text reward; "" is none.
    """

    w_format: float = W_FORMAT
    w_acc: float = W_ACC
    task: str | None = None
    reward: str | None = None
    form: ResponseForm = INFIMED_FORM
    answer_frame: Frame | None = None
    judge: str = ""

    def __post_init__(self) -> None:
        check_weights(self.w_format, self.w_acc)
        for name in filter(None, (self.task, self.reward, self.judge and JUDGE)):
            self.find(name)
        check_frame(self.answer_frame)

    def find(self, name: str) -> Reward:
        """Return the reward of that name; the judge's in the place of the text reward, where there is one."""
        return find_reward(JUDGE, self.judge) if self.judge and is_for_judge(name) else find_reward(name)

    def score(self, rows: Sequence[Any]) -> list[tuple[str, Score]]:
        """Return each row's task and score, whatever it holds; "unknown" and BAD_ROW where it cannot be scored.

        What math_verify and a judge must be asked is found first, and asked all at once.
        """
        read = [_guarded(row, self._read, row) for row in rows]
        asked: dict[Asking, dict[Question, None]] = {}
        for one in read:
            if not isinstance(one, Score) and isinstance(one[2], Asking):
                asked.setdefault(one[2], {}).update(dict.fromkeys(one[3]))
        said = {reward: reward.ask_all(questions) for reward, questions in asked.items() if questions}

        def judged(truth: GroundTruth, reading: Reading, reward: Reward, _: Sequence[Question]) -> tuple[str, Score]:
            given = (self.w_format, self.w_acc, self.reward or truth.task, reward)
            return truth.task, score_reading(reading, truth, *given, lambda *asked: said[cast(Asking, reward)][asked])

        done = [
            one if isinstance(one, Score) else _guarded(row, judged, *one) for row, one in zip(rows, read, strict=True)
        ]
        return [("unknown", one) if isinstance(one, Score) else one for one in done]

    def _read(self, row: Any) -> tuple[GroundTruth, Reading, Reward, Sequence[Question]]:
        """Return the truth of a row, its parsed response, its reward, and what that must ask."""
        truth = in_frame(parse_truth(row["ground_truth"], self.task), self.answer_frame)
        if not isinstance(row["response"], str):
            raise TypeError(f"the response is a {type(row['response']).__name__}, not a string")
        reward, reading = self.find(self.reward or truth.task), parse_response(row["response"], self.form)
        if not (isinstance(reward, Asking) and reading.format_ok and reading.answer):
            return truth, reading, reward, ()
        return truth, reading, reward, reward.questions(reading.answer, truth)


def is_for_judge(name: str) -> bool:
    """True for a reward in whose place a judge stands, where there is one."""
    return BUILT_IN.get(name) in (BUILT_IN["text"], BUILT_IN[JUDGE])


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
        "accuracy": float(score.otherwise if score.accuracy is None else score.accuracy),
        "parsed": float(not score.invalid),
        "timed_out": float(score.code is Code.TIMED_OUT),
        "bad_row": float(score.code is Code.BAD_ROW),
        "no_verdict": float(score.accuracy is None),
    }
    return {**floats, "confidence": float(score.confidence)} if confidence else floats


def _warn_if_prefilled(rows: list[Any], form: ResponseForm) -> None:
    """Say once that a batch may have earned nothing because the template, not the model, opened the reasoning."""
    missing = sum(closes_unopened(row.get("response"), form) for row in rows if isinstance(row, Mapping))
    if not form.think_prefilled and 2 * missing >= len(rows):
        _warn_once(
            "every reward of this batch is 0: %d of %d responses close %s without opening it; if the chat template "
            "opens it, set think_prefilled to true: in reward_function_kwargs (EasyR1), reward_kwargs (verl), "
            "reward_with(think_prefilled=True) (TRL), or, for any other adapter, the environment "
            f"variable {VARIABLE}='{{\"think_prefilled\": true}}'",
            *(missing, len(rows), form.tags[0]),
        )


def closes_unopened(response: Any, form: ResponseForm) -> bool:
    """True if a response ends its reasoning without having begun it, as where the chat template opens the tag."""
    think, think_end, _, _ = form.tags
    return isinstance(response, str) and think_end in response and think not in response


def _warn_of_lost(reasons: Sequence[str], rows: int) -> None:
    """Say that replies got no verdict, at once and then once a minute: a trainer may call for one reply at a time."""
    now = time.monotonic()
    _lost["rows"] += len(reasons)
    if now < _lost["next"]:
        return
    _log.error(
        "no verdict on %d of %d replies (%d since the last such line), None in TRL, else 0 or the text reward's, and "
        "counted as no_verdict: %s",
        *(len(reasons), rows, _lost["rows"], reasons[0]),
    )
    _lost.update(rows=0, next=now + SECONDS_BETWEEN)


def _warn_once(message: str, *given: Any) -> None:
    if message in _said:
        return
    _said.add(message)
    try:
        text = message % given
    except Exception:  # noqa: BLE001  repr of a foreign object
        text = message % tuple(type(one).__name__ for one in given)
    _log.warning("%s (said once)", text)


def check_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of compute_score, typed. Raises ConfigError or UnknownPluginError for any that cannot be."""
    names = {known_name(name, SETTINGS, "setting of the reward"): name for name in settings}
    checked = {known: typed(known, settings[name]) for known, name in names.items()}
    compute_score([], **checked)
    return checked


def settings_of_environment() -> dict[str, Any]:
    """Return the settings in INFIMED_REWARD_KWARGS (or INFIMED_REWARD), a JSON object; raises as check_settings."""
    name = VARIABLE if os.environ.get(VARIABLE) else OLD_VARIABLE
    return dict(_read_variable(name, os.environ.get(name) or "{}"))


@lru_cache(maxsize=8)  # a trainer that calls for each reply pays for it once
def _read_variable(name: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ConfigError(f'{name} is no JSON object of settings, such as {{"think_prefilled": true}}')
    try:
        return check_settings(value)
    except (ConfigError, UnknownPluginError) as error:
        raise ConfigError(f"{name}: {error}") from error


@cache
def find_reward(name: str, settings: str = "") -> Reward:
    """Return the reward of a task, or a plugin's; that of a judge is made with its ``settings``, as JSON.

    Raises UnknownPluginError, listing the registered ones, and ConfigError for settings that cannot be.
    """
    if name not in BUILT_IN:
        return plugins.registry().get("reward", name)  # type: ignore[no-any-return]
    module, _, attribute = BUILT_IN[name].partition(":")
    found: Any = getattr(importlib.import_module(module), attribute)
    return found.configured(json.loads(settings or "{}")) if name == JUDGE else found  # type: ignore[no-any-return]


def judge_answer(answer: str, truth: GroundTruth, reward: str | None = None) -> Verdict:
    """Return the verdict on an answer alone, no format asked: a value in [0, 1], 0 if a plugin's is beyond it.

    Its code is UNSCORED where what judges is out.
    """
    name = reward or truth.task
    return _verdict(answer, truth, name, find_reward(name))


def _verdict(answer: str, truth: GroundTruth, name: str, judge: Reward, ask: Ask | None = None) -> Verdict:
    """Return a reward's verdict, a plugin's checked; ``ask`` has what those that ask have asked before."""
    try:
        if isinstance(judge, Asking):
            return judge(answer, truth, ask)
        if name in BUILT_IN:
            return judge(answer, truth)
        verdict = judge(answer, replace(truth, answer=copy.deepcopy(truth.answer)))  # rollouts share what was parsed
    except NoVerdictError as error:
        return Verdict(0.0, None, str(error) or f"the reward {name!r} gave none", code=Code.UNSCORED)
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
    name = reward or truth.task
    return score_reading(parse_response(response, form), truth, w_format, w_acc, name, find_reward(name))


def score_reading(
    read: Reading, truth: GroundTruth, w_format: float, w_acc: float, name: str, reward: Reward, ask: Ask | None = None
) -> Score:
    """Score a response that was parsed; accuracy is paid only behind the format gate."""
    form = float(read.format_ok)
    if not (read.format_ok and read.answer):
        return Score(w_format * form, form, 0.0, None, read.reason, invalid=True, code=read.code)
    verdict = _verdict(read.answer, truth, name, reward, ask)
    return Score(
        overall=min(1.0, w_format + w_acc * float(verdict.value)),
        format=form,
        accuracy=None if verdict.code is Code.UNSCORED else float(verdict.value),
        parsed=verdict.parsed,
        reason=verdict.reason,
        invalid=verdict.parsed is None,
        confidence=verdict.confidence,
        code=verdict.code,
        trace=verdict.trace,
        otherwise=float(verdict.value),
    )
