"""Results of a quickstart: the table, the paired differences, ``results.json`` and ``report.html``."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console

from infimed_plugins import __version__, prompts
from infimed_plugins.benchmarks import runner
from infimed_plugins.benchmarks.catalogue.phantom import PHANTOM as BENCHMARK
from infimed_plugins.benchmarks.judged import Judged, Run
from infimed_plugins.benchmarks.scorers import DEFAULT
from infimed_plugins.quickstart.lab import MODELS, Lab
from infimed_plugins.quickstart.stages import RunState
from infimed_plugins.recipes.manifest import PartCount
from infimed_plugins.records import Json
from infimed_plugins.reports.quickstart_page import Example, ReportData, points, rich_table, write_page
from infimed_plugins.reports.summary import Contrast, Result, Summary, summarize
from infimed_plugins.sources.phantom import PHANTOM
from infimed_plugins.storage import write_whole

EXAMPLES = 6
SHOWN = {"overall": "total"}  # EasyR1's key, the paper's word


def show(lab: Lab, console: Console) -> None:
    """Print the table, the differences and where the report lies."""
    summary = _summary(lab)
    console.print(rich_table(summary))
    for one in summary.contrasts:
        console.print(f"{one.b} - {one.a}, {one.asked.prompt_style}: {points(one.paired)}", highlight=False)
    console.print(f"report: {lab.out / 'report.html'}", highlight=False)


def write(lab: Lab, state: RunState) -> dict[str, Json]:
    """Write ``results.json`` and ``report.html`` into the run folder; return the content of the first."""
    summary = _summary(lab)
    right_of_ten, chain = _chains(lab, state.result("sft_data"))
    seconds = {name: stage["seconds"] for name, stage in state.stages.items()}
    rewards = state.result("rl")["rewards"]
    results: dict[str, Any] = {
        "seed": lab.seed,
        "rl_trainer": lab.trainer,
        "why": lab.why,
        "seconds": seconds,
        "lines": list(map(_line, summary.results)),
        "comparisons": list(map(_comparison, summary.contrasts)),
    }
    write_whole(lab.out / "results.json", json.dumps(results, indent=1))
    data = ReportData(
        title="InfiMed on phantoms: the whole recipe on a laptop",
        metadata={"seed": lab.seed, "infimed-plugins": __version__, "Python": platform.python_version()}
        | {f"{name} (seconds)": value for name, value in seconds.items()},
        notes=[
            f"Reinforcement learning ran in {lab.trainer} ({lab.why}), {len(rewards['overall'])} steps.",
            "Rollouts came from transformers on a CPU, not from vLLM.",
            "The judge's 1-10 scores for reflective chains came from a rule, not from a model.",
            "The model has 1.7 million parameters and the images are procedural phantoms: nothing here is medical.",
        ],
        summary=summary,
        sft_loss={"loss": state.result("sft")["loss"]},
        rewards={SHOWN.get(name, name): _running_mean(curve) for name, curve in rewards.items()},
        right_of_ten=right_of_ten,
        chain=chain,
        examples=_examples(lab),
    )
    write_page(data, lab.out / "report.html")
    return results


def _chains(lab: Lab, manifest: Json) -> tuple[dict[int, int], str]:
    """Count the questions with m right samples, and return one reflective chain to read."""
    counts: Counter[tuple[int, int]] = Counter()
    for part in map(PartCount.of_json, manifest["parts"]):
        counts.update({(m, candidates): count for m, candidates, count in part.right_of})
    rows = (
        message["content"]
        for path in sorted(lab.data("quickstart_sft").glob("quickstart_sft*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
        for message in json.loads(line)["messages"]
    )
    chain = min((text for text in rows if prompts.REFLECTION_BRIDGE in text), key=len, default="")
    return {m: counts[m, 10] for m in range(11)}, chain


def _examples(lab: Lab) -> list[Example]:
    """Return held-out questions on which the three models do not all agree, one of a kind, then the first ones."""
    runs = {name: {row.id: row for row in rows} for name, rows in _judged(lab)["reasoning"].items()}
    samples = list(PHANTOM.load(BENCHMARK.split, limit=min(lab.questions, 200)))
    samples.sort(key=lambda sample: len({runs[name][sample.id].accuracy for name in MODELS}) == 1)
    return [
        Example(
            sample.images[0].read(),
            prompts.question_text(sample).replace(prompts.IMAGE_TAG, ""),
            prompts.answer_text(sample),
            [(name, runs[name][sample.id].text, runs[name][sample.id].accuracy == 1.0) for name in MODELS],
        )
        for sample in samples[:EXAMPLES]
    ]


def _running_mean(curve: Sequence[tuple[float, float]], steps: int = 10) -> list[tuple[float, float]]:
    """Return the mean of the last ``steps`` values at each step: a step has too few questions to show a trend."""
    values = [value for _, value in curve]
    means = (values[max(0, end - steps) : end] for end in range(1, len(values) + 1))
    return [(x, sum(window) / len(window)) for (x, _), window in zip(curve, means, strict=True)]


def _judged(lab: Lab) -> dict[str, dict[str, list[Judged]]]:
    return {
        style: {name: runner.read_run(lab.out / "eval" / f"{name}-{style}") for name in MODELS}
        for style in BENCHMARK.prompt_styles
    }


def _summary(lab: Lab) -> Summary:
    judged = ((name, style, rows) for style, runs in _judged(lab).items() for name, rows in runs.items())
    runs = [Run(name, BENCHMARK.name, style, DEFAULT, rows) for name, style, rows in judged]
    return summarize(runs, groupings={BENCHMARK.name: ["group"]})


def _line(of: Result) -> dict[str, Json]:
    groups = {name: asdict(figure.accuracy) for name, figure in of.groups.get("group", {}).items()}
    line = {"model": of.model, "prompt_style": of.asked.prompt_style, "overall": asdict(of.figure.accuracy)}
    return line | {"by_group": groups, "invalid": asdict(of.figure.invalid), "unscored": of.unscored}


def _comparison(of: Contrast) -> dict[str, Json]:
    return {"a": of.a, "b": of.b, "prompt_style": of.asked.prompt_style, "paired": asdict(of.paired)}
