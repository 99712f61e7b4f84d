"""Log-probabilities of many replies to one prompt, with the prompt read once.

EasyR1 pads every prompt to the left and every reply to the right, and reads a prompt anew for each of its ``n``
replies, three times a step. Here the replies to one prompt stand behind it in one row:

    prompt | first reply | second reply | …

An attention mask lets each token see the prompt and what precedes it in its own reply, and position numbers go on from
the prompt in each reply; so the logits are those of the replies read apart. A step takes about a third of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import wraps
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

MicroBatch = dict[str, Any]
Forward = Callable[[Any, MicroBatch, float], Any]


def sharing_prompts(forward: Forward) -> Forward:
    """Wrap ``DataParallelPPOActor._forward_micro_batch`` (verl/workers/actor/dp_actor.py).

    The same log-probabilities at every token that counts, 0 at padding. EasyR1's method runs as it is; what it takes
    for its model packs the rows, and gives back the logits where the method looks for them.
    """

    @wraps(forward)
    def forward_sharing(actor: Any, micro_batch: MicroBatch, temperature: float) -> Any:
        from torch.nn.functional import pad

        packed = pack(micro_batch)
        longest = packed.take.size(1)
        module = actor.actor_module
        actor.actor_module = packed.through(module)
        try:
            log_probs = forward(actor, _short(micro_batch, packed, longest), temperature)
        finally:
            actor.actor_module = module
        return pad(log_probs, (0, micro_batch["responses"].size(-1) - longest))

    return forward_sharing


@dataclass(frozen=True)
class Packed:
    """A micro-batch as the model reads it: one row for each prompt, ``width`` tokens each.

    ``input_ids`` (prompts, width); ``position_ids`` ([4,] prompts, width); ``mask`` (prompts, 1, width, width), True
    where a token sees another; ``take`` (replies, longest), the place in the flattened rows of the logits that foretell
    each token of a reply; ``first`` the first reply to each prompt.
    """

    input_ids: Tensor
    position_ids: Tensor
    mask: Tensor
    take: Tensor
    first: Sequence[int]

    def through(self, module: Any) -> Callable[..., SimpleNamespace]:
        """Stand in for the model: read the packed rows, not the ids it is called with."""

        def read(*, input_ids: Any, attention_mask: Any, position_ids: Any, **options: Any) -> SimpleNamespace:
            output = module(
                input_ids=self.input_ids, attention_mask=self.mask, position_ids=self.position_ids, **options
            )
            logits = output.logits.flatten(0, 1)[self.take]  # (replies, longest, vocabulary)
            # the caller drops the last column: it foretells what would follow a reply
            return SimpleNamespace(logits=_with_a_column(logits))

        return read


def pack(micro_batch: MicroBatch) -> Packed:
    """Put replies that follow one another and share a prompt into one row."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    ids, seen = micro_batch["input_ids"], micro_batch["attention_mask"].bool()
    start = ids.size(-1) - micro_batch["responses"].size(-1)  # the first column of replies
    positions = micro_batch["position_ids"]
    if is_flat := positions.dim() == 2:  # a model without images has one position number a token, not four
        positions = positions[:, None]
    lengths = seen[:, start:].sum(dim=1).clamp(min=1).tolist()
    rows, places, parts, take, first = [], [], [], [], []
    for group in _same_prompt(ids[:, :start], seen[:, :start]):
        prompt = seen[group[0], :start].nonzero().squeeze(1)
        columns = [(group[0], prompt)] + [(i, torch.arange(start, start + lengths[i])) for i in group]
        rows.append(torch.cat([ids[i, at] for i, at in columns]))
        places.append(torch.cat([positions[i][..., at] for i, at in columns], dim=-1).T)
        parts.append(torch.cat([torch.full((len(at),), part) for part, (_, at) in enumerate(columns)]))
        take += list(_foretelling(len(prompt), [lengths[i] for i in group]))
        first.append(group[0])
    width = max(map(len, rows))
    offsets = [place * width for place, group in enumerate(_group_sizes(first, len(ids))) for _ in range(group)]
    position_ids = pad_sequence(places, batch_first=True).movedim(-1, 0)
    return Packed(
        input_ids=pad_sequence(rows, batch_first=True),
        position_ids=position_ids[0] if is_flat else position_ids,
        mask=_visible(pad_sequence(parts, batch_first=True, padding_value=-1)),
        take=pad_sequence([row + offset for row, offset in zip(take, offsets, strict=True)], batch_first=True),
        first=first,
    )


def _same_prompt(ids: Tensor, seen: Tensor) -> Iterator[list[int]]:
    """Yield rows that follow one another with the same prompt."""
    group = [0]
    for row in range(1, len(ids)):
        if not (ids[row].equal(ids[group[0]]) and seen[row].equal(seen[group[0]])):
            yield group
            group = []
        group.append(row)
    yield group


def _group_sizes(first: Sequence[int], count: int) -> list[int]:
    return [end - begin for begin, end in zip(first, [*first[1:], count], strict=True)]


def _foretelling(prompt: int, lengths: Sequence[int]) -> Iterator[Tensor]:
    """Yield for each reply the places before its tokens: the prompt's last for the first, then its own."""
    import torch

    begin = prompt
    for length in lengths:
        places = torch.arange(begin - 1, begin - 1 + length)
        places[0] = prompt - 1
        yield places
        begin += length


def _visible(parts: Tensor) -> Tensor:
    """Return which tokens see which: ``parts`` (prompts, width) is 0 in a prompt, 1, 2, … in replies, -1 in padding."""
    import torch

    width = parts.size(1)
    same = parts[:, :, None] == parts[:, None, :]
    earlier = torch.ones(width, width, dtype=torch.bool).tril()  # padding sees padding: no row may see nothing
    return ((same | (parts[:, None, :] == 0)) & earlier)[:, None]


def _with_a_column(logits: Tensor) -> Tensor:
    from torch.nn.functional import pad

    return pad(logits, (0, 0, 0, 1))


def _short(micro_batch: MicroBatch, packed: Packed, longest: int) -> MicroBatch:
    """Return the micro-batch with replies cut to the longest, and each image given once for each prompt."""
    short = dict(micro_batch, responses=micro_batch["responses"][:, :longest])
    if "multi_modal_inputs" in micro_batch:
        inputs = micro_batch["multi_modal_inputs"].copy()
        for row in range(len(inputs)):
            if row not in packed.first:
                inputs[row] = {}
        short["multi_modal_inputs"] = inputs
    return short
