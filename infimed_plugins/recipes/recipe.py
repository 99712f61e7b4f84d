"""A recipe file, ``data_registry/recipes/NAME.yaml``, read and checked.

name: quickstart_sft
description: what it is for
format: llamafactory            # or easyr1, or datasets (Hugging Face, on disk)
seed: 0
image_max_pixels: 262144        # larger images are resized by Qwen's rule; none without it
token_limit: {model: FOLDER_OR_HUB_ID, tokens: 4096}  # longer rows are dropped; none without it
max_rejects: 0.02               # share of bad rows above which a part stops the build
engine: {name: transformers, model: FOLDER_OR_HUB_ID, settings: {batch_size: 128}}
decontaminate: {benchmarks: [slake/test]}  # the first step of every part; none without it
parts:
  - name: direct
    source: phantom
    split: train
    limit: 1600                 # all of the split without it
    skip: 0                     # rows left to another part, so that two parts share none
    order: hash                 # which rows: the lowest hashes, or the first ones (procedural sources)
    tasks: [text, math]         # only these; all without it
    kinds: [organ, count]       # only these values of meta["kind"]
    languages: [en]             # only these
    style: direct               # prompt style: direct or reasoning
    into: train                 # train or val
    steps: [{reflective_cot: {candidates: 10}}]
    keep: 300                   # at most this many of what the steps leave

A recipe may start from another one:

name: infimed_sft_without_general
extends: infimed_sft            # a shipped recipe, or a .yaml file beside this one
without: [general_*]            # parts left out, by name
limits: {reasonmed: 10000}      # other limits for parts that stay
parts: []                       # parts added
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal, cast, get_args

import yaml

from infimed_plugins.errors import ConfigError, MissingFileError
from infimed_plugins.paths import shipped
from infimed_plugins.prompts import PROMPT_STYLES
from infimed_plugins.records import TASKS, Json

Format = Literal["llamafactory", "easyr1", "datasets"]
FORMATS: tuple[Format, ...] = get_args(Format)
ORDERS = ("hash", "first")
SETS = ("train", "val")
MAX_REJECTS = 0.02
RECIPE_FOLDER = "data_registry/recipes"
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
    """A recipe, checked."""

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

    def steps_of(self, part: Part) -> tuple[Step, ...]:
        """A part's steps, behind the decontamination that all parts share."""
        return part.steps if self.decontaminate is None else (Step(DECONTAMINATION, self.decontaminate), *part.steps)

    def settings(self) -> dict[str, Json]:
        """Everything that shapes what is built, as JSON; the description and the share of bad rows do not."""
        return {key: value for key, value in asdict(self).items() if key not in ("description", "max_rejects")}

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
        return replace(self, engine=engine, parts=parts)

    def with_format(self, name: str) -> Recipe:
        """The recipe written for another reader. Raises ConfigError for one that is not known."""
        _one_of(name, FORMATS, "--format")
        return replace(self, format=cast(Format, name))

    def with_token_limit(self, model: str, tokens: int) -> Recipe:
        """The recipe with rows of more tokens dropped. Raises ConfigError for a number below 1."""
        _whole_number(tokens, "--max-tokens", least=1)
        return replace(self, token_limit=TokenLimit(model, tokens))

    def without_decontamination(self) -> Recipe:
        """The recipe with nothing checked against benchmarks."""
        return replace(self, decontaminate=None)

    def with_max_rejects(self, share: float) -> Recipe:
        """The recipe with another share of bad rows allowed. Raises ConfigError for one that is none."""
        return replace(self, max_rejects=_share(share, "--max-rejects"))


def _judged_by(step: Step, judged: dict[str, Json]) -> Step:
    if "judge_engine" not in step.settings:
        return step
    others = {key: value for key, value in step.settings.items() if key != "judge_engine"}
    return replace(step, settings={**others, **judged})


def shipped_recipes() -> list[str]:
    """The names of the recipes that come with the package."""
    return sorted(path.stem for path in shipped(RECIPE_FOLDER).rglob("*.yaml"))


