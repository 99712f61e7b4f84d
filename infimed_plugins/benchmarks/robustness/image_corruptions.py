"""Images made worse in five steps, without changing their size: boxes stay where they are.

    level        1      2      3      4      5
    noise        8     16     24     40     64      standard deviation of Gaussian noise, of 255
    blur         2      4      6     10     16      standard deviation in pixels of an image whose shorter side is 512
    jpeg        50     30     15      8      4      quality
    contrast  0.75   0.50   0.35   0.20   0.10      distance from the mean gray that is left
    resolution   2      3      4      6      8      times smaller, then enlarged again

The tables are ours. The noise is drawn from the picture itself: the same picture gets the same noise in every question
about it, at every level times another factor, in every run; so questions still cluster by image. A degraded ImageRef
reads and degrades when it is read, and holds nothing.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from infimed_plugins.errors import ConfigError
from infimed_plugins.images import decode_image
from infimed_plugins.records import ImageRef, Sample

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

SEVERITIES: Mapping[str, tuple[float, ...]] = {
    "noise": (8, 16, 24, 40, 64),
    "blur": (2, 4, 6, 10, 16),
    "jpeg": (50, 30, 15, 8, 4),
    "contrast": (0.75, 0.5, 0.35, 0.2, 0.1),
    "resolution": (2, 3, 4, 6, 8),
}
LEVELS = (1, 2, 3, 4, 5)
BLUR_SIDE = 512  # pixels
_PNG_LEVEL = 1  # read once and sent: speed counts more than size


def degrade(sample: Sample, kind: str, level: int) -> Sample | None:
    """Degrade every image of the sample; None without images. Raises ConfigError for an unknown kind or level."""
    check_level(kind, level)
    if not sample.images:
        return None
    return replace(sample, images=tuple(degraded_image(image, kind, level) for image in sample.images))


def degraded_image(image: ImageRef, kind: str, level: int) -> ImageRef:
    """Return the image, degraded whenever it is read. Reading raises DataError as that of the image itself does."""
    name = image.sha256() if image.path is None else image.path or "in memory"  # a path tells images apart
    return ImageRef(path=f"{name}~{kind}{level}", reader=partial(_read, image, kind, level))


def degraded_bytes(data: bytes, kind: str, level: int, name: str = "in memory") -> bytes:
    """Degrade an encoded image and encode it anew, as PNG (``jpeg``: as JPEG); the same bytes every time.

    Raises DataError naming an image that does not open, ConfigError for an unknown kind or level, and MissingExtraError
    without Pillow.
    """
    check_level(kind, level)
    buffer, quality = io.BytesIO(), int(SEVERITIES["jpeg"][level - 1])
    if kind == "jpeg":
        decode_image(data, name).save(buffer, format="JPEG", quality=quality)
    else:
        _degraded(decode_image(data, name), kind, level, data).save(buffer, format="PNG", compress_level=_PNG_LEVEL)
    return buffer.getvalue()


def check_level(kind: str, level: int) -> None:
    """Raise ConfigError for a kind or level that is not in the table."""
    if kind not in SEVERITIES:
        raise ConfigError(f"unknown degradation {kind!r}; one of {', '.join(SEVERITIES)}")
    if level not in LEVELS:
        raise ConfigError(f"{kind} has the levels 1 to 5, such as {kind}:3; not {level!r}")


def _read(image: ImageRef, kind: str, level: int) -> bytes:
    return degraded_bytes(image.read(), kind, level, image.path or "in memory")


def _degraded(image: PILImage, kind: str, level: int, data: bytes) -> PILImage:
    import numpy as np
    from PIL import Image, ImageEnhance, ImageFilter

    amount = SEVERITIES[kind][level - 1]
    if kind == "blur":
        return image.filter(ImageFilter.GaussianBlur(amount * min(image.size) / BLUR_SIDE))
    if kind == "contrast":
        return ImageEnhance.Contrast(image).enhance(amount)
    if kind == "resolution":
        small = (max(1, round(image.width / amount)), max(1, round(image.height / amount)))
        return image.resize(small, Image.Resampling.BOX).resize(image.size, Image.Resampling.BICUBIC)
    pixels = np.asarray(image, dtype=np.float32)
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(data).digest()[:8], "big"))
    gray = rng.standard_normal(pixels.shape[:2], dtype=np.float32)  # medical images are gray: no colored noise
    return Image.fromarray(np.clip(np.rint(pixels + amount * gray[..., None]), 0, 255).astype(np.uint8))
