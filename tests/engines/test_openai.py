"""Against a server that fails on purpose, the run goes on: asked again, unscored, or stopped with the mend named."""

from __future__ import annotations

import asyncio
import base64
import io
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faulty_server import FaultyServer

from infimed_plugins.engines import ChatRequest, Embedder, Engine, Reply, Sampling, Scorer, Usage, http_client
from infimed_plugins.engines.openai import OpenAIEngine
from infimed_plugins.engines.openai_format import data_uri, read_chat
from infimed_plugins.engines.retry import RequestFailed, Retryable, raise_for_status
from infimed_plugins.errors import ConfigError, EngineError
from infimed_plugins.paths import shipped
from infimed_plugins.records import ImageRef

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8) + bytes(8) + b"\x08\x02" + b"a picture"
FRAME = bytes.fromhex("ffc000110800100010030111000211000311 00")
JPEG = b"\xff\xd8\xff\xe0\x00\x04ab" + FRAME + b"a picture"
KEY = "sk-very-secret-0123456789"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "FIRST_PAUSE", 0.01)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def questions(count: int) -> list[ChatRequest]:
    return [ChatRequest(f"id{number}", f"q{number}") for number in range(count)]


def ask(server: FaultyServer | str, requests: list[ChatRequest], sampling: Sampling | None = None, **settings: Any):
    url = server if isinstance(server, str) else server.url
    settings = {"concurrency": 4, "timeout": 5.0, "retries": 3} | settings
    engine = OpenAIEngine("m", base_url=url, **settings)
    return {reply.id: reply for reply in engine.generate(requests, sampling or Sampling(seed=7))}


def test_a_request_is_sent_as_the_api_wants_it() -> None:
    images = (ImageRef(data=PNG), ImageRef(data=JPEG))
    request = ChatRequest("a", "<image>before<image>after", images, system="Be brief.")
    with FaultyServer() as server:
        replies = ask(server, [request], Sampling(n=2, temperature=0.5, top_p=0.9, max_tokens=9, seed=7))
    (body,) = server.bodies
    system, user = body.pop("messages")
    assert system == {"role": "system", "content": "Be brief."}
    assert [part["type"] for part in user["content"]] == ["image_url", "text", "image_url", "text"]
    assert user["content"][0]["image_url"]["url"].startswith("data:image/png;base64,iVBORw0KGgo")
    assert user["content"][2]["image_url"]["url"].startswith("data:image/jpeg;base64,/9j/")
    assert body == {"model": "m", "n": 2, "temperature": 0.5, "top_p": 0.9, "max_tokens": 9, "seed": 7}
    assert server.keys == {f"Bearer {KEY}"}
    said = ("beforeafter 7", "beforeafter 8")
    assert replies == {"a": Reply("a", said, cut=(False, False), usage=Usage(3, 10))}


def test_it_is_all_three_kinds_of_engine() -> None:
    engine = OpenAIEngine("m", revision="abc")
    assert isinstance(engine, Engine)
    assert isinstance(engine, Scorer)
    assert isinstance(engine, Embedder)
    assert engine.revision == "abc"


LASTING = [408, 429, 500, 503, "drop", "cut", "trickle", "not json", "odd", "hang", "no choices"]


@pytest.mark.parametrize("fault", [*LASTING, "empty"])
def test_what_passes_is_asked_again(fault: int | str) -> None:
    with FaultyServer({"q1": [fault, fault]}) as server:
        replies = ask(server, questions(6), timeout=0.5)
    assert {reply.texts for reply in replies.values()} == {(f"q{number} 7",) for number in range(6)}
    assert not any(reply.error for reply in replies.values())
    assert server.asked == {f"q{number}": 3 if number == 1 else 1 for number in range(6)}


@pytest.mark.parametrize("fault", LASTING)
def test_what_does_not_pass_is_an_error_of_that_request_alone(fault: int | str) -> None:
    with FaultyServer({"q1": [fault] * 9}) as server:
        replies = ask(server, questions(6), timeout=0.3, retries=2)
    failed = replies.pop("id1")
    assert (failed.texts, server.asked["q1"]) == ((), 3)
    assert "given up after 3 attempts" in str(failed.error)
    assert [reply.error for reply in replies.values()] == [None] * 5


