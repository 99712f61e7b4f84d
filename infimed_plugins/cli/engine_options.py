"""The options that name an engine, shared by the commands that ask one."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from infimed_plugins.errors import ConfigError
from infimed_plugins.limits import parse_yaml

JUDGE_KEY = "JUDGE_API_KEY"
EngineName = Annotated[str, typer.Option("--engine", help="What runs it: transformers, vllm, openai or ray.")]
Url = Annotated[
    list[str] | None, typer.Option("--base-url", help="Of an OpenAI-compatible server; repeat it for several.")
]
EngineSettings = Annotated[
    list[str] | None,
    typer.Option("--engine-set", metavar="KEY=VALUE", help="A setting of the engine, such as max_pixels=262144."),
]


def engine_choice(
    name: str,
    model: str | None,
    base_url: list[str] | None,
    given: list[str] | None,
    option: str = "--engine-set",
) -> dict[str, Any] | None:
    """What the options say, as a recipe would; None without a model. Raises ConfigError for options without one."""
    if model is None:
        if base_url or given or name != "transformers":
            raise ConfigError("--engine and --base-url need a --model")
        return None
    settings = key_values(given, option) | ({"base_url": base_url} if base_url else {})
    served = "openai" if base_url and name == "transformers" else name
    return _checked({"name": served, "model": model, "settings": settings}, option)


def judge_choice(engine: dict[str, Any], model: str | None, urls: list[str] | None) -> dict[str, Any] | None:
    """A judge by the engine that answers, as a recipe names it. Raises ConfigError for a server without a model."""
    if model is None:
        if urls:
            raise ConfigError("--judge-url needs a --judge-model")
        return None
    settings = engine["settings"] | ({"base_url": urls} if urls else {})
    own = own_key(settings, engine["settings"])
    return _checked({**engine, "model": model, "settings": settings | own}, "--judge-url")


def _checked(choice: dict[str, Any], option: str) -> dict[str, Any]:
    """The choice; of servers an engine is made of it, which asks nothing and refuses settings that cannot be used."""
    from infimed_plugins.recipes.recipe_file import parse_engine
    from infimed_plugins.recipes.step_engine import start_engine

    if choice["name"] == "openai":
        start_engine(parse_engine(choice, option))
    return choice


def own_key(judge: dict[str, Any], engine: dict[str, Any]) -> dict[str, Any]:
    """A key variable of the judge's own, where its servers are on other hosts than those that answer."""
    from infimed_plugins.engines import server_hosts

    asked, answering = judge.get("base_url"), engine.get("base_url")
    apart = asked and answering and not server_hosts(asked) <= server_hosts(answering)
    return {"api_key_env": JUDGE_KEY} if apart else {}


def key_values(given: list[str] | None, option: str = "--set") -> dict[str, Any]:
    """``KEY=VALUE`` options with YAML values. Raises ConfigError for one that is none."""
    settings: dict[str, Any] = {}
    for one in given or ():
        key, equals, value = one.partition("=")
        if not equals:
            raise ConfigError(f"{option} takes KEY=VALUE, not {one!r}")
        try:
            settings[key] = parse_yaml(value)
        except ValueError as error:
            raise ConfigError(f"{option} {one}: the value is no YAML ({error})") from error
    return settings
