"""The embedded engine: ``model.generate`` in this process, on a CPU or one GPU. For small models and small runs.

``transformers serve`` ignores ``n`` and log-probabilities, so the model is called directly.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from infimed_plugins.engines import AnswerScore, ChatRequest, Reply, Sampling
from infimed_plugins.errors import ConfigError, DataError, EngineError, MissingExtraError
from infimed_plugins.prompts import IMAGE_TAG

_T = TypeVar("_T")


class TransformersEngine:
    """A model folder (or hub id) behind the Engine protocol.

    Args:
        model: a folder or hub id of an image-text-to-text model.
        batch_size: sequences generated together (requests times n).
        max_pixels: upper limit an image is resized to; None keeps the processor's own. A checkpoint saved by a
            trainer keeps the base model's limit, so evaluation must set the training limit again.
    Raises:
        EngineError: the folder is missing or is not a model.
    """

    def __init__(self, model: str, *, batch_size: int = 128, max_pixels: int | None = None) -> None:
        try:
            import torch
            from transformers import AutoModelForImageTextToText, AutoProcessor
        except ImportError as error:
            raise MissingExtraError("the transformers engine", error.name or "transformers", "transformers") from error
        self.model = model
        self._batch_size = batch_size
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = torch.bfloat16 if self._device == "cuda" else torch.float32
        limits = {} if max_pixels is None else {"max_pixels": max_pixels}
        try:
            self._processor = AutoProcessor.from_pretrained(model, padding_side="left", use_fast=True, **limits)
            loaded = AutoModelForImageTextToText.from_pretrained(model, dtype=dtype)
        except (OSError, ValueError) as error:
            hint = "" if Path(model).exists() else " (no such folder; a hub id needs a network)"
            raise EngineError(f"model {model!r} cannot be loaded{hint}: {error}") from error
        self._model: Any = loaded.to(self._device).eval()

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        """Replies in the order of the requests, a batch at a time. A request whose image does not open gets an error.

        A batch is seeded by ``sampling.seed`` and its request ids, so a rerun with the same batches is the same.
        """
        if sampling.n > 1 and sampling.temperature == 0:
            raise ConfigError(f"{sampling.n} greedy replies would all be the same; set a temperature above 0 or n to 1")
        for batch in _batched(requests, max(1, self._batch_size // sampling.n)):
            good: list[tuple[ChatRequest, list[Any]]] = []
            failed: dict[str, Reply] = {}
            for request in batch:
                try:
                    good.append((request, [image.open() for image in request.images]))
                except DataError as error:
                    failed[request.id] = Reply(request.id, (), str(error))
            answered = dict(zip((request.id for request, _ in good), self._replies(good, sampling), strict=True))
            for request in batch:
                yield failed.get(request.id) or Reply(request.id, answered[request.id])

    def score_answers(self, requests: Iterable[tuple[ChatRequest, str]]) -> Iterator[AnswerScore]:
        """Scores in the order of the pairs, one forward pass each: the log-probabilities of an answer's own tokens."""
        import torch

        for request, answer in requests:
            try:
                opened = [image.open() for image in request.images]
            except DataError as error:
                yield AnswerScore(request.id, error=str(error))
                continue
            tokens = self._processor.tokenizer(answer, add_special_tokens=False, return_tensors="pt")["input_ids"]
            if not tokens.shape[1]:
                yield AnswerScore(request.id, error="the answer has no tokens")
                continue
            inputs = self._inputs([(request, opened)])
            asked = inputs["input_ids"].shape[1]
            inputs["input_ids"] = torch.cat([inputs["input_ids"], tokens.to(self._device)], dim=1)
            inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
            with torch.inference_mode():
                logits = self._model(**inputs).logits[0, asked - 1 : -1].float()
            chosen = torch.log_softmax(logits, dim=-1).gather(1, tokens.to(self._device).T)
            yield AnswerScore(request.id, float(chosen.sum()), int(tokens.shape[1]))

    def _replies(self, batch: list[tuple[ChatRequest, list[Any]]], sampling: Sampling) -> list[tuple[str, ...]]:
        import torch

        if not batch:
            return []
        inputs = self._inputs(batch)
        seed_text = f"{sampling.seed}/" + "/".join(request.id for request, _ in batch)
        torch.manual_seed(int.from_bytes(hashlib.sha256(seed_text.encode()).digest()[:8], "big") >> 1)
        chosen: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        if sampling.temperature > 0:
            chosen = {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
        with torch.inference_mode():
            sequences = self._model.generate(
                **inputs, max_new_tokens=sampling.max_tokens, num_return_sequences=sampling.n, **chosen
            )
        texts = self._processor.batch_decode(sequences[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        return list(_batched(texts, sampling.n))

    def _inputs(self, batch: list[tuple[ChatRequest, list[Any]]]) -> Any:
        chats = [
            self._processor.apply_chat_template(_message(request), tokenize=False, add_generation_prompt=True)
            for request, _ in batch
        ]
        images = [image for _, opened in batch for image in opened]
        return self._processor(text=chats, images=images or None, padding=True, return_tensors="pt").to(self._device)


def _message(request: ChatRequest) -> list[dict[str, Any]]:
    pieces = request.text.split(IMAGE_TAG)
    if len(pieces) - 1 != len(request.images):
        raise DataError(f"request {request.id}: {len(pieces) - 1} {IMAGE_TAG} tags for {len(request.images)} images")
    content: list[dict[str, Any]] = []
    for number, piece in enumerate(pieces):
        content += [{"type": "image"}] if number else []
        content += [{"type": "text", "text": piece}] if piece else []
    system = [{"role": "system", "content": request.system}] if request.system else []
    return [*system, {"role": "user", "content": content}]


def _batched(things: Iterable[_T], size: int) -> Iterator[tuple[_T, ...]]:
    """itertools.batched, which Python 3.11 lacks."""
    iterator = iter(things)
    while batch := tuple(itertools.islice(iterator, size)):
        yield batch
