"""The base model that ships: small, made by the documented command, weak but not blind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infimed_plugins import prompts
from infimed_plugins.engines import ChatRequest, Sampling
from infimed_plugins.engines.transformers import TransformersEngine
from infimed_plugins.errors import ConfigError, EngineError
from infimed_plugins.paths import shipped
from infimed_plugins.quickstart import pretrain
from infimed_plugins.scoring.robust import score
from infimed_plugins.sources.phantom import PHANTOM

BASE = shipped("infimed_plugins/quickstart/base")


@pytest.fixture(scope="module")
def engine() -> TransformersEngine:
    return TransformersEngine(str(BASE))


def test_it_is_qwen2_5_vl_and_fits_into_ten_megabytes() -> None:
    config = json.loads((BASE / "config.json").read_text())
    assert config["architectures"] == ["Qwen2_5_VLForConditionalGeneration"]
    assert sum(path.stat().st_size for path in BASE.iterdir()) < 10e6
    record = json.loads((BASE / "training_record.json").read_text())
    assert record["command"] == "infimed quickstart pretrain"
    assert record["loss"][-1]["loss"] < record["loss"][0]["loss"]


def test_its_ten_samples_are_sometimes_right_and_sometimes_wrong(engine: TransformersEngine) -> None:
    samples = list(PHANTOM.load("val", limit=20))
    requests = [ChatRequest(s.id, prompts.render(s, "reasoning"), s.images) for s in samples]
    replies = list(engine.generate(requests, Sampling(n=10, temperature=1.0, max_tokens=96)))
    right = [
        sum(score(text, sample).accuracy == 1.0 for text in reply.texts)
        for sample, reply in zip(samples, replies, strict=True)
    ]
    assert sum(0 < m < 10 for m in right) >= 5, right


def test_a_batch_answers_as_one_request_does(engine: TransformersEngine) -> None:
    samples = list(PHANTOM.load("val", limit=6))
    requests = [ChatRequest(s.id, prompts.render(s, "reasoning"), s.images) for s in samples]
    together = [reply.texts for reply in engine.generate(requests, Sampling(max_tokens=48))]
    alone = [next(iter(engine.generate([request], Sampling(max_tokens=48)))).texts for request in requests]
    assert together == alone


def test_the_same_seed_draws_the_same_samples(engine: TransformersEngine) -> None:
    sample = next(PHANTOM.load("val"))
    request = ChatRequest(sample.id, prompts.render(sample, "reasoning"), sample.images)
    drawn = [next(iter(engine.generate([request], Sampling(4, 1.0, max_tokens=32, seed=s)))).texts for s in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_several_greedy_replies_are_refused(engine: TransformersEngine) -> None:
    with pytest.raises(ConfigError, match="temperature"):
        list(engine.generate([ChatRequest("a", "hello")], Sampling(n=2)))


def test_a_model_that_is_not_there_is_named() -> None:
    with pytest.raises(EngineError, match="no such folder"):
        TransformersEngine("runs/no-such-model")


def test_pretraining_runs_and_leaves_a_whole_model(tmp_path: Path) -> None:
    settings = pretrain.PretrainSettings(
        pictures=64,
        reading_steps=3,
        caption_steps=3,
        instruction_pictures=64,
        instruction_steps=3,
        batch_size=8,
        reading_batch_size=4,
    )
    record = pretrain.pretrain(tmp_path, settings)
    assert record["parameters"] > 1_000_000
    assert [(row["stage"], row["step"]) for row in record["loss"]] == [
        ("reading", 3),
        ("captions", 3),
        ("instructions", 3),
    ]
    sample = next(PHANTOM.load("val"))
    (reply,) = TransformersEngine(str(tmp_path)).generate(
        [ChatRequest("a", prompts.render(sample, "direct"), sample.images)], Sampling(max_tokens=4)
    )
    assert reply.error is None
