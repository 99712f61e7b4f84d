"""On ordinary answers the verdicts are math_verify's: thousands of seeded pairs of every kind, without a difference."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from infimed_plugins.records import GroundTruth
from infimed_plugins.rewards import judge_answer

math_verify = pytest.importorskip("math_verify")

PAIRS_OF_A_KIND = 180
Pair = tuple[str, str]  # truth, answer
Tree = str | tuple[Any, ...]
_MISREAD = re.compile(r"\([0-9]+\)\([0-9]")  # (4)(9) is 36; math_verify does not find it equal to 4 * 9


def _integers(rng: random.Random) -> Pair:
    value = rng.randint(-5000, 5000)
    return str(value), rng.choice([str(value), f"{value}.0", f"+{value}" if value > 0 else str(value), str(value + 1)])


def _decimals(rng: random.Random) -> Pair:
    value = rng.randint(1, 9999) / 100
    return f"{value:.2f}", rng.choice([f"{value:.2f}", f"{value:.3f}", f"{value + 0.5:.2f}", f"{value:.2f}0"])


def _fractions(rng: random.Random) -> Pair:
    over, under = rng.randint(1, 30), rng.randint(2, 30)
    forms = [f"{over}/{under}", rf"\frac{{{over}}}{{{under}}}", rf"\dfrac{{{2 * over}}}{{{2 * under}}}"]
    return rf"\frac{{{over}}}{{{under}}}", rng.choice([*forms, f"{over + 1}/{under}"])


def _roots(rng: random.Random) -> Pair:
    value, factor = rng.choice([2, 3, 5, 6, 7]), rng.randint(2, 6)
    forms = [rf"\sqrt{{{value * factor**2}}}", rf"{factor}\sqrt{{{value}}}", rf"\sqrt{{{value}}}"]
    return rf"{factor}\sqrt{{{value}}}", rng.choice(forms)


def _powers(rng: random.Random) -> Pair:
    base, exponent = rng.randint(2, 9), rng.randint(2, 5)
    return str(base**exponent), rng.choice([f"{base}^{exponent}", f"{base}^{{{exponent}}}", str(base * exponent)])


def _scientific(rng: random.Random) -> Pair:
    lead, exponent = rng.randint(1, 9), rng.randint(2, 5)
    forms = [rf"{lead} \times 10^{{{exponent}}}", str(lead * 10**exponent), rf"{lead} \cdot 10^{exponent + 1}"]
    return rf"{lead} \times 10^{{{exponent}}}", rng.choice(forms)


def _expressions(rng: random.Random) -> Pair:
    a, b = rng.randint(2, 9), rng.randint(1, 9)
    forms = [f"{a}x + {b}", f"{b} + {a}x", f"{a}x - {b}", rf"{a} \cdot x + {b}", f"{a}y + {b}"]
    return f"{a}x + {b}", rng.choice(forms)


def _products(rng: random.Random) -> Pair:
    a, b = rng.randint(1, 9), rng.randint(1, 9)
    forms = [f"x^2 + {a + b}x + {a * b}", f"(x+{b})(x+{a})", f"(x+{a})(x-{b})"]
    return f"(x+{a})(x+{b})", rng.choice(forms)


def _tuples(rng: random.Random) -> Pair:
    a, b = rng.randint(-9, 9), rng.randint(-9, 9)
    return f"({a}, {b})", rng.choice([f"({a}, {b})", f"({a},{b})", f"({b + 1}, {a})"])


def _sets(rng: random.Random) -> Pair:
    a, b = rng.sample(range(10), 2)
    return rf"\{{{a}, {b}\}}", rng.choice([rf"\{{{a}, {b}\}}", rf"\{{{b}, {a}\}}", rf"\{{{a}, {a + 10}\}}"])


def _intervals(rng: random.Random) -> Pair:
    a = rng.randint(0, 5)
    b = a + rng.randint(1, 5)
    return f"[{a}, {b})", rng.choice([f"[{a}, {b})", f"[{a},{b})", f"[{a}, {b + 1})"])


def _equations(rng: random.Random) -> Pair:
    value = rng.randint(2, 99)
    return str(value), rng.choice([f"x = {value}", f"x={value}", f"x = {value + 1}", f"n = {value}"])


def _wrappers(rng: random.Random) -> Pair:
    value = rng.randint(2, 99)
    return str(value), rng.choice([f"${value}$", rf"\({value}\)", rf"$${value}$$", f"${value + 1}$"])


def _trigonometry(rng: random.Random) -> Pair:
    forms = [r"\frac{\sqrt{3}}{2}", r"\sin(\frac{\pi}{3})", r"\cos(\frac{\pi}{6})", r"\frac{1}{2}"]
    return forms[0], rng.choice(forms)


def _trees(rng: random.Random) -> Pair:
    """Two random expressions, or one written twice in other words."""
    first = _tree(rng, 3)
    return _written(first, rng), _written(first if rng.random() < 0.5 else _tree(rng, 3), rng)


def _tree(rng: random.Random, depth: int) -> Tree:
    if depth == 0 or rng.random() < 0.2:
        return rng.choice([str(rng.randint(1, 12)), str(rng.randint(1, 12)), "x", "y", r"\pi"])
    kind = rng.choice(["+", "+", "-", "*", "*", "/", "^", "sqrt"])
    if kind == "^":
        return kind, _tree(rng, depth - 1), str(rng.randint(2, 3))
    if kind == "sqrt":
        return kind, _tree(rng, 0)
    return kind, _tree(rng, depth - 1), _tree(rng, depth - 1)


def _written(tree: Tree, rng: random.Random) -> str:
    if isinstance(tree, str):
        return tree
    kind, *parts = tree
    texts = [_written(part, rng) for part in parts]
    if kind == "sqrt":
        return rf"\sqrt{{{texts[0]}}}"
    if kind == "^":
        return f"({texts[0]})^{{{texts[1]}}}"
    if kind == "/":
        return rng.choice([rf"\frac{{{texts[0]}}}{{{texts[1]}}}", rf"({texts[0]})/({texts[1]})"])
    if kind in "+*" and rng.random() < 0.5:
        texts.reverse()
    joined = {"+": " + ", "-": " - ", "*": rng.choice([r" \cdot ", " * ", ""])}[kind]
    return joined.join(f"({text})" for text in texts) if kind != "+" else joined.join(texts)


KINDS: tuple[Callable[[random.Random], Pair], ...] = (
    _integers,
    _decimals,
    _fractions,
    _roots,
    _powers,
    _scientific,
    _expressions,
    _products,
    _tuples,
    _sets,
    _intervals,
    _equations,
    _wrappers,
    _trigonometry,
    _trees,
)


def _pairs() -> Iterator[tuple[str, Pair]]:
    for kind in KINDS:
        rng = random.Random(kind.__name__)
        for _ in range(PAIRS_OF_A_KIND):
            yield kind.__name__.removeprefix("_"), kind(rng)


def _plainly(truth: str, answer: str) -> bool:
    """math_verify as its README uses it: both sides as LaTeX in dollars, or as plain expressions."""
    gold, given = (
        math_verify.parse(text if "$" in text or r"\(" in text else f"${text}$", parsing_timeout=None)
        for text in (truth, answer)
    )
    return bool(math_verify.verify(gold, given, timeout_seconds=None))


@pytest.mark.slow
def test_verdicts_on_ordinary_answers_are_math_verifys() -> None:
    pairs = list(_pairs())
    assert len(pairs) >= 2000
    differ: list[tuple[str, Pair, bool]] = []
    verdicts: Counter[bool] = Counter()
    for kind, (truth, answer) in pairs:
        ours, plain = judge_answer(answer, GroundTruth("math", truth)).value == 1.0, _plainly(truth, answer)
        verdicts[plain] += 1
        if ours != plain and not (ours and _MISREAD.search(truth + answer)):
            differ.append((kind, (truth, answer), ours))
    assert differ == []
    assert min(verdicts.values()) > 500  # both verdicts occur
