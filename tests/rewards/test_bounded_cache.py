"""What readers and rewards remember is bounded by its size."""

from __future__ import annotations

import random
import tracemalloc

from infimed_plugins import bounded_cache
from infimed_plugins.bounded_cache import MOST_BYTES, cached
from infimed_plugins.rewards import compute_score


def test_golds_of_any_length_are_held_within_the_bound() -> None:
    words, draw = [f"word{number}" for number in range(20_000)], random.Random(1)
    bounded_cache.clear()
    tracemalloc.start()
    try:
        for _ in range(40):
            text = " ".join(draw.choices(words, k=12_000))  # 100 kB
            rows = [{"response": "<think>a</think><answer>liver</answer>", "ground_truth": text}] * 2
            assert [row["format"] for row in compute_score(rows)] == [1.0, 1.0]
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < MOST_BYTES


def test_a_full_cache_is_emptied_and_filled_again() -> None:
    asked: list[str] = []

    @cached(1000)
    def length(text: str) -> int:
        asked.append(text)
        return len(text)

    assert [length("a"), length("a")] == [1, 1]
    assert length("b" * (MOST_BYTES // 10)) == MOST_BYTES // 10
    assert length("a") == 1
    assert [text[:1] for text in asked] == ["a", "b", "a"]
