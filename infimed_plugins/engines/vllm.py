"""vLLM in this process: the fast engine where there is a GPU (vLLM's own CPU builds run it, too).

    engine = VllmEngine("Qwen/Qwen2.5-VL-32B-Instruct", tensor_parallel_size=4, max_pixels=262_144)

vLLM batches the requests under way itself; several machines are servers behind the ``openai`` engine. ``embed: true``
loads the model for pooling (gme-Qwen2-VL-2B): such an engine embeds and does not answer.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from infimed_plugins import families
from infimed_plugins.engines import AnswerScore, ChatRequest, Embedding, Reply, Sampling, Usage, batched, is_gme
from infimed_plugins.engines import embed_suffix as suffix_of
from infimed_plugins.errors import ConfigError, DataError, EngineError, MissingExtraError
from infimed_plugins.parsing.replies import TAIL, with_opening

Conversation = list[dict[str, Any]]
Item = tuple[ChatRequest, str | None]  # with the answer to score
EMBEDDED_AT_ONCE = 64
LONGEST_ERROR = 300


class VllmEngine:
    """A model behind the Engine, Scorer and Embedder protocols.

    Args:
        model: a folder or hub id. ``revision`` of the hub, where it matters.
        max_pixels: upper limit an image is resized to; set that of training, a checkpoint keeps its base model's.
        group: requests under way in vLLM at once. Their images are in memory.
        embed: load the model for embeddings. ``embed_suffix`` ends the text that is embedded;
            gme-Qwen2-VL's is known by its name (``engines.embed_suffix``).
        options: any other argument of ``vllm.LLM``, such as ``tensor_parallel_size`` or ``max_model_len``.
    Raises:
        MissingExtraError without vLLM, EngineError when the model cannot be loaded.
    """

    own_seeds = True

    def __init__(
        self,
        model: str,
        *,
        revision: str | None = None,
        max_pixels: int | None = None,
        max_images: int = 8,
        group: int = 256,
        embed: bool = False,
        embed_suffix: str | None = None,
        **options: Any,
    ) -> None:
        os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")  # its log would stand amid a command's --json
        try:
            from vllm import LLM
            from vllm.platforms import current_platform
        except ImportError as error:
            raise MissingExtraError("the vllm engine", "vllm", "vllm") from error
        self.model, self.revision, self._group = model, revision or "", group
        self._embeds, self._suffix = embed, suffix_of(model, embed_suffix)
        self.shaping = {} if self._suffix is None else {"embed_suffix": self._suffix}
        arguments: dict[str, Any] = {"limit_mm_per_prompt": {"image": max_images, "video": 0}, "seed": 0, **options}
        if current_platform.is_cpu():  # a cut prompt rewinds its seeded generator, which a CPU's cannot
            arguments.setdefault("enable_chunked_prefill", False)
        if limits := families.pixel_limit(model, max_pixels):
            arguments["mm_processor_kwargs"] = limits
        if embed:
            arguments = {"runner": "pooling", "convert": "embed", **_pooling(model), **arguments}
        try:
            self._llm: Any = LLM(model=model, revision=revision, **arguments)
        except (OSError, ValueError, RuntimeError, TypeError) as error:
            raise EngineError(f"vLLM cannot load {model!r}: {_one_line(error)}") from error

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        """Yield replies as they finish. What vLLM cannot take, such as a prompt that is too long, fails alone."""
        if self._embeds:
            raise ConfigError("this vllm engine was loaded with embed: true; it embeds and does not answer")
        parameters = {0: self._parameters(sampling, 0)}

        def asked(request: ChatRequest) -> Any:
            return parameters.get(request.known) or self._parameters(sampling, request.known)

        for (request, _), output, error in self._finished(((one, None) for one in requests), asked):
            yield self._reply(request.id, output) if error is None else Reply(request.id, error=error)

    def score_answers(self, requests: Iterable[tuple[ChatRequest, str]]) -> Iterator[AnswerScore]:
        """Yield the log-probability of each answer's own tokens, as it is known."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        parameters = SamplingParams(
            max_tokens=1,
            temperature=0.0,
            prompt_logprobs=0,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        tokenizer = self._llm.get_tokenizer()
        answered = {"add_generation_prompt": False, "continue_final_message": True}
        for (request, answer), output, error in self._finished(requests, lambda _: parameters, **answered):
            if error is not None:
                yield AnswerScore(request.id, error=error)
            else:
                yield _score(request.id, output, len(tokenizer(answer, add_special_tokens=False)["input_ids"]))

    def embed(self, requests: Iterable[ChatRequest]) -> Iterator[Embedding]:
        """Yield unit vectors in the order of the requests."""
        if not self._embeds:
            raise ConfigError("this vllm engine answers; to embed, load it with the setting embed: true")
        for group in batched(requests, EMBEDDED_AT_ONCE):
            prompts = [self._to_embed(request) for request in group]
            vectors = iter(self._embedded([prompt for prompt in prompts if isinstance(prompt, dict)]))
            for request, prompt in zip(group, prompts, strict=True):
                vector = next(vectors) if isinstance(prompt, dict) else prompt
                yield Embedding(request.id, error=vector) if isinstance(vector, str) else _unit(request.id, vector)

    def _finished(
        self,
        items: Iterable[Item] | Iterable[tuple[ChatRequest, str]],
        asked: Callable[[ChatRequest], Any],
        **chat: Any,
    ) -> Iterator[tuple[Item, Any, str | None]]:
        """Yield each item with vLLM's output, or with its error; the next is drawn when there is room."""
        drawn, under_way = iter(items), dict[str, Item]()
        try:
            while True:
                while len(under_way) < self._group and (item := next(drawn, None)) is not None:
                    try:
                        under_way[self._begin(conversation(*item), asked(item[0]), chat)] = item
                    except _refusals() as error:  # or a DataError, which is a ValueError
                        yield item, None, _one_line(error)
                if not under_way:
                    return
                for output in self._step():
                    if output.finished:
                        yield under_way.pop(output.request_id), output, None
        finally:
            if under_way:
                self._llm.llm_engine.abort_request(list(under_way))

    def _step(self) -> list[Any]:
        try:
            return list(self._llm.llm_engine.step())
        except Exception as error:  # whatever it is, the engine does not live on
            raise EngineError(f"vLLM failed: {_one_line(error)}") from error

    def _begin(self, talk: Conversation, parameters: Any, chat: dict[str, Any]) -> str:
        """Hand a conversation to vLLM; return the id that its output will have.

        ``LLM`` has had ``preprocess_chat`` (0.11 to 0.15), ``_preprocess_chat`` (0.16 to 0.21, vllm/entrypoints/llm.py)
        and ``enqueue_chat`` (from 0.22).
        """
        if hasattr(self._llm, "enqueue_chat"):
            (id,) = self._llm.enqueue_chat([talk], parameters, use_tqdm=False, **chat)
            return str(id).partition("-")[0]  # the rest is random, and not in the output's id
        named = "preprocess_chat" if hasattr(self._llm, "preprocess_chat") else "_preprocess_chat"
        (prompt,) = getattr(self._llm, named)([talk], **chat)
        id = str(next(self._llm.request_counter))
        self._llm.llm_engine.add_request(id, prompt, parameters)
        return id

    def _embedded(self, prompts: list[dict[str, Any]]) -> list[Any]:
        """Return a vector or an error for each prompt: one that vLLM refuses makes it refuse all of them."""
        try:
            return [output.outputs.embedding for output in self._llm.embed(prompts, use_tqdm=False)] if prompts else []
        except _refusals() as error:
            while self._llm.llm_engine.has_unfinished_requests():  # those before it, where vLLM leaves them
                self._llm.llm_engine.step()
            if len(prompts) == 1:
                return [_one_line(error)]
            return [self._embedded([prompt])[0] for prompt in prompts]

    def _to_embed(self, request: ChatRequest) -> dict[str, Any] | str:
        """Return a prompt by the model's chat template, as vLLM's own chat is for models that answer; or an error."""
        try:
            turns = request.messages(lambda _: {"type": "image"})
            pictures = [image.open() for image in request.images]
        except DataError as error:
            return str(error)
        text = self._llm.get_tokenizer().apply_chat_template(
            turns, tokenize=False, add_generation_prompt=self._suffix is not None
        )
        prompt: dict[str, Any] = {"prompt": text + (self._suffix or "")}
        return prompt | ({"multi_modal_data": {"image": pictures}} if pictures else {})

    def _reply(self, id: str, output: Any) -> Reply:
        asked = self._llm.get_tokenizer().decode(output.prompt_token_ids[-TAIL:])
        completion = sum(len(one.token_ids) for one in output.outputs)
        return Reply(
            id,
            tuple(with_opening(one.text, asked) for one in output.outputs),
            cut=tuple(one.finish_reason == "length" for one in output.outputs),
            usage=Usage(len(output.prompt_token_ids), completion),
        )

    def _parameters(self, sampling: Sampling, known: int) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        sampling.refuse_greedy_copies()
        held: dict[str, Any] = {}
        if sampling.json_schema is not None:
            from vllm.sampling_params import StructuredOutputsParams

            held["structured_outputs"] = StructuredOutputsParams(json=dict(sampling.json_schema))
        try:
            return SamplingParams(
                n=sampling.n - known,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                max_tokens=sampling.max_tokens,
                seed=sampling.seed + known,
                output_kind=RequestOutputKind.FINAL_ONLY,
                **held,
            )
        except _refusals() as error:
            raise ConfigError(f"vLLM refuses the sampling: {_one_line(error)}") from error


