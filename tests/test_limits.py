"""What strangers' files may take: every limit has one place, one message and one way to raise it."""

from __future__ import annotations

import gzip
import json
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infimed_plugins import limits
from infimed_plugins.benchmarks.run_folder import RunFolder
from infimed_plugins.errors import ConfigError, DataError, InfimedError
from infimed_plugins.images import FORMATS, prepare_image
from infimed_plugins.recipes import read_manifest
from infimed_plugins.recipes.recipe_file import load_recipe
from infimed_plugins.records import ImageRef
from infimed_plugins.rewards.generations import read_generations
from infimed_plugins.sources.files import Archive
from infimed_plugins.sources.tables import delimited_rows, json_rows
from infimed_plugins.tables.rows import read_rows


def sparse(path: Path, start: bytes = b"", size: int = 1 << 30) -> Path:
    """A file that begins so and is zeros behind, on no disk."""
    with path.open("wb") as file:
        file.write(start)
        file.truncate(size)
    return path


def png(width: int, height: int, depth: int, kind: int) -> bytes:
    made = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    for name, body in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")):
        made += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return made


def deflated_dicom(size: int) -> bytes:
    syntax = b"1.2.840.10008.1.2.1.99"
    meta = b"\x02\0\x10\0UI" + struct.pack("<H", len(syntax)) + syntax
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = packer.compress(bytes(size)) + packer.flush()
    return bytes(128) + b"DICM\x02\0\0\0UL\x04\0" + struct.pack("<I", len(meta)) + meta + body


FITS = b"".join(
    line.ljust(80) for line in (b"SIMPLE  = T", b"BITPIX  = -64", b"NAXIS   = 2", b"NAXIS1  = 9999", b"NAXIS2  = 9999")
).ljust(2880)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (png(10_000, 10_000, 16, 0), "100,000,000 or more pixels of more than 8 bits"),
        (png(5_000, 4_000, 16, 2), "20,000,000 or more pixels of more than 8 bits"),
        (png(12_000, 12_000, 8, 2), "144,000,000 or more pixels"),
        (FITS, "no image format is known for it"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no image format is known for it"),
        (b"\x00\x00\x02\x00" + bytes(14) + b"\x08\x00", "no image format is known for it"),
        (deflated_dicom(1 << 28), "bytes of a deflated DICOM file"),
        (deflated_dicom(100).replace(b"DICM\x02\0\0\0UL", b"DICM\x02\0\1\0UL"), "has no length"),
    ],
)
def test_a_picture_of_too_much_or_of_a_strange_format_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        prepare_image(data, "scan.png")


def test_the_formats_run_no_other_program() -> None:
    assert not {"EPS", "PDF", "WMF", "FITS", "PSD", "MPEG", "GRIB", "HDF5", "BUFR"} & set(FORMATS)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", "[" * 100_000),
        ("a.json", '[{"a": 1}, ' + "[" * 100_000),
        ("a.json", '[{"a": 1}' + "\0" * 5000),
        ("a.json", '{"a": ' + "9" * 5_000 + "}"),
        ("a.jsonl", '{"a": ' * 100_000),
        ("a.jsonl", '{"a": "' + "x" * 5000 + '"}\n'),
        ("a.json", '[{"a": "' + "x" * 5000 + '"}]'),
        ("a.json", '{\n"a": "' + "x" * 5000 + '"}'),
    ],
)
def test_odd_json_is_one_line(name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infimed_plugins.tables.rows._CHUNK", 1000)
    if "xxx" in text:
        monkeypatch.setenv(limits.VARIABLE, "line=2000, file=3000")
        monkeypatch.setattr("infimed_plugins.limits._SMALL", 10)
    (tmp_path / name).write_text(text)
    for read in (json_rows, read_rows, read_generations):
        with pytest.raises(DataError):
            list(read(tmp_path / name))


@pytest.mark.parametrize("name", ["settings.json", "manifest.json"])
@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "9" * 5_000, '{"a": ' * 100_000, "", "\xff", "[]", '"x"', '{"benchmark": "x", "limit": "x"}',
     '{"benchmark": "x", "limit": -3}', '{"rows": 1, "parts": [{"read": -1}], "outputs": []}'],
)  # fmt: skip
def test_odd_settings_and_manifests_are_one_line(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="latin-1")
    with pytest.raises(InfimedError) as caught:
        RunFolder(tmp_path).settings() if name == "settings.json" else read_manifest(tmp_path)
    assert len(str(caught.value)) < 1000


LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS,
        f"{LAUGHS}name: *i\nformat: llamafactory\nparts: *i\n",
        f"{LAUGHS}? *i\n: format",
        f"{'a' * 5_000}: 1\n{'a' * 5_000}: 2",
        "[" * 3_000,
        "a: " * 3_000,
        "name: &a [*a]",
        "name: &a {b: *a}",
        "seed: " + "9" * 5_000,
        "when: 2001-99-99",
        "a: !!python/object/apply:os.system [id]",
        "? [a]\n: b",
        f"a: &a {'x' * 20_000}\nname: [{','.join(['*a'] * 100)}]",
        "\x00",
        "- " * 3_000,
        "seed: 1\nname: a\nseed: 2",
        "name: a\nparts: [{name: p, source: phantom, name: q}]",
    ],
)
def test_an_odd_recipe_is_one_short_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_recipe(tmp_path / "r.yaml")
    assert len(str(caught.value)) < 1000


