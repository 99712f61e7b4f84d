"""InfiMed's recipe for medical vision-language models, as plugins for LLaMA-Factory and EasyR1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infimed_plugins.errors import InfimedError
from infimed_plugins.hookspecs import hookimpl
from infimed_plugins.records import GroundTruth, ImageRef, Response, Sample, Score, Verdict

__version__ = "0.1.0"

__all__ = [
    "GroundTruth",
    "ImageRef",
    "InfimedError",
    "Response",
    "Sample",
    "Score",
    "Verdict",
    "__version__",
    "hookimpl",
    "score_reply",
]

if TYPE_CHECKING:
    from infimed_plugins.benchmarks.modes import score_reply


def __getattr__(name: str) -> object:
    """``score_reply``, with what it needs, at its first use."""
    if name == "score_reply":
        from infimed_plugins.benchmarks.modes import score_reply

        return score_reply
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
