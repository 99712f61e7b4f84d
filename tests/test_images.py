"""Images of every kind become 8-bit RGB of the right way up and size, or are refused with the reason."""

from __future__ import annotations

import io
import random
from typing import Any

import numpy as np
import pytest
from PIL import Image

from infimed_plugins.errors import DataError
from infimed_plugins.images import MAX_DECODED_PIXELS, decode_image, prepare_image, smart_resize

LIMIT = 262_144


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=form, **options)
    return buffer.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def test_transparency_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (30, 20), (0, 0, 0, 0))
    clear.paste((10, 20, 30, 255), (0, 0, 15, 20))
    for image in (clear, clear.quantize(8)):
        made = opened(prepare_image(encoded(image), "x").data)
        assert made.mode == "RGB"
        assert made.getpixel((20, 10)) == (255, 255, 255)
        assert made.getpixel((3, 3)) == pytest.approx((10, 20, 30), abs=2)


def test_cmyk_becomes_rgb_and_stays_a_jpeg() -> None:
    made = prepare_image(encoded(Image.new("RGB", (30, 20), (200, 10, 10)).convert("CMYK"), "JPEG"), "x")
    assert (made.suffix, made.notes) == (".jpg", ("converted from CMYK",))
    assert opened(made.data).getpixel((5, 5)) == pytest.approx((200, 10, 10), abs=4)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_never_saturate(form: str) -> None:
    values = np.linspace(200, 40_000, 256, dtype=np.uint16).reshape(16, 16)
    made = opened(prepare_image(encoded(Image.fromarray(values), form), "x").data)
    grey = np.asarray(made.convert("L")).ravel().astype(int)
    assert (grey.min(), grey.max()) == (0, 255)
    assert len(set(grey)) > 200
    assert (np.diff(grey) >= 0).all()


def test_floats_with_nan_and_a_flat_image_do_not_break() -> None:
    values = np.full((8, 8), 7.5, dtype=np.float32)
    values[0, 0] = np.nan
    assert opened(prepare_image(encoded(Image.fromarray(values), "TIFF"), "x").data).size == (8, 8)


def test_exif_rotation_is_applied() -> None:
    image = Image.new("RGB", (40, 20), "red")
    image.paste((0, 0, 255), (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    made = prepare_image(encoded(image, "JPEG", exif=exif.tobytes(), quality=95), "x")
    assert (made.size, made.notes) == ((20, 40), ("turned as EXIF says",))
    turned = opened(made.data)
    assert turned.getpixel((10, 5))[2] > 200, "blue is on top"
    assert turned.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize(("form", "suffix"), [("GIF", ".png"), ("TIFF", ".png")])
def test_of_several_frames_the_first_is_taken_and_that_is_said(form: str, suffix: str) -> None:
    frames = [Image.new("RGB", (30, 20), colour) for colour in ("red", "green", "blue")]
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:])
    made = prepare_image(data, "x")
    assert made.suffix == suffix
    assert "first of several frames" in made.notes
    assert opened(made.data).convert("RGB").getpixel((3, 3)) == (255, 0, 0)


def dicom(photometric: str = "MONOCHROME2", **tags: Any) -> bytes:
    pydicom = pytest.importorskip("pydicom")
    from pydicom.uid import ExplicitVRLittleEndian

    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 16, 16, 1
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PhotometricInterpretation = photometric
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.PixelData = np.linspace(0, 4080, 256, dtype=np.uint16).tobytes()
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def test_dicom_is_shown_through_its_window_and_monochrome1_is_inverted() -> None:
    window = {"RescaleSlope": 1, "RescaleIntercept": -1000, "WindowCenter": 40, "WindowWidth": 400}
    grey = np.asarray(decode_image(dicom(**window), "x").convert("L")).astype(int)
    assert (grey.min(), grey.max()) == (0, 255)
    hounsfield = np.linspace(0, 4080, 256).reshape(16, 16) - 1000
    assert (grey[hounsfield < -165] == 0).all()
    assert (grey[hounsfield > 245] == 255).all()
    inverted = np.asarray(decode_image(dicom("MONOCHROME1", **window), "x").convert("L")).astype(int)
    assert (abs(grey + inverted - 255) <= 1).all()
    assert prepare_image(dicom(), "x").notes[0] == "converted from DICOM"


