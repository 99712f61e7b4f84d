"""vLLM in this process: the fast engine where there is a GPU (vLLM's own CPU builds run it, too).

    engine = VllmEngine("Qwen/Qwen2.5-VL-32B-Instruct", tensor_parallel_size=4, max_pixels=262_144)

Requests go to vLLM in groups, which it batches itself; several machines are servers behind the ``openai`` engine.
``embed: true`` loads the model for pooling (gme-Qwen2-VL-2B): such an engine embeds and does not answer.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from infimed_plugins.engines import AnswerScore, ChatRequest, Embedding, Reply, Sampling, Usage
from infimed_plugins.errors import ConfigError, DataError, EngineError, MissingExtraError
from infimed_plugins.prompts import IMAGE_TAG

_T = TypeVar("_T")
Conversation = list[dict[str, Any]]


class VllmEngine:
    """A model behind the Engine, Scorer and Embedder protocols.

    Args:
        model: a folder or hub id. ``revision`` of the hub, where it matters.
        max_pixels: upper limit an image is resized to; set that of training, a checkpoint keeps its base model's.
        group: requests handed to vLLM together; replies come a group at a time.
        embed: load the model for embeddings. ``embed_suffix`` ends the text that is embedded: gme-Qwen2-VL wants
            the assistant's opening and ``<|endoftext|>``, whose state is the vector (its model card).
        options: any other argument of ``vllm.LLM``, such as ``tensor_parallel_size`` or ``max_model_len``.
    Raises:
        MissingExtraError without vLLM, EngineError when the model cannot be loaded.
    """

    def __init__(
        self,
        model: str,
        *,
        revision: str | None = None,
        max_pixels: int | None = None,
        max_images: int = 8,
        group: int = 512,
        embed: bool = False,
        embed_suffix: str | None = None,
        **options: Any,
    ) -> None:
        try:
            from vllm import LLM
            from vllm.platforms import current_platform
        except ImportError as error:
            raise MissingExtraError("the vllm engine", "vllm", "vllm") from error
        self.model, self.revision, self._group = model, revision or "", group
        self._embeds, self._suffix = embed, embed_suffix
        arguments: dict[str, Any] = {"limit_mm_per_prompt": {"image": max_images, "video": 0}, "seed": 0, **options}
        if current_platform.is_cpu():  # a cut prompt rewinds its seeded generator, which a CPU's cannot
            arguments.setdefault("enable_chunked_prefill", False)
        if max_pixels is not None:
            arguments["mm_processor_kwargs"] = {"max_pixels": max_pixels}
        if embed:
            arguments |= {"runner": "pooling", "convert": "embed"}
        try:
            self._llm: Any = LLM(model=model, revision=revision, **arguments)
        except (OSError, ValueError, RuntimeError, TypeError) as error:
            raise EngineError(f"vLLM cannot load {model!r}: {' '.join(str(error).split())[:300]}") from error

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        """Replies in the order of the requests, a group at a time; an image that does not open makes an error."""
        if self._embeds:
            raise ConfigError("this vllm engine was loaded with embed: true; it embeds and does not answer")
        parameters = self._parameters(sampling)
        for group in _groups(requests, self._group):
            talks, failed = _conversations((request.id, request, None) for request in group)
            outputs = iter(self._llm.chat([talk for _, talk in talks], parameters, use_tqdm=False) if talks else ())
            answered = {id: _reply(id, next(outputs)) for id, _ in talks}
            for request in group:
                yield answered.get(request.id) or Reply(request.id, (), failed[request.id])

    def score_answers(self, requests: Iterable[tuple[ChatRequest, str]]) -> Iterator[AnswerScore]:
        """Scores in the order of the pairs: the log-probabilities of an answer's own tokens."""
        from vllm import SamplingParams

        parameters = SamplingParams(max_tokens=1, temperature=0.0, prompt_logprobs=0, detokenize=False)
        tokenizer = self._llm.get_tokenizer()
        for group in _groups(requests, self._group):
            talks, failed = _conversations((str(n), request, answer) for n, (request, answer) in enumerate(group))
            said = self._llm.chat(
                [talk for _, talk in talks],
                parameters,
                use_tqdm=False,
                add_generation_prompt=False,
                continue_final_message=True,
            )
            outputs = dict(zip((id for id, _ in talks), said, strict=True))
            for number, (request, answer) in enumerate(group):
                output = outputs.get(str(number))
                if output is None:
                    yield AnswerScore(request.id, error=failed[str(number)])
                    continue
                tokens = len(tokenizer(answer, add_special_tokens=False)["input_ids"])
                yield _score(request.id, output, tokens)

    def embed(self, requests: Iterable[ChatRequest]) -> Iterator[Embedding]:
        """Unit vectors in the order of the requests."""
        import numpy as np

        if not self._embeds:
            raise ConfigError("this vllm engine answers; to embed, load it with the setting embed: true")
        for group in _groups(requests, self._group):
            talks, failed = _conversations((request.id, request, None) for request in group)
            said = self._llm.embed([self._to_embed(talk) for _, talk in talks], use_tqdm=False) if talks else []
            vectors = {id: output.outputs.embedding for (id, _), output in zip(talks, said, strict=True)}
            for request in group:
                if request.id not in vectors:
                    yield Embedding(request.id, error=failed[request.id])
                    continue
                vector = np.asarray(vectors[request.id], dtype=np.float32)
                yield Embedding(request.id, vector / max(float(np.linalg.norm(vector)), 1e-12))

    def _to_embed(self, talk: Conversation) -> dict[str, Any]:
        """A prompt by the model's chat template: vLLM's own chat is for models that answer."""
        pictures = [part["image_pil"] for turn in talk for part in turn["content"] if _is_picture(part)]
        plain = [
            {**turn, "content": [{"type": "image"} if _is_picture(part) else part for part in turn["content"]]}
            if isinstance(turn["content"], list)
            else turn
            for turn in talk
        ]
        text = self._llm.get_tokenizer().apply_chat_template(
            plain, tokenize=False, add_generation_prompt=self._suffix is not None
        )
        prompt: dict[str, Any] = {"prompt": text + (self._suffix or "")}
        return prompt | ({"multi_modal_data": {"image": pictures}} if pictures else {})

    def _parameters(self, sampling: Sampling) -> Any:
        from vllm import SamplingParams

        held: dict[str, Any] = {}
        if sampling.json_schema is not None:
            from vllm.sampling_params import StructuredOutputsParams

            held["structured_outputs"] = StructuredOutputsParams(json=dict(sampling.json_schema))
        if sampling.n > 1 and sampling.temperature == 0:
            raise ConfigError(f"{sampling.n} greedy replies would all be the same; set a temperature above 0 or n to 1")
        return SamplingParams(
            n=sampling.n,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            seed=sampling.seed,
            **held,
        )


