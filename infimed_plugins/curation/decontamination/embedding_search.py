"""The nearest of many unit vectors, exactly, a block at a time.

    nearest(queries, benchmark_vectors, above=0.95)    # (numbers, cosines); number -1 where none is above

The matrix product is all the work: of each block only the maxima are looked at, by as many threads as the product has,
and the products of two whole sets (188,000 x 150,000 would be 113 GB) are never in memory. In float32: rounded to
bfloat16, pairs near 0.95 are lost.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray

BLOCK = 4_096  # vectors of the table at a time: fewer keep the product waiting, more push it out of the cache
MOST_THREADS = 8  # for the maxima, which memory bounds

Vectors = NDArray[np.float32]


def nearest(
    queries: Vectors, table: Vectors, *, above: float = -2.0, block: int = BLOCK
) -> tuple[NDArray[np.int64], Vectors]:
    """The number of the nearest entry of each query and its cosine, if that is greater than ``above``."""
    numbers = np.full(len(queries), -1, dtype=np.int64)
    cosines: Vectors = np.full(len(queries), above, dtype=np.float32)
    highest: Vectors = np.empty(len(queries), dtype=np.float32)
    room: Vectors = np.empty(len(queries) * min(block, max(1, len(table))), dtype=np.float32)
    *bounds, last = np.linspace(0, len(queries), _threads() + 1).astype(int).tolist()
    with ThreadPoolExecutor(len(bounds)) as pool:
        for start in range(0, len(table), block):
            part = table[start : start + block]
            product = np.matmul(queries, part.T, out=room[: len(queries) * len(part)].reshape(len(queries), len(part)))
            others = pool.map(partial(_maxima, product, highest), bounds, bounds[1:])
            _maxima(product, highest, bounds[-1], last)  # this thread takes a share, too
            list(others)
            better = np.flatnonzero(highest > cosines)
            if len(better):
                numbers[better] = start + product[better].argmax(axis=1)
                cosines[better] = highest[better]
    return numbers, cosines


def _maxima(product: Vectors, highest: Vectors, first: int, end: int) -> None:
    np.max(product[first:end], axis=1, out=highest[first:end])


def _threads() -> int:
    """As many as run the product, up to a point: numpy's libraries heed this variable, else they take every core."""
    named = os.environ.get("OMP_NUM_THREADS", "")
    return min(MOST_THREADS, int(named) if named.isdigit() and int(named) else os.cpu_count() or 1)
