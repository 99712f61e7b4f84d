"""The JSON of OpenAI's API and vLLM's additions to it: requests made, replies read.

Example::

    chat_body("m", request, Sampling(n=10, temperature=1.0))  # the body of a POST to /v1/chat/completions
"""

from __future__ import annotations

import base64
import math
from typing import Any

from infimed_plugins.engines import ChatRequest, Sampling, Usage
from infimed_plugins.engines.retry import EmptyReply
from infimed_plugins.errors import DataError, EngineError
from infimed_plugins.images import prepare_image, strip_metadata
from infimed_plugins.parsing.replies import REASONING, reply_text, with_opening
from infimed_plugins.records import ImageRef, Json

NO_CHOICES = "the reply has no choices"
EMPTY_RETRIES = 2  # the same request to the same model: more would hardly help
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
# marks of a rotation, in each place where Pillow looks for it, or of a transparent color
_DISPLAY_MARKS = (b"Exif\0", b"eXIf", b"Raw profile type", b"adobe.com/xap", b"adobe.xmp", b"tRNS")
Drawn = tuple[list[str], list[bool], Usage]  # texts, if each was cut, tokens


def chat_body(model: str, request: ChatRequest, sampling: Sampling) -> dict[str, Json]:
    """Return the body that asks for the samples not known. Raises DataError for an unusable image or wrong tags."""
    body: dict[str, Json] = {
        "model": model,
        "messages": messages(request),
        "n": sampling.n - request.known,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "seed": sampling.seed + request.known,
    }
    if sampling.json_schema is not None:
        schema = {"name": "reply", "schema": dict(sampling.json_schema), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def messages(request: ChatRequest) -> list[dict[str, Json]]:
    """Return the system turn, if any, and the user's, the images where their tags stand."""
    turns = request.messages(lambda image: {"type": "image_url", "image_url": {"url": data_uri(image)}})
    if not request.images:
        turns[-1]["content"] = request.text
    return turns


def data_uri(image: ImageRef) -> str:
    """Return the image as a data URI without metadata: its own pixels if a plain 8-bit PNG or JPEG, else made one."""
    data = image.read()
    plain = (_is_plain_png(data) or _is_plain_jpeg(data)) and not any(mark in data for mark in _DISPLAY_MARKS)
    data = strip_metadata(data) if plain else prepare_image(data, image.path or "in memory").data
    kind = "png" if data.startswith(_PNG) else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _is_plain_png(data: bytes) -> bool:
    """True if the image is an 8-bit gray or RGB PNG: a server would clip 16 bits, and show transparent pixels."""
    return data.startswith(_PNG) and data[24:25] == b"\x08" and data[25:26] in (b"\x00", b"\x02")


def _is_plain_jpeg(data: bytes) -> bool:
    """True if the image is a JPEG of one or three colors."""
    at = 2
    while data.startswith(_JPEG) and data[at : at + 1] == b"\xff" and at + 10 <= len(data):
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xC2:  # the frame header: baseline to progressive
            return data[at + 9] in (1, 3)
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return False


def _choice_text(message: Json) -> str:
    """Return what a choice says, its reasoning in ``<think>``. Raises TypeError for a content of another form."""
    for key in ("content", "refusal", *REASONING):
        if not isinstance(message.get(key), (str, list, type(None))):
            raise TypeError(key)
    return with_opening(reply_text(message, lenient=True) or "")


def read_chat(body: Json, most: int) -> Drawn:
    """Return the choices of a chat reply, ``most`` at most. Raises EmptyReply for none, or for only empty ones."""
    choices = sorted(body["choices"], key=lambda choice: int(choice.get("index", 0)))[:most]
    texts = [_choice_text(choice["message"]) for choice in choices]
    cut = [choice.get("finish_reason") == "length" for choice in choices]
    if not any(text.strip() for text in texts) and not any(cut):  # cut: a model that only thought until the limit
        text, read_as = ("the reply is empty", (texts, cut, read_usage(body))) if choices else (NO_CHOICES, None)
        raise EmptyReply(text, most_retries=EMPTY_RETRIES, read_as=read_as)
    return texts, cut, read_usage(body)


def read_usage(body: Json) -> Usage:
    """Return the tokens a reply says that it took; zeros where it does not."""
    usage = body.get("usage") or {}
    read = [int(usage.get(name) or 0) for name in ("prompt_tokens", "completion_tokens")]
    if not all(0 <= tokens < 1e9 for tokens in read):
        raise ValueError("usage")
    return Usage(*read)


def score_body(model: str, request: ChatRequest, answer: str) -> dict[str, Json]:
    """Return the body that asks vLLM for the log-probability of every prompt token, the answer being its end."""
    if not answer.strip():
        raise DataError(f"request {request.id}: an empty answer has no probability")
    return {
        "model": model,
        "messages": [*messages(request), {"role": "assistant", "content": answer}],
        "max_tokens": 1,
        "temperature": 0,
        "prompt_logprobs": 0,
        "add_generation_prompt": False,
        "continue_final_message": True,
    }


def read_prompt_logprobs(body: Json) -> list[tuple[str, float]]:
    """Return each prompt token's text and log-probability, the first token, which has none, left out."""
    found = body.get("prompt_logprobs")
    if not found:
        raise EngineError("the server gives no prompt_logprobs, so answers cannot be scored; serve the model with vLLM")
    firsts: list[dict[str, Any]] = [next(iter(token.values())) for token in found if token]
    read = [(str(token.get("decoded_token") or ""), float(token["logprob"])) for token in firsts]
    if not all(math.isfinite(logprob) for _, logprob in read):
        raise ValueError("a log-probability that is no number")
    return read


def answer_length(tokens: list[tuple[str, float]], answer: str) -> int | None:
    """Return how many of the last tokens spell the answer; None when they cannot be joined (split characters)."""
    tail = ""
    for count, (text, _) in enumerate(reversed(tokens), start=1):
        tail = text + tail
        if tail.strip() == answer.strip():
            return count
        if len(tail) > len(answer) + len(text):
            return None
    return None


def embed_body(model: str, request: ChatRequest, suffix: str | None) -> dict[str, Json]:
    """Return the body of an embedding request for vLLM; a suffix ends the text, after the assistant's opening."""
    body: dict[str, Json] = {"model": model, "messages": messages(request), "encoding_format": "float"}
    if suffix is None:
        return body
    if not suffix:
        return body | {"add_generation_prompt": True}
    body["messages"].append({"role": "assistant", "content": suffix})
    goes_on = {"add_generation_prompt": False, "continue_final_message": True}
    return body | goes_on | {"chat_template_kwargs": goes_on}  # an older vLLM knows it among these only


def read_embedding(body: Json) -> Any:
    """Return the first vector of an embedding reply, float32 and of length 1."""
    import numpy as np

    with np.errstate(over="ignore"):  # 1e39 becomes infinite, and is refused
        vector = np.asarray(body["data"][0]["embedding"], dtype=np.float32)
    length = float(np.linalg.norm(vector))
    if vector.ndim != 1 or not 0 < length < float("inf"):
        raise ValueError("embedding")
    return vector / np.float32(length)
