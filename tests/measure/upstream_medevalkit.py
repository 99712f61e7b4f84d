"""A MedEvalKit checkout's own scoring, called in this process or in one with another python. No test.

Scoring needs nltk, rouge and mathruler; what its files import beside them (torch, datasets, API clients) is replaced by
empty modules, for scoring calls none of it. As a script, ``python upstream_medevalkit.py CHECKOUT ROUNDS < sets.json``
writes ``{set: {"seconds": CPU seconds, "correct": […]}}``.
"""

from __future__ import annotations

import contextlib
import copy
import gc
import importlib
import importlib.util
import json
import os
import random
import subprocess
import sys
import time
import types
import warnings
from pathlib import Path
from typing import Any

NEEDED = ("nltk", "rouge", "mathruler")
UNUSED = ("torch", "datasets", "google.genai", "openai", "tenacity", "tqdm.asyncio", "PIL", "yaml")
CLASSES = {"VQA_RAD": "VQA_RAD", "PATH_VQA": "PATH_VQA", "SLAKE": "SLAKE", "PMC_VQA": "PMC_VQA",
           "OmniMedVQA": "OmniMedVQA", "MedXpertQA-MM": "MedXpertQA"}  # fmt: skip


def score_sets(sets: dict[str, Any], checkout: Path, python: str | None, rounds: int) -> dict[str, Any]:
    """Upstream's verdicts and CPU seconds for ``{name: {"benchmark": …, "samples": […]}}``, responses included."""
    if python is None and all(importlib.util.find_spec(name) for name in NEEDED):
        return _score_here(sets, checkout, rounds)
    if python is None:
        sys.exit(f"MedEvalKit needs {', '.join(NEEDED)}: name a python that has them with --upstream-python")
    command = [python, str(Path(__file__).resolve()), str(checkout), str(rounds)]
    done = subprocess.run(command, input=json.dumps(sets), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"upstream failed: {done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


class _Anything(types.ModuleType):
    """A module whose every name is a function that returns what it decorates."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "no_grad":
            return contextlib.nullcontext
        return lambda *args, **kwargs: lambda function: function


def _import_upstream(checkout: Path) -> None:
    os.environ.update(api_key="none", use_llm_judge="False", REASONING="False", TQDM_DISABLE="1")
    warnings.simplefilter("ignore")
    for name in NEEDED:  # before the empty torch, which scipy below nltk would stumble over
        importlib.import_module(name)
    for name in UNUSED:
        root = name.partition(".")[0]
        if importlib.util.find_spec(root) is None or root in ("torch", "datasets", "google", "openai", "tenacity"):
            for part in (root, name):
                sys.modules[part] = _Anything(part)
    package = types.ModuleType("utils")  # without its __init__, which imports every data set
    package.__path__ = [str(checkout / "utils")]
    sys.modules["utils"] = package


def _score_here(sets: dict[str, Any], checkout: Path, rounds: int) -> dict[str, Any]:
    _import_upstream(checkout)
    return {name: _best(given["benchmark"], given["samples"], rounds) for name, given in sets.items()}


def _best(benchmark: str, samples: list[dict[str, Any]], rounds: int) -> dict[str, Any]:
    return min((_score(benchmark, samples) for _ in range(rounds)), key=lambda scored: scored["seconds"])


def _score(benchmark: str, samples: list[dict[str, Any]]) -> dict[str, Any]:
    run = _mmmu if benchmark == "MMMU-Medical-val" else _dataset
    random.seed(42)
    samples = copy.deepcopy(samples)
    gc.freeze()  # as in bench_scoring.timed
    return run(benchmark, samples)


def _dataset(benchmark: str, samples: list[dict[str, Any]]) -> dict[str, Any]:
    name = CLASSES[benchmark]
    kind = getattr(importlib.import_module(f"utils.{name}.{name}"), name)
    dataset = kind.__new__(kind)
    started = time.process_time()
    _, samples = dataset.cal_metrics(samples)
    return {"seconds": time.process_time() - started, "correct": [sample["correct"] for sample in samples]}


def _mmmu(benchmark: str, samples: list[dict[str, Any]]) -> dict[str, Any]:
    val, rules = (importlib.import_module(f"utils.MMMU.{name}") for name in ("eval_val", "eval_utils"))
    replies = iter([sample["response"] for sample in samples])
    model = types.SimpleNamespace(generate_outputs=lambda messages: [next(replies) for _ in messages])
    started = time.process_time()
    judged = rules.evaluate(val.run_model(samples, model))[0]
    seconds = time.process_time() - started
    return {"seconds": seconds, "correct": [judged[sample["id"]] == "Correct" for sample in samples]}


if __name__ == "__main__":
    print(json.dumps(_score_here(json.load(sys.stdin), Path(sys.argv[1]), int(sys.argv[2]))))
