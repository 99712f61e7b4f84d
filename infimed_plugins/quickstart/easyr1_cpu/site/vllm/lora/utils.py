"""See the package."""


def get_adapter_absolute_path(lora_path: str) -> str:
    """Raise NotImplementedError: the CPU layer has no LoRA."""
    raise NotImplementedError("LoRA needs the real vLLM; set worker.actor.model.lora.rank=0 on a CPU")
