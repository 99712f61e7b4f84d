"""Whether an imported row is of the question that it would be joined to: what both say must be the same.

A question, a prompt, options and a gold answer are compared by their words, without case, punctuation and tags of
pictures; a prompt must hold the question. Rows are told by their places where a file has no ids, so another split,
another order or another data set looks like ours until this is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.benchmarks.imported.result_files import ImportedReply
from infimed_plugins.benchmarks.medevalkit_rows import PMC_VQA_CELLS
from infimed_plugins.benchmarks.questions import Question
from infimed_plugins.errors import InfimedError
from infimed_plugins.records import Json
from infimed_plugins.scoring import medevalkit

_IMAGE_TAG = re.compile(r"<image[ _]?\d*>")


def is_of(reply: ImportedReply, question: Question, benchmark: Benchmark) -> bool:
    """Whether nothing in the reply's row contradicts the question. A row that says nothing is of any."""
    row, upstream = reply.row, _as_upstream(question, benchmark)
    asked = set(_words(_questions(question)))
    said = _first(row, "question", "Question")
    if said is not None and _bare(said) not in asked:
        return False
    prompt = f" {_bare(reply.prompt)} "
    if reply.prompt and not any(f" {words} " in prompt for words in asked):
        return False
    options = _told_options(row)
    if options and upstream is not None and [*_words(options)] != [*_words(upstream.choices or ())]:
        return False
    gold = _first(row, "answer", "gt_answer")
    return gold is None or _bare(gold) in _words(_golds(question, upstream))


def _told_options(row: dict[str, Json]) -> list[Json]:
    """The options as MedEvalKit writes them; none where these fields hold anything else."""
    choices, by_letter = row.get("choices"), row.get("index2ans")
    if isinstance(choices, list) and choices:
        return choices
    return [*by_letter.values()] if isinstance(by_letter, dict) else []


def _as_upstream(question: Question, benchmark: Benchmark) -> medevalkit.Asked | None:
    if benchmark.medevalkit is None or question.row is None:
        return None
    try:
        return medevalkit.construct(benchmark.medevalkit, question.row, reasoning=False)
    except InfimedError:
        return None


def _first(row: dict[str, Json], *names: str) -> Json:
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)


def _questions(question: Question) -> Iterator[Json]:
    """The question as ours and as upstream has it."""
    yield question.sample.question
    row = question.row
    if isinstance(row, list):
        yield row[PMC_VQA_CELLS.index("Question")]
    elif isinstance(row, dict):
        yield row["data"]["Question"] if "data" in row else row["question"]


def _golds(question: Question, upstream: medevalkit.Asked | None) -> Iterator[Json]:
    yield question.sample.answer
    if upstream is not None:
        yield upstream.answer
    if isinstance(question.row, dict) and question.row.get("gt_answer"):
        yield question.row["gt_answer"]


def _words(texts: Iterable[Json]) -> Iterator[str]:
    return map(_bare, texts)


def _bare(text: Json) -> str:
    """The words of a text with single blanks between, or the text where it has none."""
    text = _IMAGE_TAG.sub(" ", str(text)).casefold()
    return " ".join(re.findall(r"\w+", text)) or text.strip()
