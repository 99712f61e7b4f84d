"""A random model of each architecture in families.py, as small as it can be; its pictures have their true sizes.

Each is built from the configuration class of its family, with a tokenizer trained on a few sentences; none is fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from infimed_plugins.families import GEMMA3, INTERNVL3_5, QWEN2_5_VL, QWEN3_VL
from infimed_plugins.quickstart import tiny_model

FAMILIES = (QWEN2_5_VL, QWEN3_VL, GEMMA3, INTERNVL3_5)
LANGUAGE = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 64,  # one that vLLM serves on a CPU
    "max_position_embeddings": 8192,
    "tie_word_embeddings": False,
}
VISION = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 2}
QWEN_VISION = {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 64}
_PARTS = (
    "{%% if message['content'] is string %%}{{ message['content'] }}{%% else %%}{%% for part in message['content'] %%}"
    "{%% if part['type'] == 'image' %%}%s{%% else %%}{{ part['text'] }}{%% endif %%}{%% endfor %%}{%% endif %%}"
)
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    + _PARTS % "IMAGE"
    + "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% for message in messages %}<start_of_turn>"
    "{{ 'model' if message['role'] == 'assistant' else message['role'] }}\n"
    + _PARTS % "<start_of_image>"
    + "<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)


def save_tiny(model_type: str, folder: Path, corpus: Sequence[str]) -> Path:
    """Write a complete folder of a model of that type and return it."""
    import torch
    from transformers import AutoModelForImageTextToText, GenerationConfig

    processor, config = _MADE[model_type](corpus)
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(config)
    stops = next(family.stop_tokens for family in FAMILIES if model_type in family.model_types)
    ends, pad = processor.tokenizer.convert_tokens_to_ids(stops), processor.tokenizer.pad_token_id
    model.generation_config = GenerationConfig(eos_token_id=ends, pad_token_id=pad)
    tiny_model.save(folder, model, processor)
    return folder


def _qwen2_5(corpus: Sequence[str]) -> tuple[Any, Any]:
    from transformers import Qwen2_5_VLProcessor, Qwen2VLImageProcessorFast, Qwen2VLVideoProcessor

    tokenizer = tiny_model.build_tokenizer(corpus)
    images = Qwen2VLImageProcessorFast(size={"shortest_edge": 3136, "longest_edge": 12845056})
    parts = {"image_processor": images, "tokenizer": tokenizer, "video_processor": Qwen2VLVideoProcessor()}
    return Qwen2_5_VLProcessor(**parts, chat_template=tokenizer.chat_template), tiny_model.build_model(tokenizer).config


def _qwen3(corpus: Sequence[str], *, moe: bool = False) -> tuple[Any, Any]:
    from transformers import Qwen2VLImageProcessorFast, Qwen3VLConfig, Qwen3VLMoeConfig, Qwen3VLProcessor
    from transformers import Qwen3VLVideoProcessor as VideoProcessor

    tokenizer = tiny_model.build_tokenizer(corpus)
    tokenizer.chat_template = CHATML.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>")
    images = Qwen2VLImageProcessorFast(
        size={"shortest_edge": 65536, "longest_edge": 16777216}, patch_size=16, temporal_patch_size=2, merge_size=2
    )
    parts = {"image_processor": images, "tokenizer": tokenizer, "video_processor": VideoProcessor()}
    # not square, as transformers 5 turns the experts' weights and tells them by their shape
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 48, "norm_topk_prob": True}
    rope = {"rope_type": "default", "mrope_section": [12, 10, 10], "mrope_interleaved": True}
    text = {
        **LANGUAGE,
        **(experts if moe else {}),
        **_ends(tokenizer),
        "vocab_size": len(tokenizer),
        "rope_scaling": rope,
    }
    vision = {**QWEN_VISION, "num_position_embeddings": 64, "deepstack_visual_indexes": [0]}
    names = {"image_token_id": "<|image_pad|>", "video_token_id": "<|video_pad|>"}
    names |= {"vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>"}
    ids = {key: tokenizer.convert_tokens_to_ids(token) for key, token in names.items()}
    config = (Qwen3VLMoeConfig if moe else Qwen3VLConfig)(
        text_config=text, vision_config=vision, tie_word_embeddings=False, **ids
    )
    return Qwen3VLProcessor(**parts, chat_template=tokenizer.chat_template), config


def _gemma3(corpus: Sequence[str]) -> tuple[Any, Any]:
    from transformers import Gemma3Config, Gemma3ImageProcessorFast, Gemma3Processor

    named = {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"}
    roles = {"pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>"}
    tokenizer = _tokenizer(corpus, roles, named, ["<start_of_turn>", "<end_of_turn>"], GEMMA)
    tokenizer.add_tokens(["\n" * number for number in range(1, 5)])  # vLLM looks for them around an image
    images = Gemma3ImageProcessorFast(size={"height": 896, "width": 896})
    text = {**LANGUAGE, **_ends(tokenizer), "vocab_size": len(tokenizer), "query_pre_attn_scalar": 64}
    ids = {f"{key}_index": tokenizer.convert_tokens_to_ids(token) for key, token in named.items()}
    vision = {**VISION, "image_size": 896, "patch_size": 14, "vision_use_head": False}
    config = Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=256, **ids)
    return Gemma3Processor(images, tokenizer, chat_template=GEMMA, image_seq_length=256), config


def _internvl(corpus: Sequence[str]) -> tuple[Any, Any]:
    from transformers import GotOcr2ImageProcessorFast, InternVLConfig, InternVLProcessor, InternVLVideoProcessor

    named = {"context_image_token": "<IMG_CONTEXT>", "video_token": "<video>"}
    named |= {"start_image_token": "<img>", "end_image_token": "</img>"}
    roles = {"pad_token": "<|endoftext|>", "eos_token": "<|im_end|>"}
    template = CHATML.replace("IMAGE", "<IMG_CONTEXT>\n")
    tokenizer = _tokenizer(corpus, roles, named, ["<|im_start|>"], template)
    images = GotOcr2ImageProcessorFast(size={"height": 448, "width": 448}, crop_to_patches=True)
    text = {**LANGUAGE, **_ends(tokenizer), "model_type": "qwen3", "vocab_size": len(tokenizer)}
    image_token = tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>")
    config = InternVLConfig(text_config=text, vision_config=dict(VISION), image_token_id=image_token)
    videos = InternVLVideoProcessor(size={"height": 448, "width": 448})
    return InternVLProcessor(images, tokenizer, videos, image_seq_length=256, chat_template=template), config


def _ends(tokenizer: Any) -> dict[str, Any]:
    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    return {name: getattr(tokenizer, name) for name in names}


def _tokenizer(
    corpus: Sequence[str], roles: dict[str, str], named: dict[str, str], others: list[str], template: str
) -> Any:
    """Train a byte-level tokenizer; ``named`` are the special tokens that the processor asks it for by name."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    special = [*roles.values(), *others, *named.values()]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        corpus,
        trainers.BpeTrainer(vocab_size=512, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        **roles,
        additional_special_tokens=others,
        extra_special_tokens=named,
        chat_template=template,
        padding_side="left",
        model_input_names=["input_ids", "attention_mask"],
    )


_MADE: dict[str, Callable[[Sequence[str]], tuple[Any, Any]]] = {
    "qwen2_5_vl": _qwen2_5,
    "qwen3_vl": _qwen3,
    "qwen3_vl_moe": lambda corpus: _qwen3(corpus, moe=True),
    "gemma3": _gemma3,
    "internvl": _internvl,
}
TYPES = tuple(_MADE)
