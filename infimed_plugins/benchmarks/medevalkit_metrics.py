"""MedEvalKit's own ``metrics.json`` for a run folder, the bugs of its sums included."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.benchmarks.answered import Answered
from infimed_plugins.benchmarks.judged import Run
from infimed_plugins.benchmarks.run_folder import RunFolder
from infimed_plugins.benchmarks.scorers import judges_verdict
from infimed_plugins.errors import InfimedError
from infimed_plugins.plugins import registry
from infimed_plugins.records import Json
from infimed_plugins.scoring import medevalkit

RIGHT, WRONG = "<judge>0</judge>", "<judge>1</judge>"  # as upstream's judge says it


def metrics_of(folder: RunFolder, judged: Iterable[Run] = ()) -> dict[str, Json]:
    """What upstream would write for the folder's replies, or ``{"error": …}`` where it would write nothing.

    ``judged`` are runs as ``judge_folder`` gives them: what a judge said in one of this folder stands for upstream's
    judge. That is asked of every SLAKE question, so there the mode must be ``paper``; and it is a wrong answer where it
    fails.
    """
    settings = folder.settings()
    benchmark: Benchmark = registry().get("benchmark", settings.get("benchmark", "?"))
    rows = folder.answered()
    if benchmark.medevalkit is None:
        return {"error": f"MedEvalKit has no data set {benchmark.name}"}
    if any(row.row is None or row.error for row in rows):
        return {"error": "upstream's own rows, or some replies, are missing here"}
    upstream, texts = [row.row for row in rows], [row.text for row in rows]
    try:
        verdicts = medevalkit.score_rows(benchmark.medevalkit, upstream, texts)
        asked = [rows[place] for place in medevalkit.asked_of_judge(benchmark.medevalkit, verdicts)]
        by_judge = [run for run in judged if run.judge and _is_of(run, settings)]
        said = _outputs(by_judge, asked) if by_judge and asked else None
        if by_judge and asked and said is None:
            return {"error": "upstream's judge is asked of more questions than this one was; add --mode paper"}
        return medevalkit.metrics(benchmark.medevalkit, upstream, texts, said, verdicts=verdicts)
    except medevalkit.UpstreamCrashError as error:
        return {"error": f"upstream ends here: {error}"}
    except (InfimedError, ZeroDivisionError, KeyError) as error:
        return {"error": f"{type(error).__name__}: {error}"}


def _is_of(run: Run, settings: dict[str, Json]) -> bool:
    """Whether a run was asked in a folder with these settings."""
    asked = (run.model, run.benchmark, run.prompt_style, run.variant)
    names = (settings.get("name") or settings.get("model"), settings.get("benchmark"), settings.get("prompt_style"))
    return asked == (*names, settings.get("variant", ""))


def _outputs(runs: Sequence[Run], asked: Sequence[Answered]) -> list[str | None] | None:
    """The judge's outputs on these questions, of the first run that has them all; None for none."""
    for run in runs:
        found = {row.id: judges_verdict(row) for row in run.rows}
        if all(found.get(row.id) is not None for row in asked):
            said = [found[row.id] for row in asked]
            return [{"right": RIGHT, "wrong": WRONG}.get(str(verdict)) for verdict in said]
    return None
