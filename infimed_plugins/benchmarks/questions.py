"""The questions of a benchmark as a model is asked them: samples beside upstream's rows, styles made into prompts.

Styles ``direct``, ``reasoning`` and ``grounding`` are prompts.py's. ``medevalkit`` and ``medevalkit_reasoning`` are
that framework's exact messages: the images, then its prompt (``<image_1>: `` before each image of a set that may have
several; of MMMU only the first image is shown, as upstream does).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from infimed_plugins import prompts
from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.engines import ChatRequest
from infimed_plugins.errors import ConfigError, DataError
from infimed_plugins.plugins import registry
from infimed_plugins.records import OPTION_LETTERS, BadRow, Json, Response, Sample
from infimed_plugins.scoring import medevalkit

MEDEVALKIT_STYLES = ("medevalkit", "medevalkit_reasoning")
STYLES = (*prompts.ASKED_STYLES, *MEDEVALKIT_STYLES)
YES_NO = ("yes", "no")
NO_ROW = "no_row"  # the meta entry of a variant for which upstream's row could not be changed: why


@dataclass(frozen=True)
class Question:
    """A sample and the upstream row it was made of; None where the source has no other framework's rows."""

    sample: Sample
    row: Json = None


def questions(
    benchmark: Benchmark, *, folder: Path | None = None, seed: int = 0, limit: int | None = None
) -> Iterator[Question | BadRow]:
    """Yield the benchmark's questions in the order of its files; rows that no question can be made of as BadRow.

    Raises what the source's ``load`` raises.
    """
    source: Any = registry().get("source", benchmark.source)
    if not hasattr(source, "load_rows"):
        for sample in source.load(benchmark.split, folder=folder, seed=seed, limit=limit):
            yield sample if isinstance(sample, BadRow) else Question(sample)
        return
    for fields, read in islice(source.load_rows(benchmark.split, folder=folder), limit):
        if isinstance(read, BadRow):
            yield read
            continue
        try:
            row = benchmark.medevalkit.row(fields) if benchmark.medevalkit else None
        except DataError:  # files of another layout, such as OSF's of VQA-RAD
            row = None
        yield Question(read, row)


def unanswered(index: int, question: Question, prompt: str) -> Response:
    """Return the line of a question in a run's log, but for its reply and its images' hashes."""
    s = question.sample
    asked = (s.id, s.question, s.options, s.task, s.answer, s.language, dict(s.meta))
    return Response(index, *asked, images=[], prompt=prompt, row=question.row, of=s.variant_of)


def check_style(style: str) -> None:
    """Raise ConfigError for a style that is not known, naming those that are."""
    if style not in STYLES:
        raise ConfigError(f"unknown prompt style {style!r}; one of {', '.join(STYLES)}")


def request(benchmark: Benchmark, question: Question, style: str) -> ChatRequest:
    """Return the request that the engine is asked. Raises ConfigError for an unknown style.

    In MedEvalKit's styles raises DataError for a variant without upstream's row, of which its prompt is made.
    """
    sample = question.sample
    if style not in MEDEVALKIT_STYLES:
        return ChatRequest(sample.id, prompts.render(sample, style), sample.images)
    if NO_ROW in sample.meta:
        raise DataError(f"{sample.meta[NO_ROW]}; ask it in the style direct or reasoning")
    asked = _as_medevalkit_asks(benchmark, question, reasoning=style == "medevalkit_reasoning")
    images = sample.images[:1] if benchmark.medevalkit and benchmark.medevalkit.first_image else sample.images
    numbered = asked.pictures == "images" or len(images) > 1
    heads = (f"<image_{number}>: " if numbered else "" for number in range(1, len(images) + 1))
    tags = "".join(f"{head}{prompts.IMAGE_TAG}" for head in heads)
    return ChatRequest(sample.id, tags + prompts.escape_media_tags(asked.prompt), images)


def _as_medevalkit_asks(benchmark: Benchmark, question: Question, *, reasoning: bool) -> medevalkit.MedEvalKitQuestion:
    """Return the prompt of upstream's row; without one, as upstream asks such a question."""
    if benchmark.medevalkit is not None and question.row is not None:
        return medevalkit.construct(benchmark.medevalkit, question.row, reasoning)
    sample = question.sample
    language = "zh" if prompts.in_chinese(sample.language) else "en"
    kind, choices = "judgement" if str(sample.answer).lower() in YES_NO else "open", None
    if sample.options:
        lettered = zip(OPTION_LETTERS, sample.options, strict=False)
        kind, choices = "mcq", tuple(f"{letter}. {text}" for letter, text in lettered)
    text = medevalkit.prompt(kind, sample.question, reasoning, language, choices)
    return medevalkit.MedEvalKitQuestion(kind, sample.question, choices, sample.answer, prompt=text)
