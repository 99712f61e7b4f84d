"""The default rules of evaluation: read with the package's own parser, abstain instead of guessing.

``accuracy`` is 1 or 0, so that accuracies have intervals and paired tests:

    multiple_choice  the one option the reply commits to is the right one
    text             the same set of normalised words as the gold answer
    math             equivalent by math_verify
    grounding        IoU of at least 0.5 (the usual detection threshold; the choice is ours)
    detection        matched IoU over max(n_pred, n_gt) of at least 0.5 (ours)

A reply that cannot be read is ``invalid`` and counts as wrong, with the reason; an engine that failed is unscored
(``accuracy`` None). Asked directly, the whole reply is the answer unless it carries tags or a box; asked to reason,
the reply must pass the format gate or hold one unambiguous tagged or boxed answer.
"""

from __future__ import annotations

from infimed_plugins.answers import extract_answer, parse_response
from infimed_plugins.answers.response import INFIMED_FORM
from infimed_plugins.records import Response, Sample, Score
from infimed_plugins.rewards import judge_answer

RIGHT_FROM = {"multiple_choice": 1.0, "text": 1.0, "math": 1.0, "grounding": 0.5, "detection": 0.5}


def score(text: str, sample: Sample, prompt_style: str) -> Score:
    """Judge one reply. ``overall`` is the accuracy; the graded reward (Jaccard, IoU) stands in the reason."""
    parsed = parse_response(text)
    tagged = parsed.format_ok or INFIMED_FORM.tags[2] in text or r"\boxed{" in text
    if prompt_style == "reasoning" and not tagged:
        return Score(0.0, 0.0, 0.0, None, parsed.reason, invalid=True)
    answer = extract_answer(text)
    if not answer:
        return Score(0.0, float(parsed.format_ok), 0.0, None, parsed.reason or "no answer", invalid=True)
    verdict = judge_answer(answer, sample.ground_truth)
    accuracy = float(verdict.value >= RIGHT_FROM[sample.task])
    reason = f"{verdict.reason} (graded {verdict.value:.3f})" if 0 < verdict.value < 1 else verdict.reason
    return Score(accuracy, float(parsed.format_ok), accuracy, verdict.parsed, reason, invalid=verdict.parsed is None)


def score_response(response: Response, sample: Sample) -> Score:
    """Judge what a model said; a failed engine is unscored, never wrong."""
    if response.error is not None:
        return Score(0.0, 0.0, None, None, f"unscored: {response.error}")
    return score(response.text, sample, response.prompt_style)
