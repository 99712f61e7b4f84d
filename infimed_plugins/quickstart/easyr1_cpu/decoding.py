"""Draw replies from a transformers model for many prompts at once, fast on a CPU.

All prompts of a chunk are read together (left-padded, their images concatenated), each prompt's key–value cache is
then repeated for its n samples, and finished samples leave the batch. ``generate`` of transformers would read every
prompt n times and keep finished samples to the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Generator, Tensor

MAX_SEQUENCES = 512  # decoded at a time: bounds memory, and more does not go faster
_COMPACT_BELOW = 0.75  # share of unfinished samples below which the cache is copied without the finished ones


@dataclass(frozen=True)
class Prompt:
    """One prompt: its token ids with every image already expanded, and its images as the processor makes them.

    ``pixels`` has shape (patches, patch size) and ``grid`` (images, 3); both None without images.
    """

    token_ids: Sequence[int]
    pixels: Tensor | None = None
    grid: Tensor | None = None


@dataclass(frozen=True)
class Draw:
    """Sampling settings: ``n`` replies to each prompt, at most ``max_tokens`` each. ``temperature`` 0 is greedy.

    ``top_k`` below 1 and ``top_p`` 1 switch those filters off. ``stop`` tokens end a reply and are part of it.
    ``bias`` is added to the logits of single tokens, as in vLLM's ``logit_bias``.
    """

    n: int = 1
    max_tokens: int = 16
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = -1
    stop: frozenset[int] = frozenset()
    bias: Mapping[int, float] = field(default_factory=dict)
    pad: int = 0


def decode(model: Any, prompts: Sequence[Prompt], draw: Draw, generator: Generator) -> list[list[list[int]]]:
    """Return the token ids of ``draw.n`` replies to each prompt, in order. ``generator`` makes sampling repeatable."""
    import torch

    replies: list[list[list[int]]] = []
    at_once = max(1, MAX_SEQUENCES // draw.n)
    with torch.no_grad():
        for start in range(0, len(prompts), at_once):
            chunk = prompts[start : start + at_once]
            flat = _decode_chunk(model, chunk, draw, generator)
            replies += [flat[i : i + draw.n] for i in range(0, len(flat), draw.n)]
    return replies


def _decode_chunk(model: Any, prompts: Sequence[Prompt], draw: Draw, generator: Generator) -> list[list[int]]:
    """Return ``len(prompts) * n`` replies, those to one prompt side by side."""
    import torch

    state = _read_prompts(model, prompts, draw)
    count = state.logits.size(0)
    tokens = torch.full((count, draw.max_tokens), draw.pad)
    lengths = torch.full((count,), draw.max_tokens)
    stop = torch.tensor(sorted(draw.stop), dtype=torch.long)
    row = torch.arange(count)  # the reply each row of the batch is writing
    live = torch.ones(count, dtype=torch.bool)
    for step in range(draw.max_tokens):
        drawn = sample(state.logits, draw, generator)
        tokens[row[live], step] = drawn[live]
        ended = live & torch.isin(drawn, stop)
        lengths[row[ended]] = step + 1
        live &= ~ended
        if step + 1 == draw.max_tokens or not live.any():
            break
        if live.sum() <= _COMPACT_BELOW * len(live):
            state.keep(live)
            row, drawn, live = row[live], drawn[live], live[live]
        state.read(model, drawn)
    return [ids[:length] for ids, length in zip(tokens.tolist(), lengths.tolist(), strict=True)]


def sample(logits: Tensor, draw: Draw, generator: Generator) -> Tensor:
    """Return one token id for each row of ``logits`` (rows, vocabulary)."""
    import torch

    if draw.bias:
        ids = torch.tensor(list(draw.bias))
        logits = logits.index_add(1, ids, logits.new_tensor(list(draw.bias.values())).expand(len(logits), -1))
    if draw.temperature == 0:
        return logits.argmax(-1)
    logits = logits / draw.temperature
    if 0 < draw.top_k < logits.size(-1):
        logits = logits.masked_fill(logits < logits.topk(draw.top_k).values[:, -1:], -torch.inf)
    if draw.top_p < 1:
        ranked, order = logits.softmax(-1).sort(descending=True)
        surplus = (ranked.cumsum(-1) - ranked) >= draw.top_p  # the token that crosses top_p stays
        logits = logits.masked_fill(surplus.gather(1, order.argsort(1)), -torch.inf)
    return torch.multinomial(logits.softmax(-1), 1, generator=generator).squeeze(1)


@dataclass
class _State:
    """The batch while it is decoded; every tensor has one row for each unfinished reply."""

    logits: Tensor  # (rows, vocabulary), of the next token
    mask: Tensor  # (rows, tokens read so far)
    position: Tensor  # (rows,), of the next token
    cache: Any

    def keep(self, rows: Tensor) -> None:
        """Drop every row that is False in ``rows``."""
        self.mask, self.position = self.mask[rows], self.position[rows]
        self.cache.batch_select_indices(rows)

    def read(self, model: Any, drawn: Tensor) -> None:
        """Read one token a row, and set the logits of the next."""
        import torch

        self.mask = torch.cat([self.mask, self.mask.new_ones(len(drawn), 1)], dim=1)
        output = model(
            input_ids=drawn[:, None],
            attention_mask=self.mask,
            position_ids=_positions(model, self.position[:, None]),
            past_key_values=self.cache,
            use_cache=True,
        )
        self.logits = output.logits[:, -1]
        self.position = self.position + 1


def _read_prompts(model: Any, prompts: Sequence[Prompt], draw: Draw) -> _State:
    import torch

    width = max(len(prompt.token_ids) for prompt in prompts)
    padded = [[draw.pad] * (width - len(prompt.token_ids)) + list(prompt.token_ids) for prompt in prompts]
    ids = torch.tensor(padded)
    padding = torch.tensor([width - len(prompt.token_ids) for prompt in prompts])
    mask = (torch.arange(width) >= padding[:, None]).long()
    images = dict(_images(prompts))
    if _has_rope_index(model):  # Qwen2-VL and its successors: three position numbers a token
        positions, _ = model.model.get_rope_index(ids, image_grid_thw=images.get("image_grid_thw"), attention_mask=mask)
        last = positions.amax(dim=(0, 2))
    else:
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        last = positions[:, -1]
    cache = _roomy_cache(model, width + draw.max_tokens)
    output = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
        **images,
    )
    cache.batch_repeat_interleave(draw.n)
    return _State(
        logits=output.logits[:, -1].repeat_interleave(draw.n, dim=0),
        mask=mask.repeat_interleave(draw.n, dim=0),
        position=(last + 1).repeat_interleave(draw.n, dim=0),
        cache=cache,
    )


def _images(prompts: Sequence[Prompt]) -> Iterator[tuple[str, Tensor]]:
    import torch

    pixels = [prompt.pixels for prompt in prompts if prompt.pixels is not None]
    grids = [prompt.grid for prompt in prompts if prompt.grid is not None]
    if pixels:
        yield "pixel_values", torch.cat(pixels)
        yield "image_grid_thw", torch.cat(grids)


def _has_rope_index(model: Any) -> bool:
    return hasattr(model.model, "get_rope_index")


def _positions(model: Any, positions: Tensor) -> Tensor:
    return positions.expand(3, -1, -1) if _has_rope_index(model) else positions


def _roomy_cache(model: Any, room: int) -> Any:
    """Return a transformers cache whose layers have memory for ``room`` tokens from the start."""
    from transformers import DynamicCache

    cache = DynamicCache()
    text_config = model.config.get_text_config()
    cache.layers = [_roomy_layer_class()(room) for _ in range(text_config.num_hidden_layers)]
    return cache


@cache
def _roomy_layer_class() -> type[Any]:
    from transformers.cache_utils import DynamicLayer

    class RoomyLayer(DynamicLayer):
        """A DynamicLayer that writes in place: concatenating anew for each token takes half of the decoding time."""

        def __init__(self, room: int) -> None:
            super().__init__()
            self.room = room

        def update(
            self, key_states: Tensor, value_states: Tensor, cache_kwargs: dict[str, Any] | None = None
        ) -> tuple[Tensor, Tensor]:
            start = self.get_seq_length()
            if not self.is_initialized:
                self.lazy_initialization(key_states)
                rows, heads, _, width = key_states.shape
                self.memory = key_states.new_empty(2, rows, heads, self.room, width)
            end = start + key_states.size(2)
            self.memory[0, :, :, start:end] = key_states
            self.memory[1, :, :, start:end] = value_states
            return self._show(end)

        def _show(self, end: int) -> tuple[Tensor, Tensor]:
            self.keys, self.values = self.memory[0, :, :, :end], self.memory[1, :, :, :end]
            return self.keys, self.values

        def batch_repeat_interleave(self, repeats: int) -> None:
            self.memory = self.memory.repeat_interleave(repeats, dim=1)
            self._show(self.get_seq_length())

        def batch_select_indices(self, indices: Tensor) -> None:
            self.memory = self.memory[:, indices]
            self._show(self.get_seq_length())

    return RoomyLayer
