"""Options that several commands share: engines, judges, modes, folders of downloads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infimed_plugins.errors import ConfigError
from infimed_plugins.limits import parse_yaml

if TYPE_CHECKING:
    from infimed_plugins.evaluation.engine_choice import JudgeModel
    from infimed_plugins.recipes.recipe import EngineChoice

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines, and nothing else, on stdout.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Remove what an earlier run made there and start over.")]
EngineName = Annotated[
    str, typer.Option("--engine", help="The engine: transformers, vllm, openai (with --base-url) or ray.")
]
Url = Annotated[
    list[str] | None, typer.Option("--base-url", help="URL of an OpenAI-compatible server; repeat it for several.")
]
EngineSettings = Annotated[
    list[str] | None,
    typer.Option("--engine-set", metavar="KEY=VALUE", help="A setting of the engine, such as max_pixels=262144."),
]
JudgeName = Annotated[str | None, typer.Option("--judge", help="A model that judges open answers; rules without it.")]
JudgeEngine = Annotated[str, typer.Option("--judge-engine", help="The judge's engine: openai, vllm, transformers.")]
JudgeUrl = Annotated[
    list[str] | None,
    typer.Option(
        "--judge-url",
        help="URL of the judge's server; repeatable. On another host than --base-url its key is JUDGE_API_KEY.",
    ),
]
JudgeSet = Annotated[
    list[str] | None, typer.Option("--judge-set", metavar="KEY=VALUE", help="A setting of the judge's engine.")
]
JudgeTemplate = Annotated[
    Path | None, typer.Option("--judge-template", help="Your judge prompt, with {question}, {answer} and {reply}.")
]
SkillJudge = Annotated[
    bool, typer.Option("--skill-judge", help="The judge grades the clinical skills of chains of thought, too.")
]
Modes = Annotated[
    list[str] | None,
    typer.Option(
        "--mode",
        help="robust, medevalkit, paper, vlmevalkit (vlmevalkit-2025-05: of the earlier paper's time) or "
        "multimedeval, or one that a plugin adds; may be given several times.",
    ),
]
Labels = Annotated[
    Path | None, typer.Option("--labels", help='People\'s verdicts, JSON lines of {"id", "right"}: Cohen\'s kappa.')
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        "--from",
        help="The folder of downloaded data sets, each in a folder of its source's name; the hub without it.",
    ),
]


def read_engine(
    name: str, model: str | None, base_url: list[str] | None, given: list[str] | None
) -> EngineChoice | None:
    """Return the engine that the options name; None without a model. Raises ConfigError for options without one."""
    if model is None:
        if base_url or given or name != "transformers":
            raise ConfigError("--engine and --base-url need a --model")
        return None
    from infimed_plugins.evaluation.engine_choice import choose_engine

    return choose_engine(name, model, base_url or (), key_values(given, "--engine-set"), "--engine-set")


def read_judge(
    model: str | None,
    engine: str,
    urls: list[str] | None,
    given: list[str] | None,
    template: Path | None,
    skills: bool,
    beside: list[str] | None = None,
) -> JudgeModel | None:
    """Return the judge that the options name, None without one; ``beside`` are the servers of the model that answers.

    Raises an InfimedError for options that cannot work, before anything is asked.
    """
    if model is None:
        if urls or given or template:
            raise ConfigError("--judge-url, --judge-set and --judge-template need a --judge")
        if skills:
            raise ConfigError("--skill-judge needs a --judge")
        return None
    from infimed_plugins.evaluation.engine_choice import JudgeModel, choose_engine, own_key

    settings = key_values(given, "--judge-set") | ({"base_url": urls} if urls else {})
    settings = own_key(settings, {"base_url": beside}) | settings
    judge = JudgeModel(choose_engine(engine, model, settings=settings, option="--judge-set"), template)
    _ = judge.settings  # a template that cannot be used is said now
    return judge


def key_values(given: list[str] | None, option: str = "--set") -> dict[str, Any]:
    """Parse ``KEY=VALUE`` options with YAML values. Raises ConfigError for one that is none."""
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
