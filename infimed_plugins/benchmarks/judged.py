"""The results of an evaluation: a judged reply to each question, and the run they belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from infimed_plugins.records import Code, Json


@dataclass(slots=True)
class Judged:
    """One question as it was asked, the model's reply, and the verdict. Not frozen, for speed, as Response.

    ``image`` is the digest of the first image, or the id without one: questions that share it cluster. ``accuracy`` is
    1 or 0, None when unscored (never counted as wrong). ``invalid`` says that no answer could be read, and counts
    wrong; by MedEvalKit's rules that it was guessed, by chance right or wrong.
    ``group`` is the benchmark's first grouping, ``meta`` holds them all (``kind``, ``modality`` …). ``by_rule`` is what
    the rules say where a judge decided, ``judge_replies`` all that it said, the last one being the verdict. ``failed``
    says that the model gave no reply, ``code`` is the verdict's outcome.
    """

    id: str
    group: str
    image: str
    prompt: str
    text: str
    gold: Json
    parsed: str | None
    accuracy: float | None
    format: float
    invalid: bool
    reason: str
    question: str = ""
    options: Sequence[str] | None = None
    task: str = "text"
    language: str = "en"
    meta: Mapping[str, Json] = field(default_factory=dict)
    by_rule: float | None = None
    judge_replies: Sequence[str] = ()
    failed: bool = False
    code: Code = Code.JUDGED

    @property
    def why(self) -> str:
        """``reason`` as it is shown to people without ``accuracy`` beside it."""
        return self.reason if self.accuracy is not None else f"unscored: {self.reason}"


@dataclass(frozen=True)
class Setting:
    """The way the questions were asked and judged; ``variant`` and ``judge`` as in Run."""

    prompt_style: str
    variant: str
    mode: str
    judge: str

    @property
    def label(self) -> str:
        """``direct · blur:2 · robust · rules only``."""
        return " · ".join(part for part in (self.prompt_style, self.variant, self.mode, self.judged_by) if part)

    @property
    def judged_by(self) -> str:
        """The judge's name, or ``rules only``."""
        return self.judge or "rules only"


@dataclass(frozen=True)
class Run:
    """One model on one benchmark, asked in one prompt style, judged in one mode.

    ``variant`` names the change to the questions (``shuffle:1``, ``blur:2``), "" for nothing. ``judge`` names the
    model that judged open answers and its template, "" for rules only. ``seed`` and ``limit`` are those of the
    questions: with them the source gives the same ones again.
    """

    model: str
    benchmark: str
    prompt_style: str
    mode: str
    rows: Sequence[Judged]
    variant: str = ""
    judge: str = ""
    seed: int = 0
    limit: int | None = None

    @property
    def asked(self) -> Setting:
        """The setting of the run."""
        return Setting(self.prompt_style, self.variant, self.mode, self.judge)