def test_a_reply_that_stays_empty_is_a_reply() -> None:
    with FaultyServer({"q1": ["empty"] * 9}) as server:
        replies = ask(server, questions(3), Sampling(n=2, temperature=1.0), retries=5)
    assert replies["id1"] == Reply("id1", ("", ""), cut=(False, False), usage=Usage(3, 10))
    assert server.asked == {"q0": 1, "q1": 3, "q2": 1}


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_request_that_is_wrong_is_asked_once(status: int) -> None:
    with FaultyServer({"q1": [status]}, says="the prompt is too long") as server:
        replies = ask(server, questions(6))
    assert "the prompt is too long" in str(replies["id1"].error)
    assert set(server.asked.values()) == {1}
    assert sum(reply.error is None for reply in replies.values()) == 5


@pytest.mark.parametrize(("status", "mend"), [(401, "OPENAI_API_KEY"), (403, "OPENAI_API_KEY"), (404, "model's name")])
@pytest.mark.parametrize("from_the_start", [True, False])
def test_what_is_wrong_with_every_request_stops_the_run(status: int, mend: str, from_the_start: bool) -> None:
    faults = {} if from_the_start else {f"q{number}": [status] for number in range(8, 40)}
    with (
        FaultyServer(faults, always=status if from_the_start else None, says="no such thing") as server,
        pytest.raises(EngineError, match=mend) as raised,
    ):
        ask(server, questions(40))
    assert "no such thing" in str(raised.value)
    assert sum(server.asked.values()) <= 20


def test_a_server_that_is_not_there_is_named_at_once() -> None:
    with FaultyServer() as server:
        gone = server.url
    with pytest.raises(EngineError, match=f"no server answers at {gone}"):
        ask(gone, questions(3))
    assert ask(gone, []) == {}  # nothing to ask: no server needed


def test_a_server_that_hangs_from_the_start_leaves_every_request_unscored() -> None:
    with FaultyServer(always="hang") as server:
        replies = ask(server, questions(3), timeout=0.2, retries=1)
    assert len(replies) == 3
    assert all("no answer within 0.2 s" in str(reply.error) for reply in replies.values())


def test_retry_after_is_honoured() -> None:
    with FaultyServer({"q0": [429]}, headers={"Retry-After": "0.6"}) as server:
        started = time.monotonic()
        replies = ask(server, questions(1))
    assert time.monotonic() - started >= 0.6
    assert replies["id0"].error is None


def test_retry_after_may_be_a_date() -> None:
    later = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 30))
    with pytest.raises(Retryable) as raised:
        raise_for_status(503, {"retry-after": later}, "", "u")
    assert 25 < raised.value.wait <= 30
    with pytest.raises(Retryable) as raised:
        raise_for_status(503, {"retry-after": "soon"}, "", "u")
    assert raised.value.wait == 0


