"""InfiMed's recipe for medical vision-language models, as plugins for LLaMA-Factory and EasyR1."""

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
]
