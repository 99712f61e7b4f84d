"""ms-swift (4.6): rows for ``swift rlhf`` and ``swift sft``, a configuration, and the reward of its GRPO.

swift imports this file, which registers the reward (swift/utils/utils.py, import_external_file). The data set needs a
column ``ground_truth``, or ``answer`` or ``solution``. A row is LLaMA-Factory's with its ``ground_truth``, a text, and
without ``images`` where there are none.

Where there is a text to train on (a direct answer, or reasoning) an assistant turn follows, for SFT; GRPO takes it off
(``remove_response``, swift/rlhf_trainers/grpo_trainer.py:838). Start it with ROOT_IMAGE_DIR=BUILD, which the paths are
relative to (swift/template/vision_utils.py:113). GRPO keeps the other columns and hands them to the reward
(swift/arguments/rlhf_args.py:349).
"""

from __future__ import annotations

import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from infimed_plugins.export import ExportRow, Format
from infimed_plugins.export.jsonl import write_jsonl
from infimed_plugins.trainers.llamafactory import sharegpt_row
from infimed_plugins.trainers.registry import SETTINGS_LINES, Keys, Trainer
from infimed_plugins.trainers.trl import GRPO_CONFIG, infimed_reward


class InfimedReward:
    """An outcome reward as swift calls it: ``ORM(args)(completions, **columns)`` (swift/rewards/orm.py)."""

    def __init__(self, args: Any = None, **_: Any) -> None:
        self.args = args

    def __call__(self, completions: list[str], **columns: Any) -> list[float | None]:
        """Return ``overall`` of each completion, None where there is no verdict."""
        return infimed_reward(completions, **{key: columns[key] for key in columns if key not in ("prompts", "task")})


if "swift" in sys.modules and find_spec("swift.rewards"):  # OpenStack's swift has no rewards
    from swift.rewards import orms

    orms["infimed"] = InfimedReward


def swift_row(row: ExportRow, _: Path) -> dict[str, Any]:
    """Return the row as ms-swift reads it; no ``images`` in a text row."""
    made = sharegpt_row(row)
    turns = made["messages"] if row.style == "direct" or row.sample.rationale else made["messages"][:1]
    images = {"images": made["images"]} if row.images else {}
    return {"messages": turns, **images, "ground_truth": row.sample.ground_truth.to_json(), "id": made["id"]}


TEMPLATE = (
    r"""# GRPO in ms-swift 4.6 with the values of easyr1_configs (preset ${preset}), for ${model}.
#
#     infimed data build infimed_rlvr --format ms-swift --out data/infimed_rlvr_ms_swift${family_option}
#     NODE_RANK=0 MASTER_ADDR=HEAD MASTER_PORT=29500 swift rlhf FILE    # FILE ends in .yaml
#
# on each node with its rank. Its requirements lack msgspec (and qwen_vl_utils, for Qwen's models). Keys:
# swift/arguments/rlhf_args.py, swift/rlhf_trainers/args_mixin.py; ENV: swift/cli/main.py, of 4.6.0.
rlhf_type: grpo
model: ${model}
use_hf: true # a model's name is the Hugging Face hub's
template: ${architecture} # a checkpoint's architecture alone does not tell it
dataset: [data/infimed_rlvr_ms_swift/train.jsonl] # and train_text.jsonl, where the build wrote one
external_plugins: [${adapter}]
reward_funcs: [infimed]
ENV:
  NPROC_PER_NODE: ${trainer.n_gpus_per_node}
  NNODES: ${trainer.nnodes}
  ROOT_IMAGE_DIR: data/infimed_rlvr_ms_swift # the images of the rows are below it
  MAX_PIXELS: ${data.max_pixels}
  INFIMED_REWARD_KWARGS: '${reward_settings}'

tuner_type: full
torch_dtype: bfloat16 # DeepSpeed keeps weights of 32 bits beside it
freeze_vit: ${worker.actor.model.freeze_vision_tower} # ms-swift freezes both by default
freeze_aligner: ${worker.actor.model.freeze_vision_tower}
deepspeed: zero2
max_length: ${data.max_prompt_length}
truncation_strategy: delete # the default cuts prompts from the left, through the image
top_k: ${worker.rollout.top_k}
gspo| importance_sampling_level: sequence_token # GSPO-token, as EasyR1's gspo_token
dapo| dynamic_sample: true # [DAPO 3.2] by the reward: groups that all earn the same are drawn anew
dapo| max_resample_times: ${trainer.max_try_make_batch}
dapo| overlong_filter: true # [DAPO 3.4]
warmup_ratio: 0
vllm_max_model_len: ${tokens_a_sequence}
vllm_limit_mm_per_prompt: {image: ${worker.rollout.limit_images}}
sleep_level: 1 # vLLM's memory is free during the update
split_dataset_ratio: 0
"""
    + GRPO_CONFIG
)
TRAINERS = (
    Trainer(
        name="ms-swift",
        version="4.6.0",
        takes="a file that registers a class",
        lines=SETTINGS_LINES + "swift rlhf --rlhf_type grpo --external_plugins {file} --reward_funcs infimed ...\n",
        format=Format(
            partial(write_jsonl, to_row=swift_row),
            "For swift: export ROOT_IMAGE_DIR={folder}, --dataset {folder}/train.jsonl; sets: {sets}",
            images_beside=True,
        ),
        keys=Keys(  # swift/arguments/rlhf_args.py
            title="ms-swift",
            model="model",
            reward="reward_funcs",
            prompt="dataset",
            length="max_length",
            score=lambda said, truths, settings: InfimedReward()(said, ground_truth=truths, **settings),
            files=("dataset", "val_dataset"),
            columns={one: one for one in ("messages", "ground_truth", "images")},
        ),
        template=TEMPLATE,
        architectures={"gemma3": "gemma3_vision", "internvl": "internvl_hf"},  # its chat templates, by model_type
    ),
)
