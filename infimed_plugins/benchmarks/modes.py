"""The scoring modes: which rules turn replies into verdicts. Every report names its mode.

    robust        the package's own reading (scoring/robust.py): abstains instead of guessing; the default
    medevalkit    MedEvalKit's rules, bug for bug (scoring/medevalkit); where its whole run would end, unscored
    paper         what fits the first paper's figures: MedEvalKit's rules, the judge's verdict on open answers (of SLAKE
                  on every answer), each question counted once
    vlmevalkit    VLMEvalKit's rules without its judge, for multiple choice (the earlier paper's MMMU and GMAI-MMBench)
    multimedeval  MultiMedEval's word recall, for answers in words (the earlier paper's VQA-RAD, SLAKE, PathVQA)

A question for which a mode has no rule is unscored, with the reason. A benchmark that MedEvalKit does not have is
judged by the rule it has for such questions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.benchmarks.answered import Answered
from infimed_plugins.benchmarks.judged import Judged
from infimed_plugins.errors import ConfigError
from infimed_plugins.records import OPTION_LETTERS, Json, Score
from infimed_plugins.scoring import medevalkit, multimedeval, robust, vlmevalkit

DEFAULT = "robust"
YES_NO = ("yes", "no", "是", "否", "有", "没有")
REASONING = "reasoning"
_REGION = re.compile(r"<box>.*?</box>", re.DOTALL)  # the evidence of a grounding prompt, not the answer


def check_mode(mode: str) -> None:
    """Raise ConfigError for a mode that is not known, naming those that are."""
    if mode not in MODES:
        raise ConfigError(f"unknown mode {mode!r}; one of {', '.join(MODES)}")


def scores(mode: str, benchmark: Benchmark, rows: Sequence[Answered], style: str) -> list[Score]:
    """The verdict on every reply by rule, in the order of the rows. Raises ConfigError for an unknown mode."""
    check_mode(mode)
    judged = MODES[mode](benchmark, rows, style)
    return [
        _unscored(row.error) if row.error is not None else verdict for row, verdict in zip(rows, judged, strict=True)
    ]


def is_open(mode: str, benchmark: Benchmark, row: Answered | Judged) -> bool:
    """Whether a judge, where there is one, decides this question: answers in words but for yes and no."""
    if row.task != "text" or row.options:
        return False
    if mode == "paper" and benchmark.medevalkit == "SLAKE":
        return True
    return str(row.gold).strip().lower() not in YES_NO


def by_judge(right: bool | None, reason: str, by_rule: Score) -> Score:
    """A judge's verdict in the place of the rule's. None, where the judge failed, is unscored and never wrong."""
    if right is None:
        return _unscored(f"judge: {reason}")
    return Score(float(right), by_rule.format, float(right), by_rule.parsed, f"judge: {reason}")


def _robust(benchmark: Benchmark, rows: Sequence[Answered], style: str) -> list[Score]:
    # a framework's own prompt asks for a boxed or a bare answer, not for tags
    read_as = REASONING if style == REASONING else "direct"
    texts = (_REGION.sub(" ", row.text) if style == "grounding" else row.text for row in rows)
    return [robust.score(text, row.sample, read_as) for text, row in zip(texts, rows, strict=True)]


def _medevalkit(benchmark: Benchmark, rows: Sequence[Answered], style: str) -> list[Score]:
    if benchmark.medevalkit is not None and all(row.row is not None for row in rows):
        return _as_scores(benchmark.medevalkit, [row.row for row in rows], rows)
    made: dict[str, Score] = {}
    for name, kind in (("OmniMedVQA", "multiple_choice"), ("VQA_RAD", "text"), ("VQA_RAD", "math")):
        of_kind = [row for row in rows if row.task == kind]
        made |= {
            row.id: score
            for row, score in zip(of_kind, _as_scores(name, list(map(_like_upstreams, of_kind)), of_kind), strict=True)
        }
    return [made.get(row.id) or _unscored(f"MedEvalKit has no rule for {row.task}") for row in rows]


def _like_upstreams(row: Answered) -> dict[str, Json]:
    if row.options:
        choices = [f"{letter}. {text}" for letter, text in zip(OPTION_LETTERS, row.options, strict=False)]
        return {"choices": choices, "answer": row.gold}
    return {"question": row.question, "answer": str(row.gold)}


def _as_scores(name: str, upstream: Sequence[Json], rows: Sequence[Answered]) -> list[Score]:
    # a failed request has no reply; "" would end upstream's run on some sets, and it is replaced above in any case
    verdicts = medevalkit.score_rows(name, upstream, [row.text for row in rows])
    return [_of_medevalkit(verdict) for verdict in verdicts]


def _of_medevalkit(verdict: medevalkit.MedEvalKitVerdict) -> Score:
    if verdict.correct is None:
        return _unscored(f"MedEvalKit's run would end here: {verdict.error}")
    accuracy = float(verdict.correct)
    guessed = verdict.random or verdict.guessed
    why = "drawn at random" if verdict.random else "taken by likeness" if verdict.guessed else verdict.kind
    return Score(accuracy, 0.0, accuracy, verdict.parsed, why, invalid=guessed)


def _vlmevalkit(benchmark: Benchmark, rows: Sequence[Answered], style: str) -> list[Score]:
    return [_by_vlmevalkit(row) for row in rows]


def _by_vlmevalkit(row: Answered) -> Score:
    if not row.options:
        return _unscored("VLMEvalKit's rules are for multiple choice")
    choices = dict(zip(OPTION_LETTERS, row.options, strict=False))
    read = vlmevalkit.infer(row.text, choices, vlmevalkit.REVISIONS[-1])
    right = float(read == row.gold)
    invalid = read in (None, vlmevalkit.NO_OPTION)
    return Score(right, 0.0, right, read, "no option read" if invalid else "option read", invalid=invalid)


def _multimedeval(benchmark: Benchmark, rows: Sequence[Answered], style: str) -> list[Score]:
    return [_by_multimedeval(row) for row in rows]


def _by_multimedeval(row: Answered) -> Score:
    if row.task != "text":
        return _unscored("MultiMedEval's rules are for answers in words")
    verdict = multimedeval.score(row.text, str(row.gold))
    if verdict.error:
        return _unscored(f"MultiMedEval's run would end here: {verdict.error}")
    right = float(verdict.correct)
    return Score(right, 0.0, right, verdict.clean_pred, f"recall {verdict.recall:.2f}")


def _unscored(reason: str | None) -> Score:
    return Score(0.0, 0.0, None, None, f"unscored: {reason}")


MODES: Mapping[str, Callable[[Benchmark, Sequence[Answered], str], list[Score]]] = {
    "robust": _robust,
    "medevalkit": _medevalkit,
    "paper": _medevalkit,
    "vlmevalkit": _vlmevalkit,
    "multimedeval": _multimedeval,
}
