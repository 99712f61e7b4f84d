"""The package's public calls, one for each command of ``infimed``::

    import infimed_plugins as infimed

    infimed.build("quickstart_sft", "data/quickstart_sft")
    infimed.reflect("data/reflective", pairs="pairs.jsonl", model="m", base_url=["http://node1:8000/v1"])
    made = infimed.evaluate("runs/quickstart/sft", ["phantom"], limit=200)
    infimed.score(["runs/eval/sft", "runs/eval/rl"], ["robust", "paper"]).write_page(Path("compare.html"))

``model`` is a folder, a hub id, a server's model name, or an EngineChoice; ``engine`` what runs it (transformers, vllm,
openai, ray, or a plugin), ``base_url`` the OpenAI-compatible servers that have it. Long calls go on where an earlier
one was interrupted, and report to ``progress(title, done, total)``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from infimed_plugins import recipes
from infimed_plugins.benchmarks.runner import RunOptions
from infimed_plugins.benchmarks.scorers import DEFAULT
from infimed_plugins.curation.decontamination.benchmark_items import default_benchmarks
from infimed_plugins.errors import ConfigError
from infimed_plugins.evaluation import runs
from infimed_plugins.evaluation.engine_choice import JudgeModel, choose_engine, choose_judge
from infimed_plugins.evaluation.runs import Evaluation
from infimed_plugins.recipes import Manifest, Recipe
from infimed_plugins.recipes.recipe import EngineChoice, TokenLimit
from infimed_plugins.recipes.recipe_file import parse_recipe
from infimed_plugins.records import Json

__all__ = ["EngineChoice", "Evaluation", "JudgeModel", "Manifest", "build", "curate", "evaluate", "reflect", "score"]

Progress = Callable[[str, int, int | None], None]
PROCEDURAL = ("phantom",)  # sources whose rows are random already, and made while they are read
REASONED = ("rationales", "reflective_cot")  # steps that write the reasoning which only that style trains on


def _silent(title: str, done: int, total: int | None) -> None:
    """Report progress to nobody."""


def build(
    recipe: str | Recipe,
    out: str | Path | None = None,
    *,
    model: str | EngineChoice | None = None,
    engine: str = "transformers",
    base_url: Sequence[str] = (),
    engine_settings: Mapping[str, Json] | None = None,
    judge_model: str | None = None,
    judge_url: Sequence[str] = (),
    form: str | None = None,
    model_family: str | None = None,
    data_dir: Path | None = None,
    max_rejects: float | None = None,
    max_tokens: int | None = None,
    tokenizer: str | None = None,
    decontaminate: bool = True,
    for_judge: bool = False,
    executor: str = "local",
    workers: int | None = None,
    trust: bool = False,
    fresh: bool = False,
    progress: Progress = _silent,
) -> Manifest:
    """Build a recipe (a shipped one's name, or a YAML file) into the files that a trainer reads.

    ``model`` takes the place of the model that the recipe's steps draw from, ``form`` that of its format (a trainer's,
    or datasets), ``model_family`` that of the models it is for (families.py). Rows of more than ``max_tokens`` are
    dropped, by the ``tokenizer`` or that of the family's first model; the build stops above ``max_rejects``, a share of
    bad rows. ``for_judge`` writes each question into its ground truth, for a judge as the reward. ``executor`` prepares
    images: ``local`` in ``workers`` processes, or ``ray``. ``trust`` lets a recipe's file set what could do harm.
    Raises InfimedError; nothing is left half done.
    """
    loaded = recipes.load_recipe(recipe, trust=trust) if isinstance(recipe, str) else recipe
    answering = _engine(model, engine, base_url, engine_settings)
    if answering is None and (judge_model or judge_url):
        raise ConfigError("--judge-model and --judge-url need a --model that answers")
    if judge_url and judge_model is None:
        raise ConfigError("--judge-url needs a --judge-model")
    loaded = loaded.changed(model_family=model_family)
    loaded = loaded.changed(
        format=form,
        max_rejects=max_rejects,
        token_limit=None if max_tokens is None else TokenLimit(tokenizer or loaded.family.models[0], max_tokens),
        engine=answering,
        judge=choose_judge(answering, judge_model, judge_url) if answering and judge_model else None,
        decontaminate=decontaminate,
        for_judge=for_judge,
    )
    folder = Path(out) if out else Path("data") / loaded.name
    processes = workers or os.cpu_count() or 1
    return recipes.build(
        loaded, folder, progress=progress, fresh=fresh, folder=data_dir, workers=processes, on=executor
    )


@dataclass(frozen=True)
class Rows:
    """The rows that a curation step gets: from a data set (``slake/train``) or a file of pairs.

    ``order`` says which of them ``limit`` takes: ``hash`` (drawn by ``seed``) or ``first``, the phantoms' default.
    """

    source: str | None = None
    pairs: Path | None = None
    data_dir: Path | None = None
    limit: int | None = None
    order: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.source is None) == (self.pairs is None):
            raise ConfigError("name either a data set (--source slake/train) or a file of pairs (--input pairs.jsonl)")

    @property
    def name(self) -> str:
        """The source's name."""
        return "pairs" if self.source is None else self.source.partition("/")[0]

    @property
    def folder(self) -> Path | None:
        """The folder with its files."""
        return self.data_dir if self.pairs is None else self.pairs.parent

    def part(self) -> dict[str, Any]:
        """Return the part of a recipe that reads them."""
        split = str(self.source).partition("/")[2] if self.pairs is None else self.pairs.name
        order = self.order or ("first" if self.name in PROCEDURAL else "hash")
        part = {"source": self.name, "split": split or "train", "order": order}
        return part | ({"limit": self.limit} if self.limit else {})


