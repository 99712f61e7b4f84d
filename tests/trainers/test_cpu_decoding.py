"""The CPU layer's generation: many prompts at once give what one prompt at a time gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infimed_plugins import prompts
from infimed_plugins.errors import EngineError
from infimed_plugins.quickstart.easyr1_cpu.decoding import Draw, decode, sample
from infimed_plugins.quickstart.easyr1_cpu.rollout import LLM, NOTICE, SamplingParams, TokensPrompt
from infimed_plugins.records import Sample

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

LENGTH = 24


@pytest.fixture(scope="module")
def lively(tiny_vlm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with larger weights: as initialised, it repeats one token whatever it is shown."""
    folder = tmp_path_factory.mktemp("model") / "lively"
    model = transformers.AutoModelForImageTextToText.from_pretrained(tiny_vlm)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(4)
    model.save_pretrained(folder)
    transformers.AutoProcessor.from_pretrained(tiny_vlm).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def llm(lively: Path) -> LLM:
    engine = LLM(model=str(lively))
    weights = transformers.AutoModelForImageTextToText.from_pretrained(lively).state_dict()
    engine.llm_engine.model_executor.driver_worker.worker.model_runner.model.load_weights(weights.items())
    return engine


@pytest.fixture(scope="module")
def requests(lively: Path, phantoms: list[Sample]) -> list[TokensPrompt]:
    """Prompts of mixed lengths: with one image, with two, and without."""
    processor = transformers.AutoProcessor.from_pretrained(lively)
    asked: list[tuple[str, list[Any]]] = [
        (prompts.render(sample, style), [sample.images[0].open()])
        for sample, style in zip(phantoms[:5], ("direct", "reasoning", "direct", "reasoning", "direct"), strict=True)
    ]
    asked.append(("Which modality is common for the lung?", []))
    asked.append(("<image><image>Which is larger?", [phantoms[6].images[0].open(), phantoms[7].images[0].open()]))
    return [_request(processor, text, images) for text, images in asked]


def _request(processor: Any, text: str, images: list[Any]) -> TokensPrompt:
    content = [{"type": "image"} for _ in images] + [{"type": "text", "text": text.replace("<image>", "")}]
    message = [{"role": "user", "content": content}]
    prompt = processor.apply_chat_template(message, add_generation_prompt=True, tokenize=False)
    ids = processor.tokenizer(prompt, add_special_tokens=False)["input_ids"]
    return {"prompt_token_ids": ids, "multi_modal_data": {"image": images} if images else None}


def _replies(llm: LLM, requests: list[TokensPrompt], **settings: Any) -> list[list[list[int]]]:
    params = SamplingParams(**{"temperature": 0.0, "max_tokens": LENGTH, **settings})
    return [[reply.token_ids for reply in answer.outputs] for answer in llm.generate(requests, params)]


def test_prompts_read_together_give_the_greedy_replies_each_gives_alone(llm: LLM, requests: list[TokensPrompt]) -> None:
    together = _replies(llm, requests)
    alone = [_replies(llm, [request])[0] for request in requests]
    assert together == alone
    assert len({tuple(replies[0]) for replies in together}) == len(requests), "the model must tell prompts apart"


def test_greedy_replies_are_those_of_transformers_generate(
    llm: LLM, lively: Path, requests: list[TokensPrompt]
) -> None:
    model = transformers.AutoModelForImageTextToText.from_pretrained(lively).eval()
    for request, ours in zip(requests, _replies(llm, requests), strict=True):
        prompt = llm._prepare(request)
        ids = torch.tensor([prompt.token_ids])
        images = {} if prompt.pixels is None else {"pixel_values": prompt.pixels, "image_grid_thw": prompt.grid}
        mask = torch.ones_like(ids)
        theirs = model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=LENGTH, do_sample=False, **images)
        assert theirs[0, ids.size(1) :].tolist() == ours[0]


def test_samples_of_finished_rows_do_not_disturb_the_rest(llm: LLM, requests: list[TokensPrompt]) -> None:
    """Stopping on common tokens makes most rows leave early; those that stay must go on as they did."""
    long = _replies(llm, requests)
    stop = {long[0][0][3], long[1][0][5], long[2][0][9]}
    expected = [[_until(reply[0], stop)] for reply in long]
    assert len({len(reply[0]) for reply in expected}) > 2
    draw = Draw(max_tokens=LENGTH, temperature=0.0, stop=frozenset(stop))
    prepared = [llm._prepare(request) for request in requests]
    assert decode(llm._network, prepared, draw, torch.Generator()) == expected


