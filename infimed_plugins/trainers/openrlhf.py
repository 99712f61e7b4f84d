"""OpenRLHF (0.11.2): rows, configuration, and the reward, a file it loads: one sample a call, in a thread.

The reward is called by openrlhf/utils/agent.py. A row of the JSON lines, with the images in it::

    {"prompt": "<image>Which organ is shown?\\nAnswer with a word …", "images": ["data:image/png;base64,iVBO…"],
     "ground_truth": "{\\"task\\": \\"text\\", \\"answer\\": \\"liver\\"}", "datasource": "phantom", "id": "…"}

The tags become image parts of the turn (``_str_to_content_list``, openrlhf/datasets/prompts_dataset.py:7). Images are
opened by a Ray actor (``load_images``, openrlhf/utils/vlm_utils.py:30), which has a working directory of its own, so
paths would be lost; one that does not open is left out with a warning.
"""

from __future__ import annotations

import mimetypes
from base64 import b64encode
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from infimed_plugins import prompts
from infimed_plugins.errors import optional_module
from infimed_plugins.export import ExportRow, Format
from infimed_plugins.export.jsonl import write_jsonl
from infimed_plugins.export.parquet import embedded
from infimed_plugins.trainers.registry import SETTINGS_LINES, Keys, Trainer
from infimed_plugins.trainers.replies import score_replies

_TAIL = 8  # characters at the end of a prompt that begin the assistant's turn in any chat template, or are a part of it


def reward_func(queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any], **_: Any) -> dict[str, Any]:
    """Return ``rewards``, ``scores`` and ``extra_logs``, as tensors of one element for each sample."""
    torch = optional_module("torch", "OpenRLHF's reward", "transformers")
    replies = [response_of(query, prompt) for query, prompt in zip(queries, prompts, strict=True)]
    scores = score_replies(replies, labels)
    overall = torch.tensor([score["overall"] for score in scores])
    logs = {key: torch.tensor([score[key] for score in scores]) for key in scores[0] if key != "overall"}
    return {"rewards": overall, "scores": overall, "extra_logs": logs}


def response_of(query: str, prompt: str) -> str:
    """Return the text that the model added to the prompt, with its end tokens.

    The query is decoded from tokens and may differ from the prompt: image tokens are spelled out. Then the response is
    what follows as many of the prompt's own last characters as the prompt has, which the chat template wrote; those
    that the policy writes come later, and cut nothing off.
    """
    if query.startswith(prompt):
        return query[len(prompt) :]
    tail = prompt[-_TAIL:]
    return query.split(tail, prompt.count(tail))[-1] if tail in query else query


def prompt_row(row: ExportRow, store_root: Path) -> dict[str, Any]:
    """Return the row as OpenRLHF reads it, its images read from the store; no ``images`` in a text row."""
    sample, kinds = row.sample, (mimetypes.guess_type(path)[0] for path in row.images)
    images = [
        f"data:{kind};base64,{b64encode(image['bytes']).decode()}"
        for kind, image in zip(kinds, embedded(row, store_root), strict=True)
    ]
    return {
        "prompt": prompts.render(sample, row.style),
        **({"images": images} if images else {}),
        "ground_truth": sample.ground_truth.to_json(),
        "datasource": sample.source,
        "id": sample.id,
    }


