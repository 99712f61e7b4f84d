"""The embedded engine: ``model.generate`` in this process, on a CPU or one GPU. For small models and small runs.

``transformers serve`` ignores ``n`` and log-probabilities, so the model is called directly.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from infimed_plugins import families
from infimed_plugins.engines import AnswerScore, ChatRequest, Reply, Sampling, Usage, batched
from infimed_plugins.errors import ConfigError, DataError, EngineError, MissingExtraError
from infimed_plugins.parsing.replies import TAIL, with_opening

Opened = tuple[ChatRequest, list[Any]]  # a request and its images


class TransformersEngine:
    """A model folder (or hub id) behind the Engine protocol.

    Args:
        model: a folder or hub id of an image-text-to-text model. ``revision`` of the hub, where it matters.
        batch_size: sequences generated together (requests times n).
        max_pixels: upper limit an image is resized to; None keeps the processor's own. A checkpoint saved by a
            trainer keeps the base model's limit, so evaluation must set the training limit again. Families that cut an
            image into tiles have no such limit.
    Raises:
        EngineError: the folder is missing or is not a model.
        ConfigError: transformers is too old for the model's family, or does not load.
    """

    own_seeds = True

    def __init__(
        self, model: str, *, revision: str | None = None, batch_size: int = 128, max_pixels: int | None = None
    ) -> None:
        try:
            import torch
            from transformers import AutoModelForImageTextToText, AutoProcessor, __version__
        except ImportError as error:
            if error.name is None and find_spec("transformers"):  # installed, but an import of its own fails
                cause = error.__cause__ or error
                raise ConfigError(
                    f"transformers is installed but does not load ({cause}); torch and torchvision may not fit each "
                    "other: beside a CPU torch, run python -m infimed_plugins.quickstart.torchvision_cpu"
                ) from error
            raise MissingExtraError("the transformers engine", error.name or "transformers", "transformers") from error
        families.check_transformers(model)
        self.model, self.revision = model, revision or ""
        self._batch_size = batch_size
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = torch.bfloat16 if self._device == "cuda" else torch.float32
        limits: dict[str, Any] = dict(families.pixel_limit(model, max_pixels))
        if __version__.startswith("4."):  # what 5 does of itself, and warns about when told
            limits["use_fast"] = True
        where: dict[str, Any] = {"pretrained_model_name_or_path": model, "revision": revision or "main"}
        try:
            self._processor = AutoProcessor.from_pretrained(**where, padding_side="left", **limits)
            loaded, told = AutoModelForImageTextToText.from_pretrained(**where, dtype=dtype, output_loading_info=True)
        except (OSError, ValueError, RuntimeError, AttributeError, KeyError) as error:  # or saved by another version
            hint = "" if Path(model).exists() else " (no such folder; a hub id needs a network)"
            raise EngineError(f"model {model!r} cannot be loaded{hint}: {error}") from error
        if missing := sorted(told["missing_keys"]):  # drawn at random, and only a warning upstream
            what = f"model {model!r} lacks {len(missing)} weights of this transformers, such as {missing[0]}"
            raise EngineError(f"{what}; use the version that config.json names, or save it again")
        self._model: Any = loaded.to(self._device).eval()

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        """Yield replies in the order of the requests, a batch at a time. An image that does not open makes an error.

        A sample is drawn by the seed, its number and the request, whatever else is in its batch: a rerun that leaves
        out what is known draws the same, as far as the last bits of a batch of another shape do not tip a token.
        """
        sampling.refuse_greedy_copies()
        for batch in batched(requests, max(1, self._batch_size // sampling.n)):
            good: dict[int, list[Opened]] = defaultdict(list)  # by how many samples are known
            replies: dict[str, Reply] = {}
            for request in batch:
                try:
                    images = [image.open() for image in request.images]
                except DataError as error:
                    replies[request.id] = Reply(request.id, error=str(error))
                else:
                    good[request.known].append((request, images))
            for known, alike in good.items():
                rest = replace(sampling, n=sampling.n - known, seed=sampling.seed + known)
                replies |= {reply.id: reply for reply in self._replies(alike, rest)}
            yield from (replies[request.id] for request in batch)

    def score_answers(self, requests: Iterable[tuple[ChatRequest, str]]) -> Iterator[AnswerScore]:
        """Yield the log-probability of each answer's own tokens, in the order of the pairs, one forward pass each."""
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
            behind = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
            for name, row in inputs.items():
                if row.shape == (1, asked):  # also token_type_ids, and mm_token_type_ids of transformers 5: 0 is text
                    more = behind.get(name, torch.zeros_like(tokens)).to(row)
                    inputs[name] = torch.cat([row, more], dim=1)
            with torch.inference_mode():
                logits = self._model(**inputs).logits[0, asked - 1 : -1].float()
            chosen = torch.log_softmax(logits, dim=-1).gather(1, tokens.to(self._device).T)
            yield AnswerScore(request.id, float(chosen.sum()), int(tokens.shape[1]))

    def _replies(self, batch: list[Opened], sampling: Sampling) -> Iterator[Reply]:
        import torch

        inputs = self._inputs(batch)
        start = inputs["input_ids"].shape[1]
        chosen: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        if sampling.temperature > 0:
            seeds = [_seed(request, sampling.seed + index) for request, _ in batch for index in range(sampling.n)]
            chosen = _sampled(sampling, SeededSampler(uniform_numbers(seeds, sampling.max_tokens), start))
        with torch.inference_mode():
            sequences = self._model.generate(
                **inputs, max_new_tokens=sampling.max_tokens, num_return_sequences=sampling.n, **chosen
            )
        texts = self._processor.batch_decode(sequences[:, start:], skip_special_tokens=True)
        asked = self._processor.batch_decode(inputs["input_ids"][:, -TAIL:])
        lengths = [self._length(tokens) for tokens in sequences[:, start:].tolist()]
        prompts = inputs["attention_mask"].sum(dim=1).tolist()
        drawn = zip(batched(texts, sampling.n), batched(lengths, sampling.n), asked, strict=True)
        for (request, _), prompt, (said, counted, end) in zip(batch, prompts, drawn, strict=True):
            usage = Usage(prompt, sum(length for length, _ in counted))
            whole = tuple(with_opening(text, end) for text in said)
            yield Reply(request.id, whole, cut=tuple(not ended for _, ended in counted), usage=usage)

    def _length(self, tokens: list[int]) -> tuple[int, bool]:
        """Return how many tokens were generated, up to the one that ends a reply, and if there is one."""
        ends = self._model.generation_config.eos_token_id
        ends = {ends} if isinstance(ends, int) else set(ends or ())
        length = next((count for count, token in enumerate(tokens, start=1) if token in ends), None)
        return length or len(tokens), length is not None

    def _inputs(self, batch: list[tuple[ChatRequest, list[Any]]]) -> Any:
        chats = [
            self._processor.apply_chat_template(
                request.messages(lambda _: {"type": "image"}), tokenize=False, add_generation_prompt=True
            )
            for request, _ in batch
        ]
        images = [opened for _, opened in batch]  # a list each: Gemma's processor takes a flat one for one chat
        given = {"text": chats, "images": images if any(images) else None}
        return self._processor(**given, padding=True, return_tensors="pt").to(self._device)