def conversation(request: ChatRequest, answer: str | None = None) -> Conversation:
    """Return the turns of a request as vLLM's chat takes them. Raises DataError for an image that does not open."""
    turns = request.messages(lambda image: {"type": "image_pil", "image_pil": image.open()})
    return turns if answer is None else [*turns, {"role": "assistant", "content": answer}]


def _refusals() -> tuple[type[Exception], ...]:
    """Return the errors for a request that vLLM refuses: ValueError or, in newer versions, one of its own."""
    try:
        from vllm.exceptions import VLLMClientError
    except ImportError:
        return (ValueError,)
    return ValueError, VLLMClientError


def _pooling(model: str) -> dict[str, Any]:
    """Return the settings of gme-Qwen2-VL, the state of the last token; vLLM finds out those of others."""
    if not is_gme(model):
        return {}
    from vllm.config import PoolerConfig

    return {"pooler_config": PoolerConfig(pooling_type="LAST")}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:LONGEST_ERROR] or type(error).__name__


def _unit(id: str, vector: Any) -> Embedding:
    import numpy as np

    vector = np.asarray(vector, dtype=np.float32)
    return Embedding(id, vector / max(float(np.linalg.norm(vector)), 1e-12))


def _score(id: str, output: Any, tokens: int) -> AnswerScore:
    if not tokens:
        return AnswerScore(id, error="the answer has no tokens")
    last = zip(output.prompt_token_ids[-tokens:], output.prompt_logprobs[-tokens:], strict=True)
    total = math.fsum(known[token].logprob for token, known in last)
    return AnswerScore(id, total, tokens)
