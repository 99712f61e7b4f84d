"""The embedded engine: what a reply took and whether it was cut, and samples that do not depend on their batch."""

from __future__ import annotations

import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
import transformers

from infimed_plugins import prompts
from infimed_plugins.engines import ChatRequest, Sampling
from infimed_plugins.engines.cached_engine import CachedEngine
from infimed_plugins.engines.response_cache import ResponseCache
from infimed_plugins.engines.transformers import SeededSampler, TransformersEngine, uniform_numbers
from infimed_plugins.paths import shipped
from infimed_plugins.records import ImageRef
from infimed_plugins.sources.phantom import PHANTOM

BASE = str(shipped("infimed_plugins/quickstart/base"))
SAMPLES = list(PHANTOM.load("val", limit=8))
STYLES = ("direct", "reasoning")  # prompts of two lengths, so that batches are padded
REQUESTS = [
    ChatRequest(s.id, prompts.render(s, STYLES[number % 2]), s.images, system="Be brief. " * (number % 3))
    for number, s in enumerate(SAMPLES)
]
DRAWN = Sampling(n=3, temperature=1.0, top_p=0.9, max_tokens=48, seed=7)


@pytest.fixture(scope="module")
def engine() -> TransformersEngine:
    return TransformersEngine(BASE, batch_size=12)


def test_a_sample_does_not_depend_on_its_batch_or_its_id(engine: TransformersEngine) -> None:
    together = [reply.texts for reply in engine.generate(REQUESTS, DRAWN)]
    assert len({text for texts in together for text in texts}) > len(REQUESTS)
    for left_out in (1, 3):
        rest = REQUESTS[left_out:]
        assert [reply.texts for reply in engine.generate(rest, DRAWN)] == together[left_out:]
    other = ChatRequest("other", REQUESTS[2].text, REQUESTS[2].images, system=REQUESTS[2].system)
    assert next(iter(engine.generate([other], DRAWN))).texts == together[2]


def test_each_sample_has_a_seed_of_its_own(engine: TransformersEngine) -> None:
    (three,) = engine.generate(REQUESTS[:1], DRAWN)
    singles = [
        next(iter(engine.generate(REQUESTS[:1], Sampling(1, 1.0, 0.9, 48, seed)))).texts[0] for seed in (7, 8, 9)
    ]
    assert list(three.texts) == singles


def test_more_samples_are_those_that_one_run_would_draw(engine: TransformersEngine, tmp_path: Path) -> None:
    five = Sampling(5, 1.0, 0.9, 48, 7)
    whole = {reply.id: (reply.texts, reply.cut) for reply in engine.generate(REQUESTS, five)}
    with ResponseCache(tmp_path / "replies.sqlite") as store:
        stored = CachedEngine(engine, store)
        list(stored.generate(REQUESTS[:5], DRAWN))
        assert {reply.id: (reply.texts, reply.cut) for reply in stored.generate(REQUESTS, five)} == whole


def test_images_that_do_not_open_are_errors_alone_in_their_batch_and_with_others(engine: TransformersEngine) -> None:
    broken = ChatRequest("broken", "<image>What is it?", (ImageRef(data=b"GIF89a"),))
    for requests in ([broken], [broken, REQUESTS[0]]):
        replies = list(engine.generate(requests, Sampling(max_tokens=2)))
        assert [reply.error is None for reply in replies] == [request is not broken for request in requests]


def test_what_a_reply_took_and_whether_it_was_cut_is_told(engine: TransformersEngine) -> None:
    replies = list(engine.generate(REQUESTS, DRAWN))
    tokenizer: Any = engine._processor.tokenizer
    for request, reply in zip(REQUESTS, replies, strict=True):
        assert len(reply.cut) == len(reply.texts) == 3
        inputs = engine._inputs([(request, [image.open() for image in request.images])])
        assert reply.usage.prompt == inputs["input_ids"].shape[1]
        for text, cut in zip(reply.texts, reply.cut, strict=True):
            length = len(tokenizer(text, add_special_tokens=False)["input_ids"])
            assert cut or length < DRAWN.max_tokens
        lengths = sum(len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in reply.texts)
        assert lengths <= reply.usage.completion <= lengths + 3 + 3 * sum(reply.cut)
    (short,) = engine.generate(REQUESTS[1:2], Sampling(max_tokens=2))
    assert (short.cut, short.usage.completion) == ((True,), 2)
    (whole,) = engine.generate(REQUESTS[1:2], Sampling(max_tokens=200))
    assert whole.cut == (False,)


def test_an_image_is_resized_to_the_limit_that_is_given() -> None:
    from PIL import Image

    made = BytesIO()
    Image.new("RGB", (448, 448), "gray").save(made, "PNG")
    request = ChatRequest("a", "<image>What is it?", (ImageRef(data=made.getvalue()),))
    tokens = {}
    for side in (112, 224):
        (reply,) = TransformersEngine(BASE, max_pixels=side * side).generate([request], Sampling(max_tokens=1))
        tokens[side] = reply.usage.prompt
    assert tokens[224] - tokens[112] == (224 // 28) ** 2 - (112 // 28) ** 2


def test_reasoning_that_the_chat_template_opened_is_opened_in_the_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = TransformersEngine(BASE)
    processor: Any = engine._processor
    opening = "{% if add_generation_prompt %}<think>\n{% endif %}"
    monkeypatch.setattr(processor, "chat_template", processor.chat_template + opening)
    for reply in engine.generate(REQUESTS, DRAWN):
        assert [text.count("<think>") for text in reply.texts] == [1, 1, 1]
        assert all(text.startswith("<think>") for text in reply.texts)


def test_the_revision_is_the_one_that_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    for name in ("AutoProcessor", "AutoModelForImageTextToText"):
        loader = getattr(transformers, name)
        whole = loader.from_pretrained

        def spy(*args: Any, whole: Any = whole, **settings: Any) -> Any:
            asked.append(settings["revision"])
            return whole(*args, **settings)

        monkeypatch.setattr(loader, "from_pretrained", spy)
    assert TransformersEngine(BASE, revision="v1.1").revision == "v1.1"
    assert asked == ["v1.1", "v1.1"]
    assert TransformersEngine(BASE).revision == ""


def test_tokens_are_drawn_as_often_as_their_probability_says() -> None:
    probabilities = torch.tensor([0.0, 0.5, 0.0, 0.3, 0.2, 0.0])
    count = 20_000
    draws = SeededSampler(uniform_numbers(range(count), 1), start=4)
    scores = draws(torch.zeros(count, 4, dtype=torch.long), probabilities.log().repeat(count, 1))
    seen = torch.bincount(scores.argmax(dim=-1), minlength=6) / count
    assert (seen[probabilities == 0] == 0).all()
    assert (seen - probabilities).abs().max() < 0.015
    assert ((scores == 0).sum(dim=-1) == 1).all()
    assert (torch.isneginf(scores).sum(dim=-1) == 5).all()


def test_a_torchvision_that_does_not_load_is_not_called_a_missing_transformers(tmp_path: Path) -> None:
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text("raise RuntimeError('operator does not exist')")
    code = "from infimed_plugins.engines.transformers import TransformersEngine as E; E('nowhere')"
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    said = done.stderr.splitlines()[-1]
    assert "transformers is installed but does not load (operator does not exist)" in said
    assert "python -m infimed_plugins.quickstart.torchvision_cpu" in said
