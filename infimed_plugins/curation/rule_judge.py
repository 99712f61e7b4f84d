"""A rule in the place of the judge model, on the same 1-10 scale (first paper, A.2), for runs without a judge.

It cannot know medicine; it checks what text can show of the paper's four criteria: there is reasoning
(completeness), the reasoning names the answer it comes to and no rival option (logical reasoning), and no sentence
is repeated. Whatever uses it says that the scores came from a rule.
"""

from __future__ import annotations

from infimed_plugins.parsing import tokens
from infimed_plugins.records import OPTION_LETTERS, Sample

JUDGE_NAME = "rule"


def rule_score(reasoning: str, answer: str, sample: Sample) -> int:
    """The quality of a right response, 1 (an empty chain) to 10."""
    words = tokens(reasoning)
    if not words:
        return 1
    sentences = [tuple(tokens(sentence)) for sentence in reasoning.replace("\n", ".").split(".")]
    sentences = [sentence for sentence in sentences if sentence]
    score = 4
    score += 3 if _names(words, _answer_words(answer, sample)) else 0
    score += 2 if len(set(sentences)) == len(sentences) else 0
    score += 1 if not any(_names(words, rival) for rival in _rivals(sample)) else 0
    return score


def _names(words: list[str], wanted: list[str]) -> bool:
    """Whether every wanted word is there; an answer without words (a box) has nothing to name."""
    return set(wanted) <= set(words)


def _answer_words(answer: str, sample: Sample) -> list[str]:
    if sample.task in ("grounding", "detection"):
        return []
    if sample.options:
        return tokens(sample.options[OPTION_LETTERS.index(str(sample.answer))])
    return tokens(answer)


def _rivals(sample: Sample) -> list[list[str]]:
    if not sample.options:
        return []
    gold = OPTION_LETTERS.index(str(sample.answer))
    return [tokens(option) for index, option in enumerate(sample.options) if index != gold and tokens(option)]
