"""See vllm/distributed/parallel_state.py."""
