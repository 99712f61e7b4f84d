"""Many images by their hashes: which of them are a given image, whatever was done to it?

    index = ImageIndex()
    index.add(hash_image(benchmark_image, ORIENTATIONS))
    index.search([hash_image(image)], distance=6, correlation=0.98)    # [[ImageMatch(0, 2, "mirrored")]]

Images are added in all eight orientations, so that what is looked up is hashed once. Hashes of 64 bits take pictures
of one kind, such as chest X-rays, for each other; so where they agree the two images at 32 x 32 pixels are correlated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from infimed_plugins.curation.decontamination.image_hash import HASHED_SIDE, ORIENTATIONS, UPRIGHT, ImageHash

_BLOCK = 1 << 15  # hashes compared at a time: they stay in the cache while every query passes
_NAMES = tuple(ORIENTATIONS)
_SAME_FILE = -1  # before every orientation


@dataclass(frozen=True)
class ImageMatch:
    """The number of an image in the index, the bits in which it differs, and how the image looked up is turned."""

    image: int
    distance: int
    orientation: str = UPRIGHT
    same_file: bool = False


class ImageIndex:
    """Images by their hashes, numbered in the order in which they were added."""

    def __init__(self) -> None:
        self.shas: list[str] = []
        self._numbers: dict[str, int] = {}
        self._hashes: list[int] = []
        self._places: list[tuple[int, int]] = []  # of each hash: the number of the image, that of the orientation
        self._small: list[bytes] = []
        self._arrays: tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.uint8]] | None = None

    def add(self, image: ImageHash) -> int:
        """The number of an image hashed in all orientations, a new one unless its very bytes were added before."""
        if image.sha256 not in self._numbers:
            self._numbers[image.sha256] = len(self.shas)
            self._hashes += image.hashes
            self._places += [(len(self.shas), turn) for turn in range(len(image.hashes))]
            self._small.append(image.small)
            self.shas.append(image.sha256)
            self._arrays = None
        return self._numbers[image.sha256]

    def search(self, images: Sequence[ImageHash], distance: int, correlation: float = 0.0) -> list[list[ImageMatch]]:
        """For each image those of the index that match it, the nearest first, each once."""
        table, places, small = self._as_arrays()
        asked = [number for number, image in enumerate(images) if image.hashes]
        queries, entries, bits = near(np.array([images[n].hashes[0] for n in asked], np.uint64), table, distance)
        best: list[dict[int, tuple[int, int]]] = [{} for _ in images]  # of each image: (bits, orientation)
        for query in np.unique(queries):
            chosen = queries == query
            numbers, turns = places[entries[chosen]].T
            number = asked[query]
            alike = _correlations(images[number].small, small[numbers], turns) >= correlation
            for image, turn, differing in zip(
                *(v[alike].tolist() for v in (numbers, turns, bits[chosen])), strict=True
            ):
                best[number][image] = min(best[number].get(image, (64, 0)), (differing, turn))
        for known, one in zip(best, images, strict=True):
            if one.sha256 in self._numbers:
                known[self._numbers[one.sha256]] = (0, _SAME_FILE)
        return [
            [
                ImageMatch(image, differing, _NAMES[max(turn, 0)], turn == _SAME_FILE)
                for image, (differing, turn) in sorted(known.items(), key=lambda item: (item[1], item[0]))
            ]
            for known in best
        ]

    def _as_arrays(self) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.uint8]]:
        if self._arrays is None:
            self._arrays = (
                np.array(self._hashes, dtype=np.uint64),
                np.array(self._places, dtype=np.int64).reshape(-1, 2),
                np.frombuffer(b"".join(self._small), dtype=np.uint8).reshape(-1, HASHED_SIDE * HASHED_SIDE),
            )
        return self._arrays


def near(
    queries: NDArray[np.uint64], table: NDArray[np.uint64], distance: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The numbers of every query and entry that differ by at most ``distance`` bits, and by how many they do.

    The table is gone through in blocks that stay in the cache.
    """
    pairs: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []
    for start in range(0, len(table), _BLOCK):
        part = table[start : start + _BLOCK]
        for number, query in enumerate(queries):
            differing = popcount(part ^ query)
            if differing.min() <= distance:
                entries = np.flatnonzero(differing <= distance)
                pairs.append((np.full_like(entries, number), entries + start, differing[entries].astype(np.int64)))
    if not pairs:
        empty = np.empty(0, dtype=np.int64)
        return empty, empty, empty
    numbers, places, bits = (np.concatenate(part) for part in zip(*pairs, strict=True))
    return numbers, places, bits


def popcount(values: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """The bits set in each value."""
    if hasattr(np, "bitwise_count"):
        counts: NDArray[np.uint8] = np.bitwise_count(values)
        return counts
    bits = np.unpackbits(np.ascontiguousarray(values)[..., None].view(np.uint8), axis=-1)  # numpy 1
    summed: NDArray[np.uint8] = bits.sum(axis=-1, dtype=np.uint8)
    return summed


def _correlations(query: bytes, small: NDArray[np.uint8], turns: NDArray[np.int64]) -> NDArray[np.float32]:
    """Of one image with others, each of those turned: instead the one image is turned back."""
    square = np.frombuffer(query, dtype=np.uint8).reshape(HASHED_SIDE, HASHED_SIDE)
    back = _normalised(np.stack([_turned_back(square, name).ravel() for name in _NAMES]))
    products: NDArray[np.float32] = np.einsum("ij,ij->i", _normalised(small), back[turns])
    return products


def _turned_back(square: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    """Pillow turns against the clock, as numpy does; all but a quarter turn undo themselves."""
    turned: dict[str, NDArray[np.uint8]] = {
        UPRIGHT: square,
        "mirrored": square[:, ::-1],
        "upside down": square[::-1],
        "turned by 180": square[::-1, ::-1],
        "turned by 90": np.rot90(square, -1),
        "turned by 270": np.rot90(square, 1),
        "transposed": square.T,
        "transverse": square[::-1, ::-1].T,
    }
    return turned[name]


def _normalised(rows: NDArray[np.uint8]) -> NDArray[np.float32]:
    values = rows.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    norms = np.sqrt(np.einsum("ij,ij->i", values, values))[:, None]
    scaled: NDArray[np.float32] = values / np.maximum(norms, 1e-6)
    return scaled
