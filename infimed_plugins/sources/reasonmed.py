"""ReasonMed: medical questions with reasoning by several models (Sun et al. 2025).

hub: lingshu-medical-mllm/ReasonMed, three files of about 370,000 rows over the same questions

    train     ReasonMed.json    reasoning, then a conclusion
    cot       CoTMed.json       reasoning only
    response  ResponseMed.json  a conclusion only
    {"instruction": "… Which vitamin is supplied from only animal source:\\nA. Vitamin C\\nB. …", "input": "",
     "output": "Step 1: …\\nTherefore the answer is B. Vitamin B12."}

There is no gold column: the answer is what a model wrote, whole. Only where an output marks its final answer, by
``<answer>`` or ``\\boxed{}``, is that the answer, and what stands before it the reasoning. ``instruction`` may hold a
preamble and the options; they stay in the question. How outputs end is not confirmed: the row above is an example.
Loading the data set without naming a file mixes all three.
"""

from __future__ import annotations

from typing import ClassVar

from infimed_plugins.parsing.response import extract_answer
from infimed_plugins.records import Sample
from infimed_plugins.sources.public import Paths, PublicSource, Row, as_text, reasoning

MARKS = ("<answer>", "\\boxed{")


class ReasonMed(PublicSource):
    """Text only; a split is one of the three forms."""

    name = "reasonmed"
    splits = ("train", "cot", "response")
    paths: ClassVar[Paths] = {"train": ["ReasonMed.json"], "cot": ["CoTMed.json"], "response": ["ResponseMed.json"]}
    columns = ("instruction", "input", "output")
    id_digits = 6

    def sample(self, row: Row, split: str) -> Sample:
        """Return a question that says itself how to answer, and a text."""
        parts = [as_text(row.fields[key]).strip() for key in ("instruction", "input")]
        answer, rationale = final_answer(as_text(row.fields["output"]))
        return self.as_written(row, split, "\n".join(filter(None, parts)), answer, split, rationale=rationale)


def final_answer(output: str) -> tuple[str, str | None]:
    """Return the marked answer and what stands before the mark, or the whole output and None."""
    starts = [output.find(mark) for mark in MARKS if mark in output]
    marked = extract_answer(output) if starts else ""
    return (marked, reasoning(output[: min(starts)])) if marked else (output, None)


REASONMED = ReasonMed()
