"""Count the tokens of a row in the model's own chat template, images included, without decoding them again.

An image of a stored size becomes as many tokens as its family says (families.py) and the marks around them; what the
model's own preprocessor_config.json says of patches and of the smallest image goes before. The rest is what the
tokenizer makes of the text.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from infimed_plugins import prompts
from infimed_plugins.errors import ConfigError, optional_module
from infimed_plugins.families import DEFAULT, Family, family_of


@dataclass
class TokenCounter:
    """Counts with the tokenizer of ``model``, a folder or a hub id; images are at most ``max_pixels`` for the model.

    The family is the model's own where it is known.
    """

    model: str
    max_pixels: int
    family: Family = DEFAULT

    def __post_init__(self) -> None:
        transformers = optional_module("transformers", "counting tokens", "transformers")
        try:
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(self.model)
        except (OSError, ValueError) as error:
            raise ConfigError(f"no tokenizer at {self.model}: {' '.join(str(error).split())[:200]}") from error
        self.family = _as_set(family_of(self.model) or self.family, _image_settings(self.model))

    def count(self, asked: str, answer: str, sizes: tuple[tuple[int, int], ...]) -> int:
        """Return the tokens of a question with ``<image>`` tags, an answer, and images of these (width, height)."""
        turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
        text: str = self._tokenizer.apply_chat_template(turns, tokenize=False)
        text = text.replace(prompts.IMAGE_TAG, self.family.image_marks, len(sizes))
        written = len(self._tokenizer(text, add_special_tokens=False)["input_ids"])
        return written + sum(self.family.image_tokens(*size, self.max_pixels) - 1 for size in sizes)


def _as_set(family: Family, says: dict[str, Any]) -> Family:
    """Return the family with the patches and the smallest image of a preprocessor_config.json; tiles have neither."""
    if family.tile:
        return family
    least = says.get("min_pixels") or (says.get("size") or {}).get("shortest_edge") or family.min_pixels
    patch, merged = says.get("patch_size"), says.get("merge_size", 2)
    return replace(family, image_factor=patch * merged if patch else family.image_factor, min_pixels=least)


def _image_settings(model: str) -> dict[str, Any]:
    """Return the model's preprocessor_config.json; empty if it has none."""
    from transformers import ImageProcessingMixin

    mixin: Any = ImageProcessingMixin
    try:
        settings: dict[str, Any] = mixin.get_image_processor_dict(model)[0]
    except (OSError, ValueError):
        return {}
    return settings
