"""InfiMed's recipe for medical vision-language models, as plugins for LLaMA-Factory and EasyR1.

``score_reply`` judges one reply, ``compute_score`` rewards a batch of rollouts, ``build`` makes a training set,
``reflect`` reflective chains of thought, ``evaluate`` asks a model the questions of benchmarks, and ``score`` judges
kept replies anew (api.py).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from infimed_plugins.errors import InfimedError, NoVerdictError
from infimed_plugins.hookspecs import hookimpl
from infimed_plugins.records import GroundTruth, ImageRef, Response, Sample, Score, Verdict

if TYPE_CHECKING:
    from infimed_plugins.api import build, evaluate, reflect, score
    from infimed_plugins.benchmarks.scorers import score_reply
    from infimed_plugins.rewards import compute_score

__version__ = "0.1.0"

__all__ = [
    "GroundTruth",
    "ImageRef",
    "InfimedError",
    "NoVerdictError",
    "Response",
    "Sample",
    "Score",
    "Verdict",
    "__version__",
    "build",
    "compute_score",
    "evaluate",
    "hookimpl",
    "reflect",
    "score",
    "score_reply",
]

_HEAVIER = dict.fromkeys(("build", "evaluate", "reflect", "score"), "infimed_plugins.api") | {
    "compute_score": "infimed_plugins.rewards",
    "score_reply": "infimed_plugins.benchmarks.scorers",
}


def __getattr__(name: str) -> Any:
    """Import what is heavier than this module when it is first used."""
    if name not in _HEAVIER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HEAVIER[name]), name)
