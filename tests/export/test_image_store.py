"""An image is stored once under the hash of its bytes, in a form that both trainers read rightly, or refused."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from infimed_plugins.errors import DataError
from infimed_plugins.export.image_store import ImageStore
from infimed_plugins.records import ImageRef


def encoded(image: Image.Image, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=form)
    return buffer.getvalue()


GREY = encoded(Image.new("L", (30, 20), 7))
JPEG = encoded(Image.new("RGB", (30, 20), (200, 0, 0)), "JPEG")


@pytest.mark.parametrize(("data", "suffix"), [(GREY, ".png"), (JPEG, ".jpg")])
def test_an_eight_bit_png_or_jpeg_is_stored_as_it_is(data: bytes, suffix: str, tmp_path: Path) -> None:
    digest = hashlib.sha256(data).hexdigest()
    assert ImageStore(tmp_path).add(ImageRef(data=data)) == f"images/{digest[:2]}/{digest}{suffix}"
    assert (tmp_path / f"images/{digest[:2]}/{digest}{suffix}").read_bytes() == data


@pytest.mark.parametrize(
    "make",
    [
        lambda: encoded(Image.new("RGB", (30, 20), (200, 0, 0)), "BMP"),
        lambda: encoded(Image.new("RGB", (30, 20), (200, 0, 0)).quantize(4)),
        lambda: encoded(Image.new("RGBA", (30, 20), (200, 0, 0, 255))),
    ],
    ids=["bmp", "palette", "alpha"],
)
def test_another_form_becomes_an_rgb_png_with_the_same_pixels(make: Callable[[], bytes], tmp_path: Path) -> None:
    stored = Image.open(tmp_path / ImageStore(tmp_path).add(ImageRef(data=make())))
    assert (stored.format, stored.mode, stored.size) == ("PNG", "RGB", (30, 20))
    assert stored.getpixel((3, 3)) == (200, 0, 0)


def test_the_same_image_is_stored_once_from_memory_or_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(GREY)
    store = ImageStore(tmp_path / "store")
    assert store.add(ImageRef(data=GREY)) == store.add(ImageRef(path=str(tmp_path / "in.png")))
    assert len([path for path in (tmp_path / "store").rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "does not open"),
        (b"no image", "does not open"),
        (encoded(Image.effect_noise((64, 64), 80))[:1500], "does not open"),
        (encoded(Image.new("L", (603, 3))), "sides differ over 200 times"),
    ],
    ids=["empty", "no image", "truncated", "a strip"],
)
def test_an_image_the_trainers_would_misread_is_refused_and_nothing_is_stored(
    data: bytes, said: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=said):
        ImageStore(tmp_path).add(ImageRef(data=data))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.png cannot be read"):
        ImageStore(tmp_path).add(ImageRef(path=str(tmp_path / "gone.png")))
