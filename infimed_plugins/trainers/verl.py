"""verl (PyPI's, 0.9.1): rows, configuration, and the reward: one sample a call, in a thread.

The reward is loaded by ``load_extern_object`` (verl/trainer/ppo/reward.py). RLHFDataset puts the images in the places
of the ``<image>`` tags of the one turn, and there must be as many (``_build_messages``,
verl/utils/dataset/rl_dataset.py:299); the reward manager reads ``reward_model`` and ``data_source``, which groups the
validation (verl/experimental/reward_loop/reward_manager/naive.py:42).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from infimed_plugins import prompts
from infimed_plugins.export import ExportRow, Format
from infimed_plugins.export.parquet import embedded, write_parquet
from infimed_plugins.trainers.registry import PARQUET_HINT, Keys, Trainer
from infimed_plugins.trainers.replies import score_replies


def compute_score(
    data_source: str = "", solution_str: Any = "", ground_truth: Any = None, extra_info: Any = None, **settings: Any
) -> dict[str, float]:
    """Return the score of one reply: ``score`` for training, ``acc`` for validation, the same keys in every sample.

    ``settings`` are settings of compute_score, from ``reward_kwargs``. Whatever else verl passes
    (``reward_router_address`` and the like) is ignored. Raises ConfigError for a misspelled setting.
    """
    (row,) = score_replies([solution_str], [ground_truth], settings)
    return {"score": row["overall"], "acc": row["accuracy"], **row}


def verl_row(row: ExportRow, store_root: Path, number: int) -> dict[str, Any]:
    """Return a row, with the reasoning instruction in the prompt; ``images`` is [] in a text row."""
    sample = row.sample
    return {
        "data_source": sample.source,
        "prompt": [{"role": "user", "content": prompts.render(sample, row.style)}],
        "images": embedded(row, store_root),
        "ability": sample.task,
        "reward_model": {"style": "rule", "ground_truth": sample.ground_truth.to_json()},
        "extra_info": {"index": number, "split": row.into, "id": sample.id, "style": row.style},
    }


TEMPLATE = r"""# GRPO in verl 0.9 (PyPI's verl) with the values of easyr1_configs (preset ${preset}), for ${model}.
#
#     infimed data build infimed_rlvr --format verl --out data/infimed_rlvr_verl${family_option}
#     python -m verl.trainer.main_ppo --config-dir "$PWD" --config-name infimed key=value …    # this is infimed.yaml
#
# on the head of a Ray cluster of ${trainer.nnodes} nodes. Keys: verl/trainer/config/ppo_trainer.yaml and below, 0.9.1.
defaults:
  - ppo_trainer
  - _self_

data:
  train_files: data/infimed_rlvr_verl/train.parquet
  val_files: data/infimed_rlvr_verl/val.parquet
  train_batch_size: ${data.rollout_batch_size} # prompts a step
  max_prompt_length: ${data.max_prompt_length}
  max_response_length: ${data.max_response_length}
  filter_overlong_prompts: ${data.filter_overlong_prompts}
  filter_overlong_prompts_workers: ${data.filter_overlong_prompts_workers}
  image_patch_size: null # the processor's own; the default is Qwen2.5-VL's 14
pixels|   mm_processor_kwargs: {max_pixels: ${data.max_pixels}} # here and in vLLM
  seed: ${data.seed}

algorithm:
  adv_estimator: grpo
dapo|   filter_groups: # dynamic sampling [DAPO 3.2]
dapo|     enable: true
dapo|     metric: acc # the accuracy, as the reward names it for verl

actor_rollout_ref:
  model:
    path: ${model}
  actor:
    ppo_mini_batch_size: ${worker.actor.global_batch_size} # prompts an update; verl multiplies by rollout.n
    ppo_micro_batch_size_per_gpu: ${worker.actor.micro_batch_size_per_device_for_update}
    use_dynamic_bsz: ${worker.actor.dynamic_batching}
    ppo_max_token_len_per_gpu: ${tokens_a_pass} # EasyR1: sequences of a micro-batch × their longest length
    clip_ratio_low: ${worker.actor.clip_ratio_low}
    clip_ratio_high: ${worker.actor.clip_ratio_high}
    clip_ratio_c: ${worker.actor.clip_ratio_dual}
