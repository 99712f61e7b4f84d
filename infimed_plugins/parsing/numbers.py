from __future__ import annotations
from infimed_plugins.parsing.reading import Reading
from infimed_plugins.records import Code
def stated_value(reply: str, question: str = "", gold: str = "") -> Reading:
    return Reading(None, Code.NO_ANSWER)
