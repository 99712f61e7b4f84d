"""MedEvalKit's reading of a judge's reply (utils/VQA_RAD/VQA_RAD.py:137), where 0 says correct.

>>> read_judge("<think>The same.</think><judge>0</judge>")
('0', True)
>>> read_judge("<judge>{0}</judge>")
('{0}', False)
"""

from __future__ import annotations

from infimed_plugins.scoring.medevalkit.text import tag

CORRECT = "0"


def read_judge(output: str | None) -> tuple[str, bool]:
    """What stands in the tags (else the whole reply) and whether that is exactly "0". A failed call (None) is wrong."""
    verdict = tag(output, "judge")
    return verdict, verdict == CORRECT
