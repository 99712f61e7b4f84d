"""Tokens and exact numbers."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infimed_plugins.parsing import parse_quantity, tokens
from infimed_plugins.parsing.quantities import clean_math


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Pleural   Effusion.", ["pleural", "effusion"]),
        ("T2-weighted MRI", ["t2", "weighted", "mri"]),
        ("snake_case", ["snake", "case"]),
        ("ｐｎｅｕｍｏｎｉａ", ["pneumonia"]),
        ("Ménière’s", ["ménière", "s"]),
        ("Me\u0301nie\u0300re", ["ménière"]),
        ("左肺 CT", ["左", "肺", "ct"]),
        ("胸部X线", ["胸", "部", "x", "线"]),
        ("1.5 cm", ["1", "5", "cm"]),
        ("?!…", []),
        ("", []),
        ("\ud800a", ["a"]),
        ("दिल का", ["दिल", "का"]),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


@given(st.text(max_size=400))
def test_tokens_are_normal_already(text: str) -> None:
    for token in tokens(text):
        assert tokens(token)
        assert token == token.lower()


@pytest.mark.parametrize(
    ("text", "value", "percent", "unit"),
    [
        ("12", "12", False, ""),
        ("12.50", "25/2", False, ""),
        ("12.", "12", False, ""),
        (".5", "1/2", False, ""),
        ("+12", "12", False, ""),
        ("−5", "-5", False, ""),
        ("１２", "12", False, ""),
        ("1,234", "1234", False, ""),
        ("1{,}234", "1234", False, ""),
        ("1\\,234", "1234", False, ""),
        ("$\\frac{7}{2}$", "7/2", False, ""),
        ("\\dfrac{-3}{4}", "-3/4", False, ""),
        ("6/8", "3/4", False, ""),
        ("2 1/2", "5/2", False, ""),
        ("2\\frac{1}{2}", "5/2", False, ""),
        ("3½", "7/2", False, ""),
        ("1.5\\times10^{3}", "1500", False, ""),
        ("1.5 × 10⁻³", "3/2000", False, ""),
        ("1e3", "1000", False, ""),
        ("50\\%", "50", True, ""),
        ("50 percent", "50", True, ""),
        ("3.5\\text{ mL}", "7/2", False, "mL"),
        ("12 cm²", "12", False, "cm^2"),
        ("12 years old", "12", False, "year"),
        ("45^{\\circ}", "45", False, "degree"),
        ("45°", "45", False, "degree"),
        ("The answer is 12.", "12", False, ""),
    ],
)
def test_plain_numbers_are_read_exactly(text: str, value: str, percent: bool, unit: str) -> None:
    read = parse_quantity(clean_math(text))
    assert read is not None
    assert (read.value, read.percent, read.unit) == (Fraction(value), percent, unit)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        ".",
        "x",
        "12 or 13",
        "12, 13",
        "1 2",
        "12,34",
        "1/0",
        "x = 5",
        "12 x",
        "5m",
        "2\\pi",
        "9" * 65,
        "nan",
        "inf",
    ],
)
def test_what_is_no_plain_number_is_left_alone(text: str) -> None:
    assert parse_quantity(clean_math(text)) is None


@given(st.decimals(-(10**9), 10**9, places=3))
def test_every_decimal_is_read_as_itself(number: object) -> None:
    read = parse_quantity(clean_math(f"{number:f}"))
    assert read is not None
    assert read.value == Fraction(str(number))


@given(st.text(alphabet="0123456789.,/\\{}^%x*e+- frac\\timesmg°½²", max_size=40))
def test_any_text_is_read_without_an_error(text: str) -> None:
    parse_quantity(clean_math(text))
