"""Each row of the options' tables is needed: without it one of its own examples is read otherwise."""

from __future__ import annotations

import pytest

from infimed_plugins.parsing import option_rules, options
from infimed_plugins.parsing.lexicon import Rule
from infimed_plugins.parsing.options import read_option

OPTIONS = ("Adenoma", "Lipoma", "Hemangioma", "Metastasis")
CHINESE = ("腺瘤", "脂肪瘤", "血管瘤", "转移瘤")
QUESTION = "Which tumor of the liver fills in from the rim on delayed phases?"
CHINESE_QUESTION = "肝脏的哪种肿瘤在延迟期从边缘填充？"
TABLES = [*((table, row, False) for table in ("REWRITES", "RULES") for row in getattr(option_rules, table)),
          *(("FORMS", row, True) for row in option_rules.FORMS)]  # fmt: skip


def letters(reply: str, strict: bool) -> str:
    if any(char > "\u3400" for char in reply):
        return read_option(reply, CHINESE, CHINESE_QUESTION, strict=strict).answer
    return read_option(reply, OPTIONS, QUESTION, strict=strict).answer


@pytest.fixture(autouse=True)
def _nothing_is_remembered() -> None:
    option_rules._of_sentence.cache_clear()


@pytest.mark.parametrize(("table", "row", "strict"), TABLES, ids=lambda value: getattr(value, "id", ""))
def test_a_row_reads_its_examples_and_no_other_row_does(
    table: str, row: Rule, strict: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = "" if row.effect in ("reject", "maybe", "none", "several") else "C"
    examples = [one if isinstance(one, tuple) else (one, default) for one in row.examples]
    assert examples
    for reply, letter in examples:
        assert letters(reply, strict) == letter, reply
    monkeypatch.setattr(
        options if table == "FORMS" else option_rules,
        table,
        tuple(one for one in getattr(option_rules, table) if one is not row),
    )
    option_rules._of_sentence.cache_clear()
    assert any(letters(reply, strict) != letter for reply, letter in examples), "the row is not needed"


def test_text_behind_a_letter_is_read_where_the_options_are_not_known() -> None:
    for reply in option_rules.UNKNOWN_TEXT.examples:
        assert read_option(reply, strict=True).answer == "C"
    assert read_option("C. Xanthoma", OPTIONS, strict=True).answer == ""
