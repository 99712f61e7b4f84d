#!/bin/bash
# GRPO in OpenRLHF 0.11 with the values of ${source}, for ${model}.
#
#     infimed data build infimed_rlvr --format openrlhf --out data/infimed_rlvr_openrlhf${family_option}
#     bash FILE                       # on the head of a Ray cluster of ${trainer.nnodes} nodes; further flags override
#
# Flags: openrlhf/cli/train_ppo_ray.py, 0.11.2. It has no key for the pixels of images: rows are within them by their build.
export ${reward_variable}='${reward_settings}'
flags=(
  --actor.model_name_or_path ${model}
  --data.prompt_dataset data/infimed_rlvr_openrlhf/train.jsonl
  --data.input_key prompt --data.label_key ground_truth --data.image_key images --data.apply_chat_template
  --data.max_images_per_prompt ${worker.rollout.limit_images} # the default, 0, is text alone
  --reward.remote_url ${adapter}
  --ckpt.output_dir ${trainer.save_checkpoint_path}
  --ckpt.path ${trainer.save_checkpoint_path}/states --ckpt.save_steps ${trainer.save_freq} --ckpt.max_num ${trainer.save_limit}

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
dapo|   --algo.dynamic_filtering_enable --algo.dynamic_filtering_range 0.11 0.99 # [DAPO 3.2] of the mean reward: not all wrong, not all right
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
