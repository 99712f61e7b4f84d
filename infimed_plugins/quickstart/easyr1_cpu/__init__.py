"""A CPU compatibility layer: unmodified EasyR1 (``python -m verl.trainer.main``) on a machine without a GPU.

Put ``site/`` first on PYTHONPATH; no file of EasyR1 is touched. Two things then differ from a GPU run:

- ``import vllm`` finds ``site/vllm``, whose ``LLM`` draws rollouts with transformers (decoding.py, rollout.py). It
  says so on stderr. EasyR1's own vLLMRollout and FSDPVLLMShardingManager run on top of it.
- ``site/sitecustomize.py`` replaces the CUDA calls that EasyR1 spells out (on_cpu.py) as its modules are imported,
  and spares what a CPU has no time for: a prompt is read once for all its replies (shared_prompts.py), an image once
  by a frozen vision tower. The figures stay those of upstream's code, up to rounding.

Not supported: LoRA, offload, ulysses, tensor parallelism above 1, video, ``padding_free``.
"""
