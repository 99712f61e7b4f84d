"""The table of words, and text as its codes."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path

import pytest

import infimed_plugins.parsing
from infimed_plugins.parsing.lexicon import CODE, Text, rule

TABLE = tomllib.loads(Path(infimed_plugins.parsing.__file__).with_name("lexicon.toml").read_text("utf-8"))
CLASSES = {name: entry for name, entry in TABLE.items() if isinstance(entry.get("words"), str)}


def names(text: str) -> str:
    """The classes of a text's words, other codes as they are."""
    classes = {code: name for name, code in CODE.items()}
    return " ".join(classes.get(code, code) for code in Text(text).codes)


def test_a_word_belongs_to_one_class() -> None:
    words = Counter(
        word
        for entry in CLASSES.values()
        for word in (*entry["words"].split(), *entry.get("phrases", ()), *entry.get("zh", "").split())
    )
    assert [word for word, count in words.items() if count > 1] == []


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("So the answer is B.", "so filler answer be _ ."),
        ("It isn't ruled out.", "subject negated rejected ."),
        ("Excluding a cyst, eliminated", "than filler _ , rejected"),
        ("因此答案是B。", "so answer be _ ."),
        ("不正确", "rejected"),
        ("**Fig. A** (T2-weighted), -5 mm", "named filler ( _ - _ ) , # _"),
        ("B-cell, ER+, E. coli, <5", "_ , _ , _ . _ , #"),
    ],
)
def test_words_have_the_code_of_their_class(text: str, classes: str) -> None:
    assert names(text) == classes


def test_phrases_go_before_the_words_in_them_and_tokens_keep_their_place() -> None:
    text = Text("It has been ruled out,\nnot only B.")
    assert text.words == ["it", "has", "been", "ruled out", ",", "\n", "not only", "b", "."]
    assert [text.text[start:end] for start, end in text.spans] == text.written


def test_a_rule_names_classes_and_marks() -> None:
    codes = Text("The answer, therefore, is").codes
    assert rule("{answer},{so|filler},{be}$").search(codes)
    with pytest.raises(KeyError):
        rule("{nothing of the kind}")


@pytest.mark.parametrize("piece", ["a ", "not only ", "ruled ", "不", "…", "<5 ", "x" * 40, "\n"])
def test_any_text_is_read_whole(piece: str) -> None:
    text = Text(piece * 2000)
    assert len(text.words) == len(text.codes) == len(text.written) == len(text.spans)
