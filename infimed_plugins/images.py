"""Encoded images made fit for the trainers: 8-bit RGB, upright, one frame, within the pixel limit.

    palette, RGBA, LA    onto white where they are transparent: diagrams are drawn in black
    CMYK, 1-bit, YCbCr   to RGB
    16 and 32 bits       the range from the lowest to the highest value becomes 0 to 255: nothing saturates
    DICOM                its window applied, MONOCHROME1 inverted (dicom.py)
    EXIF rotation        applied
    several frames       the first one
    cut off, a bomb, a strip of 200 to 1   refused

What is an 8-bit grey or RGB PNG or JPEG already, and within the limit, keeps its bytes. A JPEG that must be written
again becomes a JPEG of quality 95, anything else a PNG.
"""

from __future__ import annotations

import io
import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infimed_plugins.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

FACTOR = 28  # Qwen2.5-VL: patches of 14, two by two merged
MIN_PIXELS = 4 * FACTOR * FACTOR
MAX_ASPECT_RATIO = 200  # Qwen2.5-VL's image processor refuses more (transformers, smart_resize)
MAX_DECODED_PIXELS = 100_000_000  # more is taken for a decompression bomb
SUFFIXES = {"PNG": ".png", "JPEG": ".jpg"}
JPEG_QUALITY = 95
PNG_LEVEL = 3  # a third of the time of the default 6, a few percent larger


@dataclass(frozen=True)
class PreparedImage:
    """Encoded bytes, their file suffix, the sizes before and after, and what was done that a manifest should count."""

    data: bytes
    suffix: str
    original: tuple[int, int]
    size: tuple[int, int]
    notes: tuple[str, ...] = ()


def prepare_image(data: bytes, name: str, max_pixels: int | None = None, exact: bool = False) -> PreparedImage:
    """Make an encoded image fit for the trainers. Raises DataError naming it when it cannot be used.

    An image over ``max_pixels`` is resized by Qwen's rule. With ``exact`` any image is, so that boxes in pixels of the
    result are pixels of what the model sees.
    """
    notes: list[str] = []
    opened = _open(data, name, notes)
    original, form = opened.size, opened.format
    if max(original) > MAX_ASPECT_RATIO * min(original):
        raise DataError(f"image {name} is {original[0]} x {original[1]}: sides differ over 200 times")
    size = original
    if max_pixels is not None and (exact or original[0] * original[1] > max_pixels):
        size = smart_resize(*original, max_pixels=max_pixels)
    if not notes and form in SUFFIXES and opened.mode in ("RGB", "L") and size == original:
        return PreparedImage(data, SUFFIXES[form], original, size)
    image = to_rgb(opened)
    if size != original:
        image = image.resize(size, _pil().Resampling.BICUBIC)  # as Qwen's processor does
        notes.append("resized to the pixel limit")
    if opened.mode not in ("RGB", "L"):
        notes.append(f"converted from {opened.mode}")
    buffer = io.BytesIO()
    if form == "JPEG":
        image.save(buffer, format="JPEG", quality=JPEG_QUALITY)
        return PreparedImage(buffer.getvalue(), ".jpg", original, size, tuple(notes))
    image.save(buffer, format="PNG", compress_level=PNG_LEVEL)
    return PreparedImage(buffer.getvalue(), ".png", original, size, tuple(notes))


def decode_image(data: bytes, name: str) -> PILImage:
    """An encoded image as 8-bit RGB, its size unchanged. Raises DataError naming it when it does not open."""
    return to_rgb(_open(data, name, []))


def image_size(data: bytes, name: str) -> tuple[int, int]:
    """Width and height from the header, before any EXIF rotation. Raises DataError naming it when it does not open."""
    module = _pil()
    try:
        with module.open(io.BytesIO(data)) as image:
            return int(image.width), int(image.height)
    except module.UnidentifiedImageError as error:
        raise DataError(f"image {name} does not open: no image format is known for it") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"image {name} does not open: {error}") from error


def smart_resize(
    width: int, height: int, *, max_pixels: int, min_pixels: int = MIN_PIXELS, factor: int = FACTOR
) -> tuple[int, int]:
    """Qwen2.5-VL's rule: both sides multiples of 28, the area within the limits, the aspect ratio nearly kept.

    Source: transformers, models/qwen2_vl/image_processing_qwen2_vl.py, smart_resize.
    """
    wide, high = (round(side / factor) * factor for side in (width, height))
    if wide * high > max_pixels:
        scale = math.sqrt(width * height / max_pixels)
        wide, high = (max(factor, math.floor(side / scale / factor) * factor) for side in (width, height))
    elif wide * high < min_pixels:
        scale = math.sqrt(min_pixels / (width * height))
        wide, high = (math.ceil(side * scale / factor) * factor for side in (width, height))
    return wide, high


def to_rgb(image: PILImage) -> PILImage:
    """Any mode as 8-bit RGB: transparency onto white, deep values scaled into 0 to 255."""
    if image.mode == "RGB":
        return image
    if image.mode[0] in "IF":
        return _scaled_to_8_bits(image).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        clear = image.convert("RGBA")
        white = _pil().new("RGBA", clear.size, "white")
        onto_white: PILImage = _pil().alpha_composite(white, clear).convert("RGB")
        return onto_white
    return image.convert("RGB")


def _open(data: bytes, name: str, notes: list[str]) -> PILImage:
    """The decoded first frame, upright; ``format`` says what it was."""
    module = _pil()
    if data[128:132] == b"DICM":
        return _from_dicom(data, name, notes)
    from PIL import ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of bombs and odd EXIF blocks: both are dealt with here
            image: PILImage = module.open(io.BytesIO(data))
            if image.width * image.height > MAX_DECODED_PIXELS:
                raise DataError(f"image {name} is {image.width} x {image.height}: refused as a decompression bomb")
            form = image.format
            if getattr(image, "n_frames", 1) > 1:
                notes.append("first of several frames")
                image.seek(0)
            image.load()
            if image.getexif().get(_ORIENTATION, 1) != 1:
                image = ImageOps.exif_transpose(image)
                notes.append("turned as EXIF says")
            image.format = form
            return image
    except module.UnidentifiedImageError as error:  # its own text holds an address in memory
        raise DataError(f"image {name} does not open: no image format is known for it") from error
    except (module.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise DataError(f"image {name} does not open: {error}") from error


_ORIENTATION = 0x0112


def _from_dicom(data: bytes, name: str, notes: list[str]) -> PILImage:
    from infimed_plugins.dicom import dicom_pixels

    image: PILImage = _pil().fromarray(dicom_pixels(data, name, notes, MAX_DECODED_PIXELS))
    return image


def _scaled_to_8_bits(image: PILImage) -> PILImage:
    import numpy as np

    values = np.asarray(image, dtype=np.float64)
    values = np.nan_to_num(values)
    low, high = float(values.min()), float(values.max())
    made: PILImage = _pil().fromarray(((values - low) * (255.0 / (high - low or 1.0))).round().astype("uint8"))
    return made


def _pil() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("reading images", "PIL", "data") from error
    return Image