def test_an_alias_of_a_plain_recipe_is_followed_and_counts_as_often_as_it_is_used() -> None:
    assert limits.parse_yaml("a: &a [1, 2]\nb: *a") == {"a": [1, 2], "b": [1, 2]}
    with pytest.raises(DataError, match=r"1,048,577 or more .*, aliases followed"):
        limits.parse_yaml(LAUGHS)


def test_a_packed_reply_is_unpacked_no_further_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(limits.VARIABLE, "reply=1KiB")
    packed = gzip.compress(bytes(20 << 20))
    tracemalloc.start()
    with pytest.raises(DataError, match="INFIMED_LIMITS=reply="):
        limits.unpacked(packed, "gzip", "a reply")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1 << 20


def test_a_limit_says_its_number_and_is_raised_by_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.png").write_bytes(bytes(2000))
    monkeypatch.setenv(limits.VARIABLE, "picture=1KiB")
    with pytest.raises(DataError, match=r"2,000 .* where 1,024 are the limit; .* set INFIMED_LIMITS=picture=2000"):
        ImageRef(path=str(tmp_path / "x.png")).read()
    monkeypatch.setenv(limits.VARIABLE, "picture=2000")
    assert len(ImageRef(path=str(tmp_path / "x.png")).read()) == 2000


@pytest.mark.parametrize("text", ["picture", "picture=x", "pictures=3", "picture=-1", "picture=1TB", "picture=1.5GiB"])
def test_a_limit_that_cannot_be_read_is_said(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(limits.VARIABLE, text)
    with pytest.raises(ConfigError, match="INFIMED_LIMITS"):
        limits.limit("line")


def test_a_device_is_no_picture() -> None:
    with pytest.raises(DataError, match="it is no file"):
        ImageRef(path="/dev/zero").read()


def shared_text(path: Path) -> None:
    """Forty rows that share a text of 16 MiB."""
    text = pa.array(["x" * (16 << 20)]).dictionary_encode().take(pa.array([0] * 40))
    pq.write_table(pa.table({"question": text}), path, compression="zstd")


def empty_lists(path: Path) -> None:
    """Thirty rows of a million empty lists each."""
    row = pa.array([[[]] * 1_000_000], pa.list_(pa.list_(pa.int8())))
    pq.write_table(pa.table({"question": row.take(pa.array([0] * 30))}), path, compression="zstd")


def write_hostile(root: Path) -> None:
    """Small files that take gigabytes."""
    for name, start in (("nul.json", b"["), ("nul.jsonl", b'{"a": 1'), ("nul.csv", b"a,b\n1,"), ("behind.json", b"[]")):
        sparse(root / name, start)
    sparse(root / "nul.png")
    sparse(root / "nul.parquet", b"PAR1")
    (root / "open.json").write_bytes(b"[" * (20 << 20))
    (root / "open.jsonl").write_bytes(b'{"a":' + b"[]," * (20 << 20))
    with zipfile.ZipFile(root / "deep.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a/" * 32_000 + "x.png", b"")
    shared_text(root / "shared.parquet")
    empty_lists(root / "lists.parquet")
    (root / "scan.dcm").write_bytes(deflated_dicom(1 << 29))
    (root / "settings.json").write_text('{"benchmark": [' + "{}," * 16_000_000 + "{}]}")


def readers(root: Path) -> dict[str, tuple[Callable[[Path], Any], Path]]:
    """What reads each of them."""
    rows: Callable[[Path], Any] = lambda path: sum(1 for _ in read_rows(path))  # noqa: E731
    found: dict[str, tuple[Callable[[Path], Any], Path]] = {
        path.name: (rows, path)
        for path in sorted(root.iterdir())
        if path.suffix in (".json", ".jsonl", ".csv", ".parquet")
    }
    found |= {
        f"source {name}": (lambda path: sum(1 for _ in json_rows(path)), root / name)
        for name in ("nul.json", "nul.jsonl", "behind.json", "open.json", "open.jsonl")
    }
    found["source nul.csv"] = (lambda path: sum(1 for _ in delimited_rows(path, ("a",))), root / "nul.csv")
    found["run"] = (lambda path: RunFolder(path.parent).settings(), root / "settings.json")
    found["zip"] = (lambda path: Archive(path).image("x.png").read(), root / "deep.zip")
    for name in ("nul.png", "scan.dcm"):
        found[name] = (lambda path: prepare_image(ImageRef(path=str(path)).read(), path.name), root / name)
    return found  # fmt: skip


def test_no_file_takes_more_than_half_a_gigabyte(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, __file__, str(tmp_path)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    peaks = json.loads(done.stdout)
    assert len(peaks) >= 18
    assert {name: peak for name, peak in peaks.items() if peak > 500} == {}


def _measured(root: Path) -> dict[str, int]:
    """Peak memory in MiB above the start, of each file in a process of its own."""
    import os

    if (child := os.fork()) == 0:  # what writing took would be there for reading
        write_hostile(root)
        os._exit(0)
    os.waitpid(child, 0)
    peaks = {}
    for name, (read, path) in readers(root).items():
        out, into = os.pipe()
        if (child := os.fork()) == 0:
            Path("/proc/self/clear_refs").write_text("5")  # the peak of the parent
            before = _peak()
            with suppress(InfimedError):
                read(path)
            os.write(into, str(_peak() - before).encode())
            os._exit(0)
        os.close(into)
        peaks[name] = int(os.read(out, 100) or 1 << 20)
        os.waitpid(child, 0)
    return peaks


def _peak() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) >> 10


if __name__ == "__main__":
    print(json.dumps(_measured(Path(sys.argv[1]))))
