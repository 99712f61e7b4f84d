"""Words that a file carries beside its picture stay behind, in the image store and on the way to a server."""

from __future__ import annotations

import base64
import io
import json
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageCms, TiffImagePlugin

from infimed_plugins.engines.openai_format import data_uri
from infimed_plugins.images import prepare_image
from infimed_plugins.records import ImageRef

NAME = b"DOE^JOHN"
WORD = NAME.decode()
NOISE = Image.effect_noise((48, 32), 60).convert("RGB")
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" dc:creator="DOE^JOHN"/></rdf:RDF></x:xmpmeta>'
)
IPTC = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + struct.pack(">I", 13) + b"\x1c\x02\x50\0\x08" + NAME + b"\0"


def encoded(form: str, image: Image.Image = NOISE, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def exif() -> bytes:
    made = Image.Exif()
    made[0x010E], made[0x013B], made[0x9286] = WORD, WORD, b"ASCII\0\0\0" + NAME
    return made.tobytes()


def profile() -> bytes:
    """An ICC profile whose description is the name: the 8 bytes stand where the text of the sRGB one did."""
    made = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    at = made.find(b"s\0R\0G\0B\0")
    made[at : at + 8] = NAME
    return bytes(made)


PNG, JPEG = encoded("PNG"), encoded("JPEG", quality=90)
PROGRESSIVE = encoded("JPEG", quality=90, progressive=True)
HEAD = 33  # bytes of a PNG's signature and IHDR


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(name: bytes, body: bytes, place: str = "first") -> bytes:
    at = {"first": HEAD, "last": len(PNG) - 12, "behind": len(PNG)}[place]
    return PNG[:at] + chunk(name, body) + PNG[at:]


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def jpeg(marker: int, body: bytes, at: int = 2, base: bytes = JPEG) -> bytes:
    return base[:at] + segment(marker, body) + base[at:]


def jfif_thumbnail() -> bytes:
    pixels = (NAME * 12)[:75]
    return b"\xff\xd8" + segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\5\5" + pixels) + JPEG[20:]


def between_scans(body: bytes) -> bytes:
    at = PROGRESSIVE.index(b"\xff\xda", PROGRESSIVE.index(b"\xff\xda") + 2)
    return PROGRESSIVE[:at] + body + PROGRESSIVE[at:]


def tiff(tag: int, value: Any) -> bytes:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[tag] = value
    return encoded("TIFF", tiffinfo=tags)


def animation() -> bytes:
    return encoded("PNG", save_all=True, append_images=[NOISE.rotate(180)]) + NAME


def dicom() -> bytes:
    pydicom = pytest.importorskip("pydicom")
    import numpy as np

    made = pydicom.Dataset()
    made.file_meta = pydicom.dataset.FileMetaDataset()
    made.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    made.PatientName, made.PatientID, made.ImageComments, made.InstitutionName = WORD, WORD, WORD, WORD
    made.Rows, made.Columns, made.BitsAllocated, made.BitsStored, made.HighBit = 32, 48, 8, 8, 7
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PixelRepresentation = 3, "RGB", 0
    made.PlanarConfiguration, made.PixelData = 0, np.asarray(NOISE).tobytes()
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, made, enforce_file_format=False, implicit_vr=False, little_endian=True)
    return b"\0" * 128 + b"DICM" + buffer.getvalue().removeprefix(b"\0" * 128 + b"DICM")


