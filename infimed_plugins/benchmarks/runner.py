"""Ask a model a benchmark's questions and judge the replies, in a run folder that can be taken up again.

``responses.jsonl`` gets a line for each reply as it comes: prompt, raw reply, parsed answer, verdict, reason. After a
kill only what is missing is asked; a torn last line is dropped. ``settings.json`` refuses a folder of other settings.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from infimed_plugins import prompts
from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.benchmarks.judged import Judged
from infimed_plugins.engines import ChatRequest, Engine, Sampling
from infimed_plugins.errors import ConfigError, DataError
from infimed_plugins.plugins import registry
from infimed_plugins.records import Response, Sample, Score
from infimed_plugins.scoring.robust import score_response

MAX_FAILED_SHARE = 0.05
MIN_FAILED = 5


def run(
    benchmark: Benchmark,
    engine: Engine,
    run_dir: Path,
    *,
    prompt_style: str = "direct",
    limit: int | None = None,
    seed: int = 0,
    max_tokens: int = 512,
    folder: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Judged]:
    """Evaluate, greedily, and return every judged reply in the order of the samples.

    Raises ConfigError for a folder of other settings and DataError when more than 5% of the requests failed.
    """
    settings = {
        "benchmark": benchmark.name,
        "model": engine.model,
        "prompt_style": prompt_style,
        "limit": limit,
        "seed": seed,
        "max_tokens": max_tokens,
        "scorer": benchmark.scorer,
    }
    log = _open_run(run_dir, settings)
    source = registry().get("source", benchmark.source)
    samples = list(source.load(benchmark.split, folder=folder, seed=seed, limit=limit))
    done = {judged.id: judged for judged in read_run(run_dir)}
    missing = [sample for sample in samples if sample.id not in done]
    progress(len(done), len(samples))
    by_id = {sample.id: sample for sample in missing}
    requests = (ChatRequest(s.id, prompts.render(s, prompt_style), s.images) for s in missing)
    with log.open("a", encoding="utf-8") as file:
        for reply in engine.generate(requests, Sampling(max_tokens=max_tokens, seed=seed)) if missing else ():
            sample = by_id[reply.id]
            text = reply.texts[0] if reply.texts else ""
            judged = _judge(benchmark, sample, Response(sample.id, text, prompt_style, engine.model, error=reply.error))
            if judged.accuracy is not None:  # a failed request is asked again by the next run
                file.write(json.dumps(asdict(judged), ensure_ascii=False) + "\n")
                file.flush()
            done[judged.id] = judged
            progress(len(done), len(samples))
    _refuse_failures([done[sample.id] for sample in samples])
    return [done[sample.id] for sample in samples]


def read_run(run_dir: Path) -> list[Judged]:
    """The judged replies a run folder holds; a torn last line is left out."""
    path = run_dir / "responses.jsonl"
    if not path.exists():
        return []
    return [Judged(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def _open_run(run_dir: Path, settings: dict[str, Any]) -> Path:
    """The log, whole lines only; refuses a folder that was made with other settings."""
    run_dir.mkdir(parents=True, exist_ok=True)
    known = run_dir / "settings.json"
    if known.exists() and (old := json.loads(known.read_text(encoding="utf-8"))) != settings:
        changed = ", ".join(sorted(key for key in settings if old.get(key) != settings[key]))
        raise ConfigError(f"{run_dir} holds a run with another {changed}; choose another --out or remove it")
    known.write_text(json.dumps(settings, indent=1), encoding="utf-8")
    log = run_dir / "responses.jsonl"
    if log.exists():
        whole, _, torn = log.read_bytes().rpartition(b"\n")
        if torn:
            log.write_bytes(whole + b"\n" if whole else b"")
    return log


def _judge(benchmark: Benchmark, sample: Sample, response: Response) -> Judged:
    verdict: Score = score_response(response, sample)
    return Judged(
        id=sample.id,
        group=str(sample.meta.get(benchmark.group_by, sample.task)),
        image=sample.images[0].sha256() if sample.images else sample.id,
        prompt=prompts.render(sample, response.prompt_style),
        text=response.text,
        gold=sample.answer,
        parsed=verdict.parsed,
        accuracy=verdict.accuracy,
        format=verdict.format,
        invalid=verdict.invalid,
        reason=verdict.reason,
    )


def _refuse_failures(judged: Iterable[Judged]) -> None:
    rows = list(judged)
    failed = [row for row in rows if row.accuracy is None]
    if len(failed) >= MIN_FAILED and len(failed) > MAX_FAILED_SHARE * len(rows):
        raise DataError(f"{len(failed)} of {len(rows)} requests failed, the first: {failed[0].reason}; mend and rerun")
