"""A recipe: which samples of which sources, through which steps, for which reader. recipe_file.py reads one."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Literal, cast, get_args

from infimed_plugins.errors import ConfigError
from infimed_plugins.recipes.needs_word import Word
from infimed_plugins.recipes.recipe_values import one_of, share_of_one, whole_number
from infimed_plugins.records import Json

Format = Literal["llamafactory", "easyr1", "datasets"]
FORMATS: tuple[Format, ...] = get_args(Format)
ORDERS = ("hash", "first")
SETS = ("train", "val")
MAX_REJECTS = 0.02
DECONTAMINATION = "decontamination"  # the step that ``decontaminate`` puts first


@dataclass(frozen=True)
class Step:
    """A curation step by name, with its settings."""

    name: str
    settings: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class EngineChoice:
    """The engine that steps draw from. ``model`` is a folder, a shipped folder or a hub id."""

    name: str
    model: str
    settings: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class TokenLimit:
    """Rows of more tokens, by the model's own tokenizer and chat template, are dropped."""

    model: str
    tokens: int


@dataclass(frozen=True)
class Part:
    """What one source contributes."""

    name: str
    source: str
    split: str
    limit: int | None = None
    skip: int = 0
    order: str = "hash"
    tasks: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    style: str = "direct"
    into: str = "train"
    steps: tuple[Step, ...] = ()
    keep: int | None = None


@dataclass(frozen=True)
class Recipe:
    """A recipe, checked. ``words`` is what in it needs the user's word (needs_word.py)."""

    name: str
    format: Format
    parts: tuple[Part, ...]
    description: str = ""
    seed: int = 0
    max_rejects: float = MAX_REJECTS
    image_max_pixels: int | None = None
    token_limit: TokenLimit | None = None
    engine: EngineChoice | None = None
    decontaminate: dict[str, Json] | None = None
    words: tuple[Word, ...] = field(default=(), metadata={"in file": False})

    def steps_of(self, part: Part) -> tuple[Step, ...]:
        """A part's steps, behind the decontamination that all parts share."""
        return part.steps if self.decontaminate is None else (Step(DECONTAMINATION, self.decontaminate), *part.steps)

    def settings(self) -> dict[str, Json]:
        """Everything that shapes what is built, as JSON; the description and the share of bad rows do not."""
        return {key: value for key, value in asdict(self).items() if key not in ("description", "max_rejects", "words")}

    def with_engine(self, engine: EngineChoice, judge: EngineChoice | None = None) -> Recipe:
        """The recipe with another engine behind its steps, and one that judges: the same without ``judge``.

        Raises ConfigError when it names no engine.
        """
        if self.engine is None:
            raise ConfigError(f"recipe {self.name} names no engine, so a model has no use in it")
        judged = {"judge_engine": asdict(judge)} if judge else {}
        parts = tuple(
            replace(part, steps=tuple(_judged_by(step, judged) for step in part.steps)) for part in self.parts
        )
        words = tuple(word for word in self.words if not word.of_engine())
        return replace(self, engine=engine, parts=parts, words=words)

    def with_format(self, name: str) -> Recipe:
        """The recipe written for another reader. Raises ConfigError for one that is not known."""
        one_of(name, FORMATS, "--format")
        return replace(self, format=cast(Format, name))

    def with_token_limit(self, model: str, tokens: int) -> Recipe:
        """The recipe with rows of more tokens dropped. Raises ConfigError for a number below 1."""
        whole_number(tokens, "--max-tokens", least=1)
        return replace(self, token_limit=TokenLimit(model, tokens))

    def without_decontamination(self) -> Recipe:
        """The recipe with nothing checked against benchmarks."""
        words = tuple(word for word in self.words if not word.key.startswith("decontaminate."))
        return replace(self, decontaminate=None, words=words)

    def with_max_rejects(self, share: float) -> Recipe:
        """The recipe with another share of bad rows allowed. Raises ConfigError for one that is none."""
        return replace(self, max_rejects=share_of_one(share, "--max-rejects"))


def _judged_by(step: Step, judged: dict[str, Json]) -> Step:
    if "judge_engine" not in step.settings:
        return step
    others = {key: value for key, value in step.settings.items() if key != "judge_engine"}
    return replace(step, settings={**others, **judged})
