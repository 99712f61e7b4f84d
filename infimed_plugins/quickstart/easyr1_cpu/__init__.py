"""A CPU compatibility layer: unmodified EasyR1 (``python -m verl.trainer.main``) on a machine without a GPU.

Put ``site/`` first on PYTHONPATH; no file of EasyR1 is touched. Two things then differ from a GPU run:

- ``import vllm`` finds ``site/vllm``, whose ``LLM`` draws rollouts with transformers (decoding.py, rollout.py). It
  says so on stderr. EasyR1's own vLLMRollout and FSDPVLLMShardingManager run on top of it.
- ``site/sitecustomize.py`` replaces the CUDA calls that EasyR1 spells out (on_cpu.py) as its modules are imported.

Not supported: LoRA, offload, ulysses, tensor parallelism above 1, video, ``padding_free``.
"""
