"""Procedural phantoms: pictures made anew from a seed, so nothing to download and nothing to leak."""

from __future__ import annotations

from infimed_plugins.benchmarks import Benchmark

PHANTOM = Benchmark("phantom", title="Procedural phantoms", questions=2000, max_tokens=512, decontaminate=False)