def curate(
    step: str,
    rows: Rows,
    out: str | Path,
    *,
    model: EngineChoice | None = None,
    settings: Mapping[str, Json] | None = None,
    form: str = "llamafactory",
    style: str | None = None,
    decontaminate: bool = False,
    fresh: bool = False,
    told: Callable[[recipes.Plan], None] = lambda plan: None,
    progress: Progress = _silent,
) -> Manifest:
    """Run one curation step and write what it leaves, with the evidence.

    ``style`` is the prompt style of the rows written: ``reasoning`` for steps that write reasoning, else ``direct``.
    ``told`` is called with the plan of a ``decontaminate``d build before it starts. Raises InfimedError.
    """
    style = style or ("reasoning" if step in REASONED else "direct")
    part = {"name": step, **rows.part(), "style": style, "steps": [{step: dict(settings or {})}]}
    raw: dict[str, Any] = {"name": step, "format": form, "seed": rows.seed, "parts": [part]}
    if model is not None:
        raw["engine"] = {"name": model.name, "model": model.model, "settings": model.settings}
    recipe = replace(parse_recipe(raw, f"infimed curate {step}"), max_rejects=1.0)
    if decontaminate and rows.pairs is None and rows.name not in PROCEDURAL:
        recipe = replace(recipe, decontaminate={"benchmarks": list(default_benchmarks("paper")), "skip_missing": True})
        told(recipes.plan(recipe))
    return recipes.build(recipe, Path(out), progress=progress, fresh=fresh, folder=rows.folder, allow_empty=True)


def reflect(
    out: str | Path,
    *,
    source: str | None = None,
    pairs: str | Path | None = None,
    model: str | EngineChoice | None = None,
    engine: str = "transformers",
    base_url: Sequence[str] = (),
    engine_settings: Mapping[str, Json] | None = None,
    judge_model: str | None = None,
    settings: Mapping[str, Json] | None = None,
    data_dir: Path | None = None,
    limit: int | None = None,
    order: str | None = None,
    seed: int = 0,
    decontaminate: bool = True,
    **more: Any,
) -> Manifest:
    """Turn questions and answers into reflective chains of thought, as the InfiMed paper makes them (section 3.1).

    The rows come from a data set (``source``) or a file (``pairs``); a public data set's rows that a benchmark asks are
    left out. ``judge_model`` judges in the engine that answers; ``more`` is passed to ``curate``. Raises InfimedError.
    """
    answering, given = _engine(model, engine, base_url, engine_settings), dict(settings or {})
    if judge_model:
        if answering is None:
            raise ConfigError("--judge-model needs a --model that answers")
        given["judge_engine"] = {"name": answering.name, "model": judge_model, "settings": answering.settings}
    rows = Rows(source, Path(pairs) if pairs is not None else None, data_dir, limit, order, seed)
    return curate("reflective_cot", rows, out, model=answering, settings=given, decontaminate=decontaminate, **more)


def evaluate(
    model: str | EngineChoice,
    benchmarks: str | Sequence[str] = "phantom",
    *,
    engine: str = "transformers",
    base_url: Sequence[str] = (),
    engine_settings: Mapping[str, Json] | None = None,
    limit: int | None = None,
    seed: int = 0,
    max_tokens: int | None = None,
    data_dir: Path | None = None,
    **more: Any,
) -> Evaluation:
    """Ask a model the questions of benchmarks, greedily, and judge its replies.

    ``benchmarks`` are names, in a list or separated by commas; ``paper`` stands for the seven of Table 1.
    ``more`` is passed to `evaluation.runs.evaluate`: modes, judge, prompts, variants, out, progress …
    """
    names = benchmarks.split(",") if isinstance(benchmarks, str) else benchmarks
    chosen = _engine(model, engine, base_url, engine_settings)
    assert chosen is not None  # there is a model
    options = RunOptions(limit=limit, seed=seed, max_tokens=max_tokens, downloads=data_dir)
    return runs.evaluate(chosen, [name.strip() for name in names if name.strip()], options=options, **more)


def score(folders: Sequence[str | Path], modes: Sequence[str] = (DEFAULT,), **more: Any) -> Evaluation:
    """Judge the kept replies of run folders anew, by the rules of each mode: `evaluation.runs.score` has ``more``."""
    return runs.score(list(map(Path, folders)), modes, **more)


def _engine(
    model: str | EngineChoice | None, engine: str, base_url: Sequence[str], settings: Mapping[str, Json] | None
) -> EngineChoice | None:
    return choose_engine(engine, model, base_url, settings) if isinstance(model, str) else model
