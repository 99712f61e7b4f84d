"""A recipe: which samples of which sources, through which steps, for which trainer; and checks of its values.

recipe_file.py reads one from a YAML file. Each field names the rule that its value must keep
(curation/settings.py).
"""

from __future__ import annotations

import math
from dataclasses import MISSING, asdict, dataclass, field, replace
from typing import Any

from infimed_plugins.curation.settings import FLAG, Rule, is_number, one_of, setting, whole
from infimed_plugins.errors import ConfigError
from infimed_plugins.families import DEFAULT, Family, find_family
from infimed_plugins.prompts import PROMPT_STYLES
from infimed_plugins.recipes.trust import UntrustedSetting
from infimed_plugins.records import TASKS, Json
from infimed_plugins.trainers.registry import format_name

ORDERS = ("hash", "first")
SETS = ("train", "val")
MAX_REJECTS = 0.02
DECONTAMINATION = "decontamination"  # the step that ``decontaminate`` puts first
SHARE_OF_ALL = Rule(lambda value: is_number(value, 0, 1), "give a share from 0 to 1")
KNOWN_TASKS = Rule(lambda value: set(value) <= set(TASKS), f"each is one of {', '.join(TASKS)}", TASKS)


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
    tokens: int = setting(MISSING, whole())


@dataclass(frozen=True)
class Part:
    """The share of one source in a recipe."""

    name: str
    source: str
    split: str
    limit: int | None = setting(None, whole())
    skip: int = setting(0, whole(0))
    order: str = setting("hash", one_of(ORDERS))
    tasks: tuple[str, ...] = setting((), KNOWN_TASKS)
    kinds: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    style: str = setting("direct", one_of(PROMPT_STYLES))
    into: str = setting("train", one_of(SETS))
    steps: tuple[Step, ...] = ()
    keep: int | None = setting(None, whole())


@dataclass(frozen=True)
class Recipe:
    """A recipe, checked. ``untrusted`` are its settings that need ``--trust`` (trust.py).

    ``model_family`` names the models that it is for (families.py); without it that is the paper's. ``for_judge``
    writes each question into its ground truth, for a judge as the reward (judge/reward.py).
    """

    name: str
    format: str
    parts: tuple[Part, ...]
    description: str = ""
    seed: int = setting(0, whole(-math.inf))
    max_rejects: float = setting(MAX_REJECTS, SHARE_OF_ALL)
    image_max_pixels: int | None = setting(None, whole(DEFAULT.min_pixels))
    model_family: str | None = None
    token_limit: TokenLimit | None = None
    engine: EngineChoice | None = None
    decontaminate: dict[str, Json] | None = None
    for_judge: bool = setting(False, FLAG)
    untrusted: tuple[UntrustedSetting, ...] = field(default=(), metadata={"in file": False})

    def steps_of(self, part: Part) -> tuple[Step, ...]:
        """Return a part's steps, behind the decontamination that all parts share."""
        return part.steps if self.decontaminate is None else (Step(DECONTAMINATION, self.decontaminate), *part.steps)

    @property
    def family(self) -> Family:
        """The family of models that it is for."""
        return DEFAULT if self.model_family is None else find_family(self.model_family)

    def settings(self) -> dict[str, Json]:
        """Return what shapes the build, as JSON: not the description, nor the share of bad rows."""
        unset = [key for key in ("model_family", "for_judge") if not getattr(self, key)]
        left_out = ["description", "max_rejects", "untrusted", *unset]
        return {key: value for key, value in asdict(self).items() if key not in left_out}

    def changed(
        self,
        *,
        format: str | None = None,
        model_family: str | None = None,
        max_rejects: float | None = None,
        token_limit: TokenLimit | None = None,
        engine: EngineChoice | None = None,
        judge: EngineChoice | None = None,
        decontaminate: bool = True,
        for_judge: bool = False,
    ) -> Recipe:
        """Return the recipe for another trainer, with other limits or engines; what is not given stays.

        ``engine`` answers in the steps and judges, unless a ``judge`` is given; without ``decontaminate`` nothing is
        checked against benchmarks. Raises ConfigError for a value that cannot be used, named by its option, and for an
        engine where the recipe names none.
        """
        made = replace(self, for_judge=True) if for_judge else self
        if format is not None:
            made = replace(made, format=format_name(format))
        if model_family is not None:
            made = replace(made, model_family=find_family(model_family).name)
        if max_rejects is not None:
            SHARE_OF_ALL.check("--max-rejects", max_rejects)
            made = replace(made, max_rejects=max_rejects)
        if token_limit is not None:
            whole().check("--max-tokens", token_limit.tokens)
            made = replace(made, token_limit=token_limit)
        if engine is not None:
            if self.engine is None:
                raise ConfigError(f"recipe {self.name} names no engine, so a model has no use in it")
            parts = (replace(part, steps=tuple(_judged_by(step, judge) for step in part.steps)) for part in self.parts)
            untrusted = tuple(one for one in self.untrusted if not one.of_engine())
            made = replace(made, engine=engine, parts=tuple(parts), untrusted=untrusted)
        if not decontaminate:
            untrusted = tuple(one for one in made.untrusted if not one.key.startswith("decontaminate."))
            made = replace(made, decontaminate=None, untrusted=untrusted)
        return made


def _judged_by(step: Step, judge: EngineChoice | None) -> Step:
    if "judge_engine" not in step.settings:
        return step
    others = {key: value for key, value in step.settings.items() if key != "judge_engine"}
    return replace(step, settings=others | ({"judge_engine": asdict(judge)} if judge else {}))


def mapping(value: Any, where: str) -> dict[str, Any]:
    """Return the mapping, empty for None."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"{where} must be 'key: value' lines, not {value!r:.100}")
    return value


def names_in(value: Any, where: str) -> tuple[str, ...]:
    """Return the list of names as a tuple, empty for None."""
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ConfigError(f"{where} must be a list of names, not {value!r:.100}")
    return tuple(value)
