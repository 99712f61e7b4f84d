"""See the package."""

import msgspec


class LoRARequest(msgspec.Struct):
    """EasyR1 derives its own request from this one."""

    lora_name: str
    lora_int_id: int
    lora_path: str = ""