def _until(reply: list[int], stop: set[int]) -> list[int]:
    ends = [index for index, token in enumerate(reply) if token in stop]
    return reply[: ends[0] + 1] if ends else reply


def test_sampling_repeats_with_its_seed_and_differs_between_samples_and_calls(
    lively: Path, requests: list[TokensPrompt]
) -> None:
    drawn = [LLM(model=str(lively), seed=7) for _ in range(2)]
    for engine in drawn:
        torch.manual_seed(0)
        weights = transformers.AutoModelForImageTextToText.from_pretrained(lively).state_dict()
        engine.llm_engine.model_executor.driver_worker.worker.model_runner.model.load_weights(weights.items())
    first, again = (_replies(engine, requests, temperature=1.0, n=4) for engine in drawn)
    assert first == again
    assert [len(replies) for replies in first] == [4] * len(requests)
    assert all(len({tuple(reply) for reply in replies}) == 4 for replies in first)
    assert _replies(drawn[0], requests, temperature=1.0, n=4) != first


def test_a_chunk_at_a_time_gives_the_same_greedy_replies(
    llm: LLM, requests: list[TokensPrompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _replies(llm, requests, n=2)
    monkeypatch.setattr("infimed_plugins.quickstart.easyr1_cpu.decoding.MAX_SEQUENCES", 4)
    assert _replies(llm, requests, n=2) == whole


@pytest.mark.parametrize(
    ("draw", "allowed"),
    [
        pytest.param(Draw(temperature=0), {3}, id="temperature 0 takes the likeliest"),
        pytest.param(Draw(temperature=0, bias={3: -100}), {2}, id="a banned token is never drawn, even greedily"),
        pytest.param(Draw(bias={3: -100, 2: -100}), {0, 1}, id="banned tokens leave the rest"),
        pytest.param(Draw(top_k=2), {2, 3}, id="top_k keeps the k likeliest"),
        pytest.param(Draw(top_k=9), {0, 1, 2, 3}, id="a top_k above the vocabulary keeps all"),
        pytest.param(Draw(top_p=0.5), {3}, id="top_p keeps the token that crosses it"),
        pytest.param(Draw(top_p=0.7), {2, 3}, id="top_p keeps as many as it takes"),
        pytest.param(Draw(temperature=0.01), {3}, id="a low temperature sharpens"),
    ],
)
def test_only_tokens_that_the_settings_allow_are_drawn(draw: Draw, allowed: set[int]) -> None:
    logits = torch.tensor([0.1, 0.15, 0.2, 0.55]).log().expand(400, -1)
    assert set(sample(logits, draw, torch.Generator().manual_seed(0)).tolist()) == allowed


def test_the_share_of_each_token_is_its_probability() -> None:
    probabilities = torch.tensor([0.1, 0.2, 0.7])
    drawn = sample(probabilities.log().expand(20_000, -1), Draw(), torch.Generator().manual_seed(0))
    shares = torch.bincount(drawn, minlength=3) / len(drawn)
    assert torch.allclose(shares, probabilities, atol=0.02)


def test_an_image_token_without_its_image_is_an_error(llm: LLM, requests: list[TokensPrompt]) -> None:
    broken: TokensPrompt = {"prompt_token_ids": requests[0]["prompt_token_ids"], "multi_modal_data": None}
    with pytest.raises(EngineError, match="1 image tokens but 0 images"):
        llm.generate([broken], SamplingParams())


def test_weights_must_be_complete_and_known(lively: Path) -> None:
    target = LLM(model=str(lively)).llm_engine.model_executor.driver_worker.worker.model_runner.model
    weights = dict(transformers.AutoModelForImageTextToText.from_pretrained(lively).state_dict())
    with pytest.raises(EngineError, match=r"no weights for lm_head\.weight"):
        target.load_weights((name, weight) for name, weight in weights.items() if name != "lm_head.weight")
    with pytest.raises(EngineError, match=r"'model\.extra' that the rollout model lacks"):
        target.load_weights([*weights.items(), ("model.extra", weights["lm_head.weight"])])


def test_it_says_that_rollouts_come_from_transformers(lively: Path, capsys: pytest.CaptureFixture[str]) -> None:
    LLM(model=str(lively))
    assert capsys.readouterr().err.count(NOTICE) == 1
