"""EasyR1 imports these names at start-up, whether or not LoRA is used (verl/utils/vllm_utils.py:20-23)."""
