"""What is asked of the servers for one request: its samples, the score of an answer, an embedding.

Example::

    reply = await Chat().drawn(servers, request, chat_body("m", request, sampling), sampling)
"""

from __future__ import annotations

import logging

from infimed_plugins.engines import AnswerScore, ChatRequest, Embedding, Reply, Sampling, Usage
from infimed_plugins.engines import openai_format as form
from infimed_plugins.engines.http_client import Servers
from infimed_plugins.engines.http_status import Refused, RequestFailed
from infimed_plugins.records import Json

CHAT = "/chat/completions"
SCHEMA = "response_format"
_log = logging.getLogger(__name__)


class Chat:
    """Draws samples, and remembers of the servers whether they refuse a schema."""

    def __init__(self) -> None:
        self._refuses_schema = False

    async def drawn(self, servers: Servers, request: ChatRequest, body: dict[str, Json], sampling: Sampling) -> Reply:
        """The samples that are not known. A server that ignores ``n`` is asked for them one by one.

        Each sample has a seed of its own, so those drawn before one fails are kept.
        """
        missing = sampling.n - request.known
        texts: list[str] = []
        cut: list[bool] = []
        usage, error = Usage(), None
        while len(texts) < missing and error is None:
            count = 1 if texts else missing
            seeds = {"n": count, "seed": sampling.seed + request.known + len(texts)}
            try:
                more, cut_too, used = await self._ask(servers, body | seeds, count)
            except RequestFailed as failed:
                error = str(failed)
                continue
            texts, cut = texts + [servers.masked_reply(text) for text in more], cut + cut_too
            usage = Usage(usage.prompt + used.prompt, usage.completion + used.completion)
        return Reply(request.id, tuple(texts), error, tuple(cut), usage)

    async def _ask(self, servers: Servers, body: dict[str, Json], count: int) -> form.Drawn:
        plain = {name: value for name, value in body.items() if name != SCHEMA}
        if self._refuses_schema:
            body = plain
        try:
            return await servers.ask(CHAT, body, lambda reply: form.read_chat(reply, count))
        except Refused as refused:
            if SCHEMA not in body:
                raise
            try:
                drawn = await servers.ask(CHAT, plain, lambda reply: form.read_chat(reply, count))
            except RequestFailed:
                raise refused from None
        if not self._refuses_schema:
            _log.warning("the server refuses %s: what should follow a schema is asked for without", SCHEMA)
            self._refuses_schema = True
        return drawn


async def scored(servers: Servers, request_id: str, body: dict[str, Json], answer: str) -> AnswerScore:
    """The log-probability of the answer, which is the end of the prompt."""
    tokens = await servers.ask(CHAT, body, form.read_prompt_logprobs)
    count = form.answer_length(tokens, answer)
    if count is None:  # count the tokens before the answer instead
        asked_otherwise = ("messages", "prompt_logprobs", "add_generation_prompt", "continue_final_message")
        plain = {key: value for key, value in body.items() if key not in asked_otherwise}
        usage = await servers.ask(CHAT, plain | {"messages": body["messages"][:-1]}, form.read_usage)
        count = len(tokens) + 1 - usage.prompt
    if not 0 < count <= len(tokens):
        raise RequestFailed("the server's prompt_logprobs do not fit the answer")
    chosen = [logprob for _, logprob in tokens[-count:]]
    return AnswerScore(request_id, sum(chosen), len(chosen))


async def embedded(servers: Servers, request_id: str, body: dict[str, Json]) -> Embedding:
    """The unit vector."""
    return Embedding(request_id, await servers.ask("/embeddings", body, form.read_embedding))
