"""The whole recipe on a laptop, in stages: data, supervised fine-tuning, reinforcement learning, evaluation, report.

The trainers are the real ones. Each stage is recorded when it ends; a killed run goes on behind the last of them.
"""

from __future__ import annotations

import json
import platform
import shutil
from collections import Counter
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from infimed_plugins import __version__, prompts
from infimed_plugins.benchmarks import PHANTOM as BENCHMARK
from infimed_plugins.benchmarks import runner
from infimed_plugins.engines.transformers import TransformersEngine
from infimed_plugins.errors import ConfigError, InfimedError
from infimed_plugins.paths import shipped
from infimed_plugins.quickstart.install_easyr1 import is_installed as easyr1_is_installed
from infimed_plugins.quickstart.stages import RunState, Stage, Tick, run_stage
from infimed_plugins.quickstart.trl_grpo import run_trl
from infimed_plugins.recipes import build, load_recipe
from infimed_plugins.records import Json
from infimed_plugins.reports import page, table
from infimed_plugins.sources.phantom import PHANTOM
from infimed_plugins.trainers.easyr1 import check_rl
from infimed_plugins.trainers.easyr1_merge import merged_checkpoint
from infimed_plugins.trainers.faults import Checked
from infimed_plugins.trainers.launch import Progress, run_easyr1, run_llamafactory
from infimed_plugins.trainers.llamafactory import check_sft

FREE_DISK_GB = 2
MODELS = ("base", "sft", "rl")
MAX_TOKENS = 128
EXAMPLES = 6


@dataclass(frozen=True)
class Lab:
    """One run: its folder, its seed, the RL trainer and why it was chosen, and how many questions are asked."""

    out: Path
    seed: int
    trainer: str
    why: str
    questions: int

    def model(self, name: str) -> Path:
        """The folder of a model of this run."""
        if name != "rl":
            return self.out / name
        return merged_checkpoint(self.out / "rl") if self.trainer == "easyr1" else self.out / "rl" / "huggingface"


def run_quickstart(
    out: Path = Path("runs/quickstart"),
    *,
    seed: int = 0,
    rl: str = "auto",
    questions: int = 600,
    fresh: bool = False,
    console: Console | None = None,
) -> dict[str, Json]:
    """Run what is not done yet and return the results that ``results.json`` holds.

    Raises ConfigError for a folder of other settings, too little disk, or a trainer that is not installed.
    """
    console = console or Console(stderr=True)
    trainer, why = choose_trainer(rl)
    if fresh:
        shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(out).free / 1e9
    if free < FREE_DISK_GB:
        raise ConfigError(f"{free:.1f} GB free at {out}, {FREE_DISK_GB} are needed; free some, or choose another --out")
    lab = Lab(out, seed, trainer, why, questions)
    console.print(f"reinforcement learning runs in {trainer}: {why}", highlight=False)
    state = RunState(out, {"seed": seed, "rl": trainer, "questions": questions, "version": __version__})
    stages = _stages(lab)
    for number, stage in enumerate(stages, start=1):
        run_stage(stage, state, console, number, len(stages))
    results = _write_report(lab, state)
    console.print(table.rich_table(_lines(lab)))
    for comparison in _comparisons(lab):
        difference = table.points(comparison.paired)
        console.print(f"{comparison.b} - {comparison.a}, {comparison.prompt_style}: {difference}", highlight=False)
    console.print(f"report: {out / 'report.html'}", highlight=False)
    return results


def choose_trainer(wanted: str) -> tuple[str, str]:
    """The RL trainer and why. Raises ConfigError for one that is unknown or not installed."""
    if wanted not in ("auto", "easyr1", "trl"):
        raise ConfigError(f"--rl is {wanted!r}; one of auto, easyr1, trl")
    if wanted == "trl":
        return "trl", "asked for"
    if easyr1_is_installed():
        return "easyr1", "it is installed"
    if wanted == "easyr1":
        raise ConfigError(
            "EasyR1 is not installed; run: make quickstart EASYR1=<folder or pip URL>, or choose --rl trl"
        )
    return "trl", "EasyR1 is not installed (EASYR1=<folder or pip URL> names where to get it)"