TEMPLATE = r"""#!/bin/bash
# GRPO in OpenRLHF 0.11 with the values of easyr1_configs (preset ${preset}), for ${model}.
#
#     infimed data build infimed_rlvr --format openrlhf --out data/infimed_rlvr_openrlhf${family_option}
#     bash FILE                       # on the head of a Ray cluster of ${trainer.nnodes} nodes; further flags override
#
# Flags: openrlhf/cli/train_ppo_ray.py, 0.11.2. None is for the longest prompt or the pixels of images; the build keeps
# the latter.
export INFIMED_REWARD_KWARGS='${reward_settings}'
flags=(
  --actor.model_name_or_path ${model}
  --data.prompt_dataset data/infimed_rlvr_openrlhf/train.jsonl # and ,DATA/train_text.jsonl where the build wrote one
  --data.input_key prompt --data.label_key ground_truth --data.image_key images --data.apply_chat_template
  --data.max_images_per_prompt ${worker.rollout.limit_images} # the default, 0, is text alone
  --reward.remote_url ${adapter}
  --ckpt.output_dir ${trainer.save_checkpoint_path}
  --ckpt.path ${trainer.save_checkpoint_path}/states
  --ckpt.save_steps ${trainer.save_freq} --ckpt.max_num ${trainer.save_limit}

  --algo.advantage.estimator group_norm # GRPO's
  --rollout.batch_size ${data.rollout_batch_size} # prompts a step
  --rollout.n_samples_per_prompt ${worker.rollout.n}
  --train.batch_size ${sequences_an_update} # sequences: ${worker.actor.global_batch_size} prompts an update
  --train.micro_batch_size ${worker.actor.micro_batch_size_per_device_for_update}
  --rollout.micro_batch_size ${worker.actor.micro_batch_size_per_device_for_experience}
  --train.num_episodes ${trainer.total_epochs} --train.max_epochs ${worker.actor.ppo_epochs} --train.seed ${data.seed}
  --data.max_len ${tokens_a_sequence} # prompt and reply; prompts have no limit of their own
  --rollout.max_new_tokens ${data.max_response_length}
  --rollout.temperature ${worker.rollout.temperature} --rollout.top_p ${worker.rollout.top_p}

grpo|   --algo.kl.use_loss --algo.kl.estimator k3 --algo.kl.init_coef ${kl} # k3 is EasyR1's low_var_kl
dapo,gspo|   --algo.kl.init_coef 0
  --actor.eps_clip_low_high ${worker.actor.clip_ratio_low} ${worker.actor.clip_ratio_high}
  --actor.dual_clip ${worker.actor.clip_ratio_dual}
grpo,dapo|   --actor.loss_agg_mode token-mean
gspo|   --actor.policy_loss_type gspo --actor.loss_agg_mode seq-mean-token-mean
dapo|   --algo.dynamic_filtering_enable # [DAPO 3.2]
dapo|   --algo.dynamic_filtering_range 0.11 0.99 # by the mean reward: in the right form all wrong is 0.1, all right 1
dapo|   --reward.overlong_buffer_len ${overlong_tokens} # [DAPO 3.4] a fifth of the reply, as DAPO's 4,096 of 20,480
dapo|   --reward.overlong_penalty_factor 0.5 # DAPO's is 1, and its rewards are −1 and 1

  --actor.adam.lr ${worker.actor.optim.lr} --actor.adam.betas ${beta1} ${beta2}
  --actor.adam.weight_decay ${worker.actor.optim.weight_decay} --actor.max_norm ${worker.actor.max_grad_norm}
  --actor.lr_scheduler ${worker.actor.optim.lr_scheduler_type} --actor.lr_warmup_ratio 0

  --train.colocate_all --ds.zero_stage 3 --ds.enable_sleep --actor.gradient_checkpointing_enable
  --actor.num_nodes ${trainer.nnodes} --actor.num_gpus_per_node ${trainer.n_gpus_per_node}
  --ref.num_nodes ${trainer.nnodes} --ref.num_gpus_per_node ${trainer.n_gpus_per_node}
  --vllm.num_engines ${gpus} --vllm.tensor_parallel_size ${worker.rollout.tensor_parallel_size} --vllm.enable_sleep
  --vllm.gpu_memory_utilization ${worker.rollout.gpu_memory_utilization}
)
python -m openrlhf.cli.train_ppo_ray "${flags[@]}" "$@"
"""
TRAINERS = (
    Trainer(
        name="openrlhf",
        version="0.11.2",
        takes="a file with a function of queries, prompts and labels",
        lines=SETTINGS_LINES
        + """python -m openrlhf.cli.train_ppo_ray --reward.remote_url {file} --data.label_key ground_truth \\
    --data.max_images_per_prompt 1 ...
""",
        format=Format(
            partial(write_jsonl, to_row=prompt_row),
            "OpenRLHF: --data.prompt_dataset {folder}/train.jsonl --data.input_key prompt "
            "--data.label_key ground_truth --data.apply_chat_template --data.max_images_per_prompt 1; sets: {sets}",
            for_rewards=True,
        ),
        keys=Keys(  # openrlhf/cli/train_ppo_ray.py
            title="OpenRLHF",
            model="actor.model_name_or_path",
            reward="reward.remote_url",
            prompt="data.prompt_dataset",
            images="data.max_images_per_prompt",
            length="data.max_len",
            score=lambda said, truths, settings: [  # as reward_func, but for the tensors
                one["overall"]
                for one in score_replies([response_of(f"?{text}", "?") for text in said], truths, settings)
            ],
            files=("data.prompt_dataset", "eval.dataset"),
            columns={"data.input_key": "input", "data.label_key": "label", "data.image_key": "images"},
            taken_off="rollout.max_new_tokens",
            too_long="cut",
            needed=("data.apply_chat_template", "data.label_key", "data.max_images_per_prompt"),
        ),
        template=TEMPLATE,
    ),
)
