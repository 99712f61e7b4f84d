"""Stands in for vLLM where EasyR1 runs on a CPU: as much of its interface as EasyR1 uses."""

from infimed_plugins.quickstart.easyr1_cpu.rollout import LLM, RequestOutput, SamplingParams

__all__ = ["LLM", "RequestOutput", "SamplingParams", "__version__"]
__version__ = "0.0.0+transformers"
