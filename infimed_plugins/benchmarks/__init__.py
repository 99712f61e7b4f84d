"""Benchmarks: a source split, the prompt styles it is asked in, and the scorer that judges the replies."""

from __future__ import annotations

from dataclasses import dataclass

from infimed_plugins.hookspecs import Register, hookimpl


@dataclass(frozen=True)
class Benchmark:
    """One benchmark. ``group_by`` is the meta key whose values get a row of their own in the report."""

    name: str
    source: str
    split: str
    prompt_styles: tuple[str, ...] = ("direct", "reasoning")
    scorer: str = "robust"
    group_by: str = "kind"


PHANTOM = Benchmark(name="phantom", source="phantom", split="test")


@hookimpl
def register_benchmarks(register: Register) -> None:
    """The built-in benchmarks."""
    register("phantom", PHANTOM)
