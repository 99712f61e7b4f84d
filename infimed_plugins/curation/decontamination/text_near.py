"""The same question again, in other words.

    question_similarity("Is the liver healthy?", "is this liver healthy")              # 1.0
    question_similarity("Is the liver healthy?", "Is the lung healthy?")               # 0.33
    index = TextIndex([Text("A 45-year-old man has chest pain …", options), …], similarity=0.6)
    index.nearest([Text("A 45 year old man has chest pain …", options)])               # [(0, 0.93)]

Two questions about one image are compared by the words that carry them: of those that every question is made of (what,
is, the, image …) nothing can be told. Two texts that stand alone are compared by their pairs of neighbouring words,
which a template filled in otherwise does not share. Candidates come from rensa's MinHash, 128 values in bands chosen
to lose fewer than 2% of the pairs at the threshold itself; the similarity reported is the exact Jaccard index.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from infimed_plugins.errors import MissingExtraError
from infimed_plugins.parsing.normalize import tokens

# what carries no content in a question about an image; "where", "when", "how" and "why" do
STOCK_WORDS = frozenset(
    tokens(
        """a an the this that these those there it its is are was were be been being do does did has have had can could
        in on of to at by for from with and what which any image images picture pictures photo figure scan
        seen shown show shows here visible present used evidence"""
    )
)
VALUES = 128  # of a MinHash
SEED = 1
MOST_LOST = 0.02  # of the pairs whose similarity is the threshold


@dataclass(frozen=True)
class Text:
    """A question and its options; their order does not matter."""

    question: str
    options: tuple[str, ...] = ()


def normalised(text: Text) -> str:
    """One string for texts that differ by case, punctuation, spaces or the order of the options only."""
    return " | ".join([" ".join(tokens(text.question)), *sorted(" ".join(tokens(option)) for option in text.options)])


def question_similarity(one: str, other: str) -> float:
    """The Jaccard index of the content words of two questions; of all words where one of them has no others."""
    words, others = frozenset(tokens(one)), frozenset(tokens(other))
    content, other_content = words - STOCK_WORDS, others - STOCK_WORDS
    return jaccard(content, other_content) if content and other_content else jaccard(words, others)


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Shared over all; 1 of two empty sets."""
    return len(one & other) / len(one | other) if one or other else 1.0


def shingles(text: Text) -> frozenset[str]:
    """The pairs of neighbouring words, of the question and of each option; a word that stands alone as it is."""
    found: set[str] = set()
    for part in (text.question, *text.options):
        words = tokens(part)
        found.update(f"{first} {second}" for first, second in pairwise(words))
        if len(words) == 1:
            found.add(words[0])
    return frozenset(found)


class TextIndex:
    """Texts by their MinHash, numbered as given."""

    def __init__(self, texts: Sequence[Text], similarity: float) -> None:
        self._texts = texts
        self._similarity = similarity
        self._index = _rensa().RMinHashLSH(similarity, VALUES, bands(similarity))
        if texts:
            self._index.insert_many(_min_hashes(texts))

    def nearest(self, texts: Sequence[Text]) -> list[tuple[int, float] | None]:
        """For each text the one of the index most like it, with the exact similarity, if that reaches the threshold."""
        if not texts or not self._texts:
            return [None] * len(texts)
        return [self._best(text, made) for text, made in zip(texts, _min_hashes(texts), strict=True)]

    def _best(self, text: Text, made: Any) -> tuple[int, float] | None:
        mine = shingles(text)
        best: tuple[int, float] | None = None
        for number in sorted(self._index.query(made)):
            exact = jaccard(mine, shingles(self._texts[number]))
            if exact >= self._similarity and (best is None or exact > best[1]):
                best = (number, exact)
        return best


def bands(similarity: float) -> int:
    """The fewest bands that lose no more than MOST_LOST of the pairs at the threshold: fewer candidates to verify."""
    for rows in (16, 8, 4, 2):
        if (1 - similarity**rows) ** (VALUES // rows) <= MOST_LOST:
            return VALUES // rows
    return VALUES


def _min_hashes(texts: Iterable[Text]) -> list[Any]:
    made: list[Any] = _rensa().RMinHash.from_token_sets([sorted(shingles(text)) for text in texts], VALUES, SEED)
    return made


def _rensa() -> Any:
    try:
        return importlib.import_module("rensa")
    except ImportError as error:
        raise MissingExtraError("finding near-duplicate questions", "rensa", extra="data") from error
