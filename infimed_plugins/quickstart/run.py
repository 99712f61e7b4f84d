"""The whole recipe on a laptop, in stages: data, supervised fine-tuning, reinforcement learning, evaluation, report.

The trainers are the real ones. Each stage is recorded when it ends; a killed run goes on behind the last of them.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from functools import partial
from pathlib import Path

from rich.console import Console

from infimed_plugins.benchmarks import runner
from infimed_plugins.benchmarks.catalogue.phantom import PHANTOM as BENCHMARK
from infimed_plugins.engines.transformers import TransformersEngine
from infimed_plugins.errors import InfimedError
from infimed_plugins.paths import shipped
from infimed_plugins.quickstart import findings
from infimed_plugins.quickstart.lab import MODELS, SMOKE_STEPS, TRL_STEPS, Lab, open_lab
from infimed_plugins.quickstart.stages import RunState, Stage, Tick, run_stage
from infimed_plugins.quickstart.trl_grpo import run_trl
from infimed_plugins.recipes import build
from infimed_plugins.records import Json
from infimed_plugins.trainers.easyr1 import check_rl
from infimed_plugins.trainers.faults import Checked
from infimed_plugins.trainers.launch import Progress, run_easyr1, run_llamafactory
from infimed_plugins.trainers.llamafactory import check_sft

MAX_TOKENS = 128


def run_quickstart(
    out: Path = Path("runs/quickstart"),
    *,
    seed: int = 0,
    rl: str = "auto",
    questions: int = 600,
    smoke: bool = False,
    fresh: bool = False,
    console: Console | None = None,
) -> dict[str, Json]:
    """Run what is not done yet and return the results that ``results.json`` holds.

    Raises ConfigError for a folder of other settings, too little disk, or a trainer that is not installed.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # torch, which is not imported yet, reads it once
    console = console or Console(stderr=True, markup=False)
    lab = open_lab(out, seed=seed, rl=rl, questions=questions, smoke=smoke, fresh=fresh)
    state = RunState(out, lab.settings)
    console.print(f"reinforcement learning runs in {lab.trainer}: {lab.why}", highlight=False)
    stages = _stages(lab)
    for number, stage in enumerate(stages, start=1):
        run_stage(stage, state, console, number, len(stages))
    results = findings.write(lab, state)
    findings.show(lab, console)
    return results


def _stages(lab: Lab) -> list[Stage]:
    return [
        Stage("base", "the base model", partial(_copy_base, lab), (lab.out / "base",)),
        Stage("sft_data", "supervised data, reflective chains included", partial(_build, lab, "quickstart_sft")),
        Stage("rl_data", "reinforcement data", partial(_build, lab, "quickstart_rlvr"), (lab.data("quickstart_rlvr"),)),
        Stage("sft", "supervised fine-tuning in LLaMA-Factory", partial(_sft, lab), (lab.out / "sft",)),
        Stage("rl", f"GRPO in {lab.trainer}", partial(_rl, lab), (lab.out / "rl",)),
        *(Stage(f"eval_{name}", f"evaluation of {name}", partial(_evaluate, lab, name)) for name in MODELS),
    ]


def _copy_base(lab: Lab, tick: Tick) -> Json:
    shutil.copytree(shipped("infimed_plugins/quickstart/base"), lab.out / "base")
    return {}


def _build(lab: Lab, recipe_name: str, tick: Tick) -> Json:
    recipe = lab.recipe(recipe_name)
    engine = TransformersEngine(str(lab.model("base"))) if recipe.engine else None
    manifest = build(
        recipe,
        lab.data(recipe_name),
        engine=engine,
        progress=lambda title, done, of: tick(done, of or 0, title),
    )
    return asdict(manifest)


def _sft_overrides(lab: Lab) -> list[str]:
    data = lab.data("quickstart_sft")
    overrides = [
        f"model_name_or_path={lab.model('base')}",
        f"dataset_dir={data}",
        f"media_dir={data}",
        f"output_dir={lab.model('sft')}",
        f"seed={42 + lab.seed}",
    ]
    return [*overrides, f"max_steps={SMOKE_STEPS}", "logging_steps=1"] if lab.smoke else overrides


def _sft(lab: Lab, tick: Tick) -> Json:
    config, overrides = shipped("llamafactory_configs/quickstart_sft.yaml"), _sft_overrides(lab)
    checked = check_sft(config, overrides)
    _refuse_faults(checked)
    run_llamafactory(config, overrides, log=lab.out / "sft.log", on_progress=partial(_follow, tick, "loss"), cpu=True)
    return {"check": str(checked.summary), "loss": _read_losses(lab.model("sft") / "trainer_log.jsonl")}


def _rl_overrides(lab: Lab) -> list[str]:
    data = lab.data("quickstart_rlvr").resolve()  # absolute: Ray's workers start elsewhere
    overrides = [
        f"data.train_files={data / 'train.parquet' if lab.trainer == 'easyr1' else data}",
        f"data.val_files={data / 'val.parquet'}",
        f"data.format_prompt={shipped('easyr1_configs/infimed.jinja').resolve()}",
        f"data.seed={1 + lab.seed}",
        f"worker.actor.model.model_path={lab.model('sft').resolve()}",
        f"worker.rollout.seed={1 + lab.seed}",
        f"worker.reward.reward_function={shipped('easyr1_configs/infimed_reward.py').resolve()}:compute_score",
        f"trainer.save_checkpoint_path={(lab.out / 'rl').resolve()}",
    ]
    steps = SMOKE_STEPS if lab.smoke else TRL_STEPS if lab.trainer == "trl" else None
    return [*overrides, f"trainer.max_steps={steps}"] if steps else overrides


def _rl(lab: Lab, tick: Tick) -> Json:
    config, overrides = shipped("easyr1_configs/quickstart_grpo.yaml"), _rl_overrides(lab)
    follow = partial(_follow, tick, "reward/overall")
    if lab.trainer == "easyr1":
        _refuse_faults(check_rl(config, overrides))
        run_easyr1(config, overrides, log=lab.out / "rl.log", on_progress=follow, cpu=True)
    else:
        run_trl(config, overrides, log=lab.out / "rl.log", on_progress=follow)
    lab.model("rl")  # merged now, so that a later stage needs no trainer
    return {"rewards": _read_rewards(lab.out / "rl" / "experiment_log.jsonl")}


def _follow(tick: Tick, shown: str, progress: Progress) -> None:
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
            name=name,
            progress=partial(_asked, tick, style),
        )
        scored = [row.accuracy for row in judged if row.accuracy is not None]
        accuracies[style] = sum(scored) / max(1, len(scored))
    return accuracies


def _asked(tick: Tick, style: str, done: int, total: int | None) -> None:
    tick(done, total or done, f"{style} prompt")


def _read_losses(path: Path) -> list[tuple[float, float]]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [(row["current_steps"], row["loss"]) for row in rows if "loss" in row]


def _read_rewards(path: Path) -> dict[str, list[tuple[float, float]]]:
    """Return the reward curves of EasyR1's file log: overall, format and accuracy by step."""
    curves: dict[str, list[tuple[float, float]]] = {"overall": [], "format": [], "accuracy": []}
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        for name, curve in curves.items():
            if name in row.get("reward", {}):
                curve.append((row["step"], row["reward"][name]))
    return curves
