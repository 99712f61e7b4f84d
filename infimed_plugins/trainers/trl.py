"""TRL (1.16): rows and configuration for ``trl grpo``, and the reward: a function of completions and columns.

The data set needs a column ``ground_truth``, or ``answer`` or ``solution``. The reward is a plain function, so that it
can be pickled and named (``trl grpo --reward_funcs``); columns beside ``prompt`` reach it as lists
(trl/trainer/grpo_trainer.py:1584). ``trl grpo`` calls ``load_dataset(dataset_name)`` (trl/scripts/grpo.py:132), which
reads no saved data set; the card ``README.md`` names the file of each split, or ``samples/train.jsonl`` would be one,
too. The images go before the text of the first user turn (``prepare_multimodal_messages``, trl/data_utils.py:82).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from infimed_plugins import prompts
from infimed_plugins.errors import ConfigError
from infimed_plugins.export import ExportRow, Format
from infimed_plugins.export.parquet import embedded, write_parquet
from infimed_plugins.rewards.scorer import check_settings
from infimed_plugins.storage import write_whole
from infimed_plugins.tables.cells import blank
from infimed_plugins.trainers.registry import SETTINGS_LINES, Keys, Trainer
from infimed_plugins.trainers.replies import TRUTH_COLUMNS, score_replies

_CARD = "README.md"  # of a data set, as the hub's and local ones have
_SPLITS = {"train": "train", "val": "validation"}
_TEXT = {"dtype": "string", "_type": "Value"}
_FEATURES = {  # in a spelling that `datasets` 2.16 to 5 reads
    "prompt": [{"role": _TEXT, "content": _TEXT}],
    "images": [{"_type": "Image"}],
    **dict.fromkeys(("ground_truth", "id", "source", "task", "style"), _TEXT),
}


def infimed_reward(
    completions: Sequence[Any],
    prompts: Sequence[Any] | None = None,
    log_metric: Callable[[str, float], None] | None = None,
    log_extra: Callable[[str, list[str]], None] | None = None,
    **columns: Any,
) -> list[float | None]:
    """Return ``overall`` of each completion, a string or a conversation; None where there is no verdict.

    TRL 1.16 leaves such a completion out (trl/trainer/grpo_trainer.py:2759); 0.24 takes it for 0.
    ``columns`` are the data set's, and settings of ``compute_score``, which are no lists. Format, accuracy
    and the other keys are logged where TRL offers ``log_metric``; ``log_extra`` takes what ``infimed profile`` needs
    in TRL's log of completions: truths and ids. Raises ConfigError without a column of ground truths.
    """
    named = [columns[name] for name in TRUTH_COLUMNS if columns.get(name) is not None]
    if not named:
        raise ConfigError(f"the data set has no ground truth; name its column one of {', '.join(TRUTH_COLUMNS)}")
    truths = [next((value for value in row if not blank(value)), None) for row in zip(*named, strict=True)]
    scores = score_replies(completions, truths, columns, columns.get("completion_ids") or ())
    if log_metric is not None and scores:
        for key in scores[0]:
            log_metric(f"infimed/{key}", sum(score[key] for score in scores) / len(scores))
    if log_extra is not None:
        log_extra("ground_truth", list(map(str, truths)))
        if ids := columns.get("id"):
            log_extra("uid", list(map(str, ids)))
    return [None if score["no_verdict"] else score["overall"] for score in scores]


def reward_with(**settings: Any) -> Callable[..., list[float | None]]:
    """Return ``infimed_reward`` with settings of compute_score. Raises ConfigError at once for any that cannot be."""
    reward = partial(infimed_reward, **check_settings(settings))
    reward.__name__ = infimed_reward.__name__  # type: ignore[attr-defined]  # TRL names its metrics by it
    return reward


def write_rows(rows: Iterable[ExportRow], folder: Path, store_root: Path, _: str = "") -> dict[str, int]:
    """Write the files and their card into ``folder``; return the rows of each file."""
    metadata = {"huggingface": json.dumps({"info": {"features": _FEATURES}})}
    image = {"bytes": b"", "path": ""}  # without a path the features would not fit, and pictures stay dicts of bytes
    counts = write_parquet(rows, folder, store_root, to_row=trl_row, image=image, metadata=metadata)
    splits = "".join(f"  - split: {_SPLITS[Path(file).stem]}\n    path: {file}\n" for file in counts)
    write_whole(folder / _CARD, f"---\nconfigs:\n- config_name: default\n  data_files:\n{splits}---\n")
    return counts


def trl_row(row: ExportRow, store_root: Path, _number: int) -> dict[str, Any]:
    """Return a row, with the reasoning instruction in the prompt and no image tags; ``images`` is [] in a text row."""
    sample = row.sample
    asked = prompts.render(sample, row.style).removeprefix(prompts.IMAGE_TAG * len(row.images))
    return {
        "prompt": [{"role": "user", "content": asked}],
        "images": embedded(row, store_root),
        "ground_truth": sample.ground_truth.to_json(),
        "id": sample.id,
        "source": sample.source,
        "task": sample.task,
        "style": row.style,
    }


GRPO_CONFIG = r"""output_dir: ${trainer.save_checkpoint_path}

