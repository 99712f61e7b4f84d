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
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+")
_LOWERED = re.compile("[₀-₉]+")
_VULGAR = re.compile(r"(?<=\d)(?=[¼-¾⅐-⅞])")
_SIGNS = str.maketrans(
    {**dict.fromkeys("−‐‑‒–—", "-"), **dict.fromkeys("⁄∕÷", "/"), **dict.fromkeys("×·⋅", "*"), "。": ".", "∼": "~"}
)
_GREEK_NAMES = "alpha beta gamma delta epsilon theta lambda mu sigma phi omega rho tau pi Delta Theta Sigma Phi Omega"
GREEK = dict(zip("αβγδεθλμσφωρτπΔΘΣΦΩ", _GREEK_NAMES.split(), strict=True))
_SAME = {name: mark for mark, name in GREEK.items()} | {
    **dict.fromkeys(("dfrac", "tfrac", "cfrac"), "\\frac"),
    **dict.fromkeys(("dbinom", "tbinom"), "\\binom"),
    **dict.fromkeys(("times", "cdot", "ast"), "*"),
    **dict.fromkeys(("le", "leq", "leqslant"), "≤"),
    **dict.fromkeys(("ge", "geq", "geqslant"), "≥"),
    **dict.fromkeys(("left", "right", "displaystyle", "quad", "qquad", *"()[]!$,;: "), " "),
    **{"div": "/", "lt": "<", "gt": ">", "pm": "±", "infty": "∞", "approx": "≈", "sim": "~", "degree": "°", "%": "%"},
    **{"angle": "∠", "triangle": "△", "varphi": "φ", "varepsilon": "ε"},
}
_COMMAND = re.compile(r"\\([A-Za-z]+|.)")
_DEGREE = re.compile(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))")
_ROOT = re.compile(
    r"(?:√|\\sqrt(?![A-Za-z])|(?<![A-Za-z\\])sqrt)\s*(?:\(([^()]{1,60})\)|([0-9]+(?:\.[0-9]+)?|[A-Za-zπ])|)"
)
_PI = re.compile(r"(?<![A-Za-z\\])pi(?![A-Za-z])")
_THOUSANDS = re.compile(r"(?<=[0-9])(?:\{,\}|\\,)(?=[0-9]{3})")
_TIE = re.compile(r"(?<=[0-9A-Za-z}])~(?=\s*[A-Za-z\\])")
_ANNOUNCED = re.compile(
    r"\s*(?:(?:so|thus|therefore|hence)\W+)?(?:the\s+)?(?:final\s+|correct\s+)*(?:answer|result|value)\s*(?:is\b|:|=)\s*:?\s*",
    re.IGNORECASE,
)

_D = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)?(?:\.[0-9]*)?"
_DECIMAL = re.compile(rf"([-+]?)\s*({_D})")
_SCIENTIFIC = re.compile(
    rf"([-+]?)\s*({_D})\s*(?:(?:\*|x)\s*10\s*(?:\^|\*\*)\s*\{{?\s*|[eE])([-+]?[0-9]{{1,3}})\s*\}}?"
)
_FRACTION = re.compile(rf"([-+]?)\s*(?:\\frac\s*\{{\s*([-+]?{_D})\s*\}}\s*\{{\s*([-+]?{_D})\s*\}}|({_D})\s*/\s*({_D}))")
_MIXED = re.compile(
    r"([-+]?)\s*([0-9]{1,9})\s*(?:\\frac\s*\{\s*([0-9]{1,9})\s*\}\s*\{\s*([0-9]{1,9})\s*\}|\s([0-9]{1,9})\s*/\s*([0-9]{1,9}))"
)
_UNIT_STARTS = re.compile(rf"(?<![A-Za-z{_HAN}µμ\\°])(?:[A-Za-z{_HAN}µμ°%]|\\circ)")
_ONE_LETTER_EACH = re.compile(r"[A-Za-z](?:/[A-Za-z])*")
_LONGEST_UNIT = 32

