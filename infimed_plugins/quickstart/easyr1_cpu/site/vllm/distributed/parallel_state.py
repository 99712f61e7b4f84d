"""The tensor-parallel group EasyR1 asks vLLM for: on a CPU every process is a group of its own."""

from functools import cache
from types import SimpleNamespace


def get_tensor_model_parallel_world_size() -> int:
    """Return 1."""
    return 1


def get_tensor_model_parallel_rank() -> int:
    """Return 0."""
    return 0


@cache
def get_tensor_model_parallel_group() -> SimpleNamespace:
    """Return a group of this process alone (``device_group``); every process must call this, as with vLLM."""
    import torch.distributed as dist

    groups = [dist.new_group([rank]) for rank in range(dist.get_world_size())]
    return SimpleNamespace(device_group=groups[dist.get_rank()])
