"""The part of vLLM's offline interface that EasyR1 uses, over decoding.py.

EasyR1 calls it in verl/workers/rollout/vllm_rollout_spmd.py (LLM, SamplingParams, generate) and in
verl/workers/sharding_manager/fsdp_vllm.py (sleep, wake_up, load_weights); both run unchanged.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from infimed_plugins.errors import EngineError
from infimed_plugins.quickstart.easyr1_cpu.decoding import Draw, Prompt, decode

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

NOTICE = "CPU run: rollouts come from transformers, not from vLLM"


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
        from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

        print(NOTICE, file=sys.stderr, flush=True)
        if unused.get("tensor_parallel_size", 1) != 1:
            raise EngineError("a CPU run cannot split a model; set worker.rollout.tensor_parallel_size=1")
        config = AutoConfig.from_pretrained(model)
        is_vision_language = type(config) in AutoModelForImageTextToText._model_mapping
        auto_class: Any = AutoModelForImageTextToText if is_vision_language else AutoModelForCausalLM
        network = auto_class.from_config(config, dtype=getattr(torch, dtype), attn_implementation="sdpa")
        self._network = network.eval().requires_grad_(False)
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
        generator = torch.Generator().manual_seed(seed * 1_000_003 + self._calls)
        self._calls += 1
        draw = Draw(
            n=sampling_params.n,
            max_tokens=sampling_params.max_tokens,
            temperature=sampling_params.temperature,
            top_p=sampling_params.top_p,
            top_k=sampling_params.top_k,
            stop=frozenset() if sampling_params.ignore_eos else self._stop,
            bias=sampling_params.logit_bias or {},
            pad=self._pad,
        )
        replies = decode(self._network, [self._prepare(prompt) for prompt in prompts], draw, generator)
        return [RequestOutput([CompletionOutput(ids) for ids in of_prompt]) for of_prompt in replies]

    def _prepare(self, prompt: TokensPrompt) -> Prompt:
        """Expand each image token to as many as the image has merged patches, as vLLM does itself."""
        images = (prompt.get("multi_modal_data") or {}).get("image") or []
        token_ids = list(prompt["prompt_token_ids"])
        image_token: int = getattr(self._network.config, "image_token_id", -1)
        if token_ids.count(image_token) != len(images):
            raise EngineError(f"a prompt has {token_ids.count(image_token)} image tokens but {len(images)} images")
        if not images or self._processor is None:
            return Prompt(token_ids)
        features = self._processor(images=images, return_tensors="pt")
        sizes = iter((features["image_grid_thw"].prod(dim=1) // self._processor.merge_size**2).tolist())
        repeats = [next(sizes) if token == image_token else 1 for token in token_ids]
        expanded = [token for token, times in zip(token_ids, repeats, strict=True) for _ in range(times)]
        return Prompt(expanded, features["pixel_values"], features["image_grid_thw"])


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
