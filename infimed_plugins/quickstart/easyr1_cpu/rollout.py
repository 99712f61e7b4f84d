"""The part of vLLM's offline interface that EasyR1 uses, over ``generate`` of transformers.

EasyR1 calls it in verl/workers/rollout/vllm_rollout_spmd.py (LLM, SamplingParams, generate) and in
verl/workers/sharding_manager/fsdp_vllm.py (sleep, wake_up, load_weights); both run unchanged.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from infimed_plugins.engines import batched
from infimed_plugins.errors import EngineError

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

NOTICE = "CPU run: rollouts come from transformers, not from vLLM"
MAX_SEQUENCES = 512  # drawn at a time: bounds memory


class TokensPrompt(TypedDict):
    """A prompt as EasyR1 passes it: token ids with one token an image, and the images."""

    prompt_token_ids: Sequence[int]
    multi_modal_data: NotRequired[dict[str, list[Image]] | None]


@dataclass
class SamplingParams:
    """The settings EasyR1 sets, with vLLM's defaults. EasyR1 changes single fields for validation."""

    n: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = -1
    seed: int | None = None
    max_tokens: int = 16
    ignore_eos: bool = False
    detokenize: bool = True
    logit_bias: dict[int, float] | None = None


@dataclass(frozen=True)
class CompletionOutput:
    """One reply; the end token is its last id unless it was cut."""

    token_ids: list[int]


@dataclass(frozen=True)
class RequestOutput:
    """The replies to one prompt."""

    outputs: list[CompletionOutput]