# A step has ${a_step}
num_generations: ${worker.rollout.n}
per_device_train_batch_size: ${worker.actor.micro_batch_size_per_device_for_update}
gradient_accumulation_steps: ${passes_an_update} # × ${sequences_a_pass} sequences on ${gpus} GPUs
steps_per_generation: ${passes_a_step}
num_train_epochs: ${trainer.total_epochs}
max_completion_length: ${data.max_response_length}
temperature: ${worker.rollout.temperature}
top_p: ${worker.rollout.top_p}

beta: ${kl} # the weight of the KL term, low_var_kl as in EasyR1
epsilon: ${worker.actor.clip_ratio_low}
epsilon_high: ${worker.actor.clip_ratio_high}
delta: ${worker.actor.clip_ratio_dual} # EasyR1's clip_ratio_dual
grpo,dapo| loss_type: dapo # the mean over the tokens of an update; grpo would weigh sequences alike
gspo| loss_type: grpo # sequences weigh alike: GSPO's equation 5

learning_rate: ${worker.actor.optim.lr}
lr_scheduler_type: ${worker.actor.optim.lr_scheduler_type}
weight_decay: ${worker.actor.optim.weight_decay}
adam_beta1: ${beta1}
adam_beta2: ${beta2}
max_grad_norm: ${worker.actor.max_grad_norm}
gradient_checkpointing: ${worker.actor.model.enable_gradient_checkpointing}

use_vllm: true
vllm_mode: colocate
vllm_gpu_memory_utilization: ${worker.rollout.gpu_memory_utilization}
vllm_tensor_parallel_size: ${worker.rollout.tensor_parallel_size}

seed: ${data.seed}
logging_steps: 1
report_to: [tensorboard]
save_steps: ${updates_a_save} # updates: ${trainer.save_freq} steps
save_total_limit: ${trainer.save_limit}
"""  # GRPOConfig's keys, which ms-swift has from it
TEMPLATE = (
    r"""# GRPO in TRL 1.16 with the values of easyr1_configs (preset ${preset}), for ${model}.
#
#     infimed data build infimed_rlvr --format trl --out data/infimed_rlvr_trl${family_option}
#     trl grpo --config FILE --accelerate_config zero2 --num_processes ${gpus} --num_machines ${trainer.nnodes} \
#         --machine_rank 0 --main_process_ip HEAD --main_process_port 29500
#
# on each node with its rank. Keys: trl/scripts/grpo.py, trl/trainer/grpo_config.py, transformers' TrainingArguments.
# TRL has no key for the longest prompt, and none for the pixels of images: the build keeps those.
model_name_or_path: ${model}
dataset_name: data/infimed_rlvr_trl
dataset_test_split: validation # for eval_strategy: steps; evaluation costs rollouts, and `infimed eval` compares
run_name: ${trainer.experiment_name}
reward_funcs: [infimed_plugins.trainers.trl.infimed_reward]
env:
  INFIMED_REWARD_KWARGS: '${reward_settings}'

bf16: true # weights stay in 32 bits (dtype: float32 is the default)
scale_rewards: group
gspo| importance_sampling_level: sequence
dapo| mask_truncated_completions: true # overlong filtering [DAPO 3.4]
dapo| # TRL has no dynamic sampling [DAPO 3.2]: prompts that all rollouts answer alike stay, with no gradient
vllm_enable_sleep_mode: true # frees vLLM's memory for the update
vllm_max_model_length: ${tokens_a_sequence}
# TRL leaves out replies on which vLLM and the trainer differ (vllm_importance_sampling_mode); EasyR1 does not.
save_strategy: steps
"""
    + GRPO_CONFIG
)
TRAINERS = (
    Trainer(
        name="trl",
        version="1.16.0",
        takes="a function of completions and columns",
        lines="""from infimed_plugins.trainers.trl import reward_with

reward = reward_with(w_format=0.1, w_acc=0.9, think_prefilled=False)  # True where the template opens <think> itself
GRPOTrainer(model=..., reward_funcs=reward, train_dataset=...)  # with a column ground_truth
# or: trl grpo --reward_funcs infimed_plugins.trainers.trl.infimed_reward, with these settings in the environment:
"""
        + SETTINGS_LINES,
        format=Format(
            write_rows,
            "In the YAML of trl grpo: dataset_name: {folder}, dataset_test_split: validation",
            for_rewards=True,
            beside=(_CARD,),
        ),
        keys=Keys(  # trl/scripts/grpo.py
            title="TRL",
            model="model_name_or_path",
            reward="reward_funcs",
            prompt="dataset_name",
            length="vllm_max_model_length",
            score=lambda said, truths, settings: infimed_reward(said, ground_truth=truths, **settings),
            files=("dataset_name",),
            columns={one: one for one in ("prompt", "ground_truth", "images")},
            images_first=True,
            taken_off="max_completion_length",
            too_long="refused by vLLM",
        ),
        template=TEMPLATE,
    ),
)
