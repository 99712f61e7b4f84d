"""Count the tokens of a row in the model's own chat template, images included, without decoding them again.

An image of a stored size becomes ``(width / 28) · (height / 28)`` tokens after Qwen's resize rule, and two marks around
them, or what the model's own preprocessor_config.json says of patches and of the smallest image; the rest is what the
tokenizer makes of the text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from infimed_plugins import prompts
from infimed_plugins.errors import ConfigError, optional_module
from infimed_plugins.images import FACTOR, MIN_PIXELS, smart_resize

IMAGE_MARKS = "<|vision_start|><|image_pad|><|vision_end|>"


@dataclass
class TokenCounter:
    """Counts with the tokenizer of ``model``, a folder or a hub id; images are at most ``max_pixels`` for the model."""

    model: str
    max_pixels: int

    def __post_init__(self) -> None:
        transformers = optional_module("transformers", "counting tokens", "transformers")
        try:
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(self.model)
        except (OSError, ValueError) as error:
            raise ConfigError(f"no tokenizer at {self.model}: {' '.join(str(error).split())[:200]}") from error
        says = _image_settings(self.model)
        self._factor = int(says.get("patch_size", FACTOR // 2)) * int(says.get("merge_size", 2))
        self._min_pixels = int(says.get("min_pixels", MIN_PIXELS))

    def count(self, asked: str, answer: str, sizes: tuple[tuple[int, int], ...]) -> int:
        """Return the tokens of a question with ``<image>`` tags, an answer, and images of these (width, height)."""
        turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
        text: str = self._tokenizer.apply_chat_template(turns, tokenize=False)
        text = text.replace(prompts.IMAGE_TAG, IMAGE_MARKS, len(sizes))
        written = len(self._tokenizer(text, add_special_tokens=False)["input_ids"])
        return written + sum(self.image_tokens(*size) - 1 for size in sizes)

    def image_tokens(self, width: int, height: int) -> int:
        """Return the number of tokens of one image between its marks."""
        wide, high = smart_resize(
            width, height, max_pixels=self.max_pixels, min_pixels=self._min_pixels, factor=self._factor
        )
        return (wide // self._factor) * (high // self._factor)


def _image_settings(model: str) -> dict[str, Any]:
    """Return the model's preprocessor_config.json; empty if it has none."""
    from transformers import ImageProcessingMixin

    mixin: Any = ImageProcessingMixin
    try:
        settings: dict[str, Any] = mixin.get_image_processor_dict(model)[0]
    except (OSError, ValueError):
        return {}
    return settings