def load_recipe(name_or_path: str | Path) -> Recipe:
    """Read a shipped recipe by name, or any recipe by the path of its YAML file.

    Raises:
        MissingFileError: there is no such recipe; the message lists those shipped.
        ConfigError: the YAML cannot be read, or a key or value in it cannot be used; the message names file and key.
    """
    path = _find(name_or_path)
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if isinstance(raw, dict) and "extends" in raw:
        return _extended(raw, path)
    return parse_recipe(raw, str(path))


def _extended(raw: dict[str, Any], path: Path) -> Recipe:
    """A recipe that starts from another one. Raises ConfigError for a part that is not there."""
    own: dict[str, Any] = {"without": [], "limits": {}, "parts": []}
    own |= {key: raw[key] for key in own if raw.get(key)}
    start = str(raw["extends"])
    beside = path.parent / start
    base = load_recipe(beside if beside.suffix in (".yaml", ".yml") and beside.is_file() else start)
    limits, without = _mapping(own["limits"], f"{path}: limits"), _names(own["without"], f"{path}: without")
    for pattern in (*without, *limits):
        if not any(fnmatch(part.name, pattern) for part in base.parts):
            names = [part.name for part in base.parts]
            raise ConfigError(f"{path}: {start} has no part {pattern!r}{_near(pattern, names)}")
    for name, limit in limits.items():
        _whole_number(limit, f"{path}: limits: {name}", least=1)
    kept = [
        replace(part, limit=limits.get(part.name, part.limit))
        for part in base.parts
        if not any(fnmatch(part.name, pattern) for pattern in without)
    ]
    head = {key: raw[key] for key in raw if key not in ("extends", "without", "limits", "parts")}
    shared: dict[str, Any] = {"format": base.format, "seed": base.seed, "max_rejects": base.max_rejects}
    shared |= {"image_max_pixels": base.image_max_pixels, "engine": base.engine and asdict(base.engine)}
    shared |= {"token_limit": base.token_limit and asdict(base.token_limit), "decontaminate": base.decontaminate}
    placeholder = [{"name": "none", "source": "none", "split": "none"}]
    made = parse_recipe({**shared, **head, "parts": own["parts"] or placeholder}, str(path))
    added = made.parts if own["parts"] else ()
    if twice := {part.name for part in kept} & {part.name for part in added}:
        raise ConfigError(f"{path}: {start} has a part {min(twice)!r} already; name it differently")
    if not kept and not added:
        raise ConfigError(f"{path}: no part is left")
    return replace(made, parts=(*kept, *added))


def _find(name_or_path: str | Path) -> Path:
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml"):
        if path.is_file():
            return path
        raise MissingFileError(f"there is no recipe file {path}")
    known = shipped_recipes()
    if str(name_or_path) in known:
        return next(shipped(RECIPE_FOLDER).rglob(f"{name_or_path}.yaml"))
    raise MissingFileError(
        f"there is no recipe {str(name_or_path)!r}{_near(str(name_or_path), known)}; "
        f"shipped: {', '.join(known)}; or give the path of a .yaml file"
    )


def parse_recipe(raw: Any, where: str) -> Recipe:
    """The recipe in a parsed YAML document. Raises ConfigError naming ``where`` and the key."""
    fields = _fields(Recipe, raw, where)
    _one_of(fields["format"], FORMATS, f"{where}: format")
    _whole_number(fields.get("seed", 0), f"{where}: seed", least=None)
    _share(fields.get("max_rejects", MAX_REJECTS), f"{where}: max_rejects")
    if fields.get("image_max_pixels") is not None:
        _whole_number(fields["image_max_pixels"], f"{where}: image_max_pixels", least=56 * 56)
    if fields.get("token_limit") is not None:
        at = f"{where}: token_limit"
        fields["token_limit"] = TokenLimit(**_fields(TokenLimit, fields["token_limit"], at))
        _whole_number(fields["token_limit"].tokens, f"{at}: tokens", least=1)
    if fields.get("engine") is not None:
        fields["engine"] = parse_engine(fields["engine"], f"{where}: engine")
    if fields.get("decontaminate") is not None:
        fields["decontaminate"] = _mapping(fields["decontaminate"], f"{where}: decontaminate")
    if not isinstance(fields["parts"], list) or not fields["parts"]:
        raise ConfigError(f"{where}: parts must be a list of at least one part")
    parts = [_part(part, f"{where}: part {number}") for number, part in enumerate(fields["parts"], start=1)]
    names = [part.name for part in parts]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"{where}: several parts are named {twice[0]!r}; name each differently")
    return Recipe(**{**fields, "parts": tuple(parts)})


