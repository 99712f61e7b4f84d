"""Which text of a benchmark a text is, when no image says so.

    texts = ItemTexts(items, similarity=0.6, least_tokens=8)
    texts.nearest([Text("A 45-year-old man has chest pain …", ("Gout", "Lupus"))])    # [(items[3], 0.91)]

Options are part of a text where both sides have them: "Which of the following is true?" says nothing without.
A text that the benchmarks ask of two images is a stock question, and one of few words may be; neither is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from infimed_plugins.curation.decontamination.benchmark_items import Item
from infimed_plugins.curation.decontamination.text_near import Text, TextIndex, normalised
from infimed_plugins.parsing.normalize import tokens

_Pairs = Iterable[tuple[Text, Item]]


class ItemTexts:
    """The texts of a benchmark's items that are specific enough to be told by themselves."""

    def __init__(self, items: Sequence[Item], similarity: float, least_tokens: int) -> None:
        self._least = least_tokens
        with_options = [item for item in items if item.text.options]
        self._full = _Texts(((item.text, item) for item in with_options), similarity, least_tokens)
        self._without_options = _Texts(
            ((item.text, item) for item in items if not item.text.options), similarity, least_tokens
        )
        self._options_left_out = _Texts(((_bare(item.text), item) for item in with_options), similarity, least_tokens)

    def nearest(self, texts: Sequence[Text]) -> list[tuple[Item, float] | None]:
        """For each text the item most like it, with the similarity; None where none is alike or it is too short."""
        bare = [_bare(text) for text in texts]
        found: list[list[tuple[Item, float] | None]] = [
            self._without_options.nearest(bare, [_is_specific(text, self._least) for text in bare]),
            self._full.nearest(texts, [bool(t.options) and _is_specific(t, self._least) for t in texts]),
            self._options_left_out.nearest(bare, [not t.options and _is_specific(t, self._least) for t in texts]),
        ]
        return [
            max((one for one in candidates if one is not None), key=lambda one: one[1], default=None)
            for candidates in zip(*found, strict=True)
        ]


class _Texts:
    """One index, without stock questions."""

    def __init__(self, pairs: _Pairs, similarity: float, least: int) -> None:
        kept = list(_asked_once(pair for pair in pairs if _is_specific(pair[0], least)))
        self._items = [item for _, item in kept]
        self._index = TextIndex([text for text, _ in kept], similarity)

    def nearest(self, texts: Sequence[Text], asked: Sequence[bool]) -> list[tuple[Item, float] | None]:
        found = iter(self._index.nearest([text for text, wanted in zip(texts, asked, strict=True) if wanted]))
        answers: list[tuple[Item, float] | None] = []
        for wanted in asked:
            one = next(found) if wanted else None
            answers.append(None if one is None else (self._items[one[0]], one[1]))
        return answers


def _asked_once(pairs: _Pairs) -> Iterator[tuple[Text, Item]]:
    """Of equal texts the first, unless they are asked of different images."""
    first: dict[str, tuple[Text, Item]] = {}
    stock: set[str] = set()
    for text, item in pairs:
        key = normalised(text)
        if first.setdefault(key, (text, item))[1].shas != item.shas:
            stock.add(key)
    return (pair for key, pair in first.items() if key not in stock)


def _bare(text: Text) -> Text:
    return Text(text.question)


def _is_specific(text: Text, least: int) -> bool:
    words = {word for part in (text.question, *text.options) for word in tokens(part)}
    return len(words) >= least
