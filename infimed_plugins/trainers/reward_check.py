"""Check that a configuration's reward function loads, keeps the trainer's contract, and pays:

1 for a gold answer, less for a wrong one, and as much for a reply in the form that the prompt asks for as in its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from infimed_plugins.errors import ConfigError, DataError, InfimedError, MissingExtraError
from infimed_plugins.judge.calibration import objections
from infimed_plugins.parsing.options import same_options
from infimed_plugins.parsing.response import ResponseForm
from infimed_plugins.records import OPTION_LETTERS, Score
from infimed_plugins.rewards import parse_truth
from infimed_plugins.rewards.box_iou import gold_answer
from infimed_plugins.rewards.ground_truth import check_frame, in_frame
from infimed_plugins.rewards.scorer import JUDGE, Scorer
from infimed_plugins.trainers.faults import Fault, first_line, nearest
from infimed_plugins.trainers.prompt_check import AskedForm
from infimed_plugins.trainers.registry import Keys

_ALL = 1.0 - 1e-6
_WRONG = {"math": "-987654321", "grounding": "[0, 0, 1, 1]", "detection": "[[0, 0, 1, 1]]"}
_THOUGHTS = {"gold": "This is the gold answer.", "wrong": "This is a guess."}
Row = tuple[str, Any]  # place, ground truth


@dataclass(frozen=True)
class LoadedReward:
    """The function with its keyword arguments bound; ``batch`` functions take all rows at once."""

    keys: Keys
    function: Callable[[Any], Any]
    batch: bool
    is_ours: bool = False  # compute_score
    settings: Mapping[str, Any] = field(default_factory=dict)  # the keyword arguments of compute_score


def judge_faults(reward: LoadedReward | None, faults: list[Fault]) -> tuple[str, ...]:
    """Return warnings of a judge that the settings name; add a fault where it must not train, or cannot be reached."""
    warnings = []
    if reward is not None and reward.settings.get(JUDGE):
        with suppress(ConfigError, MissingExtraError):  # the reward itself will say so
            for what, mend, refused in objections(reward.settings[JUDGE]):
                fault = Fault(f"{reward.keys.arguments}.{JUDGE}", what, mend)
                faults += [fault] if refused else []
                warnings += [] if refused else [str(fault)]
    return tuple(warnings)


def gold_text(truth: Any, settings: Mapping[str, Any]) -> str:
    """Return the gold answer in the box frame of compute_score's settings.

    Raises DataError where there is none, or a size that the frame needs is missing.
    """
    answer = gold_answer(in_frame(parse_truth(truth, settings.get("task")), check_frame(settings.get("answer_frame"))))
    return "No Objects" if answer == [] else str(answer)


def response_form(settings: Mapping[str, Any]) -> ResponseForm:
    """Return the form that compute_score reads with these keyword arguments. Raises ConfigError."""
    named = {key: settings[key] for key in ("think_tag", "answer_tag", "think_prefilled") if key in settings}
    return ResponseForm(**named)


def reward_faults(rows: Sequence[Row], reward: LoadedReward, kinds: Sequence[Kind], algorithm: Any) -> list[Fault]:
    """Return faults of rows whose gold answer does not earn 1.0, and of prompts for a form that is not paid.

    ``kinds`` holds one row of each kind with what its prompt asks for; ``algorithm`` is EasyR1's.
    """
    try:
        form = response_form(reward.settings)
        asked = kinds[0].asked if kinds and not reward.is_ours else AskedForm(form.think_tag, form.answer_tag)
        gold, wrong = _Batch("gold", reward, asked, gold_text), _Batch("wrong", reward, asked, _wrong_text)
        faults = gold.score(rows)
        faults += wrong.score([row for row, _ in gold.best().values()])
        faults += [
            *_gold_faults(gold),
            *_constant_faults(gold, wrong),
            *(_filter_faults(gold, wrong, algorithm) if algorithm else ()),
        ]
        return [*faults, *_form_faults(kinds, gold, form)] if reward.is_ours else faults
    except ConfigError as error:
        return [Fault.of(reward.keys.arguments, error)]


@dataclass(frozen=True)
class Kind:
    """The ground truth of one row for all that are asked in the same way, and the reply that its prompt asks for."""

    truth: Any
    asked: AskedForm


class _Batch:
    """Responses to rows, and what each earns; nothing where the function breaks EasyR1's contract."""

    def __init__(self, name: str, reward: LoadedReward, asked: AskedForm, text: Callable[..., str]) -> None:
        self.name, self.reward, self.asked, self.text = name, reward, asked, text
        self.scored: list[tuple[Row, dict[str, Any], dict[str, float]]] = []  # row, input, score

    def score(self, rows: Sequence[Row]) -> list[Fault]:
        """Score the rows, and name what keeps one from being scored, or the function from keeping the contract."""
        faults, kept, inputs = [], [], []
        for where, truth in rows:
            try:
                response = self.asked.reply(_THOUGHTS[self.name], self.text(truth, self.reward.settings))
            except DataError as error:
                faults.append(Fault.of(where, error))
                continue
            kept.append((where, truth))
            inputs.append({"response": response, "response_length": len(response), "ground_truth": truth})
        if not inputs:
            return faults
        function, keys = self.reward.function, self.reward.keys
        try:
            scores = list(function(inputs)) if self.reward.batch else [function(row) for row in inputs]
        except ConfigError:
            raise
        except InfimedError as error:
            return [*faults, Fault.of(keys.arguments, error)]
        except Exception as error:  # noqa: BLE001  a user's function may raise anything, and any would end the run
            what = f"raises on {self.name} answers ({first_line(error)}); {keys.title} would stop there"
            return [*faults, Fault(keys.reward, what, "let it score every row")]
        broken = _contract_faults(keys.reward, scores, len(inputs))
        if not broken:
            self.scored = list(zip(kept, inputs, scores, strict=True))
        return [*faults, *broken]

    def best(self) -> dict[str, tuple[Row, float]]:
        """Return each task's best-paid row and its score, if any earns something."""
        best: dict[str, tuple[Row, float]] = {}
        for row, _, score in self.scored:
            task = parse_truth(row[1], self.reward.settings.get("task")).task
            if score["overall"] > best.get(task, (row, 0.0))[1]:
                best[task] = row, score["overall"]
        return best