def _conversations(
    items: Iterable[tuple[str, ChatRequest, str | None]],
) -> tuple[list[tuple[str, Conversation]], dict[str, str]]:
    """What can be asked, by id, and why the rest cannot."""
    talks, failed = [], {}
    for id, request, answer in items:
        try:
            talks.append((id, conversation(request, answer)))
        except DataError as error:
            failed[id] = str(error)
    return talks, failed


def conversation(request: ChatRequest, answer: str | None = None) -> Conversation:
    """The turns of a request as vLLM's chat takes them. Raises DataError for an image that does not open."""
    pieces = request.text.split(IMAGE_TAG)
    if len(pieces) - 1 != len(request.images):
        raise DataError(f"request {request.id}: {len(pieces) - 1} {IMAGE_TAG} tags for {len(request.images)} images")
    content: list[dict[str, Any]] = []
    for number, piece in enumerate(pieces):
        if number:
            content.append({"type": "image_pil", "image_pil": request.images[number - 1].open()})
        if piece:
            content.append({"type": "text", "text": piece})
    turns: Conversation = [{"role": "system", "content": request.system}] if request.system else []
    turns.append({"role": "user", "content": content})
    return turns if answer is None else [*turns, {"role": "assistant", "content": answer}]


def _is_picture(part: Any) -> bool:
    return isinstance(part, dict) and part["type"] == "image_pil"


def _reply(id: str, output: Any) -> Reply:
    completion = sum(len(one.token_ids) for one in output.outputs)
    return Reply(
        id,
        tuple(one.text for one in output.outputs),
        cut=tuple(one.finish_reason == "length" for one in output.outputs),
        usage=Usage(len(output.prompt_token_ids), completion),
    )


def _score(id: str, output: Any, tokens: int) -> AnswerScore:
    if not tokens:
        return AnswerScore(id, error="the answer has no tokens")
    last = zip(output.prompt_token_ids[-tokens:], output.prompt_logprobs[-tokens:], strict=True)
    total = math.fsum(known[token].logprob for token, known in last)
    return AnswerScore(id, total, tokens)


def _groups(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    iterator = iter(items)
    while group := list(itertools.islice(iterator, size)):
        yield group
