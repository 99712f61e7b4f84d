"""Images written once, under the hash of their bytes: ``images/ab/ab3f….png`` below a root folder.

An 8-bit grey or RGB PNG or JPEG is stored as it is; any other 8-bit image is converted to an RGB PNG. What the
trainers would read wrongly or choke on is refused with the reason.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from infimed_plugins.errors import DataError, MissingExtraError
from infimed_plugins.export import whole_file
from infimed_plugins.records import ImageRef

SUFFIXES = {"PNG": ".png", "JPEG": ".jpg"}
MAX_ASPECT_RATIO = 200  # Qwen2.5-VL's image processor refuses more (transformers, smart_resize)


class ImageStore:
    """A content-addressed folder of images below ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: dict[str, str] = {}  # hash of the bytes handed in -> path in the store

    def add(self, image: ImageRef) -> str:
        """Store an image and give its path relative to the root. Raises DataError when it cannot be used."""
        data = image.read()
        digest = hashlib.sha256(data).hexdigest()
        if digest not in self._known:
            self._known[digest] = self._write(*usable(data, image.path or "in memory"))
        return self._known[digest]

    def _write(self, data: bytes, suffix: str) -> str:
        name = hashlib.sha256(data).hexdigest()
        relative = f"images/{name[:2]}/{name}{suffix}"
        if not (self.root / relative).exists():
            with whole_file(self.root / relative) as partial:
                partial.write_bytes(data)
        return relative


def usable(data: bytes, name: str) -> tuple[bytes, str]:
    """The bytes to store and their file suffix.

    Raises:
        DataError: the image does not open, is over 8 bits deep, or is longer than the trainers accept.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise MissingExtraError("writing images", "PIL", "data") from error

    try:
        with Image.open(io.BytesIO(data)) as opened:
            opened.load()
            if opened.mode[0] in "IF":
                # convert("RGB") clips these to 255, which turns a radiograph white
                raise DataError(f"image {name} has over 8 bits a channel; scale it to 8 bits first")
            if max(opened.size) > MAX_ASPECT_RATIO * min(opened.size):
                raise DataError(f"image {name} is {opened.width} x {opened.height}: sides differ over 200 times")
            if opened.format in SUFFIXES and opened.mode in ("RGB", "L"):
                return data, SUFFIXES[opened.format]
            buffer = io.BytesIO()
            opened.convert("RGB").save(buffer, format="PNG")
            return buffer.getvalue(), SUFFIXES["PNG"]
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError) as error:
        raise DataError(f"image {name} does not open: {error}") from error
