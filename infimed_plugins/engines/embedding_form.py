"""How a model wants text to end before it is embedded: one setting, ``embed_suffix``, of the engines that embed.

gme-Qwen2-VL (the second paper's) has an instruction in the system turn, then the images and the text, then the
assistant's opening and ``<|endoftext|>``, whose state is the vector (its model card)::

    <|im_start|>system
    You are a helpful assistant.<|im_end|>
    <|im_start|>user
    <|vision_start|><|image_pad|><|vision_end|>Which organ is it?<|im_end|>
    <|im_start|>assistant
    <|endoftext|>

Example::

    VllmEngine("Alibaba-NLP/gme-Qwen2-VL-2B-Instruct", embed=True)  # known by its name
    OpenAIEngine("gme", base_url="http://127.0.0.1:8000/v1", embed_suffix="<|endoftext|>")  # served by another
"""

from __future__ import annotations

GME_NAME = "gme-qwen2-vl"
GME_SUFFIX = "<|endoftext|>"


def is_gme(model: str) -> bool:
    """Whether a model is a gme-Qwen2-VL, by the name of its hub id or folder."""
    return GME_NAME in model.lower().replace("_", "-")


def suffix_of(model: str, given: str | None) -> str | None:
    """The suffix that was set, else what is known of the model; None ends the text where the user's turn does."""
    return GME_SUFFIX if given is None and is_gme(model) else given
