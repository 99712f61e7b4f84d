"""The format gate: 1 for one block of reasoning and one explicit final answer, else 0 (first paper, 3.2.2).

The conditions are those of parsing/response.py. Accuracy is paid only behind the gate.
"""

from __future__ import annotations

from infimed_plugins.parsing.response import parse_response
from infimed_plugins.records import GroundTruth, Verdict


def format_gate(response: object) -> Verdict:
    """1.0 or 0.0, the final answer, and what is wrong with the format."""
    parsed = parse_response(response)
    answer = parsed.answer if parsed.format_ok else None
    return Verdict(float(parsed.format_ok), answer, parsed.reason, code=parsed.code)


def passed(answer: str, truth: GroundTruth) -> Verdict:
    """The reward named ``format``: 1.0 for whatever answer it is shown, as it is shown none before the gate passes."""
    return Verdict(1.0, answer, "the format gate passes")
