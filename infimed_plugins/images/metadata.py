"""Strip encoded images of metadata: a scanner's export may name the patient beside the picture.

    PNG    IHDR, IDAT, IEND, and the resolution (pHYs)
    JPEG   tables, frames and scans; JFIF's and Adobe's headers, cut to their numbers

Whatever else stands in a file is left out: texts, Exif, XMP, IPTC, color profiles (they hold texts, and no trainer
applies them), thumbnails, unknown chunks, and all bytes between the parts and behind the end mark. The coded
pixels stay, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_PNG_PARTS = {b"IHDR": 13, b"IDAT": 1 << 31, b"pHYs": 9}  # and the most bytes that each may have
_PNG_END, _JPEG_END = b"\0\0\0\0IEND\xaeB`\x82", b"\xff\xd9"
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
# marker: how such a segment begins, how many of its bytes are numbers, and what stands for its thumbnail
_HEADERS = {0xE0: (b"JFIF\0", 12, b"\0\0"), 0xEE: (b"Adobe", 12, b"")}
_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
_CODING = {*range(0xC0, 0xD0), _START_OF_SCAN, 0xDB, 0xDC, 0xDD} - {0xC8}  # ITU T.81, table B.1
_MARKER = re.compile(rb"\xff([^\0\xff])", re.DOTALL)
_BEHIND_SCAN = re.compile(rb"\xff[^\0\xff\xd0-\xd7]", re.DOTALL)


def strip_metadata(data: bytes) -> bytes:
    """Return a PNG or JPEG without metadata; the same object where it holds none, or is of another format.

    The whole parts of a truncated file remain.
    """
    parts = _png_parts(data) if data.startswith(_PNG) else _jpeg_parts(data) if data.startswith(_JPEG) else (data,)
    made = b"".join(parts)
    return data if made == data else made


def _png_parts(data: bytes) -> Iterator[bytes]:
    yield _PNG
    at, name, seen = len(_PNG), b"", set[bytes]()
    while at + 12 <= len(data) and name != b"IEND":
        name, length = data[at + 4 : at + 8], int.from_bytes(data[at : at + 4], "big")
        start, at = at, at + 12 + length
        fits = length <= _PNG_PARTS.get(name, -1) and at <= len(data)
        if fits and (name == b"IDAT" or name not in seen):
            seen.add(name)
            yield data[start:at]
    if b"IDAT" in seen:
        yield _PNG_END


def _jpeg_parts(data: bytes) -> Iterator[bytes]:
    yield _JPEG
    at, seen = len(_JPEG), set[int]()
    while (found := _MARKER.search(data, at)) and (marker := found[1][0]) != _END_OF_IMAGE:
        start, at = found.span()
        if marker in _ALONE:
            continue
        at += int.from_bytes(data[at : at + 2], "big")
        if marker == _START_OF_SCAN:
            behind = _BEHIND_SCAN.search(data, at)
            at = behind.start() if behind else len(data)
        if at > len(data):
            break
        begins, size, behind_it = _HEADERS.get(marker, (b"", 0, b""))
        if marker in _CODING:
            yield data[start:at]
        elif size and marker not in seen and data.startswith(begins, start + 4) and at - start >= 4 + size:
            numbers = data[start + 4 : start + 4 + size] + behind_it
            yield data[start : start + 2] + (len(numbers) + 2).to_bytes(2, "big") + numbers
        else:
            continue
        seen.add(marker)
    if _START_OF_SCAN in seen:
        yield _JPEG_END