_UNIT_NAMES: dict[str, str] = {  # a name also stands for itself in other cases, where no other unit does
    "%": "percent percentage pct",
    "mm": "MM millimeter millimeters millimetre millimetres 毫米",
    "cm": "centimeter centimeters centimetre centimetres 厘米",
    "m": "meter meters metre metres 米",
    "um": "µm μm micrometer micrometers micron microns 微米",
    "nm": "nanometer nanometers",
    "km": "kilometer kilometers kilometre kilometres 公里 千米",
    "in": "inch inches",
    "mm^2": "squaremm squaremillimeters sqmm 平方毫米",
    "cm^2": "squarecm squarecentimeters squarecentimetres sqcm 平方厘米",
    "m^2": "squarem squaremeters squaremetres sqm 平方米",
    "unit^2": "squareunits squnits",
    "mm^3": "cubicmm 立方毫米",
    "mL": "milliliter milliliters millilitre millilitres cc cm3 cubiccm cubiccentimeters 毫升 立方厘米",
    "m^3": "立方米",
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
    "beat": "beats",
    "IU": "units unit",
    "T": "tesla",
    "px": "pixel pixels",
    "degree": "° degrees deg \\circ 度",
    "degC": "°c",
    "degF": "°f",
}
_OTHER_UNITS = "dL ng kPa bpm Hz mHz kHz MHz HU mol mmol M mM mEq Gy mGy Sv mSv keV MeV kcal mV kV MV mA MA mW MW Nm"
_UNIT_SPELLING = str.maketrans("", "", " {}^")


def _spellings() -> tuple[dict[str, str], dict[str, set[str]]]:
    """Units by spelling, and by spelling in lower case, where 6 mV and 6 MV meet."""
    exact: dict[str, str] = {}
    caseless: dict[str, set[str]] = {}
    for unit, names in (*_UNIT_NAMES.items(), *((unit, "") for unit in _OTHER_UNITS.split())):
        for name in (unit, *names.split()):
            spelled = name.translate(_UNIT_SPELLING)
            exact[spelled] = unit
            caseless.setdefault(spelled.lower(), set()).add(unit)
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
        text = _RAISED.sub(lambda found: f"^{{{found[0].translate(_SUPERSCRIPTS)}}}", _VULGAR.sub(" ", text))
        text = nfkc(_LOWERED.sub(r"_{\g<0>}", text)).translate(_SIGNS)
    if "\\" in text:
        text = _DEGREE.sub("°", _THOUSANDS.sub(",", _TEXT.sub(r" \1 ", text)))
        text = _COMMAND.sub(_one_spelling, text)
    if "√" in text or "sqrt" in text:
        text = _ROOT.sub(_root, text)
    text = _TIE.sub(" ", text) if "~" in text else text
    text = _MARKUP.sub(" ", _PI.sub("π", text.replace("{,}", ",")))
    text = " ".join(text.split())
    announced = _ANNOUNCED.match(text)
    return text[announced.end() if announced else 0 :].strip().rstrip(".").strip()


def _one_spelling(found: re.Match[str]) -> str:
    return _SAME.get(found[1]) or found[0]


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
        start = found.start()
        unit = _unit(text[start:])
        attached = text[start - 1] != " " and _ONE_LETTER_EACH.fullmatch(text, start)
        if unit and not (attached and (factors is None or text[start] in factors)):
            return text[:start].strip(), unit
    return text, ""


def is_unit(word: str) -> bool:
    """Whether a word is the name of a unit, such as ``mm`` or ``years``."""
    return _unit(word) != ""


def _unit(written: str) -> str:
    """The one name of a unit. Case is passed over unless it tells units apart: MHz and mHz, "MSv" is no mSv."""
    if "/" in written:
        parts = [_unit(part) for part in written.split("/")]
        return "/".join(parts) if all(parts) else ""
    spelled = written.translate(_UNIT_SPELLING).rstrip(".")
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
    if found := _DECIMAL.fullmatch(text):
        return _signed(found[1], _decimal(found[2]))
    if found := _SCIENTIFIC.fullmatch(text):
        base = _decimal(found[2])
        return None if base is None else _signed(found[1], base * Fraction(10) ** int(found[3]))
    if found := _FRACTION.fullmatch(text):
        above, below = _decimal(found[2] or found[4]), _decimal(found[3] or found[5])
        return _signed(found[1], above / below) if above is not None and below else None
    if found := _MIXED.fullmatch(text):
        part, whole = int(found[3] or found[5]), int(found[4] or found[6])
        return _signed(found[1], int(found[2]) + Fraction(part, whole)) if part < whole else None
    return None


def _signed(sign: str, value: Fraction | None) -> Fraction | None:
    return -value if value is not None and sign == "-" else value


def _decimal(text: str) -> Fraction | None:
    digits = text.replace(",", "")
    if not any(digit.isdigit() for digit in digits):
        return None
    return Fraction(digits.removesuffix("."))
