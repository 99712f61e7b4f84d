"""Penalties that shape a reward, off by default: for overlong and for repetitive responses. They are subtracted.

    overlong    0 up to ``tokens`` - ``buffer``, then rising evenly to its weight at ``tokens``, and all of it beyond:
                DAPO's soft overlong punishment (arXiv 2503.14476, equation 13; verl 0.9.1,
                verl/workers/reward_manager/dapo.py:121-126)
    repetition  its weight times the share of n-grams that repeat an earlier one: that of Open-R1
                (huggingface/open-r1, src/open_r1/rewards.py, get_repetition_penalty_reward), after Yeo et al. 2025
                (arXiv 2502.03373)

A response is in tokens where the trainer counts them (``response_length``); its n-grams are of words, and of single
Chinese characters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infimed_plugins.errors import ConfigError

_UNIT = re.compile(r"[一-鿿]|[^\s一-鿿]+")


@dataclass(frozen=True)
class Shaping:
    """The penalties of a run. ``overlong_tokens`` is the longest response, 0 for no such penalty; ``overlong_buffer``
    how many tokens before it the penalty begins; ``repetition_penalty`` 0 for none. Raises ConfigError."""

    overlong_tokens: int = 0
    overlong_buffer: int = 0
    overlong_penalty: float = 1.0
    repetition_penalty: float = 0.0
    repetition_ngram: int = 3

    def __post_init__(self) -> None:
        for name in ("overlong_penalty", "repetition_penalty"):
            if not 0 <= (value := getattr(self, name)) < math.inf:
                raise ConfigError(f"{name} is {value!r}; it must be a number of at least 0")
        if not 0 <= self.overlong_buffer <= self.overlong_tokens:
            most = self.overlong_tokens
            raise ConfigError(
                f"overlong_buffer is {self.overlong_buffer}; it must be from 0 to overlong_tokens, {most}"
            )
        if self.repetition_ngram < 1:
            raise ConfigError(f"repetition_ngram is {self.repetition_ngram}; it must be at least 1")

    def penalties(self, row: Any) -> dict[str, float]:
        """Return the penalties that are on, ``overlong`` and ``repetition``, each from 0 to its weight.

        Raises ConfigError for a row without ``response_length``, which the first needs.
        """
        found = {}
        if self.overlong_tokens:
            found["overlong"] = self.overlong_penalty * self._overlong(row)
        if self.repetition_penalty:
            text = row.get("response") if isinstance(row, Mapping) else None
            found["repetition"] = self.repetition_penalty * repeated_share(text, self.repetition_ngram)
        return found

    def _overlong(self, row: Any) -> float:
        length = row.get("response_length") if isinstance(row, Mapping) else None
        if not isinstance(length, (int, float)):
            raise ConfigError("overlong_tokens needs response_length in each row, in tokens; EasyR1 and TRL pass it")
        beyond = length - (self.overlong_tokens - self.overlong_buffer)
        if beyond <= 0:
            return 0.0
        return 1.0 if beyond >= self.overlong_buffer else beyond / self.overlong_buffer


def repeated_share(text: Any, n: int) -> float:
    """Return the share of a text's n-grams that repeat an earlier one, in [0, 1]; 0 for a text shorter than that."""
    units = _UNIT.findall(text.casefold()) if isinstance(text, str) else []
    grams = list(zip(*(units[start:] for start in range(n)), strict=False))
    return 1.0 - len(set(grams)) / len(grams) if grams else 0.0