def test_the_window_and_not_the_picture_decides_what_is_black_and_white() -> None:
    """Tissue of one density has one grey, in a picture that fills the window and in one that does not."""
    wide = {"RescaleSlope": 1, "RescaleIntercept": 0, "WindowCenter": 4096, "WindowWidth": 8192}
    grey = np.asarray(decode_image(dicom(**wide), "x").convert("L")).astype(int)
    assert (grey.min(), grey.max()) == (0, 127)
    unset = np.asarray(decode_image(dicom(), "x").convert("L")).astype(int)
    assert (unset.min(), unset.max()) == (0, 255)


def test_a_dicom_file_of_several_frames_gives_its_first_and_says_so() -> None:
    made = prepare_image(dicom(Rows=8, NumberOfFrames=2), "x")
    assert (made.size, made.notes) == ((16, 8), ("converted from DICOM", "first of several frames"))


def test_a_dicom_file_that_claims_too_many_pixels_is_refused() -> None:
    with pytest.raises(DataError, match="refused as a decompression bomb"):
        prepare_image(dicom(Rows=60_000, Columns=60_000), "x")


def test_patient_fields_of_a_dicom_header_are_counted_and_nowhere_in_the_bytes() -> None:
    named = prepare_image(dicom(PatientName="Doe^Jane", PatientID="4711"), "x")
    assert named.notes[:2] == ("converted from DICOM", "stripped of patient fields")
    assert b"Doe" not in named.data
    assert "stripped of patient fields" not in prepare_image(dicom(PatientName=""), "x").notes


def test_a_damaged_dicom_file_is_named() -> None:
    with pytest.raises(DataError, match=r"image scan\.dcm is a DICOM file that does not open"):
        prepare_image(dicom()[:400], "scan.dcm")


def test_a_decompression_bomb_is_refused_before_it_unpacks() -> None:
    side = int(MAX_DECODED_PIXELS**0.5) + 1
    data = encoded(Image.new("1", (side, side)))
    assert len(data) < 100_000
    with pytest.raises(DataError, match="refused as a decompression bomb"):
        prepare_image(data, "x")


def test_an_image_within_the_limit_keeps_its_bytes_and_a_larger_one_gets_the_models_own_size() -> None:
    small = encoded(Image.effect_noise((300, 200), 50))
    assert prepare_image(small, "x", LIMIT).data == small
    large = prepare_image(encoded(Image.effect_noise((1200, 700), 50), "JPEG"), "x", LIMIT)
    assert (large.original, large.size, large.suffix) == ((1200, 700), (644, 364), ".jpg")
    assert opened(large.data).size == large.size
    assert large.size[0] % 28 == large.size[1] % 28 == 0
    exact = prepare_image(small, "x", LIMIT, exact=True)
    assert (exact.size, exact.notes) == ((308, 196), ("resized to the pixel limit",))


def test_smart_resize_is_transformers_own() -> None:
    upstream = pytest.importorskip("transformers.models.qwen2_vl.image_processing_qwen2_vl").smart_resize
    rng = random.Random(0)
    for _ in range(500):
        width, height = rng.randint(3, 3000), rng.randint(3, 3000)
        if max(width, height) > 200 * min(width, height):
            continue
        limit = rng.choice([LIMIT, 3136, 12544, 1_003_520])
        high, wide = upstream(height, width, factor=28, min_pixels=3136, max_pixels=limit)
        assert smart_resize(width, height, max_pixels=limit) == (wide, high)
