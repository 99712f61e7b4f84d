"""The format gate: 1 for one block of reasoning and one explicit final answer, else 0 (first paper, 3.2.2).

The conditions are those of parsing/response.py. Accuracy is paid only behind the gate.
"""

from __future__ import annotations

from infimed_plugins.parsing.response import parse_response
from infimed_plugins.records import Verdict


def format_gate(response: object) -> Verdict:
    """1.0 or 0.0, the final answer, and what is wrong with the format."""
    parsed = parse_response(response)
    return Verdict(float(parsed.format_ok), parsed.answer if parsed.format_ok else None, parsed.reason)
