"""Read DICOM files as 8-bit pixels: modality table, then window, as a viewer shows them (PS3.3, C.11.1 and C.11.2).

The ends of the window become 0 and 255 whatever the picture holds, so a tissue has the same gray in every picture;
without a window the range from the lowest to the highest value does, padding left out. A palette gives its colors.
No header is ever written on.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import MutableSequence
from typing import TYPE_CHECKING, Any

from infimed_plugins.errors import DataError, InfimedError, optional_module
from infimed_plugins.limits import check, limit

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

PATIENT_GROUP = 0x0010  # name, id, birth date, sex, weight … (DICOM PS3.6)
_DEFLATED = b"1.2.840.10008.1.2.1.99"  # the transfer syntax
PIXEL_FIELDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def dicom_pixels(data: bytes, name: str, notes: list[str]) -> Pixels:
    """Return height x width gray or height x width x 3 RGB values of the first frame; add what was done to ``notes``.

    Raises DataError naming the file where it does not open or is over a limit (limits.py), and MissingExtraError.
    """
    pixels = optional_module("pydicom.pixels.utils", "reading DICOM images", "data")
    notes.append("converted from DICOM")
    check("picture", len(data), f"image {name}")
    try:
        _check_inflated(data, name)
        dataset = _data_set(data)
        width, height, values = int(dataset.Columns), int(dataset.Rows), int(dataset.get("SamplesPerPixel", 1) or 1)
        bomb = f"image {name} is {width} x {height}: refused as a decompression bomb"
        check("deep_pixels", width * height * values, bomb)
        several = int(dataset.get("NumberOfFrames", 1) or 1) > 1
        made = _shown(pixels.pixel_array(dataset, index=0), dataset)
        if several:
            notes.append("first of several frames")
        if any(element.value for element in dataset.group_dataset(PATIENT_GROUP)):
            notes.append("stripped of patient fields")
        return made
    except InfimedError:
        raise
    except Exception as error:  # pydicom raises anything from a damaged file
        raise DataError(f"image {name} is a DICOM file that does not open: {error}") from error


def _check_inflated(data: bytes, name: str) -> None:
    """Raise DataError where what is deflated behind the meta information is over the limit; pydicom inflates it all."""
    if data.find(_DEFLATED, 0, 1 << 16) < 0:
        return
    if data[132:136] != b"\2\0\0\0":  # the length of the meta information (DICOM PS3.10, 7.1)
        raise ValueError("it is deflated, and its meta information has no length")
    start = 144 + int.from_bytes(data[140:144], "little")
    inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data[start:], limit("inflated") + 1)
    check("inflated", len(inflated), f"image {name}")


def _data_set(data: bytes) -> Any:
    """Return a file's fields, with or without DICOM's preamble. Raises ValueError where none of them are pixels."""
    import pydicom
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

    dataset = pydicom.dcmread(io.BytesIO(data), force=True)
    if not any(field in dataset for field in PIXEL_FIELDS):
        raise ValueError("it holds no pixels")
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, _ = dataset.original_encoding
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    return dataset


def _shown(pixels: Any, dataset: Any) -> Pixels:
    """Return stored values as the gray or RGB values of a display."""
    import numpy as np

    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        return _colored(pixels, dataset)
    if pixels.ndim == 3 and int(dataset.BitsStored) == 8 and pixels.dtype == np.uint8:
        plain: Pixels = pixels
        return plain
    if pixels.ndim == 3:
        deepest = 2.0 ** int(dataset.BitsStored) - 1
        color: Pixels = (pixels * (255.0 / deepest)).round().clip(0, 255).astype(np.uint8)
        return color
    gray: Pixels = (_brightness(pixels, dataset) * 255.0).round().clip(0, 255).astype(np.uint8)
    return 255 - gray if dataset.PhotometricInterpretation == "MONOCHROME1" else gray


def _colored(pixels: Any, dataset: Any) -> Pixels:
    """Return the palette's colors, the high 8 bits of 16; some files give 8-bit colors in 16."""
    import numpy as np
    from pydicom.pixels.processing import apply_color_lut

    colors = apply_color_lut(pixels, dataset)[..., :3]
    made: Pixels = (colors >> 8 if colors.max() > 255 else colors).astype(np.uint8)
    return made


def _brightness(pixels: Any, dataset: Any) -> Any:
    """Return the values after both tables: 0 is black and 1 is white; the caller clips what lies outside."""
    import numpy as np
    from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

    values = apply_modality_lut(pixels, dataset)
    seen = np.ones(values.shape, bool)
    if dataset.get("VOILUTSequence"):
        values = apply_voi_lut(values, dataset)
    elif (window := _window(dataset)) is not None:
        return _through(values.astype(np.float64), *window)
    else:
        seen = ~_padding(pixels, dataset)
    counted = values[seen] if seen.any() else values
    low, high = float(counted.min()), float(counted.max())
    return (values.astype(np.float64) - low) / (high - low or 1.0)


def _window(dataset: Any) -> tuple[float, float, str] | None:
    """Return center, width and function of the first window; None where one is missing or the width spans nothing."""
    center, width = _first(dataset.get("WindowCenter")), _first(dataset.get("WindowWidth"))
    function = str(dataset.get("VOILUTFunction") or "LINEAR").upper()
    if center is None or width is None or width < (1 if function == "LINEAR" else 1e-9):
        return None
    return center, width, function


def _through(values: Any, center: float, width: float, function: str) -> Any:
    """Apply a window (DICOM PS3.3, C.11.2.1.2.1 and C.11.2.1.3)."""
    import numpy as np

    if function == "SIGMOID":
        return 0.5 + 0.5 * np.tanh(2.0 * (values - center) / width)  # 1 / (1 + exp(-4 …)) without its overflow
    if function == "LINEAR":
        center, width = center - 0.5, max(width - 1, 1e-9)
    elif function != "LINEAR_EXACT":
        raise ValueError(f"no window function is known as {function}")
    return (values - center) / width + 0.5


def _padding(pixels: Any, dataset: Any) -> Any:
    """Return a mask of the values that pad what was never scanned (DICOM PS3.3, C.7.5.1.1.2)."""
    import numpy as np

    value, limit = _first(dataset.get("PixelPaddingValue")), _first(dataset.get("PixelPaddingRangeLimit"))
    if value is None:
        return np.zeros(pixels.shape, bool)
    ends = (value, value if limit is None else limit)
    return (pixels >= min(ends)) & (pixels <= max(ends))


def _first(value: Any) -> float | None:
    """Return the first value of a field that may hold several, or None."""
    if isinstance(value, MutableSequence):
        value = value[0] if value else None
    return None if value in (None, "") else float(value)
