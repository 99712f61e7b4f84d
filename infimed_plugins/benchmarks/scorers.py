"""The scorers, by the names that ``--mode`` takes: rules that turn replies into verdicts.

    robust        the package's own reading (scoring/robust.py): abstains instead of guessing; the default
    medevalkit    MedEvalKit's rules, bug for bug (scoring/medevalkit); where its whole run would end, unscored
    paper         what fits the first paper's figures: MedEvalKit's rules, the judge's verdict on open answers (of SLAKE
                  on every answer), each question counted once
    vlmevalkit    VLMEvalKit's rules without its judge (the earlier paper's MMMU and GMAI-MMBench), as they are in
                  HEAD_e8e78f05: for multiple choice, and MMMU's open questions as a choice of the answer or "Other
                  Answers"
    vlmevalkit-2025-05    the same as they were in 2025-05-24_0f27427e, when the earlier paper came out
    multimedeval  MultiMedEval's word recall, for answers in words (the earlier paper's VQA-RAD, SLAKE, PathVQA), in
                  English only

A question for which a mode has no rule is unscored, with the reason. A benchmark that MedEvalKit does not have is
judged by the rule it has for such questions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.benchmarks.judged import Judged
from infimed_plugins.benchmarks.questions import NO_ROW, Question, unanswered
from infimed_plugins.errors import ConfigError, DataError, PluginError
from infimed_plugins.plugins import registry
from infimed_plugins.records import OPTION_LETTERS, Code, Json, Response, Sample, Score
from infimed_plugins.scoring import medevalkit, multimedeval, robust, vlmevalkit

DEFAULT = "robust"
YES_NO = ("yes", "no", "是", "否", "有", "没有")
MMMU = "mmmu_health"  # the source
_ALIKE = {"multiple_choice": "OmniMedVQA", "text": "VQA_RAD", "math": "VQA_RAD"}  # by whose rule others are judged
_REGION = re.compile(r"<box>[^<]*</box>")  # the evidence of a grounding prompt, not the answer


def open_in_words(benchmark: Benchmark, row: Response | Judged) -> bool:
    """True for a question that is answered in words other than yes and no."""
    return row.task == "text" and not row.options and str(row.gold).strip().lower() not in YES_NO


@dataclass(frozen=True)
class Scorer:
    """A scoring mode, registered by the name that ``--mode`` takes; ``score`` alone may be registered, too.

    ``score(benchmark, responses, prompt_style)`` gives a Score for each response in their order; failed requests are
    unscored whatever it says. ``is_open(benchmark, response)`` is True where a judge, if there is one, decides instead.
    """

    score: Callable[[Benchmark, Sequence[Response], str], Sequence[Score]]
    is_open: Callable[[Benchmark, Response | Judged], bool] = open_in_words


def find_scorer(mode: str) -> Scorer:
    """Return the scorer of a mode. Raises ConfigError for a mode that is not registered, naming those that are."""
    names = registry().names("scorer")
    if mode not in names:
        raise ConfigError(f"unknown mode {mode!r}; one of {', '.join(names)}")
    found = registry().get("scorer", mode)
    return found if isinstance(found, Scorer) else Scorer(found)


def scores(mode: str, benchmark: Benchmark, rows: Sequence[Response], style: str) -> list[Score]:
    """Judge every reply by rule, in the order of the rows.

    Raises ConfigError for an unknown mode, PluginError for a scorer that does not give each reply a Score.
    """
    judged = find_scorer(mode).score(benchmark, rows, style)
    good = all(isinstance(one, Score) and one.accuracy in (0.0, 1.0, None) for one in judged)
    if len(judged) != len(rows) or not good:
        raise PluginError(f"the scorer {mode!r} must give each of {len(rows)} replies a Score of accuracy 0, 1 or None")
    return [
        _unscored(row.error) if row.error is not None else verdict for row, verdict in zip(rows, judged, strict=True)
    ]


def score_reply(reply: str, sample: Sample, mode: str = DEFAULT) -> Score:
    """Judge one reply to one sample by a mode's rules. Raises ConfigError for an unknown mode.

    Where a mode starts from upstream's own row, it is judged by the rule that the mode has for such questions.
    """
    scorer = find_scorer(mode)
    if mode == DEFAULT:
        return robust.score(reply, sample)
    source, split = sample.source, sample.split
    row = replace(unanswered(0, Question(sample), ""), text=reply)
    return scorer.score(Benchmark(source, source, split, source), [row], "direct")[0]


def by_judge(right: bool | None, reason: str, by_rule: Score) -> Score:
    """Return a judge's verdict in place of the rule's. None, where the judge failed, is unscored and never wrong."""
    said = f"judge: {reason}"
    if right is None:
        return _unscored(said, Code.JUDGE_FAILED)
    return Score(float(right), by_rule.format, float(right), by_rule.parsed, said, code=Code.JUDGED_BY_MODEL)


def judges_verdict(row: Judged) -> Literal["right", "wrong", "failed"] | None:
    """Return the judge's verdict where ``by_judge`` decided; None where the rules did."""
    if row.code == Code.JUDGE_FAILED:
        return "failed"
    if row.code != Code.JUDGED_BY_MODEL:
        return None
    return "right" if row.accuracy else "wrong"