class SeededSampler:
    """A logits processor, the last: leaves each sequence the one token that its next uniform number chooses.

    ``generate`` draws a whole batch from one generator, so that a reply would change with its neighbors. ``numbers`` is
    of shape (sequences, tokens); ``start`` is the length of the prompts.
    """

    def __init__(self, numbers: Any, start: int) -> None:
        self._numbers, self._start = numbers, start

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        import torch

        upto = torch.softmax(scores.double(), dim=-1).cumsum(dim=-1)
        step = input_ids.shape[1] - self._start
        at = self._numbers[:, step : step + 1].to(scores.device) * upto[:, -1:]
        chosen = torch.searchsorted(upto, at, right=True).clamp(max=scores.shape[1] - 1)
        return torch.full_like(scores, -torch.inf).scatter(1, chosen, 0.0)


def uniform_numbers(seeds: Sequence[int], length: int) -> Any:
    """Return a row of uniform numbers for each seed, as double precision: a vocabulary has 150,000 tokens."""
    import torch

    rows = [torch.rand(length, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return torch.stack(rows)


def _sampled(sampling: Sampling, draws: SeededSampler) -> dict[str, Any]:
    """Return arguments that make ``generate`` sample: our processors leave it one token, which it cannot but draw."""
    from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopPLogitsWarper

    processors: list[Any] = [TemperatureLogitsWarper(float(sampling.temperature))]
    if sampling.top_p < 1:
        processors.append(TopPLogitsWarper(sampling.top_p))
    plain = {"do_sample": True, "temperature": 1.0, "top_p": 1.0, "top_k": 0}
    return plain | {"logits_processor": LogitsProcessorList([*processors, draws])}


def _seed(request: ChatRequest, seed: int) -> int:
    """Return the seed of one sample, from all that equal requests share, so not the id."""
    digest = hashlib.sha256(repr((seed, request.system, request.text)).encode())
    for image in request.images:
        digest.update(image.sha256().encode())
    return int.from_bytes(digest.digest()[:8], "big") >> 1