TEXTS = {b"tEXt": b"Comment\0" + NAME, b"zTXt": b"Comment\0\0" + zlib.compress(NAME)}
TEXTS |= {
    b"iTXt": b"XML:com.adobe.xmp\0\0\0\0\0" + XMP,
    b"eXIf": exif()[6:],
    b"iCCP": b"icc\0\0" + zlib.compress(profile()),
}
UNKNOWN = (b"prVt", b"caNv", b"tIME", b"hIST", b"sPLT", b"PLTE", b"bKGD", b"tEXT", b"doCM", b"idAT", b"JDAT", b"prIV")
SOLID = (b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"pHYs", b"acTL", b"IEND")
CARRIERS: dict[str, Callable[[], bytes]] = {
    **{
        f"PNG {name.decode()} {at}": lambda name=name, at=at: png(name, TEXTS[name], at)
        for name in TEXTS
        for at in ("first", "last", "behind")
    },
    **{f"PNG {name.decode()}": lambda name=name: png(name, NAME) for name in UNKNOWN},
    **{f"PNG {name.decode()} too long": lambda name=name: png(name, NAME * 5, "last") for name in SOLID},
    "PNG bytes behind the end": lambda: PNG + NAME,
    "PNG long profile name": lambda: png(b"iCCP", NAME + b"\0\0" + zlib.compress(profile())),
    "PNG raw profile": lambda: png(b"tEXt", b"Raw profile type iptc\0\niptc\n 8\n" + NAME.hex().encode()),
    "PNG compressed iTXt": lambda: png(b"iTXt", b"Note\0\1\0\0\0" + zlib.compress(NAME)),
    "PNG name as keyword": lambda: png(b"tEXt", NAME + b"\0x"),
    "PNG animation": animation,
    "PNG of palette": lambda: encoded("PNG", NOISE.quantize(64)) + NAME,
    "PNG with alpha": lambda: encoded("PNG", NOISE.convert("RGBA")) + NAME,
    **{f"JPEG APP{n}": lambda n=n: jpeg(0xE0 + n, NAME + b"\0" + NAME) for n in range(16)},
    "JPEG comment": lambda: jpeg(0xFE, NAME),
    "JPEG two comments": lambda: jpeg(0xFE, NAME, base=jpeg(0xFE, NAME)),
    "JPEG comment before the scan": lambda: jpeg(0xFE, NAME, JPEG.index(b"\xff\xda")),
    "JPEG comment before the end": lambda: jpeg(0xFE, NAME, len(JPEG) - 2),
    "JPEG Exif": lambda: jpeg(0xE1, exif()),
    "JPEG Exif behind the tables": lambda: jpeg(0xE1, exif(), JPEG.index(b"\xff\xda")),
    "JPEG XMP": lambda: jpeg(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP),
    "JPEG extended XMP": lambda: jpeg(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"A" * 40 + XMP),
    "JPEG IPTC": lambda: jpeg(0xED, IPTC),
    "JPEG profile": lambda: jpeg(0xE2, b"ICC_PROFILE\0\1\1" + profile()),
    "JPEG FlashPix": lambda: jpeg(0xE2, b"FPXR\0\0" + NAME),
    "JPEG thumbnail of JFIF": jfif_thumbnail,
    "JPEG JFXX thumbnail": lambda: jpeg(0xE0, b"JFXX\0\x10" + JPEG[:-2] + NAME + b"\xff\xd9", 20),
    "JPEG second JFIF": lambda: jpeg(0xE0, b"JFIF\0" + NAME + b"\0\0", 20),
    "JPEG long Adobe": lambda: jpeg(0xEE, b"Adobe\0\x64\0\0\0\0\1" + NAME),
    "JPEG bytes behind the end": lambda: JPEG + NAME,
    "JPEG a second picture behind the end": lambda: JPEG + jpeg(0xFE, NAME),
    "JPEG between scans": lambda: between_scans(segment(0xFE, NAME)),
    "JPEG Exif between scans": lambda: between_scans(segment(0xE1, exif())),
    "JPEG fill bytes": lambda: JPEG[:2] + b"\xff\xff\xff" + segment(0xFE, NAME) + JPEG[2:],
    "JPEG of CMYK with a profile": lambda: encoded("JPEG", NOISE.convert("CMYK"), icc_profile=profile()),
    "JPEG of a phone, two pictures": lambda: encoded("MPO", save_all=True, append_images=[NOISE]) + NAME,
    "JPEG bytes before a marker": lambda: JPEG[:20] + NAME + JPEG[20:],
    "JPEG restart markers": lambda: jpeg(0xFE, NAME, base=encoded("JPEG", restart_marker_blocks=1)),
    "JPEG grey": lambda: jpeg(0xFE, NAME, base=encoded("JPEG", NOISE.convert("L"))),
    "JPEG CMYK": lambda: jpeg(0xFE, NAME, base=encoded("JPEG", NOISE.convert("CMYK"))),
    "GIF comment": lambda: encoded("GIF", NOISE.quantize(64), comment=NAME),
    "GIF behind the end": lambda: encoded("GIF", NOISE.quantize(64)) + NAME,
    "TIFF description": lambda: tiff(270, WORD),
    "TIFF artist": lambda: tiff(315, WORD),
    "TIFF private tag": lambda: tiff(65000, WORD),
    "TIFF XMP": lambda: tiff(700, XMP),
    "TIFF behind the end": lambda: encoded("TIFF") + NAME,
    "BMP behind the end": lambda: encoded("BMP") + NAME,
    "WebP Exif": lambda: encoded("WEBP", lossless=True, exif=exif()),
    "WebP XMP": lambda: encoded("WEBP", lossless=True, xmp=XMP),
    "WebP profile": lambda: encoded("WEBP", lossless=True, icc_profile=profile()),
    "PPM comment": lambda: b"P6\n# DOE^JOHN\n48 32\n255\n" + NOISE.tobytes(),
    "JPEG 2000 comment": lambda: encoded("JPEG2000", comment=NAME),
    "DICOM": dicom,
}  # fmt: skip