@pytest.mark.parametrize(
    ("status", "text", "kind", "words"),
    [
        (429, '{"error": {"message": "You exceeded it", "code": "insufficient_quota"}}', EngineError, "quota"),
        (402, "", EngineError, "paid"),
        (307, "", EngineError, "base_url"),
        (400, '{"object": "error", "message": "old form"}', RequestFailed, "400: old form"),
        (422, '{"detail": [{"msg": "field"}]}', RequestFailed, "field"),
        (400, "x" * 999, RequestFailed, "x…"),
    ],
)
def test_every_status_has_its_meaning(status: int, text: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        raise_for_status(status, {}, text, "u")


def test_a_dead_server_beside_a_living_one_costs_no_attempt() -> None:
    with FaultyServer() as gone:
        pass
    with FaultyServer() as server:
        replies = ask(f"{gone.url}, {server.url}", questions(20), retries=0)
    assert [reply.error for reply in replies.values()] == [None] * 20


def test_a_server_that_ignores_n_is_asked_for_the_rest() -> None:
    with FaultyServer(ignores_n=True) as server:
        replies = ask(server, questions(2), Sampling(n=3, temperature=1, seed=7))
    assert replies["id1"].texts == ("q1 7", "q1 8", "q1 9")
    assert replies["id1"].usage == Usage(9, 15)
    asked = sorted((body["seed"], body["n"]) for body in server.bodies if body["messages"][0]["content"] == "q1")
    assert asked == [(7, 3), (8, 1), (9, 1)]


def test_a_schema_is_passed_on() -> None:
    schema = {"type": "object", "properties": {"score": {"type": "integer"}}}
    with FaultyServer() as server:
        ask(server, questions(1), Sampling(json_schema=schema))
    assert server.bodies[0]["response_format"]["type"] == "json_schema"
    assert server.bodies[0]["response_format"]["json_schema"]["schema"] == schema


def test_samples_drawn_before_one_fails_are_kept_beside_the_error() -> None:
    with FaultyServer({"q1": [None, None, 400]}, ignores_n=True, says="no more") as server:
        replies = ask(server, questions(2), Sampling(n=4, temperature=1, seed=7))
    assert (replies["id1"].texts, replies["id1"].usage) == (("q1 7", "q1 8"), Usage(6, 10))
    assert "no more" in str(replies["id1"].error)
    assert len(replies["id0"].texts) == 4


@pytest.mark.parametrize("ignores_n", [True, False])
def test_the_samples_that_are_known_are_left_out(ignores_n: bool) -> None:
    with FaultyServer(ignores_n=ignores_n) as server:
        replies = ask(server, [ChatRequest("a", "q", known=2)], Sampling(n=5, temperature=1, seed=7))
    assert replies["a"].texts == ("q 9", "q 10", "q 11")
    assert (server.bodies[0]["n"], server.bodies[0]["seed"]) == (3, 9)


SCHEMA = {"type": "object", "properties": {"score": {"type": "integer"}}}


def test_a_server_that_refuses_a_schema_is_asked_without_one(caplog: pytest.LogCaptureFixture) -> None:
    with FaultyServer(refuses="response_format") as server:
        replies = ask(server, questions(20), Sampling(json_schema=SCHEMA), concurrency=2)
    assert [reply.error for reply in replies.values()] == [None] * 20
    refused = [body for body in server.bodies if "response_format" in body]
    assert len(refused) <= 4, "once for each request under way or drawn ahead, then never again"
    assert sum("refuses response_format" in record.message for record in caplog.records) == 1


def test_a_request_that_is_wrong_with_or_without_a_schema_tells_nothing_of_the_schema() -> None:
    with FaultyServer({"q0": [400, 422]}, says="too long") as server:
        replies = ask(server, questions(2), Sampling(json_schema=SCHEMA), concurrency=1)
    assert "answers 400: too long" in str(replies["id0"].error)
    assert ["response_format" in body for body in server.bodies] == [True, False, True]


def test_extra_fields_are_sent_and_ours_can_be_left_out_but_not_set() -> None:
    extra = {"top_k": 20, "chat_template_kwargs": {"enable_thinking": False}, "top_p": None}
    with FaultyServer() as server:
        ask(server, questions(1), extra_body=extra)
    assert server.bodies[0]["top_k"] == 20
    assert server.bodies[0]["chat_template_kwargs"] == {"enable_thinking": False}
    assert "top_p" not in server.bodies[0]
    assert OpenAIEngine("m", extra_body=extra).shaping == {"extra_body": extra}
    assert OpenAIEngine("m").shaping == {}
    with pytest.raises(ConfigError, match="extra_body sets messages, n"):
        OpenAIEngine("m", extra_body={"n": 3, "messages": []})
    with pytest.raises(ConfigError, match="mapping"):
        OpenAIEngine("m", extra_body="top_k=20")  # type: ignore[arg-type]


def test_a_reply_at_the_token_limit_is_marked() -> None:
    with FaultyServer({"q0": ["length"]}) as server:
        replies = ask(server, questions(2))
    assert (replies["id0"].cut, replies["id1"].cut) == ((True,), (False,))


def test_greedy_copies_are_refused() -> None:
    with pytest.raises(ConfigError, match="greedy"):
        OpenAIEngine("m").generate([], Sampling(n=2))


def test_concurrency_and_look_ahead_are_bounded() -> None:
    drawn = 0

    def endless() -> Iterator[ChatRequest]:
        nonlocal drawn
        while True:
            drawn += 1
            yield ChatRequest(str(drawn), f"q{drawn}")

    before = threading.active_count()
    with FaultyServer(delay=0.01) as server:
        engine = OpenAIEngine("m", base_url=server.url, concurrency=4)
        replies = engine.generate(endless(), Sampling())
        for _ in range(30):
            next(replies)
        time.sleep(0.2)
        assert drawn <= 30 + 2 * 4 + 1
        assert server.most_under_way <= 4
        replies.close()  # type: ignore[attr-defined]
        assert not any(thread.name == "requests" for thread in threading.enumerate())
    assert threading.active_count() <= before + 8  # the server's own


def test_a_notebook_with_a_running_loop_may_call_it() -> None:
    async def cell() -> int:
        return len(ask(server, questions(5)))

    with FaultyServer() as server:
        assert asyncio.run(cell()) == 5


def test_requests_that_cannot_be_sent_are_errors(tmp_path: Path) -> None:
    missing = ChatRequest("a", "<image>", (ImageRef(path=str(tmp_path / "none.png")),))
    odd = ChatRequest("b", "<image><image>", (ImageRef(data=PNG),))
    broken = ChatRequest("c", "<image>", (ImageRef(data=b"GIF89a"),))
    with FaultyServer() as server:
        replies = ask(server, [missing, odd, broken, ChatRequest("d", "fine")])
    assert "none.png" in str(replies["a"].error)
    assert "2 <image> tags for 1 images" in str(replies["b"].error)
    assert "does not open" in str(replies["c"].error)
    assert replies["d"].error is None


def test_images_are_made_8_bit_upright_rgb_as_everywhere() -> None:
    image = pytest.importorskip("PIL.Image")
    deep, turned, four = io.BytesIO(), io.BytesIO(), io.BytesIO()
    image.new("I;16", (30, 40), 40_000).save(deep, "PNG")
    rotation = image.Exif()
    rotation[0x0112] = 6
    image.new("RGB", (40, 30)).save(turned, "JPEG", exif=rotation)
    image.new("CMYK", (30, 40)).save(four, "JPEG")
    images = tuple(ImageRef(data=buffer.getvalue()) for buffer in (deep, turned, four))
    with FaultyServer() as server:
        ask(server, [ChatRequest("a", "<image>" * 3, images)])
    for part in server.bodies[0]["messages"][0]["content"]:
        sent = image.open(io.BytesIO(base64.b64decode(part["image_url"]["url"].partition(",")[2])))
        assert (sent.mode, sent.size) == ("RGB", (30, 40))
        assert not sent.getexif()


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("progressive", [False, True])
def test_plain_images_keep_their_bytes(kind: str, progressive: bool) -> None:
    image = pytest.importorskip("PIL.Image")
    buffer = io.BytesIO()
    image.new("RGB", (30, 40)).save(buffer, kind, progressive=progressive)
    assert data_uri(ImageRef(data=buffer.getvalue())).endswith(base64.b64encode(buffer.getvalue()).decode())


def test_odd_characters_are_sent_and_read() -> None:
    with FaultyServer() as server:
        replies = ask(server, [ChatRequest("a", "lone \ud800, ü")])
    assert replies["a"].texts == ("lone \ufffd, ü 7",)


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_the_key_is_in_no_error_and_no_log(status: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown = ""
    with FaultyServer({"q1": [status] * 9}, says=f"wrong key {KEY}, {KEY}") as server:
        try:
            replies = ask(server, questions(3), retries=1)
            shown = str(replies["id1"])
        except EngineError as error:
            shown = repr(error) + str(error.__cause__) + str(error.__context__)
    assert "***" in shown
    assert KEY not in shown + caplog.text
    assert server.keys == {f"Bearer {KEY}"}


def test_no_row_is_logged_above_debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with FaultyServer({"a patient's words": [500, 400]}, says="a patient's words") as server:
        ask(server, [ChatRequest("a", "a patient's words")])
    assert "patient" not in caplog.text


@pytest.mark.parametrize("key", ["two words", "caf\u00e9", "a\nb"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(ConfigError, match="OPENAI_API_KEY") as raised:
        OpenAIEngine("m").generate(questions(1), Sampling())
    assert key not in str(raised.value)


def test_a_line_end_after_the_key_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_KEY", KEY + "\n")
    with FaultyServer() as server:
        ask(server, questions(1), api_key_env="OTHER_KEY")
    assert server.keys == {f"Bearer {KEY}"}


@pytest.mark.parametrize(
    "url",
    [
        [],
        "",
        "host:8000",
        "ftp://host/v1",
        "http://me:secret@host/v1",
        "http://host?k=secret",
        "http://host:99999/v1",
        "http://host:0/v1",
        "http://host:-1/v1",
        "http://host:port/v1",
        "http://[::1",
        "http://me:secret@[::1",
        "http://host\r\nX-Header: 1/v1",
        "http://ho st/v1",
        "http://host\0/v1",
        "http://xn--/v1",
        ["http://host/v1", 5],
    ],
)
def test_an_address_that_cannot_be_used_is_refused(url: str | list[str]) -> None:
    with pytest.raises(ConfigError, match="base_url") as raised:
        OpenAIEngine("m", base_url=url)
    assert "secret" not in str(raised.value)


TOKENS = [("What", -5.0), ("?", -4.0), ("<|im_start|>", -3.0), ("a st", -0.5), ("one", -0.25)]


def test_an_answer_is_scored_by_its_own_tokens() -> None:
    with FaultyServer(logprobs=TOKENS) as server:
        engine = OpenAIEngine("m", base_url=server.url)
        (score,) = engine.score_answers([(ChatRequest("a", "What?"), "a stone")])
    assert (score.id, score.log_probability, score.tokens, score.error) == ("a", -0.75, 2, None)
    (body,) = server.bodies
    assert body["messages"][-1] == {"role": "assistant", "content": "a stone"}
    assert (body["prompt_logprobs"], body["add_generation_prompt"], body["continue_final_message"]) == (0, False, True)


def test_an_answer_of_split_characters_is_scored_by_counting() -> None:
    split = [*TOKENS[:3], ("\ufffd", -0.5), ("\ufffd", -0.25)]
    with FaultyServer(logprobs=split, prompt_tokens=4) as server:
        engine = OpenAIEngine("m", base_url=server.url)
        (score,) = engine.score_answers([(ChatRequest("a", "What?"), "\u2103")])
    assert (score.log_probability, score.tokens) == (-0.75, 2)
    assert [turn["role"] for turn in server.bodies[1]["messages"]] == ["user"]


def test_a_server_without_prompt_logprobs_is_told_from_a_failure() -> None:
    with FaultyServer() as server, pytest.raises(EngineError, match="vLLM"):
        list(OpenAIEngine("m", base_url=server.url).score_answers([(ChatRequest("a", "q"), "b")]))


def test_an_empty_answer_has_no_score() -> None:
    with FaultyServer(logprobs=TOKENS) as server:
        (score,) = OpenAIEngine("m", base_url=server.url).score_answers([(ChatRequest("a", "q"), " ")])
    assert "no probability" in str(score.error)


def test_embeddings_are_unit_vectors() -> None:
    request = ChatRequest("a", "<image>q", (ImageRef(data=PNG),))
    with FaultyServer({"q": [500, "not json"]}) as server:
        (embedding,) = OpenAIEngine("m", base_url=server.url).embed([request])
    assert embedding.vector.dtype == "float32"
    assert embedding.vector.tolist() == pytest.approx([0.6, 0.8, 0.0])
    assert server.bodies[0]["messages"][0]["content"][0]["type"] == "image_url"


GME = "Alibaba-NLP/gme-Qwen2-VL-2B-Instruct"


@pytest.mark.parametrize(("model", "settings"), [(GME, {}), ("served", {"embed_suffix": "<|endoftext|>"})])
def test_the_end_that_gme_wants_is_sent_by_its_name_or_the_setting(model: str, settings: dict[str, str]) -> None:
    request = ChatRequest("a", "<image>q", (ImageRef(data=PNG),), system="Find the same picture.")
    with FaultyServer() as server:
        (embedding,) = OpenAIEngine(model, base_url=server.url, **settings).embed([request])
    assert embedding.error is None
    (body,) = server.bodies
    assert [turn["role"] for turn in body["messages"]] == ["system", "user", "assistant"]
    assert [part["type"] for part in body["messages"][1]["content"]] == ["image_url", "text"]
    assert body["messages"][2]["content"] == "<|endoftext|>"
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)


def test_other_models_embed_the_user_turn_as_their_template_ends_it() -> None:
    with FaultyServer() as server:
        list(OpenAIEngine("m", base_url=server.url).embed([ChatRequest("a", "q")]))
        list(OpenAIEngine("m", base_url=server.url, embed_suffix="").embed([ChatRequest("a", "q")]))
    assert "continue_final_message" not in server.bodies[0]
    assert server.bodies[1]["add_generation_prompt"] is True
    assert [len(body["messages"]) for body in server.bodies] == [1, 1]


def test_the_continued_turn_renders_as_the_model_card_of_gme_has_it() -> None:
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(shipped("infimed_plugins/quickstart/base")))
    turns = [
        {"role": "system", "content": "Find."},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "q"}]},
        {"role": "assistant", "content": "<|endoftext|>"},
    ]
    text = tokenizer.apply_chat_template(turns, tokenize=False, continue_final_message=True)
    image = "<|vision_start|><|image_pad|><|vision_end|>"
    assert text == (
        f"<|im_start|>system\nFind.<|im_end|>\n<|im_start|>user\n{image}q<|im_end|>\n"
        "<|im_start|>assistant\n<|endoftext|>"
    )


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": "B", "reasoning_content": "why"}, "<think>why</think>B"),
        ({"content": "B", "reasoning": "why"}, "<think>why</think>B"),
        ({"content": "B", "reasoning_content": " \n"}, "B"),
        ({"content": "<think>own</think>B", "reasoning": "why"}, "<think>own</think>B"),
        ({"content": [{"type": "text", "text": "B"}, {"type": "text", "text": "."}]}, "B."),
        ({"content": None, "refusal": "I cannot."}, "I cannot."),
        ({"content": "B", "thinking": "why"}, "<think>why</think>B"),
        ({"content": None, "reasoning": "why"}, "<think>why</think>"),
        ({"content": "why</think>B"}, "<think>why</think>B"),  # a chat template opened it, and no parser parts it off
    ],
)
def test_what_a_choice_says_is_read_in_each_form(message: dict[str, Any], text: str) -> None:
    texts, _, _ = read_chat({"choices": [{"message": message}]}, 1)
    assert texts == [text]


@pytest.mark.parametrize(("code", "asked"), [("400", 1), ("context_length_exceeded", 1), ("503", 4), ("429", 4)])
def test_an_error_told_with_status_200_is_one_of_its_code(code: str, asked: int) -> None:
    with FaultyServer({"q1": [f"told {code}"] * 9}, says=f"the prompt is too long, {KEY}") as server:
        replies = ask(server, questions(3))
    assert server.asked["q1"] == asked
    assert "the prompt is too long, ***" in str(replies["id1"].error)
    assert replies["id2"].error is None
