"""Find near-duplicate questions: the same content in other words.

    question_similarity("Is the liver healthy?", "is this liver healthy")              # 1.0
    question_similarity("Is the liver healthy?", "Is the lung healthy?")               # 0.33
    index = TextIndex([Text("A 45-year-old man has chest pain …", options), …], similarity=0.6)
    index.nearest([Text("A 45 year old man has chest pain …", options)])               # [(0, 0.93)]
    texts = ItemTexts(items, similarity=0.6, least_tokens=8)                           # of benchmarks' items
    texts.nearest([Text("A 45 year old man has chest pain …", options)])               # [(items[3], 0.93)]

Two questions about one image are compared by their content words, without those of every question (what, is, the,
image …). Two texts that stand alone are compared by their pairs of neighboring words,
which a template filled in otherwise does not share. Candidates come from rensa's MinHash, 128 values in bands chosen
to lose fewer than 2% of the pairs at the threshold itself; the similarity reported is the exact Jaccard index.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from operator import itemgetter
from typing import Any

from infimed_plugins.errors import optional_module
from infimed_plugins.parsing.normalize import tokens

# words without content in a question about an image ("where", "when", "how" and "why" have some)
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


def normalized(text: Text) -> str:
    """Return one string for texts that differ only by case, punctuation, spaces or the order of the options."""
    return " | ".join([" ".join(tokens(text.question)), *sorted(" ".join(tokens(option)) for option in text.options)])


def question_similarity(one: str, other: str) -> float:
    """Return the Jaccard index of two questions' content words; of all words if one has no content words."""
    words, others = frozenset(tokens(one)), frozenset(tokens(other))
    content, other_content = words - STOCK_WORDS, others - STOCK_WORDS
    return jaccard(content, other_content) if content and other_content else jaccard(words, others)


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the size of the intersection over that of the union; 1 for two empty sets."""
    return len(one & other) / len(one | other) if one or other else 1.0


def shingles(text: Text) -> frozenset[str]:
    """Return the pairs of neighboring words of the question and of each option; a single word stands for itself."""
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

    def nearest(self, texts: Sequence[Text | None]) -> list[tuple[int, float] | None]:
        """Return for each text the most similar text of the index and its similarity, None below the threshold."""
        asked = [text for text in texts if text is not None and self._texts]
        made = iter(_min_hashes(asked) if asked else ())
        return [self._best(text, next(made)) if text is not None and self._texts else None for text in texts]

    def _best(self, text: Text, made: Any) -> tuple[int, float] | None:
        mine = shingles(text)
        best: tuple[int, float] | None = None
        for number in sorted(self._index.query(made)):
            exact = jaccard(mine, shingles(self._texts[number]))
            if exact >= self._similarity and (best is None or exact > best[1]):
                best = (number, exact)
        return best


@dataclass(frozen=True)
class Item:
    """One question of a benchmark; ``shas`` are of its images' bytes, ``images`` their numbers in the index."""

    benchmark: str
    id: str
    text: Text
    shas: tuple[str, ...] = ()
    images: tuple[int, ...] = ()


class ItemTexts:
    """Find the benchmark item whose text a text repeats, where no image says so.

    Options are compared where both sides have them: "Which of the following is true?" says nothing without. A text that
    the benchmarks ask of two images is a stock question, and one of few words may be; neither is compared.
    """

    def __init__(self, items: Sequence[Item], similarity: float, least_tokens: int) -> None:
        self._least = least_tokens
        kinds: tuple[list[tuple[Text, Item]], ...] = (
            [(item.text, item) for item in items if not item.text.options],
            [(item.text, item) for item in items if item.text.options],
            [(Text(item.text.question), item) for item in items if item.text.options],
        )
        kept = [_asked_once(pair for pair in pairs if self._is_specific(pair[0])) for pairs in kinds]
        self._indexes = [(TextIndex([text for text, _ in pairs], similarity), pairs) for pairs in kept]

    def nearest(self, texts: Sequence[Text]) -> list[tuple[Item, float] | None]:
        """Return for each text the most similar item and its similarity; None without one, or for a short text."""
        asked: tuple[list[Text | None], ...] = (
            [Text(text.question) for text in texts],
            [text if text.options else None for text in texts],
            [None if text.options else text for text in texts],
        )
        found: list[list[tuple[Item, float]]] = [[] for _ in texts]
        for (index, pairs), column in zip(self._indexes, asked, strict=True):
            matches = index.nearest([text if text and self._is_specific(text) else None for text in column])
            for row, match in zip(found, matches, strict=True):
                row += [(pairs[match[0]][1], match[1])] if match else []
        return [max(row, key=itemgetter(1), default=None) for row in found]

    def _is_specific(self, text: Text) -> bool:
        return len({word for part in (text.question, *text.options) for word in tokens(part)}) >= self._least


def _asked_once(pairs: Iterable[tuple[Text, Item]]) -> list[tuple[Text, Item]]:
    """Return the first of equal texts, without those that are asked of different images."""
    first: dict[str, tuple[Text, Item]] = {}
    stock: set[str] = set()
    for text, item in pairs:
        key = normalized(text)
        if first.setdefault(key, (text, item))[1].shas != item.shas:
            stock.add(key)
    return [pair for key, pair in first.items() if key not in stock]


def bands(similarity: float) -> int:
    """Return the fewest bands that lose at most MOST_LOST of the pairs at the threshold, to verify few candidates."""
    for rows in (16, 8, 4, 2):
        if (1 - similarity**rows) ** (VALUES // rows) <= MOST_LOST:
            return VALUES // rows
    return VALUES


def _min_hashes(texts: Iterable[Text]) -> list[Any]:
    made: list[Any] = _rensa().RMinHash.from_token_sets([sorted(shingles(text)) for text in texts], VALUES, SEED)
    return made


_rensa = partial(optional_module, "rensa", "finding near-duplicate questions", "data")
