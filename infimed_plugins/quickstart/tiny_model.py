"""A Qwen2.5-VL of about 1.7 million parameters: the true architecture, processor and chat template, laptop-sized.

Only the sizes differ from Qwen2.5-VL-3B. The head dimension is 64, which vLLM can serve.
"""

from __future__ import annotations

import inspect
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infimed_plugins.errors import optional_module
from infimed_plugins.families import QWEN2_5_VL
from infimed_plugins.sources.phantom_image import SIZE

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor

VOCAB_SIZE = 608
HIDDEN_SIZE = 128
PIXELS = SIZE * SIZE
IMAGE_TOKENS = (SIZE // QWEN2_5_VL.image_factor) ** 2
MAX_POSITIONS = 32768
INITIALIZER_RANGE = 0.09  # 1 / sqrt(HIDDEN_SIZE); with Qwen's 0.02 so narrow a model takes several times the steps

# the special tokens of Qwen2.5-VL, in its order; here they take the first ids
SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
# Qwen2's pre-tokenizer pattern: digits one by one, so numbers are spelled out
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CHAT_TEMPLATE = (
    "{% set seen = namespace(images=0, videos=0) %}"
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' or 'image' in part or 'image_url' in part %}"
    "{% set seen.images = seen.images + 1 %}{% if add_vision_id %}Picture {{ seen.images }}: {% endif %}"
    "<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part['type'] == 'video' or 'video' in part %}"
    "{% set seen.videos = seen.videos + 1 %}{% if add_vision_id %}Video {{ seen.videos }}: {% endif %}"
    "<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}"
    "<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def build_tokenizer(corpus: Iterable[str], vocab_size: int = VOCAB_SIZE) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer on ``corpus``, with Qwen's special tokens and chat template."""
    tokenizers = optional_module("tokenizers", "the tiny model", "quickstart")
    tokenizer_class = optional_module("transformers", "the tiny model", "quickstart").Qwen2TokenizerFast
    byte_level = tokenizers.pre_tokenizers.ByteLevel
    split = tokenizers.pre_tokenizers.Split(tokenizers.Regex(_SPLIT), behavior="isolated")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [split, byte_level(add_prefix_space=False, use_regex=False)]
    )
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[tokenizers.AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS],
        initial_alphabet=byte_level.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.model.save(folder)
        files = Path(folder)
        return tokenizer_class(
            **_vocabulary(tokenizer_class, files / "vocab.json", files / "merges.txt"),
            unk_token=None,
            bos_token=None,
            eos_token="<|im_end|>",
            pad_token="<|endoftext|>",
            additional_special_tokens=[t for t in SPECIAL_TOKENS if t not in ("<|im_end|>", "<|endoftext|>")],
            chat_template=CHAT_TEMPLATE,
            model_max_length=MAX_POSITIONS,
            padding_side="right",
        )


def _vocabulary(tokenizer_class: Any, vocab: Path, merges: Path) -> dict[str, Any]:
    """Return the vocabulary: transformers 4 wants the two files, transformers 5 their content."""
    if "vocab" not in inspect.signature(tokenizer_class.__init__).parameters:
        return {"vocab_file": str(vocab), "merges_file": str(merges)}
    lines = merges.read_text(encoding="utf-8").splitlines()
    pairs = [tuple(line.split(" ")) for line in lines if not line.startswith("#version")]
    return {"vocab": json.loads(vocab.read_text(encoding="utf-8")), "merges": pairs}


def build_processor(tokenizer: PreTrainedTokenizerFast) -> Qwen2_5_VLProcessor:
    """Build Qwen2.5-VL's processor around the tokenizer, fixed at one image size (112 x 112 pixels)."""
    from transformers import Qwen2_5_VLProcessor, Qwen2VLImageProcessor, Qwen2VLVideoProcessor

    sizes: dict[str, Any] = {
        "patch_size": 14,
        "merge_size": 2,
        "temporal_patch_size": 2,
        "min_pixels": PIXELS,
        "max_pixels": PIXELS,
    }
    return Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(**sizes),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(**sizes),
        chat_template=CHAT_TEMPLATE,
    )


def build_model(
    tokenizer: PreTrainedTokenizerFast, *, seed: int = 0, hidden_size: int = HIDDEN_SIZE
) -> Qwen2_5_VLForConditionalGeneration:
    """Build the model, randomly initialized from ``seed``, in float32."""
    import torch
    from transformers import GenerationConfig, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    token_id = tokenizer.convert_tokens_to_ids
    end, pad = token_id("<|im_end|>"), token_id("<|endoftext|>")
    config = Qwen2_5_VLConfig(
        text_config=_text_config(len(tokenizer), hidden_size, end, pad),
        vision_config=_vision_config(hidden_size),
        image_token_id=token_id("<|image_pad|>"),
        video_token_id=token_id("<|video_pad|>"),
        vision_start_token_id=token_id("<|vision_start|>"),
        vision_end_token_id=token_id("<|vision_end|>"),
        vision_token_id=token_id("<|vision_pad|>"),
        tie_word_embeddings=False,
        initializer_range=INITIALIZER_RANGE,
        architectures=["Qwen2_5_VLForConditionalGeneration"],
    )
    torch.manual_seed(seed)
    model = Qwen2_5_VLForConditionalGeneration(config)
    model.generation_config = GenerationConfig(eos_token_id=[end, pad], pad_token_id=pad, do_sample=False)
    return model


def _text_config(vocabulary: int, hidden_size: int, end: int, pad: int) -> dict[str, Any]:
    return {
        "vocab_size": -(-vocabulary // 8) * 8,
        "hidden_size": hidden_size,
        "intermediate_size": 3 * hidden_size,
        "num_hidden_layers": 4,
        "num_attention_heads": hidden_size // 64,
        "num_key_value_heads": hidden_size // 64,
        "max_position_embeddings": MAX_POSITIONS,
        "rope_theta": 1_000_000.0,
        "rope_scaling": {"type": "mrope", "mrope_section": [8, 12, 12]},
        "tie_word_embeddings": False,
        "initializer_range": INITIALIZER_RANGE,
        "bos_token_id": pad,
        "eos_token_id": end,
        "pad_token_id": pad,
    }


def _vision_config(hidden_size: int) -> dict[str, Any]:
    return {
        "depth": 4,
        "hidden_size": 96,
        "intermediate_size": 192,
        "num_heads": 4,
        "patch_size": 14,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "window_size": 112,
        "fullatt_block_indexes": [1, 3],
        "out_hidden_size": hidden_size,
        "initializer_range": INITIALIZER_RANGE,
    }


def save(folder: Path, model: Qwen2_5_VLForConditionalGeneration, processor: Qwen2_5_VLProcessor) -> None:
    """Write a complete ``from_pretrained`` folder."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    processor.tokenizer.save_pretrained(folder)
