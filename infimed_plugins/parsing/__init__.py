"""The one reader of model answers: rewards, rejection sampling and the robust scorer all use it.

Everything here is linear in the length of the text, never raises on a string, never evaluates one, and abstains
rather than guesses.
"""

from __future__ import annotations

from infimed_plugins.parsing.boxes import Box, ParsedBoxes, parse_boxes
from infimed_plugins.parsing.normalize import tokens
from infimed_plugins.parsing.options.choices import Choice, option_letter, option_letters
from infimed_plugins.parsing.quantities import Quantity, parse_quantity
from infimed_plugins.parsing.response import ParsedResponse, ResponseForm, extract_answer, parse_response

__all__ = [
    "Box",
    "Choice",
    "ParsedBoxes",
    "ParsedResponse",
    "Quantity",
    "ResponseForm",
    "extract_answer",
    "option_letter",
    "option_letters",
    "parse_boxes",
    "parse_quantity",
    "parse_response",
    "tokens",
]
