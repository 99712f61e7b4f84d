"""Find the settings of a recipe file that need ``--trust``: the file may be a stranger's.

A file may choose rows, steps, prompts and models, and the settings of engines that are named here: those that shape
replies. Hosts, key variables, what loads code and paths that leave its folder are listed by ``infimed data plan`` and
refused by ``infimed data build`` without ``--trust``. Recipes made in Python or shipped with the package are trusted.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infimed_plugins.engines import server_hosts
from infimed_plugins.errors import ConfigError
from infimed_plugins.paths import lies_in
from infimed_plugins.records import Json

if TYPE_CHECKING:
    from infimed_plugins.recipes.recipe import Recipe

ENGINE_SETTINGS = frozenset(
    {"batch_size", "max_pixels", "max_images", "revision", "group", "embed", "embed_suffix", "extra_body"}
    | {"concurrency", "timeout", "retries", "actors", "block"}
    # vLLM itself
    | {"dtype", "quantization", "max_model_len", "max_num_seqs", "max_num_batched_tokens", "gpu_memory_utilization"}
    | {"tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size", "enforce_eager", "kv_cache_dtype"}
    | {"enable_prefix_caching", "enable_chunked_prefill", "limit_mm_per_prompt", "seed"}
)
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
FOLDER, REPORT = "folder", "report"  # settings of steps that are paths, beside the files of prompts
TEXT_SETTINGS = frozenset({"bridge", "benchmarks", "judge"})  # settings of steps that are text, whatever it looks like
SHOWN = reprlib.Repr()
SHOWN.maxstring = SHOWN.maxother = 200  # characters


@dataclass(frozen=True)
class UntrustedSetting:
    """A setting that needs ``--trust``; ``path`` is its value if that is a path."""

    key: str
    value: str
    path: str | None = None

    def allowed_below(self, report: Path, *inputs: Path | None) -> bool:
        """True if it is a path below a folder of the user's: reports go into the build only."""
        if self.path is None:
            return False
        name = self.key.rpartition(".")[2]
        places = (report, *(() if name == REPORT else inputs))
        return any(_stays_in(place, name, self.path) for place in places if place is not None)

    def of_engine(self) -> bool:
        """True if it belongs to the engine that steps draw from, or to one that judges."""
        first, *_, step_setting = self.key.split(".")[:4]
        return first == "engine" or step_setting == "judge_engine"

    def __str__(self) -> str:
        return f"{self.key.encode('unicode_escape').decode()}: {self.value}"


def untrusted_settings(recipe: Recipe, folder: Path) -> tuple[UntrustedSetting, ...]:
    """Return the settings of a recipe from a file in ``folder`` that need ``--trust``, in its order."""
    found = list(_engine("engine", asdict(recipe.engine))) if recipe.engine else []
    found += _settings("decontaminate", recipe.decontaminate or {}, folder)
    for part in recipe.parts:
        for step in part.steps:
            found += _settings(f"parts.{part.name}.{step.name}", step.settings, folder)
    return tuple(found)


def check_trusted(recipe: Recipe, out: Path, downloads: Path | None) -> None:
    """Raise ConfigError for settings that need ``--trust`` and lack it."""
    refused = [one for one in recipe.untrusted if not one.allowed_below(out, downloads)]
    if refused:
        raise ConfigError(
            f"recipe {recipe.name} sets {'; '.join(map(str, refused))}. A recipe of somebody else could do harm by "
            "that: add --trust where you know what it is for (in Python: load_recipe(…, trust=True)), or take it out"
        )


def _engine(key: str, engine: Mapping[str, Json]) -> Iterator[UntrustedSetting]:
    settings = engine.get("settings")
    for name, value in settings.items() if isinstance(settings, Mapping) else ():
        if not (name == "base_url" and server_hosts(value) <= LOOPBACK) and name not in ENGINE_SETTINGS:
            yield UntrustedSetting(f"{key}.settings.{name}", SHOWN.repr(value))


def _settings(key: str, value: Json, folder: Path) -> Iterator[UntrustedSetting]:
    """Yield a step's untrusted settings at any depth: those of engines, and paths that leave the recipe's folder."""
    name = key.rpartition(".")[2]
    if isinstance(value, Mapping):
        is_engine = {"name", "model"} <= value.keys()
        yield from _engine(key, value) if is_engine else ()
        for inner, one in value.items():
            if not (is_engine and inner in ("name", "model", "settings")):
                yield from _settings(f"{key}.{inner}", one, folder)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _settings(key, one, folder)
    elif isinstance(value, str) and _is_path(name, value) and not _stays_in(folder, name, value):
        yield UntrustedSetting(key, SHOWN.repr(value), value)


def _is_path(name: str, value: str) -> bool:
    """True if a setting is a path: by its name, and in steps that others wrote by its look."""
    if "prompt" in name:
        return "{" not in value  # else it is the prompt itself
    return name in (FOLDER, REPORT) or (name not in TEXT_SETTINGS and any(mark in value for mark in "/\\~\0"))


def _stays_in(folder: Path, name: str, value: str) -> bool:
    """True if a path lies below a folder; a report must be a file of JSON lines, and no hidden one."""
    if not lies_in(folder, Path(value)):
        return False
    if name != REPORT:
        return True
    path = Path(value).resolve()
    parts = path.relative_to(folder.resolve()).parts
    return path.suffix == ".jsonl" and not any(part.startswith(".") for part in parts)
