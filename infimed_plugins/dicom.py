"""DICOM files as 8-bit pixels: modality table, then window, as a viewer shows them (DICOM PS3.3, C.11.1 and C.11.2).

The ends of the window become 0 and 255 whatever the picture holds, so a tissue has the same grey in every picture;
without a window the range from the lowest to the highest value does. No header is ever written on.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from infimed_plugins.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

PATIENT_GROUP = 0x0010  # name, id, birth date, sex, weight … (DICOM PS3.6)
FAR = 1e6  # below and above every stored value, so it falls outside of any window


def dicom_pixels(data: bytes, name: str, notes: list[str], most_pixels: int) -> Pixels:
    """Height x width grey values or height x width x 3 RGB of the first frame; ``notes`` gains what was done.

    Raises DataError naming the file where it does not open or holds over ``most_pixels``, and MissingExtraError.
    """
    try:
        import pydicom
        from pydicom.pixels.utils import pixel_array
    except ImportError as error:
        raise MissingExtraError("reading DICOM images", "pydicom", "data") from error
    notes.append("converted from DICOM")
    try:
        dataset = pydicom.dcmread(io.BytesIO(data))
        width, height = int(dataset.Columns), int(dataset.Rows)
        if width * height <= most_pixels:
            several = int(dataset.get("NumberOfFrames", 1) or 1) > 1
            made = _shown(pixel_array(dataset, index=0), dataset)
            if several:
                notes.append("first of several frames")
            if any(element.value for element in dataset.group_dataset(PATIENT_GROUP)):
                notes.append("stripped of patient fields")
            return made
    except Exception as error:  # pydicom raises anything from a damaged file
        raise DataError(f"image {name} is a DICOM file that does not open: {error}") from error
    raise DataError(f"image {name} is {width} x {height}: refused as a decompression bomb")


def _shown(pixels: Any, dataset: Any) -> Pixels:
    """Stored values as the grey or RGB values of a display."""
    import numpy as np

    if pixels.ndim == 3:
        deepest = 2.0 ** int(dataset.BitsStored) - 1
        colour: Pixels = (pixels * (255.0 / deepest)).round().clip(0, 255).astype(np.uint8)
        return colour
    values, low, high = _windowed(pixels, dataset)
    grey: Pixels = ((values - low) * (255.0 / (high - low or 1.0))).round().clip(0, 255).astype(np.uint8)
    return 255 - grey if dataset.PhotometricInterpretation == "MONOCHROME1" else grey


def _windowed(pixels: Any, dataset: Any) -> tuple[Any, float, float]:
    """The values behind both tables, and those that are black and white."""
    import numpy as np
    from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

    values = apply_modality_lut(pixels, dataset)
    if "VOILUTSequence" in dataset:
        values = apply_voi_lut(values, dataset)
    elif "WindowWidth" in dataset:
        # two values that no picture holds tell where the window's ends are mapped to
        ends = np.array([-FAR, FAR])
        shown = apply_voi_lut(np.concatenate([values.ravel().astype(np.float64), ends]), dataset)
        return shown[:-2].reshape(values.shape), float(shown[-2]), float(shown[-1])
    return values, float(values.min()), float(values.max())