def _stages(lab: Lab) -> list[Stage]:
    data = lab.out / "data"
    return [
        Stage("base", "the base model", partial(_copy_base, lab), (lab.out / "base",)),
        Stage("sft_data", "supervised data, reflective chains included", partial(_build, lab, "quickstart_sft")),
        Stage("rl_data", "reinforcement data", partial(_build, lab, "quickstart_rlvr"), (data / "quickstart_rlvr",)),
        Stage("sft", "supervised fine-tuning in LLaMA-Factory", partial(_sft, lab), (lab.out / "sft",)),
        Stage("rl", f"GRPO in {lab.trainer}", partial(_rl, lab), (lab.out / "rl",)),
        *(Stage(f"eval_{name}", f"evaluation of {name}", partial(_evaluate, lab, name)) for name in MODELS),
    ]


def _copy_base(lab: Lab, tick: Tick) -> Json:
    shutil.copytree(shipped("infimed_plugins/quickstart/base"), lab.out / "base")
    return {}


def _build(lab: Lab, recipe_name: str, tick: Tick) -> Json:
    from dataclasses import replace

    recipe = replace(load_recipe(recipe_name), seed=lab.seed)
    engine = TransformersEngine(str(lab.out / "base")) if recipe.engine else None
    manifest = build(
        recipe,
        lab.out / "data" / recipe_name,
        engine=engine,
        progress=lambda title, done, of: tick(done, of or 0, title),
    )
    return asdict(manifest)


def _sft_overrides(lab: Lab) -> list[str]:
    data = lab.out / "data" / "quickstart_sft"
    return [
        f"model_name_or_path={lab.out / 'base'}",
        f"dataset_dir={data}",
        f"media_dir={data}",
        f"output_dir={lab.out / 'sft'}",
        f"seed={42 + lab.seed}",
    ]


def _sft(lab: Lab, tick: Tick) -> Json:
    config, overrides = shipped("llamafactory_configs/quickstart_sft.yaml"), _sft_overrides(lab)
    checked = check_sft(config, overrides)
    _refuse_faults(checked)
    curve: list[tuple[float, float]] = []
    run_llamafactory(
        config, overrides, log=lab.out / "sft.log", on_progress=partial(_follow, tick, "loss", curve), cpu=True
    )
    return {"check": str(checked.summary), "loss": _read_losses(lab.out / "sft" / "trainer_log.jsonl")}


def _rl_overrides(lab: Lab) -> list[str]:
    data = lab.out / "data" / "quickstart_rlvr"
    return [
        f"data.train_files={data / 'train.parquet'}",
        f"data.val_files={data / 'val.parquet'}",
        f"data.format_prompt={shipped('easyr1_configs/infimed.jinja')}",
        f"data.seed={1 + lab.seed}",
        f"worker.actor.model.model_path={lab.out / 'sft'}",
        f"worker.rollout.seed={1 + lab.seed}",
        f"worker.reward.reward_function={shipped('easyr1_configs/infimed_reward.py')}:compute_score",
        f"trainer.save_checkpoint_path={lab.out / 'rl'}",
    ]


def _rl(lab: Lab, tick: Tick) -> Json:
    config, overrides = shipped("easyr1_configs/quickstart_grpo.yaml"), _rl_overrides(lab)
    overrides = [_absolute(override) for override in overrides]
    follow = partial(_follow, tick, "reward/overall", [])
    if lab.trainer == "easyr1":
        _refuse_faults(check_rl(config, overrides))
        run_easyr1(config, overrides, log=lab.out / "rl.log", on_progress=follow, cpu=True)
    else:
        run_trl(config, overrides, log=lab.out / "rl.log", on_progress=follow)
    lab.model("rl")  # merged now, so that a later stage needs no trainer
    return {"rewards": _read_rewards(lab.out / "rl" / "experiment_log.jsonl")}


def _absolute(override: str) -> str:
    """Relative paths made absolute: Ray's workers may start elsewhere."""
    key, _, value = override.partition("=")
    return f"{key}={Path(value).resolve()}" if "/" in value else override


def _follow(tick: Tick, shown: str, curve: list[tuple[float, float]], progress: Progress) -> None:
    value = progress.metrics.get(shown)
    tick(progress.step, progress.total, "" if value is None else f"{shown} {value:.3f}")


def _refuse_faults(checked: Checked) -> None:
    if checked.faults:
        raise InfimedError(f"{len(checked.faults)} faults before training, the first: {checked.faults[0]}")


def _evaluate(lab: Lab, name: str, tick: Tick) -> Json:
    engine = TransformersEngine(str(lab.model(name)))
    accuracies = {}
    for style in BENCHMARK.prompt_styles:
        judged = runner.run(
            BENCHMARK,
            engine,
            lab.out / "eval" / f"{name}-{style}",
            prompt_style=style,
            limit=lab.questions,
            max_tokens=MAX_TOKENS,
            progress=partial(_asked, tick, style),
        )
        accuracies[style] = table.line(name, style, judged).overall.value
    return accuracies


