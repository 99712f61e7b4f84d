"""The engine in real vLLM, with the quickstart's base model: ``make test-vllm`` runs it in its own environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed here: run make test-vllm")

from infimed_plugins import prompts
from infimed_plugins.engines import ChatRequest, Sampling
from infimed_plugins.engines.vllm import VllmEngine
from infimed_plugins.paths import shipped
from infimed_plugins.records import ImageRef
from infimed_plugins.sources.phantom import PHANTOM

BASE = str(shipped("infimed_plugins/quickstart/base"))
SAMPLES = list(PHANTOM.load("test", limit=12))
REQUESTS = [ChatRequest(s.id, prompts.render(s, "reasoning"), s.images) for s in SAMPLES]
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def engine() -> VllmEngine:
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    return VllmEngine(BASE, dtype="float32", max_model_len=1024, enforce_eager=True, max_images=1, max_pixels=12_544)


TEN = Sampling(n=10, temperature=1.0, max_tokens=64, seed=7)


def by_id(results: Iterable[Any]) -> dict[str, Any]:
    return {result.id: result for result in results}


def test_ten_seeded_samples_of_every_question(engine: VllmEngine) -> None:
    replies = by_id(engine.generate(REQUESTS, TEN))
    assert set(replies) == {request.id for request in REQUESTS}
    assert all(len(reply.texts) == 10 and reply.error is None for reply in replies.values())
    assert any(len(set(reply.texts)) > 1 for reply in replies.values())
    assert all(reply.usage.prompt > 16 and reply.usage.completion > 10 for reply in replies.values())
    assert sum("<answer>" in text for reply in replies.values() for text in reply.texts) > 60
    for reply in engine.generate(REQUESTS[:3], TEN):
        assert reply.texts == replies[reply.id].texts


def test_of_more_samples_only_those_that_are_missing_are_drawn(engine: VllmEngine, tmp_path: Path) -> None:
    from infimed_plugins.engines.cached_engine import CachedEngine
    from infimed_plugins.engines.response_cache import ResponseCache

    whole = by_id(engine.generate(REQUESTS, TEN))
    with ResponseCache(tmp_path / "replies.sqlite") as store:
        stored = CachedEngine(engine, store)
        list(stored.generate(REQUESTS, replace(TEN, n=4)))
        for reply in stored.generate(REQUESTS, TEN):
            assert (reply.texts, reply.cut) == (whole[reply.id].texts, whole[reply.id].cut)
            assert reply.usage.completion == whole[reply.id].usage.completion


def test_greedy_replies_are_those_of_the_transformers_engine(engine: VllmEngine) -> None:
    from infimed_plugins.engines.transformers import TransformersEngine

    greedy = Sampling(max_tokens=48)
    there = TransformersEngine(BASE, max_pixels=12_544).generate(REQUESTS, greedy)
    assert {id: reply.texts for id, reply in by_id(engine.generate(REQUESTS, greedy)).items()} == {
        reply.id: reply.texts for reply in there
    }


def test_reasoning_that_the_chat_template_opened_is_opened_in_the_reply(
    engine: VllmEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = engine._llm.get_tokenizer()
    opening = "{% if add_generation_prompt %}<think>\n{% endif %}"
    monkeypatch.setattr(tokenizer, "chat_template", tokenizer.chat_template + opening)
    for reply in engine.generate(REQUESTS, TEN):
        assert all(text.startswith("<think>") and text.count("<think>") == 1 for text in reply.texts)


def test_what_cannot_be_asked_fails_alone(engine: VllmEngine) -> None:
    bad = ChatRequest("bad", REQUESTS[0].text, (ImageRef(data=b"no image"),))
    long = ChatRequest("long", "word " * 3000)
    replies = by_id(engine.generate([REQUESTS[0], bad, long, REQUESTS[1]], Sampling(max_tokens=8)))
    assert {id: reply.error is None for id, reply in replies.items()} == {
        REQUESTS[0].id: True,
        "bad": False,
        "long": False,
        REQUESTS[1].id: True,
    }
    assert "does not open" in str(replies["bad"].error)
    assert "1024" in str(replies["long"].error)
    scores = by_id(engine.score_answers([(REQUESTS[0], "a stone"), (long, "a stone")]))
    assert scores[REQUESTS[0].id].error is None
    assert "1024" in str(scores["long"].error)


def test_a_run_that_is_given_up_leaves_nothing_behind(engine: VllmEngine) -> None:
    replies = engine.generate(REQUESTS, TEN)
    next(replies)
    replies.close()  # type: ignore[attr-defined]
    assert not engine._llm.llm_engine.has_unfinished_requests()
    assert len(by_id(engine.generate(REQUESTS[:2], TEN))) == 2


def test_a_schema_is_held_to(engine: VllmEngine) -> None:
    sampling = Sampling(max_tokens=8, temperature=1.0, json_schema={"enum": [1, 2]})
    assert {json.loads(reply.texts[0]) for reply in engine.generate(REQUESTS, sampling)} <= {1, 2}


def test_the_true_caption_is_likelier_than_another_pictures(engine: VllmEngine) -> None:
    from infimed_plugins.sources.phantom import phantom_sample

    captions = [phantom_sample("test", index, kind="caption") for index in range(6)]
    asked = [ChatRequest(s.id, prompts.render(s, "direct"), s.images) for s in captions]
    own = by_id(engine.score_answers((request, s.answer) for request, s in zip(asked, captions, strict=True)))
    others = [*captions[1:], captions[0]]
    strange = by_id(engine.score_answers((request, s.answer) for request, s in zip(asked, others, strict=True)))
    assert all(score.tokens > 3 and score.error is None for score in own.values())
    assert sum(score.perplexity < strange[id].perplexity for id, score in own.items()) >= 5


def test_reflect_runs_on_it(engine: VllmEngine, tmp_path: Path) -> None:
    from infimed_plugins.recipes import Part, Recipe, Step, build

    step = Step("reflective_cot", {"judge": "rule", "max_tokens": 96})
    part = Part("reflective", "phantom", "train", limit=12, order="first", style="reasoning", steps=(step,))
    manifest = build(Recipe("demo", "llamafactory", (part,)), tmp_path, engine=engine)
    counted = manifest.parts[0].counted
    assert sum(questions for _, candidates, questions in manifest.parts[0].right_of if candidates == 10) == 12
    assert counted["candidates: completion tokens"] > 500
    assert manifest.rows == manifest.parts[0].kept > 0


def test_an_evaluation_runs_on_it_and_is_taken_up_again(engine: VllmEngine, tmp_path: Path) -> None:
    from infimed_plugins.benchmarks.catalogue.phantom import PHANTOM as BENCHMARK
    from infimed_plugins.benchmarks.runner import read_run, run

    judged = run(BENCHMARK, engine, tmp_path, limit=12, max_tokens=32)
    assert [row.id for row in judged] == [sample.id for sample in SAMPLES]
    assert all(row.accuracy is not None for row in judged)
    log = (tmp_path / "responses.jsonl").read_bytes()
    assert run(BENCHMARK, engine, tmp_path, limit=12, max_tokens=32) == judged == read_run(tmp_path)
    assert (tmp_path / "responses.jsonl").read_bytes() == log


def test_a_command_prints_nothing_but_json(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("infimed")), "eval", "--model", BASE, "--engine", "vllm", "--json"]
    for setting in ("dtype=float32", "max_model_len=1024", "enforce_eager=true", "max_pixels=12544"):
        command += ["--engine-set", setting]
    command += ["--limit", "4", "--prompt", "direct", "--max-tokens", "16", "--out", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout)["results"][0]["figure"]["accuracy"]["total"] == 4


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A real vLLM server on loopback."""
    yield from serve("--max-model-len", "1024", "--no-enable-chunked-prefill")


