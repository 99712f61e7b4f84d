"""EasyR1's shards, from one GPU or several, become a folder that transformers loads."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infimed_plugins.errors import DataError, MissingFileError
from infimed_plugins.trainers.easyr1_merge import merged_checkpoint

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

# saves the weights as FSDP does on several GPUs: each rank its slice, and whole what does not divide
SAVE_SHARDS = """
import sys, torch, torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Replicate, Shard, distribute_tensor
from transformers import AutoModelForImageTextToText
model, out = sys.argv[1:]
dist.init_process_group("gloo")
rank, world = dist.get_rank(), dist.get_world_size()
mesh = init_device_mesh("cpu", (world,), mesh_dim_names=("fsdp",))
weights = AutoModelForImageTextToText.from_pretrained(model).state_dict()
sharded = {
    name: distribute_tensor(weight, mesh, [Replicate() if weight.dim() == 1 and "q_proj" in name else Shard(0)])
    for name, weight in weights.items()
}
torch.save(sharded, f"{out}/model_world_size_{world}_rank_{rank}.pt")
dist.barrier()
"""


def _checkpoint(model: Path, folder: Path) -> Path:
    """An ``actor`` folder as EasyR1 leaves it, still without weights."""
    actor = folder / "global_step_7" / "actor"
    shutil.copytree(model, actor / "huggingface", ignore=shutil.ignore_patterns("*.safetensors"))
    (folder / "checkpoint_tracker.json").write_text('{"last_global_step": 7}')
    return actor


def _same_weights(left: Path, right: Path) -> bool:
    first, second = (
        transformers.AutoModelForImageTextToText.from_pretrained(path).state_dict() for path in (left, right)
    )
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture
def whole(tiny_vlm: Path, tmp_path: Path) -> Path:
    """The checkpoint of a run on one GPU."""
    actor = _checkpoint(tiny_vlm, tmp_path)
    weights = transformers.AutoModelForImageTextToText.from_pretrained(tiny_vlm).state_dict()
    torch.save(weights, actor / "model_world_size_1_rank_0.pt")
    return actor


def test_a_checkpoint_of_one_gpu_keeps_every_bit(whole: Path, tiny_vlm: Path, tmp_path: Path) -> None:
    merged = merged_checkpoint(tmp_path)
    assert merged == whole / "huggingface"
    assert _same_weights(merged, tiny_vlm)
    assert not (whole / "huggingface.partial").exists()


@pytest.mark.parametrize("where", [".", "global_step_7", "global_step_7/actor"])
def test_each_folder_of_a_checkpoint_may_be_named(whole: Path, tmp_path: Path, where: str) -> None:
    assert merged_checkpoint(tmp_path / where) == whole / "huggingface"


def test_what_is_merged_is_not_merged_again(whole: Path, tmp_path: Path) -> None:
    weights = merged_checkpoint(tmp_path) / "model.safetensors"
    before = weights.stat().st_mtime_ns
    merged_checkpoint(tmp_path)
    assert weights.stat().st_mtime_ns == before


def test_shards_of_two_gpus_are_put_together(tiny_vlm: Path, tmp_path: Path) -> None:
    actor = _checkpoint(tiny_vlm, tmp_path)
    command = [sys.executable, "-c", SAVE_SHARDS, str(tiny_vlm), str(actor)]
    shared = dict(os.environ, WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=_free_port())
    ranks = [subprocess.Popen(command, env=shared | {"RANK": str(rank)}) for rank in range(2)]
    assert [rank.wait(timeout=120) for rank in ranks] == [0, 0]
    assert _same_weights(merged_checkpoint(tmp_path), tiny_vlm)


def _free_port() -> str:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_a_checkpoint_that_cannot_be_merged_says_what_is_missing(whole: Path, tmp_path: Path) -> None:
    (whole / "lora_adapter").mkdir()
    with pytest.raises(DataError, match="LoRA adapter; merge it with EasyR1's own"):
        merged_checkpoint(tmp_path)
    (whole / "lora_adapter").rmdir()
    (whole / "model_world_size_1_rank_0.pt").rename(whole / "model_world_size_2_rank_0.pt")
    with pytest.raises(DataError, match="lacks the weights of rank 1 of 2"):
        merged_checkpoint(tmp_path)
    (whole / "huggingface" / "config.json").unlink()
    with pytest.raises(MissingFileError, match=r"has no config\.json"):
        merged_checkpoint(tmp_path)
    with pytest.raises(MissingFileError, match="no EasyR1 checkpoint in"):
        merged_checkpoint(tmp_path / "elsewhere")
    assert not any((whole / "huggingface").glob("*.safetensors"))


class Touches:
    """A pickle of this runs a function when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("as_weights", [True, False])
def test_a_shard_that_is_a_program_is_refused_and_not_run(whole: Path, as_weights: bool, tmp_path: Path) -> None:
    hostile = Touches(tmp_path / "ran")
    torch.save({"weight": hostile} if as_weights else hostile, whole / "model_world_size_1_rank_0.pt")
    with pytest.raises(DataError, match="holds other things than weights"):
        merged_checkpoint(tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("data", [b"", b"PK", b"garbage", b"\x80\x04."])
def test_a_damaged_shard_is_one_line(data: bytes, whole: Path, tmp_path: Path) -> None:
    (whole / "model_world_size_1_rank_0.pt").write_bytes(data)
    with pytest.raises(DataError, match="is damaged"):
        merged_checkpoint(tmp_path)


@pytest.mark.parametrize("saved", [{"weight": "text"}, [1], {"weight": 1}])
def test_a_shard_without_weights_is_one_line(saved: object, whole: Path, tmp_path: Path) -> None:
    torch.save(saved, whole / "model_world_size_1_rank_0.pt")
    with pytest.raises(DataError, match="holds other things than weights"):
        merged_checkpoint(tmp_path)


def test_the_code_of_a_checkpoints_folder_is_not_run(whole: Path, tmp_path: Path) -> None:
    (whole / "huggingface" / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    config = whole / "huggingface" / "config.json"
    settings = json.loads(config.read_text()) | {"model_type": "of_its_own", "auto_map": {"AutoConfig": "evil.Evil"}}
    config.write_text(json.dumps(settings))
    with pytest.raises(DataError, match="is no model that transformers has"):
        merged_checkpoint(tmp_path)
    assert not (tmp_path / "ran").exists()
