"""Images made fit for the trainers: prepare.py does it, dicom.py reads DICOM, metadata.py drops the words in files."""

from infimed_plugins.images.metadata import without_words
from infimed_plugins.images.prepare import (
    FACTOR,
    FORMATS,
    JPEG_QUALITY,
    MAX_DECODED_PIXELS,
    MIN_PIXELS,
    TURNED,
    PreparedImage,
    decode_image,
    image_size,
    prepare_image,
    smart_resize,
    thumbnail,
)

__all__ = [
    "FACTOR",
    "FORMATS",
    "JPEG_QUALITY",
    "MAX_DECODED_PIXELS",
    "MIN_PIXELS",
    "TURNED",
    "PreparedImage",
    "decode_image",
    "image_size",
    "prepare_image",
    "smart_resize",
    "thumbnail",
    "without_words",
]
