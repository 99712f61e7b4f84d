"""Read and check a recipe file, ``data_registry/recipes/NAME.yaml``.

name: quickstart_sft
description: what it is for
format: llamafactory            # or easyr1, verl, trl, ms-swift, openrlhf, datasets (Hugging Face, on disk)
seed: 0
image_max_pixels: 262144        # larger images are resized by Qwen's rule; none without it
model_family: qwen3-vl          # whose rule, and whose image tokens are counted; qwen2.5-vl without it
token_limit: {model: FOLDER_OR_HUB_ID, tokens: 4096}  # longer rows are dropped; none without it
max_rejects: 0.02               # share of bad rows above which a part stops the build
engine: {name: transformers, model: FOLDER_OR_HUB_ID, settings: {batch_size: 128}}
decontaminate: {benchmarks: [slake/test]}  # the first step of every part; none without it; paper: the seven of Table 1
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

import re
from collections.abc import Callable
from dataclasses import MISSING, asdict, replace
from fnmatch import fnmatch
from functools import partial
from itertools import chain
from pathlib import Path, PurePath
from typing import Any

from infimed_plugins.curation.settings import whole
from infimed_plugins.errors import ConfigError, MissingFileError, near
from infimed_plugins.families import find_family
from infimed_plugins.limits import parse_yaml, read_bytes, repeated
from infimed_plugins.paths import lies_in, shipped
from infimed_plugins.recipes.recipe import EngineChoice, Part, Recipe, Step, TokenLimit, mapping, names_in
from infimed_plugins.recipes.trust import untrusted_settings
from infimed_plugins.records import Json
from infimed_plugins.trainers.registry import format_name

RECIPE_FOLDER = "data_registry/recipes"
YAML = (".yaml", ".yml")


def shipped_recipes() -> list[str]:
    """Return the names of the recipes that come with the package."""
    return sorted(path.stem for path in shipped(RECIPE_FOLDER).rglob("*.yaml"))


def load_recipe(name_or_path: str | Path, *, trust: bool = False) -> Recipe:
    """Read a shipped recipe by name, or any recipe by the path of its YAML file.

    Settings of a file that need ``--trust`` stand in ``untrusted``; with ``trust`` there are none.

    Raises:
        MissingFileError: there is no such recipe; the message lists those shipped.
        ConfigError: the YAML cannot be read, or a key or value in it cannot be used; the message names file and key.
    """
    path = _find(name_or_path)
    recipe = _read(path, ())
    trusted = trust or lies_in(shipped(RECIPE_FOLDER), path)
    return recipe if trusted else replace(recipe, untrusted=untrusted_settings(recipe, path.parent))


def _read(path: Path, extending: tuple[Path, ...]) -> Recipe:
    """Return the recipe of a file; ``extending`` are those that start from it."""
    if path.resolve() in extending:
        raise ConfigError(f"{path} extends itself; start from another recipe")
    try:
        raw = parse_yaml(read_bytes(path, "yaml").decode())
    except ValueError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    if isinstance(raw, dict) and "extends" in raw:
        return _extended(raw, path, (*extending, path.resolve()))
    return parse_recipe(raw, str(path))


def _extended(raw: dict[str, Any], path: Path, extending: tuple[Path, ...]) -> Recipe:
    """Return a recipe that starts from another one. Raises ConfigError for a part that is not there."""
    own: dict[str, Any] = {"without": [], "limits": {}, "parts": []}
    own |= {key: raw[key] for key in own if raw.get(key)}
    start = str(raw["extends"])
    beside = path.parent / start
    if beside.suffix in YAML and not lies_in(path.parent, beside):
        raise ConfigError(f"{path}: extends names {start!r}; give a shipped recipe, or a file beside this one")
    base = _read(_find(beside if beside.suffix in YAML else start), extending)
    limits, without = mapping(own["limits"], f"{path}: limits"), names_in(own["without"], f"{path}: without")
    for pattern in (*without, *limits):
        if not any(fnmatch(part.name, pattern) for part in base.parts):
            names = [part.name for part in base.parts]
            raise ConfigError(f"{path}: {start} has no part {pattern!r}{near(pattern, names)}")
    for name, limit in limits.items():
        whole().check(f"{path}: limits: {name}", limit)
    kept = [
        replace(part, limit=limits.get(part.name, part.limit))
        for part in base.parts
        if not any(fnmatch(part.name, pattern) for pattern in without)
    ]
    head = {key: raw[key] for key in raw if key not in ("extends", "without", "limits", "parts")}
    shared = {key: value for key, value in asdict(base).items() if key not in ("name", "description", "untrusted")}
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
    if path.suffix in YAML:
        if path.is_file():
            return path
        raise MissingFileError(f"there is no recipe file {path}")
    known = shipped_recipes()
    if str(name_or_path) in known:
        return next(shipped(RECIPE_FOLDER).rglob(f"{name_or_path}.yaml"))
    raise MissingFileError(
        f"there is no recipe {str(name_or_path)!r}{near(str(name_or_path), known)}; "
        f"shipped: {', '.join(known)}; or give the path of a .yaml file"
    )


def parse_recipe(raw: Any, where: str) -> Recipe:
    """Return the recipe in a parsed YAML document. Raises ConfigError naming ``where`` and the key."""
    recipe: Recipe = _record(Recipe, raw, where)
    names = [part.name for part in recipe.parts]
    if twice := repeated(names):
        raise ConfigError(f"{where}: several parts are named {twice!r}; name each differently")
    return recipe


def _with_suites(settings: dict[str, Json]) -> dict[str, Json]:
    """Return the settings with the splits of a suite ("paper" or "text") in place of its name."""
    from infimed_plugins.curation.decontamination.benchmark_items import default_benchmarks

    named = settings.get("benchmarks")
    if not isinstance(named, list):
        return settings
    splits = (default_benchmarks(one) if one in ("paper", "text") else [one] for one in named)
    return {**settings, "benchmarks": [*chain.from_iterable(splits)]}


def parse_engine(raw: Any, where: str) -> EngineChoice:
    """Return an engine by name and model. Raises ConfigError naming ``where`` and the key."""
    chosen: EngineChoice = _record(EngineChoice, raw, where)
    return chosen


def _record(kind: type[Any], raw: Any, where: str) -> Any:
    """Return a dataclass from a mapping, each entry read by the table below; None is left out if no default is None."""
    known = {name: one for name, one in kind.__dataclass_fields__.items() if one.metadata.get("in file", True)}
    entries = mapping(raw, where)
    for key in entries:
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r:.100}{near(str(key), known)}; keys are {', '.join(known)}")
    required = [key for key, one in known.items() if one.default is MISSING and one.default_factory is MISSING]
    if missing := [key for key in required if entries.get(key) in (None, "")]:
        raise ConfigError(f"{where}: {missing[0]!r} is missing")
    for key in ("name", "source", "split", "model"):
        if key in required and not isinstance(entries[key], str):
            raise ConfigError(f"{where}: {key} must be text, not {entries[key]!r:.100}")
    if "name" in known and not re.fullmatch(r"[\w-]+", entries["name"]):  # a file name; LLaMA-Factory splits at commas
        raise ConfigError(f"{where}: name {entries['name']!r:.100} may hold letters, digits, _ and - only")
    where = f"{where} ({entries['name']})" if kind is Part else where
    given = {key: value for key, value in entries.items() if value is not None or known[key].default not in (None, ())}
    read = _READ.get(kind, {})
    made = {key: read[key](value, f"{where}: {key}") if key in read else value for key, value in given.items()}
    for key, value in made.items():
        if rule := known[key].metadata.get("rule"):
            rule.check(f"{where}: {key}", value)
    return kind(**made)


def _split(value: str, where: str) -> str:
    if PurePath(value).is_absolute() or ".." in PurePath(value).parts:
        at = where.removesuffix(": split")
        raise ConfigError(f"{at}: split {value!r} leads out of --from; name a file that lies below it")
    return value


def _parts(value: Any, where: str) -> tuple[Part, ...]:
    at = where.removesuffix(": parts")
    if not isinstance(value, list) or not value:
        raise ConfigError(f"{at}: parts must be a list of at least one part")
    return tuple(_record(Part, part, f"{at}: part {number}") for number, part in enumerate(value, start=1))


def _steps(value: Any, where: str) -> tuple[Step, ...]:
    if not isinstance(value or [], list):
        raise ConfigError(f"{where} must be a list of names, not {value!r}")
    return tuple(_step(step, where.removesuffix(": steps")) for step in value or ())


def _step(raw: Any, where: str) -> Step:
    if isinstance(raw, str):
        return Step(raw)
    if isinstance(raw, dict) and len(raw) == 1:
        name, settings = next(iter(raw.items()))
        return Step(str(name), mapping(settings, f"{where}: step {name}"))
    raise ConfigError(f"{where}: a step is a name or one 'name: {{settings}}', not {raw!r}")


def _known(find: Callable[[str], str], value: Any, where: str) -> str:
    try:
        return find(str(value))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


_READ: dict[type[Any], dict[str, Callable[[Any, str], Any]]] = {
    Recipe: {
        "format": partial(_known, format_name),
        "parts": _parts,
        "model_family": partial(_known, lambda name: find_family(name).name),
        "token_limit": partial(_record, TokenLimit),
        "engine": parse_engine,
        "decontaminate": lambda value, where: _with_suites(mapping(value, where)),
    },
    EngineChoice: {"settings": lambda value, where: mapping(value, where.removesuffix(": settings"))},
    Part: {"split": _split, "tasks": names_in, "kinds": names_in, "languages": names_in, "steps": _steps},
}
