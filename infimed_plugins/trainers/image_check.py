"""Whether a trainer could read an image, and would read what is in it."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from typing import Any

from infimed_plugins.errors import DataError, MissingExtraError
from infimed_plugins.images import FORMATS
from infimed_plugins.records import ImageRef
from infimed_plugins.trainers.faults import Fault

MAX_ASPECT_RATIO = 200  # Qwen2-VL's image processor refuses more (transformers, smart_resize)
_WIDE_MODES = ("I", "F")  # PIL's modes of more than 8 bits; ``I;16`` and its like start with I


def check_image(image: Any, where: str, *, max_aspect_ratio: float | None = None) -> tuple[int, int] | Fault:
    """(width, height) of an image, or its fault. A data set names it by path, bytes, or ``{"bytes": …, "path": …}``."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise MissingExtraError("checking images", "PIL", "data") from error

    reference = _reference(image)
    if reference is None:
        return Fault(where, f"an image is {type(image).__name__}, neither a path nor bytes", "give its path or bytes")
    try:
        encoded = reference.read()
    except DataError as error:
        return Fault(where, f"image {reference.path} cannot be read", f"{_after_semicolon(error)}, or drop the row")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(encoded), formats=FORMATS)
            picture.load()
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        name = reference.path or "in the row"
        return Fault(where, f"image {name} does not open ({error})", "fetch or write it again, or drop the row")
    if picture.mode.startswith(_WIDE_MODES):
        what = f"an image of more than 8 bits (mode {picture.mode}) would be clipped to white"
        return Fault(where, what, "window it and save it with 8 bits")
    ratio = max(picture.size) / min(picture.size)
    if max_aspect_ratio is not None and ratio > max_aspect_ratio:
        what = f"an image of {picture.width}×{picture.height} is more than {max_aspect_ratio:g} times as long as wide"
        return Fault(where, what, "crop it or drop the row")
    return picture.size


def _reference(image: Any) -> ImageRef | None:
    if isinstance(image, str):
        return ImageRef(path=image)
    if isinstance(image, bytes):
        return ImageRef(data=image)
    if isinstance(image, Mapping):
        if isinstance(image.get("bytes"), bytes):
            return ImageRef(data=image["bytes"])
        if isinstance(image.get("path"), str):
            return ImageRef(path=image["path"])
    return None


def _after_semicolon(error: DataError) -> str:
    return str(error).rpartition("; ")[2]