class LLM:
    """A model that draws replies. Its weights stay random until EasyR1 sends the trained ones (load_weights)."""

    def __init__(self, model: str, *, dtype: str = "float32", seed: int = 0, **unused: Any) -> None:
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText, GenerationConfig

        print(NOTICE, file=sys.stderr, flush=True)
        if unused.get("tensor_parallel_size", 1) != 1:
            raise EngineError("a CPU run cannot split a model; set worker.rollout.tensor_parallel_size=1")
        config = AutoConfig.from_pretrained(model)
        is_vision_language = type(config) in AutoModelForImageTextToText._model_mapping
        auto_class: Any = AutoModelForImageTextToText if is_vision_language else AutoModelForCausalLM
        network = auto_class.from_config(config, dtype=getattr(torch, dtype), attn_implementation="sdpa")
        self._network = network.eval().requires_grad_(False)
        self._network.generation_config = GenerationConfig()  # EasyR1's settings alone shape a reply
        self._processor = _image_processor(model) if is_vision_language else None
        self._stop, self._pad = _end_and_pad_tokens(model)
        self._seed, self._calls = seed, 0
        runner = SimpleNamespace(model=_WeightTarget(self._network))
        executor = SimpleNamespace(driver_worker=SimpleNamespace(worker=SimpleNamespace(model_runner=runner)))
        self.llm_engine = SimpleNamespace(model_executor=executor)

    def sleep(self, level: int = 1) -> None:
        """Do nothing: a CPU has nothing to free."""

    def wake_up(self, tags: list[str] | None = None) -> None:
        """Do nothing: a CPU has nothing to wake."""

    def generate(
        self,
        prompts: Sequence[TokensPrompt],
        sampling_params: SamplingParams,
        lora_request: None = None,
        use_tqdm: bool = False,
    ) -> list[RequestOutput]:
        """Return the replies to all prompts, in order. The same calls in the same order give the same replies.

        vLLM would use one seed again for every prompt and step; here each call goes on with a seed of its own.
        """
        import torch

        seed = self._seed if sampling_params.seed is None else sampling_params.seed
        replies: list[RequestOutput] = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed * 1_000_003 + self._calls)
            for chunk in batched(prompts, max(1, MAX_SEQUENCES // sampling_params.n)):
                replies += self._draw(chunk, sampling_params)
        self._calls += 1
        return replies

    def _draw(self, prompts: Sequence[TokensPrompt], wanted: SamplingParams) -> Iterator[RequestOutput]:
        """Yield the replies to prompts that are read together, padded on the left."""
        from torch import tensor
        from torch.nn.utils.rnn import pad_sequence

        images = self._features([image for prompt in prompts for image in _images(prompt)])
        read = [tensor(ids) for ids in self._expanded(prompts, images)]
        padded = pad_sequence(read, batch_first=True, padding_value=self._pad, padding_side="left")
        mask = pad_sequence([ids != -1 for ids in read], batch_first=True, padding_side="left").long()
        stop = frozenset() if wanted.ignore_eos else self._stop
        how: dict[str, Any] = {"max_new_tokens": wanted.max_tokens, "pad_token_id": self._pad, "use_cache": True}
        how |= {"eos_token_id": sorted(stop)} if stop else {}
        if wanted.logit_bias:
            how["sequence_bias"] = {(token,): float(bias) for token, bias in wanted.logit_bias.items()}
        if greedy := wanted.temperature == 0:
            how["do_sample"] = False
        else:
            how |= {"do_sample": True, "num_return_sequences": wanted.n}
            how |= {"temperature": wanted.temperature, "top_p": wanted.top_p, "top_k": max(0, wanted.top_k)}
        drawn = self._network.generate(input_ids=padded, attention_mask=mask, **images, **how)
        replies = [CompletionOutput(_until(ids, stop)) for ids in drawn[:, padded.size(1) :].tolist()]
        for place in range(len(prompts)):
            yield RequestOutput([replies[place]] * wanted.n if greedy else replies[place * wanted.n :][: wanted.n])

    def _features(self, images: Sequence[Image]) -> dict[str, Tensor]:
        if not images or self._processor is None:
            return {}
        made = self._processor(images=images, return_tensors="pt")
        return {"pixel_values": made["pixel_values"], "image_grid_thw": made["image_grid_thw"]}

    def _expanded(self, prompts: Sequence[TokensPrompt], images: dict[str, Tensor]) -> Iterator[list[int]]:
        """Yield the prompts with as many image tokens as an image has merged patches, as vLLM does itself."""
        merged = getattr(self._processor, "merge_size", 1) ** 2
        sizes = iter((images["image_grid_thw"].prod(dim=1) // merged).tolist() if images else ())
        image_token: int = getattr(self._network.config, "image_token_id", -1)
        for prompt in prompts:
            ids, count = list(prompt["prompt_token_ids"]), len(_images(prompt))
            if ids.count(image_token) != count:
                raise EngineError(f"a prompt has {ids.count(image_token)} image tokens but {count} images")
            yield [one for token in ids for one in [token] * (next(sizes) if token == image_token else 1)]


def _images(prompt: TokensPrompt) -> list[Image]:
    return (prompt.get("multi_modal_data") or {}).get("image") or []


def _until(ids: list[int], stop: frozenset[int]) -> list[int]:
    """Return a reply with its end token, without the padding behind it."""
    return next((ids[: place + 1] for place, token in enumerate(ids) if token in stop), ids)


class _WeightTarget:
    """EasyR1's ``model_runner.model``: it receives the trained weights before each round of rollouts."""

    def __init__(self, network: Any) -> None:
        self._own: dict[str, Tensor] = network.state_dict(keep_vars=True)
        self._renames: dict[str, str] = getattr(network, "_checkpoint_conversion_mapping", None) or {}
        self._tied = set(network._tied_weights_keys or ()) if network.config.tie_word_embeddings else set()

    def load_weights(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Copy the weights in; names are those of a checkpoint. Raises EngineError unless every weight is given."""
        import torch

        missing = set(self._own) - self._tied
        with torch.no_grad():
            for name, tensor in weights:
                own_name = name if name in self._own else self._renamed(name)
                if own_name not in self._own:
                    raise EngineError(f"the trained model has a weight {name!r} that the rollout model lacks")
                self._own[own_name].copy_(tensor)
                missing.discard(own_name)
        if missing:
            raise EngineError(f"the trained model sent no weights for {', '.join(sorted(missing)[:3])} and others")

    def _renamed(self, name: str) -> str:
        for pattern, replacement in self._renames.items():
            renamed, hits = re.subn(pattern, replacement, name)
            if hits:
                return renamed
        return name


def _image_processor(model: str) -> Any:
    from transformers import AutoProcessor

    auto_class: Any = AutoProcessor
    # the fast one, as EasyR1 loads it (verl/trainer/main.py:50)
    return auto_class.from_pretrained(model, use_fast=True).image_processor


def _end_and_pad_tokens(model: str) -> tuple[frozenset[int], int]:
    from transformers import AutoTokenizer, GenerationConfig

    auto_class: Any = AutoTokenizer
    tokenizer = auto_class.from_pretrained(model)
    ends = {tokenizer.eos_token_id}
    if (Path(model) / "generation_config.json").exists():
        configured = GenerationConfig.from_pretrained(model).eos_token_id
        ends |= set(configured) if isinstance(configured, list) else {configured}
    return frozenset(ends - {None}), tokenizer.pad_token_id or 0
