"""Make encoded images fit for the trainers: 8-bit RGB, upright, one frame, within the pixel limit.

    palette, RGBA, LA    onto white where they are transparent: diagrams are drawn in black
    one clear color      the same, for a gray or RGB PNG that names one
    CMYK, 1-bit, YCbCr   to RGB
    16 and 32 bits       the range from the lowest to the highest value becomes 0 to 255: nothing saturates
    16 bits a color      the leading bits of the highest value become 8: 12 bits of 16 are not nearly black
    DICOM                its window applied, MONOCHROME1 inverted (dicom.py)
    EXIF rotation        applied
    several frames       the first one
    torn files, decompression bombs, sides over 200 to 1   refused

An 8-bit gray or RGB PNG or JPEG within the limit keeps its bytes, except for metadata. A JPEG that
must be written again becomes a JPEG of quality 95, anything else a PNG.
"""

from __future__ import annotations

import io
import math
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from infimed_plugins.errors import DataError, InfimedError, optional_module
from infimed_plugins.families import DEFAULT, Family
from infimed_plugins.images.metadata import strip_metadata as strip_metadata
from infimed_plugins.limits import check, limit

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

MAX_ASPECT_RATIO = 200  # Qwen2.5-VL's image processor refuses more (transformers, smart_resize)
MAX_DECODED_PIXELS = limit("pixels")  # more is taken for a decompression bomb
FORMATS = ("PNG", "JPEG", "JPEG2000", "WEBP", "TIFF", "BMP", "DIB", "GIF", "PPM")  # the formats used in medicine
SUFFIXES = {"PNG": ".png", "JPEG": ".jpg"}
JPEG_QUALITY, THUMBNAIL_QUALITY = 95, 80
PNG_LEVEL = 3  # a third of the time of the default 6, a few percent larger
FIRST_FRAME = "first of several frames"  # a note
TURNED = "turned as EXIF says"  # a note; boxes on such a picture may be in either frame


@dataclass(frozen=True)
class PreparedImage:
    """Encoded bytes, their file suffix, the sizes before and after, and what was done that a manifest should count."""

    data: bytes
    suffix: str
    original: tuple[int, int]
    size: tuple[int, int]
    notes: tuple[str, ...] = ()


def prepare_image(
    data: bytes, name: str, max_pixels: int | None = None, exact: bool = False, family: Family = DEFAULT
) -> PreparedImage:
    """Make an encoded image fit for the trainers. Raises DataError naming it when it cannot be used.

    An image over ``max_pixels`` is resized by Qwen's rule. With ``exact`` any image is, to the size at which a model of
    the ``family`` sees it, so that boxes in pixels of the result are pixels of what the model sees.
    """
    notes: list[str] = []
    opened = _open(data, name, notes)
    original, form = opened.size, opened.format
    size = _size_within(original, name, max_pixels, exact, family)
    clear = " with a clear colour" if opened.mode in ("RGB", "L") and "transparency" in opened.info else ""
    as_it_is = not notes or (form == "JPEG" and notes == [FIRST_FRAME])  # a phone's: the second lies behind the end
    if as_it_is and form in SUFFIXES and opened.mode in ("RGB", "L") and not clear and size == original:
        kept = strip_metadata(data)
        notes += [] if kept is data or notes else ["stripped of metadata"]
        return PreparedImage(kept, SUFFIXES[form], original, size, tuple(notes))
    with _refusing(name):
        image = to_rgb(opened)
    if size != original:
        image = image.resize(size, _pil().Resampling.BICUBIC)  # as Qwen's processor does
        notes.append("resized to the pixel limit")
    if clear or opened.mode not in ("RGB", "L"):
        notes.append(f"converted from {opened.mode}{clear}")
    image.info.clear()  # Pillow would write the comment and the profile again
    form = form if form == "JPEG" else "PNG"
    how = {"quality": JPEG_QUALITY} if form == "JPEG" else {"compress_level": PNG_LEVEL}
    return PreparedImage(_encoded(image, form, **how), SUFFIXES[form], original, size, tuple(notes))


def decode_image(data: bytes, name: str) -> PILImage:
    """Return an image as 8-bit RGB, its size unchanged. Raises DataError naming it when it does not open."""
    opened = _open(data, name, [])
    with _refusing(name):
        image = to_rgb(opened)
    image.info.clear()  # metadata, which Pillow would write again
    return image