def _score(settings: Mapping[str, Any], inputs: Sequence[dict[str, Any]]) -> list[Score]:
    """Return compute_score's scores for these arguments, with their reasons."""
    given = {key: settings[key] for key in ("w_format", "w_acc", "task", "reward", "answer_frame") if key in settings}
    scorer = Scorer(form=response_form(settings), **given)
    return [score for _, score in scorer.score(inputs)]


def _because(score: Score) -> str:
    return f" ({score.reason})" if score.reason else ""


def _gold_faults(gold: _Batch) -> Iterator[Fault]:
    reward, fix = gold.reward, "correct the answer or its task, or drop the row"
    unpaid = [(where, given, score["overall"]) for (where, _), given, score in gold.scored if score["overall"] < _ALL]
    if reward.is_ours:
        reasons = [_because(score) for score in _score(reward.settings, [given for _, given, _ in unpaid])]
    else:
        reasons, fix = [""] * len(unpaid), f"{fix}, or let {reward.keys.prompt} ask for the form that is paid"
    for (where, _, earned), reason in zip(unpaid, reasons, strict=True):
        yield Fault(where, f"the gold answer itself earns {earned:.2f}, not 1.00{reason}", fix)


def _form_faults(kinds: Sequence[Kind], gold: _Batch, form: ResponseForm) -> list[Fault]:
    """Return faults of prompts whose reply, written just as asked, earns less than the reward's own form."""
    settings, best, found = gold.reward.settings, gold.best(), []
    for kind in kinds:
        (_, truth), most = best.get(parse_truth(kind.truth, settings.get("task")).task, (("", None), 0.0))
        if most >= _ALL:
            reply = kind.asked.reply("…", gold_text(truth, settings))
            (score,) = _score(settings, [{"response": reply, "ground_truth": truth}])
            if score.overall < _ALL:
                what = (
                    f"the reply {reply!r}, just as the prompt asks for it, earns {score.overall:.2f}{_because(score)}"
                )
                key, fix = _form_fix(kind.asked, form, gold.reward.keys)
                found.append(Fault(key, what, fix))
        found += _setting_faults(kind, form, settings, gold.reward.keys.arguments)
    return list({fault.kind: fault for fault in reversed(found)}.values())[::-1]  # the first of each kind


def _setting_faults(kind: Kind, form: ResponseForm, settings: Mapping[str, Any], arguments: str) -> Iterator[Fault]:
    """Yield faults of settings at odds with the prompt that a right reply does not show."""
    if form.think_prefilled and kind.asked.rendered and not kind.asked.opened:
        what = f"is set, and the chat template does not open <{form.think_tag}>: replies without it are paid"
        yield Fault(f"{arguments}.think_prefilled", what, "remove it, or name a chat template that opens the tag")
    truth = in_frame(parse_truth(kind.truth, settings.get("task")), check_frame(settings.get("answer_frame")))
    asked, read = kind.asked.frame, "thousandths" if truth.frame == "thousandths" else "pixels"
    if truth.task in ("grounding", "detection") and truth.frame != "truth" and asked not in (None, read):
        what = f"the prompt asks for boxes in {asked}, and the frame {truth.frame!r} reads them as {read}"
        yield Fault(f"{arguments}.answer_frame", what, f"let the prompt ask for {read}, or declare another frame")


