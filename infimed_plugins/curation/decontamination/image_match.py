"""Match copies of an image: by bytes, and by a perceptual hash that survives resizing, re-encoding and rotation.

    hash_image(Path("ct.jpg").read_bytes()).hashes                 # (0x9c3f…,): one number of 64 bits
    hash_image(Path("ct.jpg").read_bytes(), ORIENTATIONS).hashes   # eight: upright, mirrored, upside down …
    index = ImageIndex()
    index.add(hash_image(benchmark_image, ORIENTATIONS))
    index.search([hash_image(image)], distance=6, correlation=0.98)    # [[ImageMatch(0, 2, "mirrored")]]

The hash is imagehash's pHash: the 64 lowest frequencies of the image at 32 x 32 pixels, each above or below their
median. Half of its bits are set, so two hashes differ by an even number of bits. A crop moves every frequency and
escapes; tests/measure/bench_decontamination.py prints what is found at which distance. Images are indexed in all
eight orientations, so that what is looked up is hashed once. Hashes of 64 bits take pictures of one kind, such as chest
X-rays, for each other; so where they agree the two images at 32 x 32 pixels are correlated.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, MutableMapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from infimed_plugins.errors import DataError, optional_module
from infimed_plugins.images import MAX_DECODED_PIXELS, decode_image
from infimed_plugins.records import ImageRef

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

UPRIGHT = "upright"
ORIENTATIONS = {
    UPRIGHT: None,
    "mirrored": "FLIP_LEFT_RIGHT",
    "upside down": "FLIP_TOP_BOTTOM",
    "turned by 180": "ROTATE_180",
    "turned by 90": "ROTATE_90",
    "turned by 270": "ROTATE_270",
    "transposed": "TRANSPOSE",
    "transverse": "TRANSVERSE",
}
_UNDONE_BY = {"turned by 90": "turned by 270", "turned by 270": "turned by 90"}  # the others undo themselves
HASHED_SIDE = 32  # pixels of a side that pHash looks at
DRAFT_SIDE = 128  # a JPEG is decoded at 1/2, 1/4 or 1/8 of its size, never below this
MOST_KNOWN = 20_000  # images whose hashes are kept, 1.5 kB each, for rows that show one again
_BLOCK = 1 << 15  # hashes compared at a time: they stay in the cache while every query passes
_SAME_FILE = -1  # before every orientation
FLAT = 3.0  # standard deviation of the gray levels below which the hash is of noise alone


@dataclass(frozen=True)
class ImageHash:
    """``hashes`` are those of the orientations asked for; none of a flat image, which only its bytes can tell.

    ``small`` is the image at 32 x 32 gray pixels, for a second look where hashes agree.
    """

    sha256: str
    hashes: tuple[int, ...]
    small: bytes = field(repr=False)


@dataclass(frozen=True)
class ImageMatch:
    """The number of an image in the index, the bits in which it differs, and how the image looked up is turned."""

    image: int
    distance: int
    orientation: str = UPRIGHT
    same_file: bool = False


def hash_image(data: bytes, orientations: Iterable[str] = (UPRIGHT,), name: str = "in memory") -> ImageHash:
    """Return the hashes of an encoded image. Raises DataError naming it when it does not open."""
    image = _draft(data) or decode_image(data, name)
    small = image.convert("L").resize((HASHED_SIDE, HASHED_SIDE), _pil().Resampling.LANCZOS, reducing_gap=3.0)
    digest = hashlib.sha256(data).hexdigest()
    if np.asarray(small).std() < FLAT:
        return ImageHash(digest, (), small.tobytes())
    bits = (_imagehash().phash(_turned(small, orientation)).hash for orientation in orientations)
    hashes = tuple(int.from_bytes(np.packbits(one.ravel()).tobytes(), "big") for one in bits)
    return ImageHash(digest, hashes, small.tobytes())


def hash_images(
    images: Sequence[ImageRef],
    pool: Executor,
    known: MutableMapping[str, ImageHash],
    orientations: Iterable[str] = (UPRIGHT,),
) -> list[ImageHash | None]:
    """Return the hashes of many images, None for one that does not open; they are added to ``known``, by sha256."""
    _imagehash()  # its absence is said here, not by a thread
    if len(known) > MOST_KNOWN:
        known.clear()
    asked: list[str | None] = []
    new: dict[str, tuple[bytes, str]] = {}
    for image in images:
        try:
            data = image.read()
        except DataError:
            asked.append(None)
            continue
        digest = hashlib.sha256(data).hexdigest()
        asked.append(digest)
        if digest not in known:
            new[digest] = (data, image.path or "in memory")
    wanted = tuple(orientations)
    made = pool.map(lambda work: _hash_or_none(work[0], work[1], wanted), new.values())
    known.update((digest, found) for digest, found in zip(new, made, strict=True) if found is not None)
    return [None if digest is None else known.get(digest) for digest in asked]


def _hash_or_none(data: bytes, name: str, orientations: Sequence[str]) -> ImageHash | None:
    try:
        return hash_image(data, orientations, name)
    except DataError:
        return None


def _draft(data: bytes) -> PILImage | None:
    """Return a JPEG decoded at a fraction of its size; None for any other file, or one that decode_image must judge.

    Turning it as its EXIF block says can be left out: the index holds every orientation.
    """
    if not data.startswith(b"\xff\xd8"):
        return None
    try:
        image: PILImage = _pil().open(io.BytesIO(data))
        if image.width * image.height > MAX_DECODED_PIXELS:
            return None
        image.draft("L", (DRAFT_SIDE, DRAFT_SIDE))
        image.load()
    except (_pil().DecompressionBombError, OSError, SyntaxError, ValueError):
        return None
    return image


def _turned(image: PILImage, orientation: str) -> PILImage:
    turn = ORIENTATIONS[orientation]
    return image if turn is None else image.transpose(_pil().Transpose[turn])


_pil = partial(optional_module, "PIL.Image", "reading images", "data")
_imagehash = partial(optional_module, "imagehash", "hashing images", "data")


class ImageIndex:
    """Images by their hashes, numbered in the order in which they were added."""

    def __init__(self) -> None:
        self.entries: list[ImageHash] = []
        self._numbers: dict[str, int] = {}
        self._arrays: tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.uint8]] | None = None

    def add(self, image: ImageHash) -> int:
        """Add an image hashed in all orientations and return its number; the same bytes keep the earlier number."""
        number = self._numbers.setdefault(image.sha256, len(self.entries))
        if number == len(self.entries):
            self.entries.append(image)
            self._arrays = None
        return number

    def search(self, images: Sequence[ImageHash], distance: int, correlation: float = 0.0) -> list[list[ImageMatch]]:
        """Return for each image the matching images of the index, the nearest first, each once."""
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
                ImageMatch(image, differing, tuple(ORIENTATIONS)[max(turn, 0)], turn == _SAME_FILE)
                for image, (differing, turn) in sorted(known.items(), key=lambda item: (item[1], item[0]))
            ]
            for known in best
        ]

    def _as_arrays(self) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.uint8]]:
        """Return the hashes, the image and orientation number of each hash, and the small image of each entry."""
        if self._arrays is None:
            hashes = [one for image in self.entries for one in image.hashes]
            places = [(number, turn) for number, image in enumerate(self.entries) for turn in range(len(image.hashes))]
            small = np.frombuffer(b"".join(image.small for image in self.entries), dtype=np.uint8)
            self._arrays = (
                np.array(hashes, dtype=np.uint64),
                np.array(places, dtype=np.int64).reshape(-1, 2),
                small.reshape(-1, HASHED_SIDE * HASHED_SIDE),
            )
        return self._arrays


def near(
    queries: NDArray[np.uint64], table: NDArray[np.uint64], distance: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of all query-entry pairs that differ by at most ``distance`` bits, and those bits.

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
    """Return the number of bits set in each value."""
    if hasattr(np, "bitwise_count"):
        counts: NDArray[np.uint8] = np.bitwise_count(values)
        return counts
    bits = np.unpackbits(np.ascontiguousarray(values)[..., None].view(np.uint8), axis=-1)  # numpy 1
    summed: NDArray[np.uint8] = bits.sum(axis=-1, dtype=np.uint8)
    return summed


def _correlations(query: bytes, small: NDArray[np.uint8], turns: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the correlation of an image with others that are turned; the image is turned back instead of them."""
    square = _pil().frombytes("L", (HASHED_SIDE, HASHED_SIDE), query)
    back = [np.asarray(_turned(square, _UNDONE_BY.get(name, name))).ravel() for name in ORIENTATIONS]
    products: NDArray[np.float32] = np.einsum("ij,ij->i", _normalized(small), _normalized(np.stack(back))[turns])
    return products


def _normalized(rows: NDArray[np.uint8]) -> NDArray[np.float32]:
    values = rows.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    norms = np.sqrt(np.einsum("ij,ij->i", values, values))[:, None]
    scaled: NDArray[np.float32] = values / np.maximum(norms, 1e-6)
    return scaled
