"""Merge EasyR1's checkpoint, one file of weights per GPU, into a folder that transformers and vLLM load.

EasyR1 saves ``global_step_N/actor/model_world_size_W_rank_R.pt`` beside ``huggingface/``, which has everything but
weights (verl/utils/checkpoint/fsdp_checkpoint_manager.py). Its merging script is in its repository, not in what pip
installs, and always writes bfloat16; this one writes the type that the configuration names.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infimed_plugins.errors import DataError, MissingExtraError, MissingFileError
from infimed_plugins.limits import read_json
from infimed_plugins.trainers.data_check import model_class
from infimed_plugins.trainers.faults import first_line

if TYPE_CHECKING:
    from torch import Tensor

_SHARD = re.compile(r"model_world_size_(\d+)_rank_(\d+)\.pt")
_TRACKER = "checkpoint_tracker.json"


def merged_checkpoint(folder: Path) -> Path:
    """Merge the last checkpoint under ``folder`` into its ``huggingface`` folder, and return that folder.

    ``folder`` is EasyR1's ``save_checkpoint_path``, one ``global_step_N`` or its ``actor``. A merged checkpoint is
    returned as it is. Raises MissingFileError where there is no checkpoint and DataError for one that lacks shards or
    holds a LoRA adapter.
    """
    actor = _actor_folder(folder)
    merged = actor / "huggingface"
    if any(merged.glob("*.safetensors")):
        return merged
    if (actor / "lora_adapter").exists():
        raise DataError(f"{actor} holds a LoRA adapter; merge it with EasyR1's own scripts/model_merger.py")
    if not (merged / "config.json").exists():
        raise MissingFileError(f"{merged} has no config.json; the checkpoint was not saved to its end")
    try:
        import torch
        from transformers import AutoConfig, GenerationConfig
    except ImportError as error:
        raise MissingExtraError("merging a checkpoint", error.name or "transformers", "transformers") from error

    try:
        config = AutoConfig.from_pretrained(merged, trust_remote_code=False)
    except (OSError, ValueError) as error:  # no JSON, or a model that needs code of its own
        raise DataError(f"{merged} is no model that transformers has ({first_line(error)})") from error
    weights = {name: tensor.to(config.dtype) for name, tensor in _whole_weights(actor).items()}
    with torch.device("meta"):  # only its class is needed, to name weights as it saves them
        model = model_class(config).from_config(config)
    if (merged / "generation_config.json").exists():
        model.generation_config = GenerationConfig.from_pretrained(merged)
    partial = actor / "huggingface.partial"
    model.save_pretrained(partial, state_dict=weights)
    for file in sorted(partial.iterdir(), key=lambda file: file.suffix == ".safetensors"):  # weights last
        file.replace(merged / file.name)
    partial.rmdir()
    return merged


def _actor_folder(folder: Path) -> Path:
    candidates = [folder, folder / "actor"]
    if (folder / _TRACKER).exists():
        step = read_json(folder / _TRACKER)["last_global_step"]
        candidates.append(folder / f"global_step_{step}" / "actor")
    for candidate in candidates:
        if any(candidate.glob("model_world_size_*_rank_0.pt")):
            return candidate
    raise MissingFileError(f"no EasyR1 checkpoint in {folder}; name its save_checkpoint_path or a global_step folder")


def _whole_weights(actor: Path) -> dict[str, Tensor]:
    """Return the weights of all shards put together, by name."""
    shards = {
        int(match[2]): (path, int(match[1])) for path in actor.iterdir() if (match := _SHARD.fullmatch(path.name))
    }
    _, world_size = shards[0]
    missing = [rank for rank in range(world_size) if rank not in shards]
    if missing:
        raise DataError(
            f"{actor} lacks the weights of rank {missing[0]} of {world_size}; copy every node's files into it"
        )
    loaded = [_load(shards[0][0])]
    if any(_is_sharded(tensor) for tensor in loaded[0].values()):
        loaded += [_load(shards[rank][0]) for rank in range(1, _shard_count(loaded[0]))]
    return {name: _join([shard[name] for shard in loaded]) for name in loaded[0]}


def _load(shard: Path) -> dict[str, Any]:
    """Return the tensors of a shard. Raises DataError for anything else: a pickle can run code."""
    import torch
    import torch.distributed.tensor  # registers DTensor and its parts as safe to load

    weights: Any = None
    with suppress(Exception):  # a damaged or hostile pickle may raise any
        weights = torch.load(shard, map_location="cpu", weights_only=True)
    if not (isinstance(weights, dict) and all(isinstance(one, torch.Tensor) for one in weights.values())):
        raise DataError(f"{shard} is damaged, or holds other things than weights; copy what EasyR1 saved again")
    return weights


def _is_sharded(tensor: Any) -> bool:
    return hasattr(tensor, "placements")


def _shard_count(weights: dict[str, Any]) -> int:
    """Return how many GPUs hold one copy of the model; with replicas, the first ranks hold a whole copy."""
    sharded = next(tensor for tensor in weights.values() if _is_sharded(tensor))
    return int(sharded.device_mesh.mesh.shape[-1])


def _join(parts: list[Any]) -> Tensor:
    import torch

    if not _is_sharded(parts[0]):
        return parts[0]  # type: ignore[no-any-return]
    placement = parts[0].placements[-1]
    if placement.is_replicate():
        return parts[0].to_local()  # type: ignore[no-any-return]
    return torch.cat([part.to_local() for part in parts], dim=placement.dim)
