"""Caches by text that are bounded by the bytes they hold, as texts may be of any length."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

MOST_BYTES = 64 << 20  # in all caches of a process together
BYTES_A_CHARACTER = 24  # an argument and the words, codes and sets made of it
_F = TypeVar("_F", bound=Callable[..., Any])
_caches: list[Callable[[], None]] = []
_held = 0


def cached(maxsize: int, each: int = 500) -> Callable[[_F], _F]:
    """Cache like ``functools.lru_cache``, emptied with all others at MOST_BYTES; each result counts ``each`` bytes."""

    def decorate(function: _F) -> _F:
        @functools.lru_cache(maxsize)
        @functools.wraps(function)
        def kept(*args: Any) -> Any:
            global _held
            result = function(*args)
            _held += each + BYTES_A_CHARACTER * sum(map(_characters, args))
            if _held > MOST_BYTES:
                clear()
            return result

        _caches.append(kept.cache_clear)
        return cast(_F, kept)

    return decorate


def clear() -> None:
    """Empty all caches."""
    global _held
    _held = 0
    for cache_clear in _caches:
        cache_clear()


def _characters(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    return sum(map(_characters, value)) if isinstance(value, (tuple, list, frozenset)) else 4
