"""Whether a reply gives the gold as its answer, that nothing more or less will do, and that every rule is needed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from infimed_plugins.parsing import reading, short_answer
from infimed_plugins.parsing.reading import Rule
from infimed_plugins.parsing.short_answer import read_short_answer
from infimed_plugins.records import Code

NEVER = "(?!)"
PROSE = "The patient presented with a three-week history of pain."
LONG = "The cardiac silhouette is within normal limits."


def outcome(question: str, gold: str, reply: str) -> bool | Code:
    """True where the gold is given, else the code."""
    read = read_short_answer(reply, (gold,), question)
    return True if read.found is not None else read.code


def rules() -> Iterator[tuple[Any, str, Rule]]:
    """Every rule, with the module and the name of its table."""
    for module, name in ((short_answer, "STEPS"), (reading, "TAKES_BACK")):
        yield from ((module, name, rule) for rule in getattr(module, name))
    for name in ("ANNOUNCES", "DENIES", "REFUSES"):
        yield short_answer, name, getattr(short_answer, name)


@pytest.mark.parametrize(("module", "name", "rule"), [pytest.param(*one, id=one[2].id) for one in rules()])
def test_a_rule_is_needed_for_its_examples(module: Any, name: str, rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rule.examples
    for question, gold, reply, read in rule.examples:
        assert outcome(question, gold, reply) == read, reply
    table = getattr(module, name)
    without = tuple(one for one in table if one is not rule) if isinstance(table[0], Rule) else rule._replace(pattern=NEVER)
    monkeypatch.setattr(module, name, without)
    assert any(outcome(question, gold, reply) != read for question, gold, reply, read in rule.examples)