def _each(judge: Callable[[Benchmark, Response], Score]) -> Callable[[Benchmark, Sequence[Response], str], list[Score]]:
    """Return the score function that judges each reply alone."""
    return lambda benchmark, rows, style: [judge(benchmark, row) for row in rows]


def _robust(benchmark: Benchmark, rows: Sequence[Response], style: str) -> list[Score]:
    return [_by_robust(row, _REGION.sub(" ", row.text) if style == "grounding" else row.text) for row in rows]


def _by_robust(row: Response, text: str) -> Score:
    try:
        return robust.score(text, row.sample)
    except DataError as error:  # a row of somebody else's file, without a gold answer
        return _unscored(str(error), Code.BAD_TRUTH)


def _medevalkit(benchmark: Benchmark, rows: Sequence[Response], style: str) -> list[Score]:
    """Judge each row by the rule of its own set; without upstream's row, by one for such questions.

    A failed request has no reply; "" would end upstream's run on some sets, and its Score is replaced in any case.
    """

    def is_own(row: Response) -> bool:
        return benchmark.medevalkit is not None and row.row is not None

    own = [row for row in rows if is_own(row)]
    upstream, texts = [row.row for row in own], [row.text for row in own]
    verdicts = iter(medevalkit.score_rows(benchmark.medevalkit, upstream, texts) if benchmark.medevalkit else ())
    return [_of_medevalkit(next(verdicts)) if is_own(row) else _as_such_questions(row) for row in rows]


def _as_such_questions(row: Response) -> Score:
    name = _ALIKE.get(row.task)
    if name is None or NO_ROW in row.meta:
        return _unscored(row.meta.get(NO_ROW) or f"MedEvalKit has no rule for {row.task}")
    upstream: dict[str, Json] = {"question": row.question, "answer": str(row.gold)}
    if row.options:
        choices = [f"{letter}. {text}" for letter, text in zip(OPTION_LETTERS, row.options, strict=False)]
        upstream = {"choices": choices, "answer": row.gold}
    (verdict,) = medevalkit.score_rows(name, [upstream], [row.text])
    return _of_medevalkit(verdict)


def _of_medevalkit(verdict: medevalkit.MedEvalKitVerdict) -> Score:
    if verdict.correct is None:
        return _unscored(f"MedEvalKit's run would end here: {verdict.error}")
    right, guessed = float(verdict.correct), verdict.random or verdict.guessed
    why = "drawn at random" if verdict.random else "taken by likeness" if verdict.guessed else verdict.kind
    return Score(right, 0.0, right, verdict.parsed, why, invalid=guessed)


def _by_vlmevalkit(benchmark: Benchmark, row: Response, revision: str = vlmevalkit.REVISIONS[-1]) -> Score:
    gold = row.gold
    choices = {letter: text for letter, text in zip(OPTION_LETTERS, row.options or (), strict=False) if text}
    if not choices and benchmark.source == MMMU and row.task in ("text", "math"):
        gold, choices = vlmevalkit.open_as_choice(_written_gold(row))
    if not choices:
        return _unscored("VLMEvalKit's rules are for multiple choice")
    read = vlmevalkit.infer(row.text, choices, revision)
    right = float(read == gold)
    invalid = read in (None, vlmevalkit.NO_OPTION)
    said = "no option read" if invalid else "option read"
    return Score(right, 0.0, right, read, f"{said} ({revision})", invalid=invalid)


def _written_gold(row: Response) -> str:
    """Return an open answer as the data set writes it: a list of forms is one text there."""
    written = row.row.get("answer") if isinstance(row.row, dict) else None
    return str(row.gold if written in (None, "") else written)


def _by_multimedeval(benchmark: Benchmark, row: Response) -> Score:
    if row.task != "text":
        return _unscored("MultiMedEval's rules are for answers in words")
    if row.language != "en":  # it takes SLAKE's English rows only
        return _unscored("MultiMedEval's rules are for English")
    verdict = multimedeval.score(row.text, str(row.gold))
    right = float(verdict.correct)
    return Score(right, 0.0, right, verdict.clean_pred, f"recall {verdict.recall:.2f}")


def _unscored(reason: str | None, code: Code = Code.UNSCORED) -> Score:
    return Score(0.0, 0.0, None, None, str(reason), code=code)


def _open_in_paper(benchmark: Benchmark, row: Response | Judged) -> bool:
    if benchmark.medevalkit is not None and benchmark.medevalkit.asks_judge == "all":
        return row.task == "text" and not row.options
    return open_in_words(benchmark, row)


def _never(benchmark: Benchmark, row: Response | Judged) -> bool:
    return False


ROBUST = Scorer(_robust)
MEDEVALKIT = Scorer(_medevalkit)
PAPER = Scorer(_medevalkit, _open_in_paper)
VLMEVALKIT = Scorer(_each(_by_vlmevalkit), _never)  # without its judge here
VLMEVALKIT_2025_05 = Scorer(_each(partial(_by_vlmevalkit, revision=vlmevalkit.FIRST)), _never)
MULTIMEDEVAL = Scorer(_each(_by_multimedeval))
