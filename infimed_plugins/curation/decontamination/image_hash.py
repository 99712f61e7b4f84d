"""The same image again: by its bytes, and by a perceptual hash that outlives resizing, encoding and turning.

    hash_image(Path("ct.jpg").read_bytes()).hashes                 # (0x9c3f…,): one number of 64 bits
    hash_image(Path("ct.jpg").read_bytes(), ORIENTATIONS).hashes   # eight: upright, mirrored, upside down …

The hash is imagehash's pHash: the 64 lowest frequencies of the image at 32 x 32 pixels, each above or below their
median. Half of its bits are set, so two hashes differ by an even number of bits. A crop moves every frequency and
escapes; tests/benchmarks/bench_decontamination.py prints what is found at which distance.
"""

from __future__ import annotations

import hashlib
import importlib
import io
from collections.abc import Iterable, MutableMapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infimed_plugins.errors import DataError, MissingExtraError
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
HASHED_SIDE = 32  # what pHash looks at
DRAFT_SIDE = 128  # a JPEG is decoded at 1/2, 1/4 or 1/8 of its size, never below this
MOST_KNOWN = 20_000  # images whose hashes are kept, 1.5 kB each, for rows that show one again
FLAT = 3.0  # standard deviation of the grey levels below which the hash is of noise alone


@dataclass(frozen=True)
class ImageHash:
    """``hashes`` are those of the orientations asked for; none of a flat image, which only its bytes can tell.

    ``small`` is the image at 32 x 32 grey pixels, for a second look where hashes agree.
    """

    sha256: str
    hashes: tuple[int, ...]
    small: bytes = field(repr=False)


def hash_image(data: bytes, orientations: Iterable[str] = (UPRIGHT,), name: str = "in memory") -> ImageHash:
    """The hashes of an encoded image. Raises DataError naming it when it does not open."""
    small = _small_grey(data, name)
    digest = hashlib.sha256(data).hexdigest()
    if np.asarray(small).std() < FLAT:
        return ImageHash(digest, (), small.tobytes())
    hashes = tuple(_phash(_turned(small, orientation)) for orientation in orientations)
    return ImageHash(digest, hashes, small.tobytes())


def hash_images(
    images: Sequence[ImageRef],
    pool: Executor,
    known: MutableMapping[str, ImageHash],
    orientations: Iterable[str] = (UPRIGHT,),
) -> list[ImageHash | None]:
    """The hashes of many images, in their order, None for one that does not open. ``known``, by sha256, is added to."""
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


def _small_grey(data: bytes, name: str) -> PILImage:
    image = _draft(data) or decode_image(data, name)
    resampling = _pil().Resampling.LANCZOS
    return image.convert("L").resize((HASHED_SIDE, HASHED_SIDE), resampling, reducing_gap=3.0)


def _draft(data: bytes) -> PILImage | None:
    """A JPEG decoded at a fraction of its size; None for anything else, or where decode_image should say what is wrong.

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


def _phash(small: PILImage) -> int:
    bits: NDArray[np.bool_] = _imagehash().phash(small).hash
    return int.from_bytes(np.packbits(bits.ravel()).tobytes(), "big")


def _imagehash() -> Any:
    try:
        return importlib.import_module("imagehash")
    except ImportError as error:
        raise MissingExtraError("hashing images", "imagehash", extra="data") from error


def _pil() -> Any:
    try:
        return importlib.import_module("PIL.Image")
    except ImportError as error:
        raise MissingExtraError("reading images", "PIL", extra="data") from error
