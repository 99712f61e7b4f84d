r"""Numbers as answers write them, read exactly: ``12.50``, ``1,234``, ``-\frac{3}{4}``, ``2 1/2``, ``1.5\times10^{3}``,
``50\%``, ``3.5\text{ mL}``. What is not a plain number is left to the math verifier.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from fractions import Fraction

from infimed_plugins.bounded_cache import cached
from infimed_plugins.parsing.normalize import nfkc

MAX_LENGTH = 64  # characters of one number with its unit
_LONGEST_UNIT = 32
_HAN = "\u4e00-\u9fff"

_SIGNS = str.maketrans("−‐‑‒–—⁄∕÷×·⋅。∼", "------///***.~")
_GREEK_NAMES = "alpha beta gamma delta epsilon theta lambda mu sigma phi omega rho tau pi Delta Theta Sigma Phi Omega"
GREEK = dict(zip("αβγδεθλμσφωρτπΔΘΣΦΩ", _GREEK_NAMES.split(), strict=True))
_COMMANDS = {name: mark for mark, name in GREEK.items()} | {
    name: mark
    for mark, names in {
        **{"\\frac": "dfrac tfrac cfrac", "\\binom": "dbinom tbinom", "*": "times cdot ast", "/": "div", "≈": "approx"},
        **{"≤": "le leq leqslant", "≥": "ge geq geqslant", "<": "lt", ">": "gt", "±": "pm", "∞": "infty", "~": "sim"},
        **{"°": "degree", "%": "%", "∠": "angle", "△": "triangle", "φ": "varphi", "ε": "varepsilon"},
        " ": "left right displaystyle quad qquad ( ) [ ] ! $ , ; :",
    }.items()
    for name in names.split()
}
_PLAIN = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?")
_RAISED, _LOWERED, _VULGAR = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+"), re.compile("[₀-₉]+"), re.compile(r"(?<=\d)(?=[¼-¾⅐-⅞])")
_TEXT = re.compile(r"\\(?:text(?:bf|it|rm)?|math(?:rm|bf|it)|operatorname|mbox|boxed|rm|bf)\s*\{([^{}]{0,200})\}")
_THOUSANDS = re.compile(r"(?<=[0-9])(?:\{,\}|\\,)(?=[0-9]{3})")
_THIN = re.compile("(?<=[0-9])[\u00a0\u2009\u202f](?=[0-9]{3}(?![0-9]))")
_DEGREE = re.compile(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))")
_COMMAND = re.compile(r"\\([A-Za-z]+|.)")
_ROOT = re.compile(r"√|(?<![A-Za-z\\])sqrt")
_ROOT_OF = re.compile(r"\\sqrt(?![A-Za-z])\s*(?:\(([^()]{1,60})\)|([0-9]+(?:\.[0-9]+)?|[A-Za-zπ]))")
_TIE = re.compile(r"(?<=[0-9A-Za-z}])~\s*(?=[A-Za-z\\])")
_PI = re.compile(r"(?<![A-Za-z\\])pi(?![A-Za-z])")
_MARKUP = re.compile(r"\$|\*\*(?![0-9(])(?=\s|$)|^\*\*|`")
_ANNOUNCED = re.compile(
    r"^(?:(?:so|thus|therefore|hence)[,:]?\s+)?"
    r"(?:(?:the\s+)?(?:final\s+|correct\s+)*(?:answer|result|value)\s*(?:is\b|[:=])\s*:?\s*)?",
    re.IGNORECASE,
)

_D = r"(?:(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+)"
_FRACTION = re.compile(rf"\\frac\s*\{{\s*([-+]?{_D})\s*\}}\s*\{{\s*({_D})\s*\}}")
_NUMBER = re.compile(  # sign, whole before a fraction, decimal, what it is divided by or the power of ten
    rf"([-+]?)\s*(?:([0-9]{{1,9}})\s+(?=[0-9]{{1,9}}\s*/\s*[0-9]{{1,9}}$))?({_D})"
    rf"(?:\s*/\s*({_D})|\s*(?:[*x]\s*10\s*(?:\^|\*\*)\s*\{{?\s*|[eE])([-+]?[0-9]{{1,3}})\s*\}}?)?"
)

# the name of each unit, then other spellings
_UNITS = """% percent percentage pct; mm MM millimeter millimetre 毫米; cm centimeter centimetre 厘米; m meter metre
    米; um µm μm micrometer micrometre micron 微米; nm nanometer nanometre; km kilometer kilometre 公里 千米; in inch
    inches; mL milliliter millilitre cc 毫升; L liter litre 升; uL µl μl microliter microlitre; dL; kg kilogram 千克
    公斤; g gram 克; mg milligram 毫克; ug µg μg mcg microgram 微克; ng; s sec second 秒; ms millisecond 毫秒; min
    mins minute 分钟; h hr hrs hour 小时; day d 天; week 周; month 个月; year yr yrs yearold year-old yearsold
    years-old 岁 年; degree ° deg \\circ 度; degC °c celsius degreecelsius degreescelsius degreesc 摄氏度; degF °f
    fahrenheit degreefahrenheit degreesfahrenheit degreesf 华氏度; mmHg mm-hg; kPa; bpm beats/min beats/minute 次/分
    次/分钟; Hz; mHz; kHz; MHz; IU unit; HU; px pixel; T tesla; Gy; mGy; Sv; mSv; mol; mmol; M; mM; mEq; keV; MeV;
    kcal; mV; kV; MV; mA; MA; mW; MW; Nm"""
_EXACT = {name: unit.split()[0] for unit in _UNITS.split(";") for name in unit.split()}
_CASELESS: dict[str, set[str]] = {}  # 6 mV and 6 MV meet
for _name, _unit_of_name in _EXACT.items():
    _CASELESS.setdefault(_name.lower(), set()).add(_unit_of_name)
_UNIT_STARTS = re.compile(rf"(?<![A-Za-z{_HAN}µμ\\°/])(?:/? ?[A-Za-z{_HAN}µμ°%]|\\circ)")
_UNIT_SPELLING = re.compile(r"[ ^]|\{(-?[0-9])\}")
_PER = re.compile(r"(?:^|(?<=[A-Za-z0-9])) ?per (?!cent)", re.IGNORECASE)
_POWER = re.compile(r"(square|sq\.?|平方)?(cubic|立方)?(.+?)([23])?")
_HAVE_POWERS = ("mm", "cm", "m", "um", "nm", "km", "in", "s", "IU")  # 12 square units
_FACTORS = re.compile(r"(?!/L$)/?[A-Za-z](?:/[A-Za-z])?")  # units that may be letters of an expression


@dataclass(frozen=True)
class Quantity:
    """An exact number. ``value`` of ``50\\%`` is 50 with ``percent`` set; ``unit`` is "" or a canonical name."""

    value: Fraction
    percent: bool = False
    unit: str = ""


def clean_math(text: str) -> str:
    r"""Return one line of math in one spelling, without wrappers; for long text too, linearly.

    ``The answer is $\text{12}$.`` gives ``12``; ``2√3 \times \pi`` and ``2\sqrt{3} * π`` the second.
    """
    if _PLAIN.fullmatch(text):
        return text
    if not text.isascii():
        text = _THIN.sub(",", text)
        text = _LOWERED.sub(r"_{\g<0>}", _RAISED.sub(r"^{\g<0>}", _VULGAR.sub(" ", text)))
        text = nfkc(text).translate(_SIGNS)
    if "\\" in text:
        text = _DEGREE.sub("°", _THOUSANDS.sub(",", _TEXT.sub(r" \1 ", text)))
        text = _COMMAND.sub(lambda found: _COMMANDS.get(found[1].strip() or ",", found[0]), text)
    if "√" in text or "sqrt" in text:
        text = _ROOT_OF.sub(r"\\sqrt{\1\2}", _ROOT.sub(r"\\sqrt ", text))
    text = _MARKUP.sub(" ", _PI.sub("π", _TIE.sub(" ", text).replace("{,}", ",")))
    return _ANNOUNCED.sub("", " ".join(text.split())).rstrip(".").strip()


def parse_quantity(text: str) -> Quantity | None:
    """Return the number ``clean_math`` left, with its unit; None when it is anything else."""
    if not text or len(text) > MAX_LENGTH:
        return None
    value, unit = read_number(text), ""
    if value is None:
        before, unit = split_unit(text)
        value = read_number(before) if unit else None
    return None if value is None else Quantity(value, unit == "%", unit.replace("%", ""))


def split_unit(text: str, factors: Container[str] | None = None) -> tuple[str, str]:
    """Split a text before the unit at its end, given by its one name; the text and "" where there is none.

    A letter right behind a number (``5m``) may be a factor: any, unless it is known which letters are ``factors``.
    """
    for found in _UNIT_STARTS.finditer(text, max(1, len(text) - _LONGEST_UNIT)):
        before, written = text[: found.start()], text[found.start() :]
        unit = unit_name(written)
        factor = before[-1:] != " " and _FACTORS.fullmatch(written)
        if unit and not (factor and (factors is None or any(letter in factors for letter in written))):
            return before.strip(), unit
    return text, ""


def unit_name(written: str) -> str:
    """Return the one name of a unit, its power, a ratio (``mm/s``), or the count in one (``/uL``); else ""."""
    spelled = _UNIT_SPELLING.sub(r"\1", _PER.sub("/", written)).rstrip(".")
    if unit := _one_unit(spelled):
        return unit
    above, by, below = spelled.partition("/")
    if by and "%" not in spelled:
        bare = not above
        above, below = unit_name(above), unit_name(below)
        return f"{above}/{below}" if (above or bare) and below else ""
    found = _POWER.fullmatch(spelled)
    unit = _one_unit(found[3]) if found else ""
    if not found or unit not in _HAVE_POWERS or bool(found[1]) + bool(found[2]) + bool(found[4]) != 1:
        return ""
    power = found[4] or ("2" if found[1] else "3")
    return "mL" if unit + power == "cm3" else f"{unit}^{power}"


def _one_unit(spelled: str) -> str:
    """Return the one name of a unit, without case unless it tells units apart: MHz and mHz; "MSv" is no mSv."""
    if len(spelled) > 3 and spelled not in _EXACT and spelled.lower() not in _CASELESS:
        spelled = spelled.removesuffix("s")
    if spelled in _EXACT:
        return _EXACT[spelled]
    units = _CASELESS.get(spelled.lower(), set())
    if len(units) > 1:
        units = {unit for unit in units if unit[0] == spelled[0]}
    unit = min(units) if len(units) == 1 else ""
    another_prefix = spelled[1:] == unit[1:] and not spelled.isupper() and spelled[:1] in ("m", "M")
    return "" if another_prefix and len(spelled) > 1 else unit


@cached(4096)
def read_number(text: str) -> Fraction | None:
    """Read a decimal, scientific, fraction or mixed number exactly; None for anything else."""
    found = _NUMBER.fullmatch(_FRACTION.sub(r" \1/\2 ", text).strip() if "\\" in text else text)
    if found is None:
        return None
    sign, whole, decimal, below, exponent = found.groups()
    value = Fraction(sign + decimal.replace(",", "") + (f"e{exponent}" if exponent else ""))
    if below:
        divisor = Fraction(below.replace(",", ""))
        if not divisor or (whole and abs(value) >= divisor):
            return None
        value = value / divisor + int(sign + (whole or "0"))
    return value