@pytest.fixture(scope="module")
def parting_server() -> Iterator[str]:
    """The same server, which parts the reasoning off."""
    parser = str(Path(__file__).with_name("text_reasoning_parser.py"))
    options = ("--reasoning-parser-plugin", parser, "--reasoning-parser", "by_text")
    yield from serve("--max-model-len", "1024", "--no-enable-chunked-prefill", *options, offset=2000)


@pytest.fixture(scope="module")
def embedding_server() -> Iterator[str]:
    """The same model, pooling."""
    yield from serve("--max-model-len", "1024", "--runner", "pooling", "--convert", "embed", offset=1000)


def serve(*options: str, offset: int = 0) -> Iterator[str]:
    port = 18_000 + offset + os.getpid() % 1000
    environment = dict(os.environ, VLLM_CPU_KVCACHE_SPACE="1")
    command: list[Any] = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", BASE]
    command += ["--served-model-name", "base", "--host", "127.0.0.1", "--port", str(port), "--dtype", "float32"]
    command += ["--enforce-eager", "--limit-mm-per-prompt", '{"image": 1, "video": 0}', *options]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait(port, process)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    import httpx

    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(1)
    raise AssertionError("the server did not start")


def test_the_openai_engine_gets_the_same_from_a_real_server(server: str, engine: VllmEngine) -> None:
    from infimed_plugins.engines.openai import OpenAIEngine

    remote = OpenAIEngine("base", base_url=server)
    greedy = Sampling(max_tokens=48)
    here = {reply.id: reply.texts for reply in engine.generate(REQUESTS[:6], greedy)}
    there = {reply.id: reply.texts for reply in remote.generate(REQUESTS[:6], greedy)}
    assert there == here
    ten = list(remote.generate(REQUESTS[:4], Sampling(n=10, temperature=1.0, max_tokens=64, seed=7)))
    assert all(len(reply.texts) == 10 and reply.usage.completion > 10 for reply in ten)


