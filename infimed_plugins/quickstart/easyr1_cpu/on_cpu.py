"""Replacements for the CUDA calls that EasyR1 b44b311 spells out, module by module.

``AFTER_IMPORT`` names the modules; site/sitecustomize.py calls the function of each right after its import.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial, wraps
from itertools import pairwise
from typing import Any

from infimed_plugins.quickstart.easyr1_cpu.shared_prompts import sharing_prompts

Adapt = Callable[[Any], None]

REMEMBERED_IMAGES = 4096  # features of one: 8 kB for a phantom
DATA_WORKERS = 1  # EasyR1 starts 8 for each data set (data_loader.py:72, 102); a laptop has two cores


def _adapt_verl(verl: Any) -> None:
    """Turn CUDA's device and random state into the CPU's; start no Ray dashboard."""
    import ray
    import torch

    cpu = torch.device("cpu")
    replacements: dict[str, Callable[..., Any]] = {
        "is_available": lambda: False,
        "current_device": lambda: cpu,
        "get_device_name": lambda *_: "CPU",
        "mem_get_info": lambda *_: (0, 0),
        "get_rng_state": lambda *_: torch.get_rng_state(),
        "set_rng_state": lambda state, *_: torch.set_rng_state(state),
        "manual_seed": torch.manual_seed,
    }
    for name, replacement in replacements.items():
        setattr(torch.cuda, name, replacement)
    init_process_group = torch.distributed.init_process_group

    def init_gloo(backend: str | None = None, **options: Any) -> None:
        init_process_group("gloo" if backend == "nccl" else backend, **options)

    setattr(torch.distributed, "init_process_group", init_gloo)  # noqa: B010 - mypy refuses the plain assignment
    ray.init = wraps(ray.init)(partial(ray.init, include_dashboard=False, _node_ip_address="127.0.0.1"))


def _adapt_protocol(protocol: Any) -> None:
    """Leave the batch where it is at ``batch.cuda()`` before a gather (protocol.py:741)."""
    protocol.TensorDict.cuda = lambda batch, device=None: batch


def _adapt_seqlen_balancing(balancing: Any) -> None:
    """Avoid a count on the GPU (seqlen_balancing.py:255), and keep the order, so that replies to a prompt meet."""
    balancing.torch = _TorchOnCpu()
    balancing.get_seqlen_balanced_partitions = in_order


def in_order(seqlen_list: Sequence[int], k_partitions: int, equal_size: bool) -> list[list[int]]:
    """Split the indices of ``seqlen_list`` into ``k_partitions`` runs, equal in number by one; none is empty."""
    count = len(seqlen_list)
    bounds = [count * part // k_partitions for part in range(k_partitions + 1)]
    return [list(range(start, end)) for start, end in pairwise(bounds)]


class _TorchOnCpu:
    """The torch module, except that ``tensor(…, device="cuda")`` makes a CPU tensor."""

    def __getattr__(self, name: str) -> Any:
        import torch

        return getattr(torch, name)

    @staticmethod
    def tensor(data: Any, **options: Any) -> Any:
        import torch

        return torch.tensor(data, **{**options, "device": "cpu"})


def _adapt_vllm_utils(utils: Any) -> None:
    """Answer for the version of an installed vLLM (vllm_utils.py:109): the stand-in is not installed."""
    utils.version = lambda name: "0.0.0"


def _adapt_data_loader(data_loader: Any) -> None:
    data_loader.StatefulDataLoader = _with_defaults(data_loader.StatefulDataLoader, num_workers=DATA_WORKERS)


def _adapt_fsdp_workers(workers: Any) -> None:
    """Put meshes and models on the CPU; one FSDP unit a model, since there is nothing to shard."""
    workers.init_device_mesh = lambda device, **options: _init_device_mesh("cpu", **options)
    for name in ("AutoModelForCausalLM", "AutoModelForImageTextToText"):
        setattr(workers, name, _OnCpuAuto(getattr(workers, name)))
    workers.get_fsdp_wrap_policy = lambda *_, **__: None
    fsdp = workers.FSDP
    workers.FSDP = lambda model, *args, **options: fsdp(remember_images(model), *args, **options)


def _init_device_mesh(device: str, **options: Any) -> Any:
    from torch.distributed.device_mesh import init_device_mesh

    return init_device_mesh(device, **options)


class _OnCpuAuto:
    """A transformers auto class that loads onto the CPU with torch's own attention."""

    def __init__(self, auto_class: Any) -> None:
        self._auto_class = auto_class

    def __getattr__(self, name: str) -> Any:
        return getattr(self._auto_class, name)

    def from_pretrained(self, *args: Any, **options: Any) -> Any:
        on_cpu = {"attn_implementation": "sdpa", "device_map": "cpu"}
        return self._auto_class.from_pretrained(*args, **{**options, **on_cpu})

    def from_config(self, *args: Any, **options: Any) -> Any:
        return self._auto_class.from_config(*args, **{**options, "attn_implementation": "sdpa"})


def remember_images(model: Any) -> Any:
    """Let a frozen vision tower read each image once: its features are kept by the image's pixels.

    A step shows each image ``n`` times to the actor, twice, and to the reference model. FSDP would also run the
    backward pass through a frozen tower, for gradients that nobody uses.
    """
    tower = getattr(model.model, "visual", None)
    if tower is None or any(parameter.requires_grad for parameter in tower.parameters()):
        return model
    read = tower.forward
    seen: OrderedDict[bytes, Any] = OrderedDict()

    def forward(hidden_states: Any, grid_thw: Any, **options: Any) -> Any:
        import torch
        import xxhash

        images = hidden_states.split(grid_thw.prod(dim=1).tolist())
        keys = [xxhash.xxh3_128_digest(image.numpy()) for image in images]
        new = {key: index for index, key in enumerate(keys) if key not in seen}
        if new:
            with torch.no_grad():
                indices = list(new.values())
                features = read(torch.cat([images[i] for i in indices]), grid_thw[indices], **options)
            deeper = list(features[1]) if isinstance(features, tuple) else []  # Qwen3-VL's, for its first layers
            layers = [features[0], *deeper] if deeper else [features]
            sizes = (grid_thw[indices].prod(dim=1) // tower.spatial_merge_unit).tolist()
            seen.update(zip(new, zip(*(layer.split(sizes) for layer in layers), strict=True), strict=True))
        found = [torch.cat(layer) for layer in zip(*(seen[key] for key in keys), strict=True)]
        while len(seen) > REMEMBERED_IMAGES:
            seen.popitem(last=False)
        return (found[0], found[1:]) if len(found) > 1 else found[0]

    tower.forward = forward
    return model


def _adapt_actor(dp_actor: Any) -> None:
    """Read each prompt once for all its replies, and no padding."""
    actor_class = dp_actor.DataParallelPPOActor
    actor_class._forward_micro_batch = sharing_prompts(actor_class._forward_micro_batch)


def _with_defaults(function: Callable[..., Any], **fixed: Any) -> Callable[..., Any]:
    return lambda *args, **options: function(*args, **{**options, **fixed})


AFTER_IMPORT: dict[str, Adapt] = {
    "verl": _adapt_verl,
    "verl.protocol": _adapt_protocol,
    "verl.utils.seqlen_balancing": _adapt_seqlen_balancing,
    "verl.utils.vllm_utils": _adapt_vllm_utils,
    "verl.trainer.data_loader": _adapt_data_loader,
    "verl.workers.fsdp_workers": _adapt_fsdp_workers,
    "verl.workers.actor.dp_actor": _adapt_actor,
}
