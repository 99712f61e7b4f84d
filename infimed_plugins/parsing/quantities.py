r"""Numbers as answers write them, read exactly: ``12.50``, ``1,234``, ``-\frac{3}{4}``, ``2 1/2``, ``1.5\times10^{3}``,
``50\%``, ``3.5\text{ mL}``. What is not a plain number is left to the math verifier.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from fractions import Fraction

from infimed_plugins.parsing.normalize import nfkc

MAX_LENGTH = 64  # characters of one number with its unit

_HAN = "\u4e00-\u9fff"
_PLAIN = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?")
_TEXT = re.compile(r"\\(?:text(?:bf|it|rm)?|math(?:rm|bf|it)|operatorname|mbox|boxed|rm|bf)\s*\{([^{}]{0,200})\}")
_MARKUP = re.compile(r"\$|\*\*(?![0-9(])(?=\s|$)|^\*\*|`")
_SCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+|[₀-₉]+")
_VULGAR = re.compile(r"(?<=\d)(?=[¼-¾⅐-⅞])")
_SIGNS = str.maketrans("−‐‑‒–—⁄∕÷×·⋅。∼", "------///***.~")
_GREEK_NAMES = "alpha beta gamma delta epsilon theta lambda mu sigma phi omega rho tau pi Delta Theta Sigma Phi Omega"
GREEK = dict(zip("αβγδεθλμσφωρτπΔΘΣΦΩ", _GREEK_NAMES.split(), strict=True))
_COMMANDS = {name: mark for mark, name in GREEK.items()} | {
    name: mark
    for mark, names in {
        **{"\\frac": "dfrac tfrac cfrac", "\\binom": "dbinom tbinom", "*": "times cdot ast", "/": "div", "<": "lt"},
        **{"≤": "le leq leqslant", "≥": "ge geq geqslant", ">": "gt", "±": "pm", "∞": "infty", "≈": "approx", "~": "sim"},
        **{"°": "degree", "%": "%", "∠": "angle", "△": "triangle", "φ": "varphi", "ε": "varepsilon"},
        " ": "left right displaystyle quad qquad ( ) [ ] ! $ , ; :",
    }.items()
    for name in names.split()
}
_COMMAND = re.compile(r"\\([A-Za-z]+|.)")
_DEGREE = re.compile(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))")
_ROOT = re.compile(
    r"(?:√|\\sqrt(?![A-Za-z])|(?<![A-Za-z\\])sqrt)\s*(?:\(([^()]{1,60})\)|([0-9]+(?:\.[0-9]+)?|[A-Za-zπ])|)"
)
_PI = re.compile(r"(?<![A-Za-z\\])pi(?![A-Za-z])")
_THOUSANDS = re.compile(r"(?<=[0-9])(?:\{,\}|\\,)(?=[0-9]{3})")
_TIE = re.compile(r"(?<=[0-9A-Za-z}])~\s*(?=[A-Za-z\\])")
_ANNOUNCED = re.compile(
    r"^(?:(?:so|thus|therefore|hence)\b\W\s*)?(?:(?:the\s+)?(?:final\s+|correct\s+)*(?:answer|result|value)\s*(?:is\b|[:=])\s*:?\s*)?",
    re.IGNORECASE,
)

_D = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)?(?:\.[0-9]*)?"
_FRACTION = re.compile(rf"\\frac\s*\{{\s*([-+]?{_D})\s*\}}\s*\{{\s*({_D})\s*\}}")
_NUMBER = re.compile(  # sign, whole before a fraction, decimal, what it is divided by or the power of ten
    rf"([-+]?)\s*(?:([0-9]{{1,9}})\s+(?=[0-9]{{1,9}}\s*/\s*[0-9]{{1,9}}$))?({_D})"
    rf"(?:\s*/\s*({_D})|\s*(?:[*x]\s*10\s*(?:\^|\*\*)\s*\{{?\s*|[eE])([-+]?[0-9]{{1,3}})\s*\}}?)?"
)
_UNIT_STARTS = re.compile(rf"(?<![A-Za-z{_HAN}µμ\\°/])(?:[A-Za-z{_HAN}µμ°%]|\\circ)")
_LONGEST_UNIT = 32
_FACTORS = re.compile(r"[A-Za-z](?:/[A-Za-z])?")  # units that may be letters of an expression

_UNIT_NAMES: dict[str, str] = {  # a name also stands for itself in other cases, where no other unit does
    "%": "percent percentage pct",
    "mm": "MM millimeter millimeters millimetre millimetres 毫米",
    "cm": "centimeter centimeters centimetre centimetres 厘米",
    "m": "meter meters metre metres 米",
    "um": "µm μm micrometer micrometers micron microns 微米",
    "nm": "nanometer nanometers",
    "km": "kilometer kilometers kilometre kilometres 公里 千米",
    "in": "inch inches",
    "mL": "milliliter milliliters millilitre millilitres cc 毫升",
    "L": "liter liters litre litres 升",
    "uL": "µl μl",
    "kg": "kilogram kilograms 千克 公斤",
    "g": "gram grams 克",
    "mg": "milligram milligrams 毫克",
    "ug": "µg μg mcg microgram micrograms 微克",
    "s": "sec secs second seconds 秒",
    "ms": "millisecond milliseconds 毫秒",
    "min": "mins minute minutes 分钟",
    "h": "hr hrs hour hours 小时",
    "day": "d days 天",
    "week": "weeks 周",
    "month": "months 个月",
    "year": "yr yrs years yearold yearsold year-old years-old 岁 年",
    "mmHg": "mm-hg",
    "IU": "units unit",
    "T": "tesla",
    "px": "pixel pixels",
    "degree": "° degrees deg \\circ 度",
    "degC": "°c",
    "degF": "°f",
    "bpm": "beats/min",
}
_OTHER_UNITS = "dL ng kPa Hz mHz kHz MHz HU mol mmol M mM mEq Gy mGy Sv mSv keV MeV kcal mV kV MV mA MA mW MW Nm"
_UNIT_SPELLING = str.maketrans("", "", " {}^")
_POWER = re.compile(r"(square|sq\.?|平方)?(cubic|立方)?(.+?)([23])?")  # of a length, s^2 or "units"
_POWERS = frozenset("mm cm m um nm km in s IU".split())


def _spellings() -> tuple[dict[str, str], dict[str, set[str]]]:
    """Units by spelling, and by spelling in lower case, where 6 mV and 6 MV meet."""
    exact: dict[str, str] = {}
    caseless: dict[str, set[str]] = {}
    for unit, names in (*_UNIT_NAMES.items(), *((unit, "") for unit in _OTHER_UNITS.split())):
        for name in (unit, *names.split()):
            exact[name] = unit
            caseless.setdefault(name.lower(), set()).add(unit)
    return exact, caseless


_EXACT, _CASELESS = _spellings()


@dataclass(frozen=True)
class Quantity:
    """An exact number. ``value`` of ``50\\%`` is 50 with ``percent`` set; ``unit`` is "" or a canonical name."""

    value: Fraction
    percent: bool = False
    unit: str = ""


def clean_math(text: str) -> str:
    r"""One line of math in one spelling, without wrappers; for long text too, linearly.

    ``The answer is $\text{12}$.`` gives ``12``; ``2√3 \times \pi`` and ``2\sqrt{3} * π`` the second.
    """
    if _PLAIN.fullmatch(text):
        return text
    if not text.isascii():
        text = nfkc(_SCRIPT.sub(_script, _VULGAR.sub(" ", text))).translate(_SIGNS)
    if "\\" in text:
        text = _DEGREE.sub("°", _THOUSANDS.sub(",", _TEXT.sub(r" \1 ", text)))
        text = _COMMAND.sub(lambda found: _COMMANDS.get(found[1].strip() or ",", found[0]), text)
    if "√" in text or "sqrt" in text:
        text = _ROOT.sub(_root, text)
    text = _TIE.sub(" ", text) if "~" in text else text
    text = _MARKUP.sub(" ", _PI.sub("π", text.replace("{,}", ",")))
    text = " ".join(text.split())
    return _ANNOUNCED.sub("", text, count=1).rstrip(".").strip()


def _script(found: re.Match[str]) -> str:
    return f"{'_' if found[0] <= '₉' and found[0] >= '₀' else '^'}{{{nfkc(found[0])}}}".replace("−", "-")


def _root(found: re.Match[str]) -> str:
    return f"\\sqrt{{{found[1] or found[2]}}}" if found[1] or found[2] else "\\sqrt"


def parse_quantity(text: str) -> Quantity | None:
    """The number ``clean_math`` left, with its unit; None when it is anything else."""
    if not text or len(text) > MAX_LENGTH:
        return None
    value = read_number(text)
    if value is not None:
        return Quantity(value)
    before, unit = split_unit(text)
    value = read_number(before) if unit else None
    if value is None:
        return None
    return Quantity(value, percent=True) if unit == "%" else Quantity(value, unit=unit)


def split_unit(text: str, factors: Container[str] | None = None) -> tuple[str, str]:
    """What stands before the unit at the end, and the unit's one name; the text and "" where there is none.

    A letter right behind a number (``5m``) may be a factor: any, unless it is known which letters are ``factors``.
    """
    for found in _UNIT_STARTS.finditer(text, max(1, len(text) - _LONGEST_UNIT)):
        before, written = text[: found.start()], text[found.start() :]
        unit = _unit(written)
        factor = before[-1:] != " " and _FACTORS.fullmatch(written)
        if unit and not (factor and (factors is None or any(letter in factors for letter in written))):
            return before.strip(), unit
    return text, ""


def is_unit(word: str) -> bool:
    """Whether a word is the name of a unit, such as ``mm`` or ``years``."""
    return _unit(word) != ""


def _unit(written: str) -> str:
    """The one name of a unit, of a power of one, or of one by another (``mm/s``)."""
    spelled = written.translate(_UNIT_SPELLING).rstrip(".")
    above, by, below = spelled.partition("/")
    if unit := _one_unit(spelled):
        return unit
    if by:
        above, below = _unit(above), _unit(below)
        return f"{above}/{below}" if above and below and "/" not in below else ""
    found = _POWER.fullmatch(spelled)
    unit = _one_unit(found[3]) if found else ""
    if not found or unit not in _POWERS or sum(mark is not None for mark in found.group(1, 2, 4)) != 1:
        return ""
    power = found[4] or ("2" if found[1] else "3")
    return "mL" if unit + power == "cm3" else f"{unit}^{power}"


def _one_unit(spelled: str) -> str:
    """Case is passed over unless it tells units apart: MHz and mHz, "MSv" is no mSv."""
    if spelled in _EXACT:
        return _EXACT[spelled]
    units = _CASELESS.get(spelled.lower(), set())
    if len(units) > 1:
        units = {unit for unit in units if unit[0] == spelled[0]}
    unit = min(units) if len(units) == 1 else ""
    another_prefix = spelled[1:] == unit[1:] and not spelled.isupper() and spelled[:1] in ("m", "M")
    return "" if another_prefix and len(spelled) > 1 else unit


def read_number(text: str) -> Fraction | None:
    """A decimal, scientific, fraction or mixed number, exactly; None for anything else."""
    found = _NUMBER.fullmatch(_FRACTION.sub(r" \1/\2 ", text).strip() if "\\" in text else text)
    if found is None:
        return None
    sign, whole, decimal, below, exponent = found.groups()
    value, divisor = _decimal(decimal), _decimal("1" if below is None else below)
    if value is None or not divisor or (whole and value >= divisor):
        return None
    value = int(whole or 0) + value / divisor * Fraction(10) ** int(exponent or 0)
    return -value if sign == "-" else value


def _decimal(text: str) -> Fraction | None:
    digits = text.replace(",", "")
    if not any(digit.isdigit() for digit in digits):
        return None
    return Fraction(digits.removesuffix("."))
