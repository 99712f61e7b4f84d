"""MedEvalKit's rules for questions without options (utils/utils.py:171-219): VQA-RAD, SLAKE, PathVQA.

The overlap of words is to the last bit as nltk 3.9.1 (BLEU) and rouge 1.0.1 count it.

>>> overlap("right lung", "Right lung.")["em"]
False
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from infimed_plugins.scoring.medevalkit.text import parse

_ORDERS = (1, 2, 3, 4)


OpenMetrics = dict[str, float]
"""``em`` (a bool) and overlaps by name. Upstream rotates labels: ``precision`` is F1, ``recall`` precision, ``f1``
recall."""


def bare(response: str) -> str:
    """Return the parsed reply without line ends and periods."""
    return parse(response).replace("\n", "").replace(".", "")


def overlap(answer: str, text: str) -> OpenMetrics:
    """Return exact match and overlap of a parsed reply with an open answer.

    Raises ValueError for a reply (or gold answer) of nothing but periods and TypeError for one of blanks, as upstream.
    """
    answer, lowered = answer.lower(), text.lower()  # "None", for want of a box, is in capitals
    rouge1, rouge2, rougel = rouge(lowered, answer)
    f1, precision, recall = token_f1(lowered, answer)
    bleus = dict(zip(("bleu1", "bleu2", "bleu3", "bleu4"), bleu(lowered, answer), strict=True))
    rouges = {"rouge1": rouge1, "rouge2": rouge2, "rougel": rougel}
    return {"em": text == answer, **bleus, **rouges, "precision": f1, "recall": precision, "f1": recall}


def bleu(prediction: str, gold: str) -> list[float]:
    """Return BLEU-1 to BLEU-4 with uniform weights and nltk's method0: an order without a match counts the least float.

    Both texts lower-cased. Four times 0 without a word in common.
    """
    words, gold_words = prediction.replace(".", " .").split(" "), gold.replace(".", " .").split(" ")
    matches = [(_ngrams(words, n) & _ngrams(gold_words, n)).total() for n in _ORDERS]
    if not matches[0]:
        return [0, 0, 0, 0]
    size, gold_size = len(words), len(gold_words)
    brevity = 1 if size > gold_size else math.exp(1 - gold_size / size)
    logs = [
        math.log(match / max(1, size - n + 1) if match else sys.float_info.min)
        for n, match in zip(_ORDERS, matches, strict=True)
    ]
    return [brevity * math.exp(math.fsum([1 / n * log for log in logs[:n]])) for n in _ORDERS]


def _ngrams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[start:] for start in range(n)), strict=False))


def rouge(prediction: str, gold: str) -> tuple[float, float, float]:
    """Return ROUGE-1, ROUGE-2 and summary-level ROUGE-L, each F over sets, a period ending a sentence.

    Both texts lower-cased. Raises ValueError when one of them has nothing but periods, as upstream does. Upstream's own
    recursion ends at some thousand words in a sentence (RecursionError, by the depth of its caller); this has no limit.
    """
    sentences, gold_sentences = _sentences(prediction), _sentences(gold)
    if not sentences:
        raise ValueError("Hypothesis is empty.")
    if not gold_sentences:
        raise ValueError("Reference is empty.")
    words = [word for sentence in sentences for word in sentence]
    gold_words = [word for sentence in gold_sentences for word in sentence]
    vocabulary, gold_vocabulary = set(words), set(gold_words)
    bigrams, gold_bigrams = set(pairwise(words)), set(pairwise(gold_words))
    in_sequence = {word for gold in gold_sentences for said in sentences for word in _subsequence(gold, said)}
    return (
        _f(len(vocabulary & gold_vocabulary), len(vocabulary), len(gold_vocabulary)),
        _f(len(bigrams & gold_bigrams), len(bigrams), len(gold_bigrams)),
        _f(len(in_sequence), len(vocabulary), len(gold_vocabulary)),
    )


def _sentences(text: str) -> list[list[str]]:
    return [sentence.split() or [""] for sentence in text.split(".") if sentence]


def _f(shared: int, predicted: int, gold: int) -> float:
    if not shared:
        return 0.0
    precision, recall = shared / predicted, shared / gold
    return 2.0 * ((precision * recall) / (precision + recall + 1e-8))


def _subsequence(gold: Sequence[str], said: Sequence[str]) -> list[str]:
    """Return the common subsequence that rouge walks to: a step back in the words unless one in the gold answer is
    better.

    Leaving out words that the gold answer has not changes neither the length nor the walk.
    """
    words = [word for word in said if word in gold]
    table = [[0] * (len(words) + 1)]
    for gold_word in gold:
        above, row = table[-1], [0]
        for place, word in enumerate(words):
            row.append(above[place] + 1 if word == gold_word else max(above[place + 1], row[place]))
        table.append(row)
    i, j, path = len(gold), len(words), []
    while i and j:
        if gold[i - 1] == words[j - 1]:
            path.append(words[j - 1])
            i, j = i - 1, j - 1
        elif table[i - 1][j] > table[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return path


def token_f1(prediction: str, gold: str) -> tuple[float, float, float]:
    """Return F1, precision and recall over sets of words, in the order upstream returns them (utils/utils.py:222).

    Raises TypeError when one text has no word: upstream returns one number there and unpacks three.
    """
    predicted, wanted = set(prediction.split()), set(gold.split())
    if not predicted or not wanted:
        raise TypeError("cannot unpack non-iterable int object")
    shared = len(predicted & wanted)
    if not shared:
        return 0, 0, 0
    precision, recall = shared / len(predicted), shared / len(wanted)
    return 2 * (precision * recall) / (precision + recall), precision, recall