def parse_engine(raw: Any, where: str) -> EngineChoice:
    """An engine by name and model. Raises ConfigError naming ``where`` and the key."""
    chosen = _fields(EngineChoice, raw, where)
    return EngineChoice(chosen["name"], chosen["model"], _mapping(chosen.get("settings"), where))


def _part(raw: Any, where: str) -> Part:
    fields = _fields(Part, raw, where)
    where = f"{where} ({fields['name']})"
    for key in ("limit", "keep"):
        if fields.get(key) is not None:
            _whole_number(fields[key], f"{where}: {key}", least=1)
    _whole_number(fields.get("skip", 0), f"{where}: skip", least=0)
    for key, allowed in (("order", ORDERS), ("style", PROMPT_STYLES), ("into", SETS)):
        if key in fields:
            _one_of(fields[key], allowed, f"{where}: {key}")
    for key in ("tasks", "kinds", "languages"):
        fields[key] = _names(fields.get(key), f"{where}: {key}")
    for task in fields["tasks"]:
        _one_of(task, TASKS, f"{where}: tasks")
    steps = fields.get("steps") or []
    if not isinstance(steps, list):
        raise ConfigError(f"{where}: steps must be a list of names, not {steps!r}")
    fields["steps"] = tuple(_step(step, where) for step in steps)
    return Part(**fields)


def _step(raw: Any, where: str) -> Step:
    if isinstance(raw, str):
        return Step(raw)
    if isinstance(raw, dict) and len(raw) == 1:
        name, settings = next(iter(raw.items()))
        return Step(str(name), _mapping(settings, f"{where}: step {name}"))
    raise ConfigError(f"{where}: a step is a name or one 'name: {{settings}}', not {raw!r}")


def _fields(kind: type[Any], raw: Any, where: str) -> dict[str, Any]:
    """The mapping's entries, after checking that they are fields of the dataclass and that none is missing."""
    known = kind.__dataclass_fields__
    for key in (entries := _mapping(raw, where)):
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}{_near(str(key), known)}; keys are {', '.join(known)}")
    required = {"name", "source", "split", "format", "parts", "model", "tokens"} & set(known)
    if missing := [key for key in known if key in required and entries.get(key) in (None, "")]:
        raise ConfigError(f"{where}: {missing[0]!r} is missing")
    for key in required - {"format", "parts", "tokens"}:
        if not isinstance(entries[key], str):
            raise ConfigError(f"{where}: {key} must be text, not {entries[key]!r}")
    if "name" in known and not re.fullmatch(
        r"[\w-]+", entries["name"]
    ):  # it becomes a file name, and LLaMA-Factory splits at commas
        raise ConfigError(f"{where}: name {entries['name']!r} may hold letters, digits, _ and - only")
    return dict(entries)


def _mapping(raw: Any, where: str) -> dict[str, Any]:
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise ConfigError(f"{where} must be 'key: value' lines, not {raw!r}")
    return raw


def _names(raw: Any, where: str) -> tuple[str, ...]:
    if raw is None:
        return ()
    if not isinstance(raw, list) or not all(isinstance(name, str) for name in raw):
        raise ConfigError(f"{where} must be a list of names, not {raw!r}")
    return tuple(raw)


def _one_of(value: Any, allowed: Iterable[str], where: str) -> None:
    if value not in allowed:
        raise ConfigError(f"{where}: {value!r} is not one of {', '.join(allowed)}{_near(str(value), allowed)}")


def _whole_number(value: Any, where: str, *, least: int | None) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or (least is not None and value < least):
        bound = "" if least is None else f" of at least {least}"
        raise ConfigError(f"{where} must be a whole number{bound}, not {value!r}")


def _share(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ConfigError(f"{where} must be a share from 0 to 1, not {value!r}")
    return float(value)


def _near(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
