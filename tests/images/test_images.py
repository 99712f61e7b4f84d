"""Images of every kind become 8-bit RGB of the right way up and size, or are refused with the reason."""

from __future__ import annotations

import io
import random
import struct
import sys
import warnings
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from infimed_plugins.errors import DataError, MissingExtraError
from infimed_plugins.families import DEFAULT
from infimed_plugins.images import MAX_DECODED_PIXELS, decode_image, image_size, prepare_image
from infimed_plugins.images.metadata import strip_metadata

LIMIT = 262_144


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=form, **options)
    return buffer.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def png_by_hand(width: int, height: int, depth: int, kind: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG that Pillow would not write; ``rows`` begin with their filter byte each."""
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    made = b"\x89PNG\r\n\x1a\n"
    for name, body in ((b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        made += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return made


def deep_png(values: Any, *chunks: tuple[bytes, bytes]) -> bytes:
    """16 bits a channel: grey and alpha, RGB or RGBA."""
    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png_by_hand(width, height, 16, {2: 4, 3: 2, 4: 6}[channels], rows, *chunks)


def deep_tiff(values: Any, order: str, compression: int, orientation: int = 1) -> bytes:
    """16 bits of RGB in one strip."""
    height, width, _ = values.shape
    strip = values.astype(f"{order}u2").tobytes()
    strip = zlib.compress(strip) if compression == 8 else strip
    after = 8 + 2 + 12 * 10 + 4
    fields = [(256, width), (257, height), (258, after), (259, compression), (262, 2), (273, after + 6)]
    fields += [(274, orientation), (277, 3), (278, height), (279, len(strip))]
    made = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(fields))
    for tag, value in fields:
        made += (
            struct.pack(f"{order}HHII", tag, 3, 3, value)
            if tag == 258
            else struct.pack(f"{order}HHII", tag, 4, 1, value)
        )
    return made + struct.pack(f"{order}IHHH", 0, 16, 16, 16) + strip


def test_transparency_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (30, 20), (0, 0, 0, 0))
    clear.paste((10, 20, 30, 255), (0, 0, 15, 20))
    for image in (clear, clear.quantize(8)):
        made = opened(prepare_image(encoded(image), "x").data)
        assert made.mode == "RGB"
        assert made.getpixel((20, 10)) == (255, 255, 255)
        assert made.getpixel((3, 3)) == pytest.approx((10, 20, 30), abs=2)


@pytest.mark.parametrize(
    ("image", "key", "note"),
    [
        (Image.new("RGB", (30, 20), (1, 2, 3)), (1, 2, 3), "converted from RGB with a clear colour"),
        (Image.new("L", (30, 20), 7), 7, "converted from L with a clear colour"),
        (Image.fromarray(np.full((20, 30), 900, np.uint16)), 900, "converted from I;16"),
    ],
)
def test_a_single_clear_colour_is_laid_on_white_and_the_file_is_not_kept(image: Any, key: Any, note: str) -> None:
    image.paste(200 if isinstance(key, int) else (200, 0, 0), (0, 0, 15, 20))
    data = encoded(image, transparency=key)
    made = prepare_image(data, "x")
    assert (made.notes, made.data == data) == ((note,), False)
    shown = opened(made.data).convert("RGB")
    assert shown.getpixel((20, 10)) == (255, 255, 255)
    assert shown.getpixel((3, 3)) != (255, 255, 255)
    assert "transparency" not in opened(made.data).info


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


RAMP = np.repeat(np.linspace(0, 4095, 600).astype(np.uint16).reshape(20, 30, 1), 3, axis=2)  # 12 bits
OPAQUE = np.full((20, 30, 1), 65_535, np.uint16)


@pytest.mark.parametrize(
    "data",
    [
        deep_png(RAMP),
        deep_png(np.dstack([RAMP, OPAQUE])),
        deep_png(np.dstack([RAMP[..., :1], OPAQUE])),
        *(deep_tiff(RAMP, order, compression) for order in "<>" for compression in (1, 8)),
    ],
    ids=["png", "png with alpha", "grey png with alpha", "tiff", "deflated tiff", "big tiff", "deflated big tiff"],
)
def test_twelve_bits_in_sixteen_of_colour_are_not_nearly_black(data: bytes) -> None:
    made = prepare_image(data, "x")
    assert "converted from 16-bit colour" in made.notes
    assert made.data != data
    assert (np.asarray(opened(made.data)) == RAMP >> 4).all()


def test_sixteen_bits_a_pixel_are_not_taken_for_sixteen_a_colour() -> None:
    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    pixels = struct.pack("<4H", 0xF800, 0x07E0, 0x001F, 0xFFFF)
    header = struct.pack("<IiiHHIIiiII", 40, 2, 2, 1, 16, 3, len(pixels), 0, 0, 0, 0)
    data = b"BM" + struct.pack("<III", 66 + len(pixels), 0, 66) + header + masks + pixels
    made = prepare_image(data, "x")
    assert made.notes == ()
    assert opened(made.data).getpixel((0, 1)) == (255, 0, 0)


def test_sixteen_full_bits_of_colour_are_shown_as_eight_and_keep_their_hue() -> None:
    values = np.random.default_rng(0).integers(0, 65_536, (20, 30, 3)).astype(np.uint16)
    assert (np.asarray(decode_image(deep_png(values), "x")) == values >> 8).all()


def test_a_clear_pixel_of_sixteen_bits_is_white_and_does_not_darken_the_others() -> None:
    values = RAMP.copy()
    values[5, 5] = (60_000, 1, 2)
    for data in (
        deep_png(values, (b"tRNS", struct.pack(">HHH", 60_000, 1, 2))),
        deep_png(np.dstack([values, np.where(values[..., :1] == 60_000, 0, OPAQUE)])),
    ):
        shown = np.asarray(decode_image(data, "x"))
        assert shown[5, 5].tolist() == [255, 255, 255]
        assert shown[19, 29].tolist() == [255, 255, 255]
        assert (shown[:5] == RAMP[:5] >> 4).all()


def test_deep_colour_is_turned_as_well() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for data in (deep_png(RAMP, (b"eXIf", exif.tobytes()[6:])), deep_tiff(RAMP, "<", 8, orientation=6)):
        made = prepare_image(data, "x")
        assert made.notes == ("converted from 16-bit colour", "turned as EXIF says")
        assert (np.asarray(opened(made.data)) == np.rot90(RAMP >> 4, -1)).all()


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


@pytest.mark.parametrize(("orientation", "turned"), [(0, False), (1, False), (2, True), (8, True), (9, False)])
def test_only_what_exif_calls_a_rotation_is_one(orientation: int, turned: bool) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.new("RGB", (40, 20)), "JPEG", exif=exif.tobytes())
    made = prepare_image(data, "x")
    assert made.notes == ("turned as EXIF says" if turned else "stripped of metadata",)
    assert made.size == ((40, 20) if orientation in (0, 1, 2, 9) else (20, 40))


def test_a_turned_tiff_says_so() -> None:
    made = prepare_image(encoded(Image.new("RGB", (40, 20)), "TIFF", tiffinfo={274: 6}), "x")
    assert (made.size, made.notes) == ((20, 40), ("turned as EXIF says",))


@pytest.mark.parametrize(("form", "suffix"), [("GIF", ".png"), ("TIFF", ".png"), ("MPO", ".jpg")])
def test_of_several_frames_the_first_is_taken_and_that_is_said(form: str, suffix: str) -> None:
    frames = [Image.new("RGB", (30, 20), colour) for colour in ("red", "green", "blue")]
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:])
    made = prepare_image(data, "x")
    assert made.suffix == suffix
    assert "first of several frames" in made.notes
    assert opened(made.data).convert("RGB").getpixel((3, 3)) == pytest.approx((255, 0, 0), abs=2)


STORED = np.linspace(0, 4080, 256, dtype=np.uint16)


def dicom(photometric: str = "MONOCHROME2", values: Any = STORED, **tags: Any) -> bytes:
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
    dataset.PixelData = values.tobytes()
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


def greys(data: bytes, name: str = "x") -> Any:
    return np.asarray(decode_image(data, name).convert("L")).astype(int).ravel()


@pytest.mark.parametrize(
    "tags",
    [
        {"WindowCenter": None, "WindowWidth": None},
        {"WindowCenter": "", "WindowWidth": ""},
        {"WindowCenter": None, "WindowWidth": 400},
        {"WindowWidth": 400},
        {"WindowCenter": 400},
        {"WindowCenter": 40, "WindowWidth": 0},
        {"WindowCenter": 40, "WindowWidth": -5, "VOILUTFunction": "SIGMOID"},
        {"VOILUTSequence": []},
    ],
)
def test_an_unusable_dicom_window_is_as_none(tags: dict[str, Any]) -> None:
    assert (greys(dicom(**tags)) == greys(dicom())).all()
    assert greys(dicom())[128] == 128


@pytest.mark.parametrize(
    ("tags", "black", "white"),
    [
        ({"WindowCenter": 2000, "WindowWidth": 1}, 1999.4, 1999.6),
        ({"WindowCenter": 2000, "WindowWidth": 1001}, 1499.5, 2499.5),
        ({"WindowCenter": [2000, 40], "WindowWidth": [1001, 80]}, 1499.5, 2499.5),
        ({"WindowCenter": 2000, "WindowWidth": 1000, "VOILUTFunction": "LINEAR_EXACT"}, 1500, 2500),
        ({"WindowCenter": 2000, "WindowWidth": 1000, "VOILUTFunction": ""}, 1500, 2499),
        # far beyond what is stored: counts of a PET
        ({"RescaleSlope": 1e6, "RescaleIntercept": 0, "WindowCenter": 2e9, "WindowWidth": 2e9}, 1000, 3000),
        ({"RescaleSlope": -1, "RescaleIntercept": 0, "WindowCenter": -2000, "WindowWidth": 1001}, 2500.5, 1500.5),
        ({"WindowCenter": 300, "WindowWidth": 10_001}, -4700.5, 5299.5),
    ],
)
def test_the_first_dicom_window_maps_its_own_ends(tags: dict[str, Any], black: float, white: float) -> None:
    wanted = ((STORED.astype(float) - black) / (white - black) * 255).clip(0, 255)
    assert (abs(greys(dicom(**tags)) - wanted) <= 1).all()


def test_a_sigmoid_window_of_dicom_is_followed_and_an_unknown_one_refused() -> None:
    grey = greys(dicom(WindowCenter=2000, WindowWidth=1000, VOILUTFunction="SIGMOID"))
    assert (abs(grey - 255 / (1 + np.exp(-4 * (STORED - 2000.0) / 1000))) <= 1).all()
    with pytest.raises(DataError, match=r"image x is a DICOM file .* no window function is known as CUBIC"):
        greys(dicom(WindowCenter=2000, WindowWidth=1000, VOILUTFunction="CUBIC"))


def test_a_dicom_window_table_is_followed_before_a_window() -> None:
    pydicom = pytest.importorskip("pydicom")
    table = pydicom.Dataset()
    table.LUTDescriptor, table.LUTData = [4096, 0, 12], list(range(4095, -1, -1))
    table["LUTDescriptor"].VR, table["LUTData"].VR = "US", "US"
    grey = greys(dicom(VOILUTSequence=[table], WindowCenter=40, WindowWidth=80))
    assert (grey == 255 - greys(dicom())).mean() > 0.9
    assert (grey[0], grey[-1]) == (255, 0)


@pytest.mark.parametrize(
    ("photometric", "tags", "padded"),
    [
        ("MONOCHROME2", {"PixelPaddingValue": 0}, 0),
        ("MONOCHROME2", {"PixelPaddingValue": 100, "PixelPaddingRangeLimit": 0}, 0),
        ("MONOCHROME1", {"PixelPaddingValue": 4095}, 0),
    ],
)
def test_dicom_padding_does_not_set_the_range(photometric: str, tags: dict[str, Any], padded: int) -> None:
    values = np.linspace(3000, 4000, 256).astype(np.uint16)
    values[:20] = tags["PixelPaddingValue"]
    grey = greys(dicom(photometric, values, **tags))
    assert (grey[:20] == padded).all()
    assert (grey[20:].min(), grey[20:].max()) == (0, 255)


def test_dicom_of_nothing_but_padding_does_not_break() -> None:
    assert (greys(dicom(values=np.full(256, 5, np.uint16), PixelPaddingValue=5)) == 0).all()


@pytest.mark.parametrize("factor", [1, 257])
def test_a_dicom_palette_gives_its_colours(factor: int) -> None:
    up = np.arange(256, dtype=np.uint8 if factor == 1 else np.uint16) * factor
    tags: dict[str, Any] = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    for name, table in (("Red", up), ("Green", up[::-1]), ("Blue", up * 0)):
        tags[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 8 * up.itemsize]
        tags[f"{name}PaletteColorLookupTableData"] = table.tobytes()
    index = np.arange(256, dtype=np.uint8)
    shown = np.asarray(decode_image(dicom("PALETTE COLOR", index, **tags), "x")).reshape(-1, 3)
    assert (shown == np.stack([index, 255 - index, index * 0], axis=1)).all()


def without_preamble(meta: bool, implicit: bool) -> bytes:
    pydicom = pytest.importorskip("pydicom")
    if meta:
        return dicom()[132:]
    buffer = io.BytesIO()
    dataset = pydicom.dcmread(io.BytesIO(dicom(SOPClassUID="1.2.840.10008.5.1.4.1.1.2")))
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.save_as(buffer, implicit_vr=implicit, little_endian=True)
    return buffer.getvalue()[132 if buffer.getvalue()[128:132] == b"DICM" else 0 :]


@pytest.mark.parametrize(("meta", "implicit"), [(True, False), (False, False), (False, True)])
def test_a_dicom_file_without_preamble_is_known_by_its_name(meta: bool, implicit: bool) -> None:
    data = without_preamble(meta, implicit)
    assert b"DICM" not in data
    assert (greys(data, "scans/1.DCM") == greys(dicom())).all()
    with pytest.raises(DataError, match="image 1 does not open: no image format is known for it"):
        greys(data, "1")


def test_what_is_called_dicom_and_is_not_is_read_as_what_it_is() -> None:
    data = encoded(Image.new("RGB", (30, 20)))
    assert prepare_image(data, "scan.dcm").data == data
    with pytest.raises(DataError, match=r"image scan\.dcm is a DICOM file that does not open: it holds no pixels"):
        prepare_image(without_preamble(meta=False, implicit=True)[:60], "scan.dcm")
    with pytest.raises(DataError, match=r"image scan\.dcm does not open: no image format is known"):
        prepare_image(b"<html>not found</html>", "scan.dcm")


def test_a_dicom_reader_that_is_not_installed_is_named_with_its_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    data = dicom()
    monkeypatch.setitem(sys.modules, "pydicom.pixels.utils", None)
    with pytest.raises(MissingExtraError, match=r"infimed-plugins\[data\]"):
        prepare_image(data, "x")


def test_a_dicom_file_of_several_frames_gives_its_first_and_says_so() -> None:
    made = prepare_image(dicom(Rows=8, NumberOfFrames=2), "x")
    assert (made.size, made.notes) == ((16, 8), ("converted from DICOM", "first of several frames"))


def test_a_dicom_file_that_claims_too_many_pixels_is_refused() -> None:
    with pytest.raises(DataError, match="refused as a decompression bomb"):
        prepare_image(dicom(Rows=60_000, Columns=60_000), "x")


def test_patient_fields_of_a_dicom_header_are_counted_and_nowhere_in_the_bytes() -> None:
    named = prepare_image(dicom(PatientName="Doe^Jane", PatientID="4711"), "x")
    assert named.notes[:2] == ("converted from DICOM", "stripped of patient fields")
    assert b"Doe^Jane" not in named.data
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


@pytest.mark.parametrize("read", [prepare_image, decode_image, image_size])
@pytest.mark.parametrize("side", [12_000, 20_000])
def test_a_header_of_too_many_pixels_is_refused_wherever_it_is_read(read: Callable[..., Any], side: int) -> None:
    data = png_by_hand(side, side, 8, 2, b"\0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError, match=r"image scan.png .*refused as a decompression bomb"):
            read(data, "scan.png")


def test_whatever_a_damaged_file_raises_names_it() -> None:
    frames = [Image.new("RGB", (30, 20), colour) for colour in ("red", "green")]
    whole = encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    second = struct.unpack_from("<I", whole, 8 + 2 + 12 * struct.unpack_from("<H", whole, 8)[0])[0]
    widthless = bytearray(whole)
    struct.pack_into("<H", widthless, second + 2, 65_000)  # the second frame's width becomes an unknown field
    with pytest.raises(DataError, match=r"image scan\.tif does not open: \w"):
        prepare_image(bytes(widthless), "scan.tif")
    rng = random.Random(1)
    for data in (whole, encoded(frames[0], "JPEG"), encoded(frames[0], "MPO", save_all=True, append_images=frames[1:])):
        for _ in range(200):
            broken = bytearray(data)
            for _ in range(rng.choice((1, 2, 5))):
                broken[rng.randrange(min(200, len(broken)))] = rng.randrange(256)
            with suppress(DataError):
                prepare_image(bytes(broken), "scan.tif")


def test_an_image_within_the_limit_keeps_its_bytes_and_a_larger_one_gets_the_models_own_size() -> None:
    small = encoded(Image.effect_noise((300, 200), 50))
    assert prepare_image(small, "x", LIMIT).data == small
    large = prepare_image(encoded(Image.effect_noise((1200, 700), 50), "JPEG"), "x", LIMIT)
    assert (large.original, large.size, large.suffix) == ((1200, 700), (644, 364), ".jpg")
    assert opened(large.data).size == large.size
    assert large.size[0] % 28 == large.size[1] % 28 == 0
    exact = prepare_image(small, "x", LIMIT, exact=True)
    assert (exact.size, exact.notes) == ((308, 196), ("resized to the pixel limit",))


def test_a_strip_that_would_be_too_thin_once_resized_is_refused() -> None:
    strip = encoded(Image.new("L", (10_000, 60)))
    assert prepare_image(strip, "x").size == (10_000, 60)
    with pytest.raises(DataError, match="image x is 10000 x 60 and would be 6608 x 28 within 262144 pixels: sides"):
        prepare_image(strip, "x", LIMIT)
    with pytest.raises(DataError, match="image x is 201 x 1: sides differ over 200 times"):
        prepare_image(encoded(Image.new("L", (201, 1))), "x")


@pytest.mark.parametrize("exact", [False, True])
def test_the_model_takes_every_stored_size(exact: bool) -> None:
    upstream = pytest.importorskip("transformers.models.qwen2_vl.image_processing_qwen2_vl").smart_resize
    refused = 0
    for height in (1, 13, 27, 28, 40, 60, 75):
        for ratio in (1, 20, 120, 150, 167, 200):
            image = encoded(Image.new("1", (height * ratio, height)))
            try:
                wide, high = prepare_image(image, "x", LIMIT, exact).size
            except DataError:
                refused += 1
                continue
            upstream(high, wide, factor=28, min_pixels=3136, max_pixels=LIMIT)
    assert refused > 0


def test_smart_resize_is_transformers_own() -> None:
    upstream = pytest.importorskip("transformers.models.qwen2_vl.image_processing_qwen2_vl").smart_resize
    rng = random.Random(0)
    for _ in range(500):
        width, height = rng.randint(3, 3000), rng.randint(3, 3000)
        if max(width, height) > 200 * min(width, height):
            continue
        limit = rng.choice([LIMIT, 3136, 12544, 1_003_520])
        high, wide = upstream(height, width, factor=28, min_pixels=3136, max_pixels=limit)
        assert DEFAULT.smart_resize(width, height, limit) == (wide, high)


def with_words(form: str) -> bytes:
    """A picture whose file names a patient in every place that it has for words."""
    picture, exif = Image.effect_noise((40, 30), 50).convert("RGB"), Image.Exif()
    exif[0x010E] = "Doe^Jane"
    buffer = io.BytesIO()
    if form == "PNG":
        words = PngInfo()
        words.add_text("PatientName", "Doe^Jane")
        words.add_text("Note", "Doe^Jane", zip=True)
        words.add_itxt("PatientName", "Doe^Jane")
        picture.save(buffer, form, pnginfo=words, exif=exif, dpi=(72, 72))
    else:
        picture.save(buffer, form, comment=b"Doe^Jane", exif=exif, dpi=(72, 72))
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_words_in_a_file_are_dropped_and_its_pixels_and_resolution_stay(form: str) -> None:
    data = with_words(form)
    made = prepare_image(data, "x")
    assert b"Doe^Jane" in data
    assert b"Doe^Jane" not in made.data
    assert made.notes == ("stripped of metadata",)
    before, after = opened(data), opened(made.data)
    assert before.tobytes() == after.tobytes()
    assert [round(value) for value in after.info["dpi"]] == [72, 72]
    assert not after.getexif()
    again = prepare_image(made.data, "x")
    assert (again.data, again.notes) == (made.data, ())


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_file_cut_off_in_its_words_is_left_to_the_decoder(form: str) -> None:
    data = with_words(form)
    for length in range(2, 200):
        assert strip_metadata(data[:length]) is data[:length] or len(strip_metadata(data[:length])) <= length
