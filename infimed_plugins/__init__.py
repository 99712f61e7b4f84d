"""InfiMed's recipe for medical vision-language models, as plugins for LLaMA-Factory and EasyR1."""

from __future__ import annotations

from importlib import import_module

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


def score_reply(reply: str, sample: Sample, mode: str = "robust") -> Score:
    """Judge one reply to one sample by the rules of a scoring mode, as every command does.

    ``Score(accuracy=1.0, parsed="B", code="judged", trace=("announced",), …)``; ``accuracy`` is None where
    the mode has no rule for such a question. Raises ConfigError for an unknown mode.
    """
    judge = import_module("infimed_plugins.benchmarks.scorers").score_reply  # heavier than this module
    return judge(reply, sample, mode)  # type: ignore[no-any-return]