grpo,dapo|     loss_agg_mode: token-mean
gspo|     loss_agg_mode: seq-mean-token-mean # GSPO's equation 5
gspo|     policy_loss:
gspo|       loss_mode: gspo
    use_kl_loss: ${has_kl}
    kl_loss_coef: ${kl}
    kl_loss_type: ${algorithm.kl_penalty}
    grad_clip: ${worker.actor.max_grad_norm}
    freeze_vision_tower: ${worker.actor.model.freeze_vision_tower}
    optim:
      lr: ${worker.actor.optim.lr}
      betas: ${worker.actor.optim.betas}
      weight_decay: ${worker.actor.optim.weight_decay}
      lr_scheduler_type: ${worker.actor.optim.lr_scheduler_type}
  rollout:
    name: vllm
    n: ${worker.rollout.n}
    temperature: ${worker.rollout.temperature}
    top_p: ${worker.rollout.top_p}
    tensor_model_parallel_size: ${worker.rollout.tensor_parallel_size}
    gpu_memory_utilization: ${worker.rollout.gpu_memory_utilization}
    log_prob_micro_batch_size_per_gpu: ${worker.actor.micro_batch_size_per_device_for_experience}
    val_kwargs:
      do_sample: true
      temperature: ${worker.rollout.val_override_config.temperature}
      top_p: ${worker.rollout.val_override_config.top_p}
      n: ${worker.rollout.val_override_config.n}
  ref:
    log_prob_micro_batch_size_per_gpu: ${worker.actor.micro_batch_size_per_device_for_experience}

reward:
  custom_reward_function:
    path: pkg://infimed_plugins.trainers.verl
    name: compute_score
    reward_kwargs:
      w_format: ${worker.reward.reward_function_kwargs.w_format}
      w_acc: ${worker.reward.reward_function_kwargs.w_acc}
      think_prefilled: ${think_prefilled}
dapo|   reward_manager:
dapo|     name: dapo
dapo|   reward_kwargs: # soft overlong penalty [DAPO 3.4]; verl has no overlong filter
dapo|     max_resp_len: ${data.max_response_length}
dapo|     overlong_buffer_cfg:
dapo|       enable: true
dapo|       len: ${overlong_tokens} # a fifth of the reply, as DAPO's 4,096 of 20,480
dapo|       penalty_factor: 0.5 # DAPO's is 1, and its rewards are −1 and 1
dapo|       log: false

trainer:
  total_epochs: ${trainer.total_epochs}
  project_name: ${trainer.project_name}
  experiment_name: ${trainer.experiment_name}
  logger: ${trainer.logger}
  nnodes: ${trainer.nnodes}
  n_gpus_per_node: ${trainer.n_gpus_per_node}
  save_freq: ${trainer.save_freq}
  test_freq: ${trainer.val_freq}
  default_local_dir: ${trainer.save_checkpoint_path}
"""
TRAINERS = (
    Trainer(
        name="verl",
        version="0.9.1",
        takes="a module with a function for one sample",
        lines="""python -m verl.trainer.main_ppo ... \\
    reward.custom_reward_function.path=pkg://infimed_plugins.trainers.verl \\
    reward.custom_reward_function.name=compute_score \\
    +reward.custom_reward_function.reward_kwargs.w_format=0.1 \\
    +reward.custom_reward_function.reward_kwargs.w_acc=0.9 \\
    +reward.custom_reward_function.reward_kwargs.think_prefilled=false
# true where the chat template opens <think> itself
""",
        format=Format(partial(write_parquet, to_row=verl_row), PARQUET_HINT, for_rewards=True),
        keys=Keys(  # verl/trainer/config/ppo_trainer.yaml
            title="verl",
            model="actor_rollout_ref.model.path",
            reward="reward.custom_reward_function.path",
            arguments="reward.custom_reward_function.reward_kwargs",
            prompt="data.train_files",
            length="data.max_prompt_length",
            score=lambda said, truths, settings: [
                compute_score("", one, truth, **settings)["score"] for one, truth in zip(said, truths, strict=True)
            ],
            files=("data.train_files", "data.val_files"),
            columns={"data.prompt_key": "prompt", "reward_model": "reward_model", "data.image_key": "images"},
            filter="data.filter_overlong_prompts",
            unfiltered="refused, the run ended",
        ),
        template=TEMPLATE,
    ),
)
