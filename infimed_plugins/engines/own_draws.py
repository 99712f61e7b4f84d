"""Samples that do not depend on their batch, out of transformers' ``generate``: each has random numbers of its own.

Example::

    draws = OwnDraws(numbers([1, 2], 64), start=prompt_length)
    model.generate(**inputs, do_sample=True, temperature=1.0, logits_processor=LogitsProcessorList([draws]))

``generate`` draws a whole batch from one generator, so that a reply would change with its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class OwnDraws:
    """A logits processor, the last: leaves each sequence the one token that its next number chooses."""

    def __init__(self, numbers: Any, start: int) -> None:
        self._numbers, self._start = numbers, start

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        import torch

        upto = torch.softmax(scores.double(), dim=-1).cumsum(dim=-1)
        step = input_ids.shape[1] - self._start
        at = self._numbers[:, step : step + 1].to(scores.device) * upto[:, -1:]
        chosen = torch.searchsorted(upto, at, right=True).clamp(max=scores.shape[1] - 1)
        return torch.full_like(scores, -torch.inf).scatter(1, chosen, 0.0)


def numbers(seeds: Sequence[int], length: int) -> Any:
    """A row of uniform numbers for each seed, as double precision: a vocabulary has 150,000 tokens."""
    import torch

    rows = [torch.rand(length, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return torch.stack(rows)
