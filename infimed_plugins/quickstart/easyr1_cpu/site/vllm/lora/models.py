"""See the package."""


class LoRAModel:
    """Only a name: the CPU layer has no LoRA."""
