"""How the vllm engine keeps vLLM busy, over a vLLM that says what it was given; tests/vllm has the real one."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from infimed_plugins.engines import ChatRequest, Sampling
from infimed_plugins.engines.vllm import VllmEngine
from infimed_plugins.errors import ConfigError, EngineError
from infimed_plugins.records import ImageRef

LIMIT = 40  # characters of a prompt


class Core:
    """LLMEngine: a step ends the request of the shortest prompt."""

    def __init__(self) -> None:
        self.waiting: dict[str, tuple[str, Any]] = {}
        self.most = 0
        self.broken = self.opens_thought = False

    def add_request(self, id: str, prompt: str, parameters: Any) -> None:
        if len(prompt) > LIMIT:
            raise ValueError(f"the prompt (length {len(prompt)}) is longer than the maximum model length of {LIMIT}")
        self.waiting[id] = (prompt, parameters)
        self.most = max(self.most, len(self.waiting))

    def step(self) -> list[Any]:
        if self.broken:
            raise RuntimeError("EngineCore died")
        id = min(self.waiting, key=lambda id: len(self.waiting[id][0]))
        prompt, parameters = self.waiting.pop(id)
        texts = [f"{prompt} {parameters.seed + index}" for index in range(parameters.n)]
        outputs = [SimpleNamespace(text=text, token_ids=[1, 2], finish_reason="stop") for text in texts]
        others = [SimpleNamespace(request_id=other, finished=False) for other in self.waiting]
        asked = list(map(ord, f"{prompt} <think>\n" if self.opens_thought else prompt))
        return [*others, SimpleNamespace(request_id=id, finished=True, outputs=outputs, prompt_token_ids=asked)]

    def has_unfinished_requests(self) -> bool:
        return bool(self.waiting)

    def abort_request(self, ids: list[str]) -> None:
        for id in ids:
            del self.waiting[id]


class Old:
    """LLM of vLLM 0.11."""

    def __init__(self, model: str, **arguments: Any) -> None:
        self.llm_engine, self.request_counter = Core(), itertools.count()
        self.arguments = arguments

    def preprocess_chat(self, talks: list[Any], **_: Any) -> list[str]:
        return ["".join(part["text"] for part in talk[-1]["content"]) for talk in talks]

    def get_tokenizer(self) -> Any:
        """A tokenizer of characters."""
        return SimpleNamespace(
            apply_chat_template=lambda talk, **_: talk[-1]["content"][0]["text"],
            decode=lambda tokens: "".join(map(chr, tokens)),
        )

    def embed(self, prompts: list[dict[str, Any]], use_tqdm: bool) -> list[Any]:
        if any(len(prompt["prompt"]) > LIMIT for prompt in prompts):
            raise ValueError("one of them is longer than the maximum model length")
        return [SimpleNamespace(outputs=SimpleNamespace(embedding=[3.0, len(one["prompt"])])) for one in prompts]


class Middle(Old):
    """LLM of vLLM 0.16 to 0.21."""

    def __init__(self, model: str, **arguments: Any) -> None:
        super().__init__(model, **arguments)
        self._preprocess_chat = super().preprocess_chat

    @property
    def preprocess_chat(self) -> Any:  # type: ignore[override]
        raise AttributeError("preprocess_chat")


class New(Old):
    """LLM of vLLM 0.32."""

    def enqueue_chat(self, talks: list[Any], parameters: Any, *, use_tqdm: bool) -> list[str]:
        id = str(next(self.request_counter))
        self.llm_engine.add_request(id, self.preprocess_chat(talks)[0], parameters)
        return [f"{id}-0a1b2c3d"]


@pytest.fixture(params=[Old, Middle, New])
def vllm(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def parameters(**given: Any) -> Any:
        if given["top_p"] > 1:
            raise ValueError("top_p must be in (0, 1]")
        return SimpleNamespace(**given)

    modules: dict[str, dict[str, Any]] = {
        "vllm": {"LLM": request.param, "SamplingParams": parameters},
        "vllm.platforms": {"current_platform": SimpleNamespace(is_cpu=lambda: False)},
        "vllm.sampling_params": {"RequestOutputKind": SimpleNamespace(FINAL_ONLY=2)},
        "vllm.config": {"PoolerConfig": dict},
    }
    for name, members in modules.items():
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)


def core(engine: VllmEngine) -> Core:
    found = engine._llm.llm_engine
    assert isinstance(found, Core)
    return found


def questions(texts: Iterable[str]) -> Iterator[ChatRequest]:
    return (ChatRequest(f"id {text}", text) for text in texts)


@pytest.mark.usefixtures("vllm")
def test_replies_come_as_they_finish_and_the_next_is_drawn_when_there_is_room() -> None:
    engine = VllmEngine("m", group=3)
    drawn: list[str] = []

    def requests() -> Iterator[ChatRequest]:
        for text in ("long long", "short", "middle", "tiny", "last one"):
            drawn.append(text)
            yield ChatRequest(text, text)

    replies = engine.generate(requests(), Sampling(n=2, temperature=1.0, seed=7))
    first = next(replies)
    assert (first.id, first.texts, drawn) == ("short", ("short 7", "short 8"), ["long long", "short", "middle"])
    assert [reply.id for reply in replies] == ["tiny", "middle", "last one", "long long"]
    assert core(engine).most == 3


@pytest.mark.usefixtures("vllm")
def test_what_vllm_refuses_fails_alone_even_when_it_is_all_there_is_room_for() -> None:
    engine = VllmEngine("m", group=2)
    texts = ["x" * 41, "y" * 42, "fine", "z" * 43, "good"]
    bad = ChatRequest("bad", "<image>", (ImageRef(data=b"no image"),))
    replies = {reply.id: reply for reply in engine.generate([*questions(texts), bad], Sampling(seed=7))}
    assert [reply.texts for reply in replies.values() if reply.error is None] == [("fine 7",), ("good 7",)]
    assert "maximum model length" in str(replies["id " + "y" * 42].error)
    assert "does not open" in str(replies["bad"].error)
    assert len(replies) == 6


@pytest.mark.usefixtures("vllm")
def test_the_samples_that_are_known_are_left_out() -> None:
    requests = [ChatRequest("a", "q", known=2), ChatRequest("b", "q")]
    replies = {reply.id: reply for reply in VllmEngine("m").generate(requests, Sampling(n=3, temperature=1.0, seed=7))}
    assert (replies["a"].texts, replies["b"].texts) == (("q 9",), ("q 7", "q 8", "q 9"))


@pytest.mark.usefixtures("vllm")
def test_reasoning_that_the_chat_template_opened_is_opened_in_the_reply() -> None:
    engine = VllmEngine("m")
    for opens in (True, False):
        core(engine).opens_thought = opens
        (reply,) = engine.generate(questions(["q"]), Sampling(n=2, temperature=1.0, seed=7))
        assert reply.texts == (("<think>q 7", "<think>q 8") if opens else ("q 7", "q 8"))


@pytest.mark.usefixtures("vllm")
def test_a_run_that_is_given_up_leaves_nothing_behind() -> None:
    engine = VllmEngine("m")
    replies = engine.generate(questions(["a", "bb", "ccc"]), Sampling())
    next(replies)
    assert core(engine).waiting
    replies.close()  # type: ignore[attr-defined]
    assert not core(engine).waiting


@pytest.mark.usefixtures("vllm")
def test_an_engine_that_dies_and_sampling_that_cannot_be_are_said() -> None:
    engine = VllmEngine("m")
    core(engine).broken = True
    with pytest.raises(EngineError, match="vLLM failed: EngineCore died"):
        list(engine.generate(questions(["a"]), Sampling()))
    with pytest.raises(ConfigError, match="refuses the sampling: top_p"):
        list(VllmEngine("m").generate([], Sampling(top_p=2.0)))


@pytest.mark.usefixtures("vllm")
def test_a_text_that_cannot_be_embedded_fails_alone() -> None:
    engine = VllmEngine("m", embed=True, embed_suffix="!")
    vectors = {one.id: one for one in engine.embed(questions(["four", "x" * 41, "eight ch"]))}
    assert vectors["id four"].vector.tolist() == pytest.approx([3 / 34**0.5, 5 / 34**0.5])
    assert "maximum model length" in str(vectors["id " + "x" * 41].error)
    assert vectors["id eight ch"].error is None


@pytest.mark.usefixtures("vllm")
def test_gme_is_loaded_and_asked_as_its_model_card_says() -> None:
    engine = VllmEngine("Alibaba-NLP/gme-Qwen2-VL-2B-Instruct", embed=True)
    assert engine._llm.arguments["pooler_config"] == {"pooling_type": "LAST"}
    assert engine.shaping == {"embed_suffix": "<|endoftext|>"}
    prompt = engine._to_embed(ChatRequest("a", "q"))
    assert isinstance(prompt, dict)
    assert prompt["prompt"] == "q<|endoftext|>"
    assert "pooler_config" not in VllmEngine("m", embed=True)._llm.arguments
