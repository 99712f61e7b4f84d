"""The nearest of many unit vectors, exactly, a block at a time.

    nearest(queries, benchmark_vectors, above=0.95)    # (numbers, cosines); number -1 where none is above

The matrix product is all the work: of each block only the maxima are looked at, and the products of two whole sets
(188,000 x 150,000 would be 113 GB) are never in memory. In float32: rounded to bfloat16, pairs near 0.95 are lost.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLOCK = 16_384  # vectors of the table at a time: smaller ones keep the matrix product waiting

Vectors = NDArray[np.float32]


def nearest(
    queries: Vectors, table: Vectors, *, above: float = -2.0, block: int = BLOCK
) -> tuple[NDArray[np.int64], Vectors]:
    """The number of the nearest entry of each query and its cosine, if that is greater than ``above``."""
    numbers = np.full(len(queries), -1, dtype=np.int64)
    cosines: Vectors = np.full(len(queries), above, dtype=np.float32)
    room: Vectors = np.empty(len(queries) * min(block, max(1, len(table))), dtype=np.float32)
    for start in range(0, len(table), block):
        part = table[start : start + block]
        product = np.matmul(queries, part.T, out=room[: len(queries) * len(part)].reshape(len(queries), len(part)))
        highest = product.max(axis=1)
        better = np.flatnonzero(highest > cosines)
        if len(better):
            numbers[better] = start + product[better].argmax(axis=1)
            cosines[better] = highest[better]
    return numbers, cosines