def _asked(tick: Tick, style: str, done: int, total: int) -> None:
    tick(done, total, f"{style} prompt")


def _read_losses(path: Path) -> list[tuple[float, float]]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [(row["current_steps"], row["loss"]) for row in rows if "loss" in row]


def _read_rewards(path: Path) -> dict[str, list[tuple[float, float]]]:
    """The reward curves of EasyR1's file log: overall, format and accuracy by step."""
    curves: dict[str, list[tuple[float, float]]] = {"overall": [], "format": [], "accuracy": []}
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        for name, curve in curves.items():
            if name in row.get("reward", {}):
                curve.append((row["step"], row["reward"][name]))
    return curves


def _judged(lab: Lab) -> dict[str, dict[str, list[runner.Judged]]]:
    return {
        style: {name: runner.read_run(lab.out / "eval" / f"{name}-{style}") for name in MODELS}
        for style in BENCHMARK.prompt_styles
    }


def _lines(lab: Lab) -> list[table.Line]:
    return [table.line(name, style, rows) for style, runs in _judged(lab).items() for name, rows in runs.items()]


def _comparisons(lab: Lab) -> list[table.Comparison]:
    pairs = (("base", "sft"), ("sft", "rl"), ("base", "rl"))
    return [table.compare(a, b, style, runs) for style, runs in _judged(lab).items() for a, b in pairs]


def _write_report(lab: Lab, state: RunState) -> dict[str, Json]:
    lines, comparisons = _lines(lab), _comparisons(lab)
    right_of_ten, chain = _chains(lab, state.result("sft_data"))
    seconds = {name: stage["seconds"] for name, stage in state.stages.items()}
    results: dict[str, Any] = {
        "seed": lab.seed,
        "rl_trainer": lab.trainer,
        "why": lab.why,
        "seconds": seconds,
        "lines": [asdict(line) for line in lines],
        "comparisons": [asdict(comparison) for comparison in comparisons],
    }
    (lab.out / "results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    data = page.ReportData(
        title="InfiMed on phantoms: the whole recipe on a laptop",
        facts={"seed": lab.seed, "infimed-plugins": __version__, "Python": platform.python_version()}
        | {f"{name} (seconds)": value for name, value in seconds.items()},
        notes=[
            f"Reinforcement learning ran in {lab.trainer}: {lab.why}.",
            "Rollouts came from transformers on a CPU, not from vLLM.",
            "The judge's 1-10 scores for reflective chains came from a rule, not from a model.",
            "The model has 1.7 million parameters and the images are procedural phantoms: nothing here is medical.",
        ],
        lines=lines,
        comparisons=comparisons,
        sft_loss={"loss": state.result("sft")["loss"]},
        rewards=state.result("rl")["rewards"],
        right_of_ten=right_of_ten,
        chain=chain,
        examples=_examples(lab),
    )
    page.write_page(data, lab.out / "report.html")
    return results


def _chains(lab: Lab, manifest: Json) -> tuple[dict[int, int], str]:
    """How many questions had m right samples, and one reflective chain to read."""
    counts: Counter[str] = Counter()
    for part in manifest["parts"]:
        counts.update(part["counted"])
    rows = (
        message["content"]
        for path in sorted((lab.out / "data" / "quickstart_sft").glob("quickstart_sft*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
        for message in json.loads(line)["messages"]
    )
    chain = next((text for text in rows if prompts.REFLECTION_BRIDGE in text), "")
    return {m: counts[f"{m} right of 10"] for m in range(11)}, chain


def _examples(lab: Lab) -> list[page.Example]:
    """Held-out questions on which the three models do not all agree, one of a kind, then the first ones."""
    runs = {name: {row.id: row for row in rows} for name, rows in _judged(lab)["reasoning"].items()}
    samples = list(PHANTOM.load(BENCHMARK.split, limit=min(lab.questions, 200), seed=lab.seed))
    samples.sort(key=lambda sample: len({runs[name][sample.id].accuracy for name in MODELS}) == 1)
    return [
        page.Example(
            sample.images[0].read(),
            prompts.question_text(sample).replace(prompts.IMAGE_TAG, ""),
            prompts.answer_text(sample),
            [(name, runs[name][sample.id].text, runs[name][sample.id].accuracy == 1.0) for name in MODELS],
        )
        for sample in samples[:EXAMPLES]
    ]
