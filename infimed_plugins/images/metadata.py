"""Encoded images without what was written beside the picture: a scanner's export may name the patient there.

    PNG    tEXt, zTXt, iTXt and eXIf chunks
    JPEG   comments, and the Exif, XMP and IPTC segments (APP1, APP13)

Pixels, colour profiles and resolution stay, byte for byte.
"""

from __future__ import annotations

import struct

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_PNG_WORDS = (b"tEXt", b"zTXt", b"iTXt", b"eXIf")
_JPEG_WORDS = (0xE1, 0xED, 0xFE)
_START_OF_SCAN = 0xDA


def without_words(data: bytes) -> bytes:
    """A PNG or JPEG without such parts; the same object where it has none, or is no whole file of these forms."""
    parts = _png_parts(data) if data.startswith(_PNG) else _jpeg_parts(data) if data.startswith(_JPEG) else None
    return data if parts is None else b"".join(data[start:end] for start, end in parts)


def _png_parts(data: bytes) -> list[tuple[int, int]] | None:
    """What to keep, as slices; None for everything."""
    kept, at, dropped = [(0, len(_PNG))], len(_PNG), False
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 12 + length
        if data[at + 4 : at + 8] in _PNG_WORDS:
            dropped = True
        else:
            kept.append((at, end))
        at = end
    return [*kept, (at, len(data))] if dropped and at <= len(data) else None


def _jpeg_parts(data: bytes) -> list[tuple[int, int]] | None:
    """What to keep, as slices; None for everything. Behind the start of the scan there are no such segments."""
    kept, at, dropped = [(0, len(_JPEG))], len(_JPEG), False
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == _START_OF_SCAN:
            return [*kept, (at, len(data))] if dropped else None
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _JPEG_WORDS:
            dropped = True
        else:
            kept.append((at, end))
        at = end
    return None
