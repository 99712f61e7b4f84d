"""The one reader of model answers: rewards, rejection sampling and the robust scorer all use it.

Everything here is linear in the length of the text, never raises on a string, never evaluates one, and abstains
rather than guesses.
"""

from __future__ import annotations

from infimed_plugins.parsing.boxes import Box, ParsedBoxes, parse_boxes
from infimed_plugins.parsing.lexicon import Reading
from infimed_plugins.parsing.normalize import tokens
from infimed_plugins.parsing.options import read_option
from infimed_plugins.parsing.quantities import Quantity, parse_quantity
from infimed_plugins.parsing.response import ResponseForm, extract_answer, parse_response

__all__ = [
    "Box",
    "ParsedBoxes",
    "Quantity",
    "Reading",
    "ResponseForm",
    "extract_answer",
    "parse_boxes",
    "parse_quantity",
    "parse_response",
    "read_option",
    "tokens",
]
