"""Everything used of EasyR1 beyond its public names, at the pinned commit: begin an upgrade here."""

from __future__ import annotations

import sys
from copy import deepcopy
from importlib import import_module, invalidate_caches
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

from infimed_plugins.errors import MissingExtraError, install_command
from infimed_plugins.paths import PACKAGE

REPOSITORY = "https://github.com/hiyouga/EasyR1"
COMMIT = "b44b311b669bf1fd1aa2fc36f2251482ba33cb16"
CPU_LAYER = PACKAGE / "quickstart" / "easyr1_cpu" / "site"


class MissingEasyR1Error(MissingExtraError):
    """EasyR1 is not installed, or PyPI's other ``verl`` is."""

    def __init__(self, what: str) -> None:
        ImportError.__init__(
            self,
            f"{what}; EasyR1 is not on PyPI, run: {install_command('rl')} && "
            f"pip install --no-deps git+{REPOSITORY}@{COMMIT}",
        )


def import_easyr1() -> None:
    """Import what the check uses of EasyR1. Its configuration imports vLLM (verl/workers/config.py:23).

    Where vLLM is not installed, the CPU layer's stand-in takes its place during the import and is forgotten after.
    """
    if find_spec("verl") is None:
        raise MissingEasyR1Error("checking an EasyR1 configuration needs EasyR1, which is not installed")
    stand_in = None if find_spec("vllm") else str(CPU_LAYER)
    if stand_in:
        sys.path.append(stand_in)
    try:
        for module in ("verl.trainer.config", "verl.trainer.ray_trainer", "verl.utils.dataset", "verl.workers.reward"):
            import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("verl"):
            raise MissingEasyR1Error("the installed 'verl' is another project") from error
        raise MissingExtraError("checking an EasyR1 configuration", str(error.name), "rl") from error
    finally:
        if stand_in:
            sys.path.remove(stand_in)
            for name in [name for name in sys.modules if name.partition(".")[0] == "vllm"]:
                del sys.modules[name]
            invalidate_caches()


def judge_trainer_sizes(settings: Any) -> None:
    """Raise what RayPPOTrainer.__init__ raises for batch sizes (verl/trainer/ray_trainer.py)."""
    from verl.trainer.ray_trainer import RayPPOTrainer

    RayPPOTrainer(settings, None, None, [None], [None], {}, None)


def judge_worker_sizes(settings: Any) -> None:
    """Raise what FSDPWorker._init_dist_mesh raises; it needs no process group for that, only their number."""
    from verl.workers import fsdp_workers

    world = settings.trainer.nnodes * settings.trainer.n_gpus_per_node
    worker = object.__new__(fsdp_workers.FSDPWorker)
    worker.__dict__.update(config=deepcopy(settings.worker), _rank=1)
    replaced = {
        "dist": SimpleNamespace(get_world_size=lambda: world),
        "init_device_mesh": lambda *_, **__: None,
        "FSDPUlyssesShardingManager": lambda mesh: None,
    }
    kept = {name: getattr(fsdp_workers, name) for name in replaced}
    vars(fsdp_workers).update(replaced)
    try:
        fsdp_workers.FSDPWorker._init_dist_mesh(worker, worker.config.actor, "actor")
    finally:
        vars(fsdp_workers).update(kept)


def takes_model(folder: str) -> bool:
    """True if EasyR1 trains a folder's model without padding (verl/models/monkey_patch.py, apply_ulysses_patch)."""
    from transformers import PretrainedConfig
    from verl.models.monkey_patch import SUPPORTED_MODEL_TYPE

    return PretrainedConfig.get_config_dict(folder)[0].get("model_type") in SUPPORTED_MODEL_TYPE


def load_data_set(data: str, config: Any, tokenizer: Any, processor: Any) -> Any:
    """Return upstream's own data set, unfiltered; ``config`` is its DataConfig."""
    from verl.utils.dataset import RLHFDataset

    keys = ("prompt_key", "answer_key", "image_key", "image_dir", "max_prompt_length", "format_prompt")
    options = {key: getattr(config, key) for key in (*keys, "min_pixels", "max_pixels")}
    return RLHFDataset(data, tokenizer, processor, filter_overlong_prompts=False, **options)


def messages(row: dict[str, Any], dataset: Any) -> list[dict[str, Any]]:
    """Return a row as the chat template takes it; the one message's content is a list of parts."""
    built: list[dict[str, Any]] = dataset._build_messages(row)
    return built


def load_reward_manager(config: Any) -> tuple[Any, str, Any]:
    """Return the reward function with arguments bound, "batch" or "sequential", and the bare function.

    ``config`` is EasyR1's RewardConfig (verl/workers/reward/function.py:104).
    """
    from verl.workers.reward import AutoRewardManager

    manager = AutoRewardManager(config, None)
    return manager.reward_fn, manager.reward_type, manager.reward_fn.func