def _form_fix(asked: AskedForm, form: ResponseForm, keys: Keys) -> tuple[str, str]:
    """Return the key to change, and to what, so that prompt and reward agree on the form."""
    if asked.closed:
        return keys.template, "name a chat template that leaves the reasoning to the model"
    if asked.opened and (not form.think_prefilled or asked.opened != form.think_tag):
        tag = "" if asked.opened == form.think_tag else f" and {keys.arguments}.think_tag={asked.opened}"
        return f"{keys.arguments}.think_prefilled", f"set {keys.arguments}.think_prefilled=true{tag}"
    think = form.think_tag if asked.opened else asked.think
    for key, written, read in (("think", think, form.think_tag), ("answer", asked.answer, form.answer_tag)):
        if written and written != read:
            fix = f"set {keys.arguments}.{key}_tag={written}, or let {keys.prompt} ask for <{read}> </{read}>"
            return f"{keys.arguments}.{key}_tag", fix
    default = (form.think_tag, form.answer_tag) == ("think", "answer")
    by_name = f"name {keys.template_file}, or " if default and keys.template_file else ""
    wanted = f"<{form.think_tag}> </{form.think_tag}> and <{form.answer_tag}> </{form.answer_tag}>"
    return keys.prompt, f"{by_name}{keys.asks} {wanted}"


def _wrong_text(truth: Any, settings: Mapping[str, Any]) -> str:
    read = parse_truth(truth, settings.get("task"))
    if read.task == "multiple_choice":
        letters, options = OPTION_LETTERS[: len(read.options or "AB")], read.options or ()
        return next((letter for letter in letters if not same_options(letter, str(read.answer), options)), "none")
    return _WRONG.get(read.task, "zqxj")


def _constant_faults(gold: _Batch, wrong: _Batch) -> Iterator[Fault]:
    earned = {where: score["overall"] for (where, _), _, score in gold.scored}
    for (where, _), given, score in wrong.scored:
        if score["overall"] >= earned[where] - 1e-6:
            what = (
                f"the wrong answer {given['response']!r} to {where} earns {score['overall']:.2f}, as the right one does"
            )
            yield Fault(gold.reward.keys.reward, what, "let right answers earn more, or nothing is learned")
            return


def _filter_faults(gold: _Batch, wrong: _Batch, algorithm: Any) -> Iterator[Fault]:
    """Yield faults of ``filter_key`` and its limits, against the keys and scores that the function really gives."""
    key, low, high = algorithm.filter_key, algorithm.filter_low, algorithm.filter_high
    right, guessed = ([score for _, _, score in batch.scored] for batch in (gold, wrong))
    if right and key not in right[0]:
        what = f"the reward gives no {key!r}, and online filtering would stop there"
        yield Fault("algorithm.filter_key", what, nearest(key, right[0], otherwise=f"one of {', '.join(right[0])}"))
    elif right and guessed and algorithm.online_filtering and low < high:
        most, least = max(score[key] for score in right), min(score[key] for score in guessed)
        if most <= low or least >= high:
            what = (
                f"{key!r} is {least:.2f} for a wrong reply and {most:.2f} for a right one, and no mean of them is kept"
            )
            yield Fault("algorithm.filter_low", what, "set filter_low and filter_high between the two")


def _contract_faults(key: str, scores: Sequence[Any], rows: int) -> list[Fault]:
    """Return a fault for scores that EasyR1 leaves at 0 (too few), or that stop or skip updates (not finite)."""
    if len(scores) != rows:
        return [Fault(key, f"gives {len(scores)} scores for {rows} rows", "return one for each row")]
    if not all(isinstance(score, dict) and "overall" in score for score in scores):
        return [Fault(key, "gives scores that are no dicts with 'overall'", "return {'overall': …} for each row")]
    if len({frozenset(score) for score in scores}) > 1:
        return [Fault(key, "gives rows different keys", "return the same keys for every row")]
    values = {
        key: value
        for score in scores
        for key, value in score.items()
        if not (isinstance(value, (int, float)) and math.isfinite(value))
    }
    return [
        Fault(key, f"gives {name} = {value!r}", "return finite floats only, in every key")
        for name, value in values.items()
    ]