def thumbnail(data: bytes, name: str, side: int, boxes: Iterable[Sequence[float]] = ()) -> bytes:
    """Return a JPEG of at most ``side`` pixels a side, without metadata, boxes (in pixels of the image) drawn in.

    Raises DataError when it does not decode.
    """
    image = decode_image(data, name)
    if boxes:
        from PIL import ImageDraw

        for box in boxes:
            ImageDraw.Draw(image).rectangle(tuple(box), outline=(255, 60, 60), width=max(1, max(image.size) // 150))
    image.thumbnail((side, side))
    return _encoded(image, "JPEG", quality=THUMBNAIL_QUALITY)


def _encoded(image: PILImage, form: str, **how: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=form, **how)
    return buffer.getvalue()


def image_size(data: bytes, name: str) -> tuple[int, int]:
    """Return (width, height) from the header, before any EXIF rotation. Raises DataError if it does not open."""
    with _header(data, name) as image:
        return int(image.width), int(image.height)


def to_rgb(image: PILImage) -> PILImage:
    """Return an image of any mode as 8-bit RGB: transparency onto white, deep values scaled into 0 to 255."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode[0] in "IF":
        return _scaled_to_8_bits(image).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        clear = image.convert("RGBA")
        white = _pil().new("RGBA", clear.size, "white")
        onto_white: PILImage = _pil().alpha_composite(white, clear).convert("RGB")
        return onto_white
    return image.convert("RGB")


def _size_within(
    original: tuple[int, int], name: str, max_pixels: int | None, exact: bool, family: Family
) -> tuple[int, int]:
    """Return the size to store. Raises DataError where the model's image processor would refuse it, before or after."""
    size = original
    if max_pixels is not None and (exact or original[0] * original[1] > max_pixels):
        size = (family.seen_size if exact else family.smart_resize)(*original, max_pixels)
    if max(original) > MAX_ASPECT_RATIO * min(original):
        raise DataError(f"image {name} is {original[0]} x {original[1]}: sides differ over 200 times")
    if max(size) > MAX_ASPECT_RATIO * min(size):
        became = f"{original[0]} x {original[1]} and would be {size[0]} x {size[1]} within {max_pixels} pixels"
        raise DataError(f"image {name} is {became}: sides differ over 200 times; a higher limit keeps them closer")
    return size


@contextmanager
def _refusing(name: str) -> Iterator[None]:
    """Turn whatever Pillow raises for a file into a DataError naming it, and silence its warnings."""
    module = _pil()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about bombs and odd EXIF blocks: both are handled here
            yield
    except InfimedError:
        raise
    except module.DecompressionBombError as error:
        raise DataError(f"image {name} holds too many pixels: refused as a decompression bomb") from error
    except module.UnidentifiedImageError as error:  # its own text holds an address in memory
        known = f"no image format is known for it; known are {', '.join(FORMATS)} and DICOM"
        raise DataError(f"image {name} does not open: {known}") from error
    except Exception as error:  # Pillow raises anything from a damaged file
        raise DataError(f"image {name} does not open: {str(error) or type(error).__name__}") from error


def check_pixels(width: int, height: int, name: str, *, deep: bool) -> None:
    """Raise DataError for an image of too many pixels, of more than 8 bits (``deep``) or not."""
    where = f"image {name} is {width} x {height}: refused as a decompression bomb"
    check("deep_pixels" if deep else "pixels", width * height, where)


@contextmanager
def _header(data: bytes, name: str) -> Iterator[Any]:
    """Yield the image before its pixels are decoded, its size checked."""
    check("picture", len(data), f"image {name}")
    with _refusing(name), _pil().open(io.BytesIO(data), formats=FORMATS) as image:
        deep = image.mode[0] in "IF" or _rawmode(image)[:-1].endswith(";16")
        check_pixels(image.width, image.height, name, deep=deep)
        yield image


def _open(data: bytes, name: str, notes: list[str]) -> PILImage:
    """Return the decoded first frame, upright; its ``format`` is that of the file."""
    if _is_dicom(data, name):
        from infimed_plugins.images.dicom import dicom_pixels

        scan: PILImage = _pil().fromarray(dicom_pixels(data, name, notes))
        return scan
    with _header(data, name) as image:
        from PIL import ImageOps

        form = "JPEG" if image.format == "MPO" else image.format  # a phone's JPEG with a second picture
        if getattr(image, "n_frames", 1) > 1:
            notes.append(FIRST_FRAME)
            image.seek(0)
        rawmode = _rawmode(image)  # load() forgets it, and how a TIFF was turned
        turned = image.getexif().get(_ORIENTATION) in _TURNED
        image.load()
        upright: PILImage = image
        if image.mode in ("RGB", "RGBA") and rawmode[:-1].endswith(";16"):  # BGR;16 is 5, 6 and 5 bits
            notes.append(_deepened(image, data, rawmode))
        if turned:
            upright = image if form == "TIFF" else ImageOps.exif_transpose(image)  # load() has turned a TIFF
            notes.append(TURNED)
        upright.format = form
        return upright


_ORIENTATION = 0x0112
_TURNED = range(2, 9)  # 1 is upright, and anything else is none of EXIF's values


def _rawmode(image: Any) -> str:
    """Return the mode in which Pillow unpacks the pixels: ``RGB;16B`` is 16 bits a color, high byte first."""
    args = image.tile[0][3] if getattr(image, "tile", None) else None
    raw = args[0] if isinstance(args, tuple) and args else args
    return raw if isinstance(raw, str) else ""


def _deepened(image: Any, data: bytes, rawmode: str) -> str:
    """Scale all 16 bits to 8, where Pillow kept only the high ones; return a note of what was done."""
    import numpy as np

    if (swapped := _swapped(rawmode)) is None:
        return "16-bit colour read as 8"
    low = _pil().open(io.BytesIO(data))
    for number, tile in enumerate(low.tile):  # from Pillow 11 on a tile is a named tuple, which 13 insists on
        args = (swapped, *tile[3][1:]) if isinstance(tile[3], tuple) else swapped
        low.tile[number] = getattr(type(tile), "_make", tuple)((*tile[:3], args))
    low.load()
    lows = np.asarray(low)[..., 1:2] if rawmode.startswith("LA") else np.asarray(low)[..., :3]
    values = (np.asarray(image)[..., :3].astype(np.uint16) << 8) | lows
    # a clear pixel may hold any color: it is white, and does not count as the highest
    key = image.info.pop("transparency", None)
    clear = np.zeros(values.shape[:2], bool) if key is None else (values == key).all(axis=2)
    if image.mode == "RGBA":
        clear = np.asarray(image)[..., 3] == 0
    values[clear] = 0
    made = (values >> max(int(values.max()).bit_length() - 8, 0)).astype(np.uint8)
    made[clear] = 255
    scaled = _pil().fromarray(made)
    if image.mode == "RGBA":
        scaled.putalpha(image.getchannel("A"))
    image.paste(scaled)
    return "converted from 16-bit colour"


def _swapped(rawmode: str) -> str | None:
    """Return the raw mode of the low bytes: Pillow keeps the high ones; in the other byte order it keeps these."""
    if rawmode == "LA;16B":
        return "RGBA"  # four bytes as four colors: the gray's low byte is the second
    colors, _, order = rawmode.partition(";16")
    other = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}.get(order)
    return f"{colors};16{other}" if other and colors in ("RGB", "RGBA", "RGBX") else None


def _is_dicom(data: bytes, name: str) -> bool:
    """True if it has the mark behind DICOM's preamble, or the name and the first group of a file without one."""
    if data[128:132] == b"DICM":
        return True
    return data[:2] in (b"\x02\x00", b"\x08\x00") and name.lower().endswith((".dcm", ".dicom"))


def _scaled_to_8_bits(image: PILImage) -> PILImage:
    import numpy as np

    values = np.array(image, dtype=np.float64)  # changed in place: such pictures are large
    np.nan_to_num(values, copy=False)
    clear = values == image.info.get("transparency", math.nan)
    seen = values[~clear] if clear.any() and not clear.all() else values
    low, high = float(seen.min()), float(seen.max())
    values -= low
    values *= 255.0 / (high - low or 1.0)
    values[clear] = 255.0
    made: PILImage = _pil().fromarray(values.round(out=values).astype("uint8"))
    return made


_pil = partial(optional_module, "PIL.Image", "reading images", "data")
