r"""Numbers as answers write them, read exactly: ``12.50``, ``1,234``, ``-\frac{3}{4}``, ``2 1/2``, ``1.5\times10^{3}``,
``50\%``, ``3.5\text{ mL}``. What is not a plain number is left to the math verifier.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from infimed_plugins.parsing.normalize import nfkc

MAX_LENGTH = 64  # characters of one number with its unit

_TEXT = re.compile(r"\\(?:text(?:bf|it|rm)?|math(?:rm|bf|it)|operatorname|mbox|rm|bf)\s*\{([^{}]{0,200})\}")
_DROPPED = re.compile(r"\\(?:left|right|displaystyle|!)(?![A-Za-z])|\\[()\[\]]|\$|\*\*(?![0-9(])(?=\s|$)|^\*\*|`")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+")
_VULGAR = re.compile(r"(?<=\d)(?=[¼-¾⅐-⅞])")
_SIGNS = str.maketrans({"−": "-", "⁄": "/", "∕": "/", "。": ".", "×": "*", "·": "*", "⋅": "*"})
_ANNOUNCED = re.compile(
    r"\s*(?:(?:so|thus|therefore|hence)\W+)?(?:the\s+)?(?:final\s+|correct\s+)*(?:answer|result|value)\s*(?:is\b|:|=)\s*:?\s*",
    re.IGNORECASE,
)
_SPACES = re.compile(r"(?:\s|~|\\quad|\\qquad|\\,(?![0-9]{3})|\\[ ;:])+")

_D = r"(?:[0-9]{1,3}(?:(?:,|\{,\}|\\,)[0-9]{3})+|[0-9]+)?(?:\.[0-9]*)?"
_DECIMAL = re.compile(rf"([-+]?)\s*({_D})")
_SCIENTIFIC = re.compile(
    rf"([-+]?)\s*({_D})\s*(?:(?:\\times|\\cdot|\*|x)\s*10\s*(?:\^|\*\*)\s*\{{?\s*|[eE])([-+]?[0-9]{{1,3}})\s*\}}?"
)
_FRACTION = re.compile(
    rf"([-+]?)\s*(?:\\[dtc]?frac\s*\{{\s*([-+]?{_D})\s*\}}\s*\{{\s*([-+]?{_D})\s*\}}|({_D})\s*/\s*({_D}))"
)
_MIXED = re.compile(
    r"([-+]?)\s*([0-9]{1,9})\s*(?:\\[dtc]?frac\s*\{\s*([0-9]{1,9})\s*\}\s*\{\s*([0-9]{1,9})\s*\}|\s([0-9]{1,9})\s*/\s*([0-9]{1,9}))"
)
_PERCENT = re.compile(r"\s*(?:\\?%|percent(?:age)?|pct)$", re.IGNORECASE)
_UNIT = re.compile(r"(?<![A-Za-z])([A-Za-zµμΩ°\\^][A-Za-zµμΩ°0-9\\^{}/*. -]{0,30})$")

_COUNTED = re.compile(r"[^A-Za-z\\]*[0-9.}]\s*([A-Za-z]{3,20}(?: [A-Za-z]{3,20}){0,2})")

_UNIT_NAMES: dict[str, str] = {
    "mm": "mm millimeter millimeters millimetre millimetres",
    "cm": "cm centimeter centimeters centimetre centimetres",
    "m": "m meter meters metre metres",
    "um": "um µm μm \\mum micrometer micrometers micron microns",
    "nm": "nm nanometer nanometers",
    "km": "km",
    "in": "in inch inches",
    "mm^2": "mm^2 mm2",
    "cm^2": "cm^2 cm2",
    "m^2": "m^2 m2",
    "mm^3": "mm^3 mm3",
    "mL": "ml milliliter milliliters millilitre millilitres cc cm^3 cm3",
    "L": "l liter liters litre litres",
    "dL": "dl",
    "uL": "ul µl μl",
    "kg": "kg kilogram kilograms",
    "g": "g gram grams",
    "mg": "mg milligram milligrams",
    "ug": "ug µg μg mcg microgram micrograms",
    "ng": "ng",
    "s": "s sec secs second seconds",
    "ms": "ms millisecond milliseconds",
    "min": "min mins minute minutes",
    "h": "h hr hrs hour hours",
    "day": "d day days",
    "week": "week weeks",
    "month": "month months",
    "year": "yr yrs year years yearold yearsold year-old years-old",
    "mmHg": "mmhg mm-hg",
    "kPa": "kpa",
    "bpm": "bpm",
    "Hz": "hz",
    "kHz": "khz",
    "MHz": "mhz",
    "HU": "hu",
    "IU": "iu units unit",
    "mol": "mol",
    "mmol": "mmol",
    "mEq": "meq",
    "mmol/L": "mmol/l",
    "mEq/L": "meq/l",
    "mg/dL": "mg/dl",
    "g/dL": "g/dl",
    "g/L": "g/l",
    "mg/L": "mg/l",
    "mg/kg": "mg/kg",
    "mL/min": "ml/min",
    "L/min": "l/min",
    "ng/mL": "ng/ml",
    "kg/m^2": "kg/m^2 kg/m2",
    "Gy": "gy",
    "mGy": "mgy",
    "Sv": "sv",
    "mSv": "msv",
    "T": "t tesla",
    "keV": "kev",
    "MeV": "mev",
    "kcal": "kcal",
    "mV": "mv",
    "px": "px pixel pixels",
    "degree": "° ^° degree degrees deg ^\\circ \\circ \\degree",
    "degC": "°c ^\\circc",
    "degF": "°f ^\\circf",
}
_UNIT_SPELLING = str.maketrans("", "", " {}")
_UNITS = {name: unit for unit, names in _UNIT_NAMES.items() for name in names.split()}


@dataclass(frozen=True)
class Quantity:
    """An exact number. ``value`` of ``50\\%`` is 50 with ``percent`` set; ``unit`` is "" or a canonical name."""

    value: Fraction
    percent: bool = False
    unit: str = ""


def clean_math(text: str) -> str:
    r"""One line of math without wrappers: ``The answer is $\text{12}$.`` gives ``12``; for long text too, linearly."""
    text = _RAISED.sub(lambda found: f"^{{{found[0].translate(_SUPERSCRIPTS)}}}", _VULGAR.sub(" ", text))
    text = nfkc(text).translate(_SIGNS)
    text = _DROPPED.sub(" ", _TEXT.sub(r" \1 ", text))
    text = _ANNOUNCED.sub("", _SPACES.sub(" ", text), count=1)
    return text.strip().rstrip(".").strip()


def parse_quantity(text: str, other_unit: str | None = None) -> Quantity | None:
    """The number ``clean_math`` left, with its unit; None when it is anything else.

    ``other_unit`` lets through a unit that the table does not know, such as the trailing words of the truth.
    """
    if not text or len(text) > MAX_LENGTH:
        return None
    percent = _PERCENT.search(text)
    if percent:
        value = _number(text[: percent.start()].strip())
        return None if value is None else Quantity(value, percent=True)
    value = _number(text)
    if value is not None:
        return Quantity(value)
    found = _UNIT.search(text)
    if not found:
        return None
    value = _number(text[: found.start()].strip())
    written = found[1].strip().rstrip(".")
    unit = _unit(written) or (written.lower() if written.lower() == other_unit else "")
    if len(written) == 1 and written.isascii() and text[found.start() - 1] != " ":
        return None  # 5m is more likely five times m
    return Quantity(value, unit=unit) if value is not None and unit else None


def trailing_words(text: str) -> str:
    """What a number counts: ``lesions`` in ``3 lesions``; "" unless it is words of three letters or more."""
    found = _COUNTED.fullmatch(text) if len(text) <= MAX_LENGTH else None
    return found[1].lower() if found and _number(text[: found.start(1)].strip()) is not None else ""


def is_unit(word: str) -> bool:
    """Whether a word is the name of a unit, such as ``mm`` or ``years``."""
    return _unit(word) != ""


def _unit(written: str) -> str:
    return _UNITS.get(written.lower().translate(_UNIT_SPELLING), "")


def _number(text: str) -> Fraction | None:
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
    digits = text.replace("{,}", "").replace("\\,", "").replace(",", "").strip()
    if not any(digit.isdigit() for digit in digits):
        return None
    return Fraction(digits.removesuffix("."))