def test_reasoning_that_a_real_server_parts_off_is_put_back(parting_server: str, engine: VllmEngine) -> None:
    import httpx

    from infimed_plugins.engines.openai import OpenAIEngine

    talk = [{"role": "user", "content": REQUESTS[0].text.removeprefix("<image>")}]
    asked = {"model": "base", "messages": talk, "max_tokens": 48, "temperature": 0}
    said = httpx.post(f"{parting_server}/chat/completions", json=asked, timeout=120).json()["choices"][0]["message"]
    assert said.get("reasoning") or said.get("reasoning_content")
    assert "think>" not in said["content"]
    greedy = Sampling(max_tokens=48)
    there = by_id(OpenAIEngine("base", base_url=parting_server).generate(REQUESTS[:6], greedy))
    for reply in engine.generate(REQUESTS[:6], greedy):
        assert there[reply.id].texts == reply.texts
        assert reply.texts[0].count("<think>") == reply.texts[0].count("</think>") == 1


def test_a_real_server_scores_answers_as_the_engine_in_process_does(server: str, engine: VllmEngine) -> None:
    from infimed_plugins.engines.openai import OpenAIEngine

    pairs = [(request, prompts.answer_text(s)) for request, s in zip(REQUESTS[:6], SAMPLES[:6], strict=True)]
    here = list(engine.score_answers(pairs))
    there = {score.id: score for score in OpenAIEngine("base", base_url=server).score_answers(pairs)}
    for score in here:
        assert there[score.id].error is None
        assert there[score.id].tokens == score.tokens > 0
        assert there[score.id].log_probability == pytest.approx(score.log_probability, abs=1e-3)


def test_pictures_and_questions_are_embedded_and_a_server_gives_the_same_vectors(embedding_server: str) -> None:
    import numpy as np

    from infimed_plugins.engines.openai import OpenAIEngine

    embedder = VllmEngine(BASE, embed=True, dtype="float32", max_model_len=1024, enforce_eager=True, max_images=1)
    same = [ChatRequest("again", REQUESTS[0].text, REQUESTS[0].images), *REQUESTS[:4]]
    vectors = {one.id: one.vector for one in embedder.embed(same)}
    assert all(abs(np.linalg.norm(vector) - 1) < 1e-4 for vector in vectors.values())
    assert vectors["again"] @ vectors[REQUESTS[0].id] > 0.9999
    other = ChatRequest("other picture", REQUESTS[0].text, SAMPLES[5].images)
    assert next(iter(embedder.embed([other]))).vector @ vectors["again"] < 0.9999
    there = by_id(OpenAIEngine("base", base_url=embedding_server).embed(REQUESTS[:4]))
    for request in REQUESTS[:4]:
        assert there[request.id].error is None
        assert there[request.id].vector @ vectors[request.id] > 0.999
    long = ChatRequest("long", "word " * 3000)
    mixed = by_id(embedder.embed([REQUESTS[0], long, REQUESTS[1]]))
    assert "1024" in str(mixed["long"].error)
    assert mixed[REQUESTS[0].id].vector @ vectors[REQUESTS[0].id] > 0.9999
    embedder._suffix = "<|endoftext|>"  # another engine would take another start
    ended = by_id(embedder.embed(REQUESTS[:4]))
    server = OpenAIEngine("base", base_url=embedding_server, embed_suffix="<|endoftext|>")
    for one in server.embed(REQUESTS[:4]):
        assert one.error is None
        assert one.vector @ ended[one.id].vector > 0.999
        assert one.vector @ vectors[one.id] < 0.999
