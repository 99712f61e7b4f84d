"""A tiny model of each family answers in real vLLM as in transformers: pictures one, two or none, within a limit.

Not the mixture of experts and Gemma 3: vLLM 0.32 does not read the experts that transformers 5 saves, nor the vision
tower of a Gemma that transformers 5 made; and on a CPU it reads the tokens of Gemma's image one after the other, where
transformers lets each see all of them.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed here: run make test-vllm")

from tiny_families import save_tiny

from infimed_plugins import prompts
from infimed_plugins.engines import ChatRequest, Sampling
from infimed_plugins.engines.transformers import TransformersEngine
from infimed_plugins.engines.vllm import VllmEngine
from infimed_plugins.sources.phantom import phantom_sample

SAMPLES = [phantom_sample("val", number) for number in range(3)]
PROMPTS = [prompts.render(sample, "reasoning") for sample in SAMPLES]
REQUESTS = [
    *(ChatRequest(sample.id, text, sample.images) for sample, text in zip(SAMPLES, PROMPTS, strict=True)),
    ChatRequest("none", "Which organ has lobes?"),
    ChatRequest("two", "<image><image>Are they alike?", SAMPLES[0].images + SAMPLES[1].images),
]
pytestmark = pytest.mark.timeout(900)


@pytest.mark.parametrize("model_type", ["qwen2_5_vl", "qwen3_vl", "internvl"])
def test_vllm_and_transformers_give_the_same_replies(model_type: str, tmp_path: Path) -> None:
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    model = str(save_tiny(model_type, tmp_path / model_type, PROMPTS * 3))
    options = {"dtype": "float32", "max_model_len": 2048, "enforce_eager": True, "max_images": 2}
    engines = VllmEngine(model, max_pixels=262_144, **options), TransformersEngine(model, max_pixels=262_144)
    said, expected = (
        {
            # vLLM leaves out the bytes of a sign that the limit cuts
            reply.id: (tuple(text.rstrip("\ufffd") for text in reply.texts), reply.error, reply.usage.prompt)
            for reply in engine.generate(REQUESTS, Sampling(max_tokens=12))
        }
        for engine in engines
    )
    assert said == expected
    assert all(error is None for _, error, _ in said.values())