def holds(data: bytes) -> bool:
    return any(WORD.encode(code) in data for code in ("utf-8", "utf-16-le", "utf-16-be")) or NAME.hex().encode() in data


def sent(data: bytes) -> bytes:
    return base64.b64decode(data_uri(ImageRef(data=data)).partition(",")[2])


def pixels(data: bytes) -> bytes:
    return Image.open(io.BytesIO(data)).convert("RGB").tobytes()


def test_there_are_seventy_five_carriers_and_more() -> None:
    assert len(CARRIERS) >= 75


@pytest.mark.parametrize("leave", [lambda data: prepare_image(data, "x.dcm").data, sent], ids=["stored", "sent"])
@pytest.mark.parametrize("name", CARRIERS)
def test_no_word_leaves_and_every_pixel_does(name: str, leave: Callable[[bytes], bytes]) -> None:
    data = CARRIERS[name]()
    made = leave(data)
    assert not holds(made)
    if not name.startswith("DICOM"):
        assert pixels(made) == pixels(data) or "CMYK" in name  # of four colours it is written again
    else:
        assert pixels(made) == NOISE.tobytes()
    if name.startswith("JPEG") and "CMYK" not in name and "2000" not in name:
        scan = made.index(b"\xff\xda")
        assert made[scan : scan + 30] in data, "a JPEG is not encoded again"


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="needs ExifTool (Debian: libimage-exiftool-perl)")
def test_exiftool_reads_the_name_in_the_carriers_and_in_nothing_that_leaves(tmp_path: Path) -> None:
    for number, make in enumerate(CARRIERS.values()):
        data = make()
        for folder, written in (("before", data), ("stored", prepare_image(data, "x.dcm").data), ("sent", sent(data))):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / f"{number}.bin").write_bytes(written)
    read = {folder: exiftool(tmp_path / folder) for folder in ("before", "stored", "sent")}
    known = sum(WORD in json.dumps(tags) for tags in read["before"])
    assert known > 30, "ExifTool sees the words that it knows"
    for tags in (*read["stored"], *read["sent"]):
        assert WORD not in json.dumps(tags)
        groups = {key.partition(":")[0] for key in tags} - {"SourceFile"}
        assert groups <= {"ExifTool", "System", "File", "PNG", "PNG-pHYs", "JFIF", "Adobe", "Composite"}


def exiftool(folder: Path) -> list[dict[str, Any]]:
    made = subprocess.run(
        ["exiftool", "-json", "-a", "-u", "-b", "-ee", "-G1", *map(str, sorted(folder.iterdir()))],
        capture_output=True,
        check=False,
    )
    found: list[dict[str, Any]] = json.loads(made.stdout)
    return found


def test_a_rotation_is_applied_before_its_mark_is_dropped_on_the_way_to_a_server_too() -> None:
    turn = Image.Exif()
    turn[0x0112] = 6
    for data in (
        encoded("PNG", exif=turn),
        encoded("JPEG", exif=turn.tobytes()),
        png(b"eXIf", turn.tobytes()[6:], "last"),
    ):
        for made in (sent(data), prepare_image(data, "x").data):
            assert Image.open(io.BytesIO(made)).size == (32, 48)
