"""The whole extension API: seven hooks. Each receives ``register(name, thing)``.

``thing`` may be the object itself or a string ``"package.module:attribute"``, imported when it is first used.
A third party lists its module under ``[project.entry-points.infimed_plugins]`` and writes, for example::

    from infimed_plugins import GroundTruth, Verdict, hookimpl

    def exact(answer: str, truth: GroundTruth) -> Verdict:
        return Verdict(float(answer.strip() == truth.answer), parsed=answer)

    @hookimpl
    def register_rewards(register):
        register("exact", exact)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pluggy

hookspec = pluggy.HookspecMarker("infimed_plugins")
hookimpl = pluggy.HookimplMarker("infimed_plugins")

Register = Callable[[str, Any], None]


@hookspec
def register_rewards(register: Register) -> None:
    """``register("jaccard", jaccard)``: a Reward, ``(answer: str, truth: GroundTruth) -> Verdict``."""


@hookspec
def register_sources(register: Register) -> None:
    """``register("phantom", Phantom())``: a Source, one data set turned into Samples (see sources/__init__.py)."""


@hookspec
def register_curation_steps(register: Register) -> None:
    """``register("reflective_cot", step)``: Samples in, Samples out (see curation/__init__.py)."""


@hookspec
def register_engines(register: Register) -> None:
    """``register("transformers", TransformersEngine)``: a factory of Engines (see engines/__init__.py)."""


@hookspec
def register_benchmarks(register: Register) -> None:
    """``register("phantom", Benchmark(...))``: a source split, prompt styles and a scorer (see benchmarks/)."""


@hookspec
def register_scorers(register: Register) -> None:
    """``register("exact", score)``: a value of ``--mode``, a Scorer or its function (see benchmarks/scorers.py)."""


@hookspec
def register_families(register: Register) -> None:
    """``register("qwen3-vl", Family(...))``: a family of models, under the name it has itself (see families.py)."""
