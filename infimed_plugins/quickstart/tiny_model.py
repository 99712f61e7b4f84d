"""A Qwen2.5-VL of about 1.7 million parameters: the true architecture, processor and chat template, laptop-sized.

Its sizes, special tokens and chat template are those of the shipped model, ``base/``. Only the sizes differ from
Qwen2.5-VL-3B; the head dimension is 64, which vLLM can serve. Weights begin with 1 / sqrt(hidden size): with Qwen's
0.02 so narrow a model takes several times the steps. Special tokens have the first ids, in Qwen's order, and Qwen2's
pattern splits digits one by one, so numbers are spelled out.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infimed_plugins.errors import optional_module
from infimed_plugins.families import QWEN2_5_VL
from infimed_plugins.paths import shipped
from infimed_plugins.sources.phantom_image import SIZE

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor

BASE = shipped("infimed_plugins/quickstart/base")
VOCAB_SIZE = 608
IMAGE_TOKENS = (SIZE // QWEN2_5_VL.image_factor) ** 2


def build_tokenizer(corpus: Iterable[str]) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer on ``corpus``, with Qwen's special tokens and chat template."""
    auto_class: Any = optional_module("transformers", "the tiny model", "quickstart").AutoTokenizer
    made: PreTrainedTokenizerFast = auto_class.from_pretrained(BASE).train_new_from_iterator(
        corpus, VOCAB_SIZE, show_progress=False
    )
    return made


def build_processor(tokenizer: PreTrainedTokenizerFast) -> Qwen2_5_VLProcessor:
    """Build Qwen2.5-VL's processor around the tokenizer, fixed at one image size (112 x 112 pixels)."""
    from transformers import Qwen2_5_VLProcessor, Qwen2VLImageProcessor, Qwen2VLVideoProcessor

    return Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor.from_pretrained(BASE),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor.from_pretrained(BASE),
        chat_template=tokenizer.chat_template,
    )


def build_model(tokenizer: PreTrainedTokenizerFast, *, seed: int = 0) -> Qwen2_5_VLForConditionalGeneration:
    """Build the model, randomly initialized from ``seed``, in float32."""
    import torch
    from transformers import GenerationConfig, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    config = Qwen2_5_VLConfig.from_pretrained(BASE)
    config.text_config.vocab_size = -(-len(tokenizer) // 8) * 8
    torch.manual_seed(seed)
    model = Qwen2_5_VLForConditionalGeneration(config)
    model.generation_config = GenerationConfig.from_pretrained(BASE)
    return model


def save(folder: Path, model: Qwen2_5_VLForConditionalGeneration, processor: Qwen2_5_VLProcessor) -> None:
    """Write a complete ``from_pretrained`` folder."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    processor.tokenizer.save_pretrained(folder)
