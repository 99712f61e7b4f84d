"""An archive that is not on the hub is fetched from its URL, by a real server on loopback; a broken fetch goes on."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from infimed_plugins.curation.decontamination.benchmark_items import Benchmarks, hashed_items
from infimed_plugins.errors import ConfigError, DataError, MissingFileError, UnreachableFileError
from infimed_plugins.sources import SourceEntry, download, source_entries
from infimed_plugins.sources.download import NotFetchedError, archive_name, fetch_archive
from infimed_plugins.sources.files import Files

DATA = bytes(range(256)) * 4096
FIXTURES = Path(__file__).parents[1] / "data" / "sources"


class Handler(BaseHTTPRequestHandler):
    """Serves ``data`` with ranges; ``cut`` ends replies early, ``ranges`` off ignores the header."""

    data: ClassVar[bytes] = DATA
    tag: ClassVar[str] = '"one"'
    asked: ClassVar[list[str]] = []
    cut: ClassVar[int | None] = None
    ranges: ClassVar[bool] = True
    status: ClassVar[int] = 200
    chunk: ClassVar[bytes] = b""  # instead of a length: the size that a chunk says it has
    raw: ClassVar[list[bytes]] = []  # whole replies, one for each request, before any other

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        Handler.asked.append(wanted)
        self.close_connection = True
        if self.raw:
            self.wfile.write(self.raw.pop(0))
            return
        same = self.headers.get("If-Range") == self.tag
        start = int(wanted[6:-1]) if wanted and self.ranges and same else 0
        if self.status != 200 or start >= len(self.data):
            self.send_response(self.status if self.status != 200 else 416)
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(self.data) - 1}/{len(self.data)}")
        if self.tag:
            self.send_header("ETag" if '"' in self.tag else "Last-Modified", self.tag)
        length = ("Content-Length", str(len(self.data) - start))
        self.send_header(*(("Transfer-Encoding", "chunked") if self.chunk else length))
        self.end_headers()
        self.wfile.write(self.chunk)
        self.wfile.write(self.data[start : self.cut])

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    Handler.asked, Handler.cut, Handler.ranges, Handler.status, Handler.chunk = [], None, True, 200, b""
    Handler.data, Handler.tag, Handler.raw = DATA, '"one"', []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/set.zip"
        server.shutdown()


def test_a_file_is_fetched_once(url: str, tmp_path: Path) -> None:
    assert fetch_archive(url, tmp_path / "set").read_bytes() == DATA
    fetch_archive(url, tmp_path / "set")
    assert Handler.asked == [""]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_fetch_that_breaks_off_goes_on_where_it_was(ranges: bool, url: str, tmp_path: Path) -> None:
    Handler.cut = 300_000
    with pytest.raises(NotFetchedError, match=r"300,000 of 1,048,576 bytes; run again"):
        fetch_archive(url, tmp_path)
    assert not (tmp_path / "set.zip").exists()
    Handler.cut, Handler.ranges = None, ranges
    assert fetch_archive(url, tmp_path).read_bytes() == DATA
    assert Handler.asked == ["", "bytes=300000-"]


def test_a_fetch_that_ends_within_a_chunk_is_said_and_may_be_tried_again(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handler, "protocol_version", "HTTP/1.1")
    Handler.chunk, Handler.cut = b"fffff\r\n", 1000
    with pytest.raises(NotFetchedError) as caught:
        fetch_archive(url, tmp_path)
    assert not caught.value.absent
    assert not (tmp_path / "set.zip").exists()


def test_a_download_over_its_limit_ends_before_it_is_written(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFIMED_LIMITS", "download=1MiB")
    assert fetch_archive(url, tmp_path / "a").read_bytes() == DATA
    monkeypatch.setenv("INFIMED_LIMITS", "download=1048575")
    with pytest.raises(DataError, match=r"1,048,576 .* bytes of a download"):
        fetch_archive(url, tmp_path / "b")
    assert list((tmp_path / "b").iterdir()) == []


def begun(url: str, folder: Path) -> Path:
    """A download that ended after 300,000 bytes."""
    Handler.cut = 300_000
    with pytest.raises(NotFetchedError, match="run again"):
        fetch_archive(url, folder)
    Handler.cut = None
    return folder / "set.zip.partial"


def test_a_fetch_that_a_kill_ended_before_the_last_rename_is_whole(url: str, tmp_path: Path) -> None:
    begun(url, tmp_path).write_bytes(DATA)
    assert fetch_archive(url, tmp_path).read_bytes() == DATA
    assert Handler.asked == [""]
    assert [path.name for path in tmp_path.iterdir()] == ["set.zip"]


@pytest.mark.parametrize("tag", ["", 'W/"one"', '"\xe9"'])
def test_a_file_that_nothing_tells_apart_begins_from_the_start(tag: str, url: str, tmp_path: Path) -> None:
    Handler.tag = tag
    begun(url, tmp_path)
    assert fetch_archive(url, tmp_path).read_bytes() == DATA
    assert Handler.asked == ["", ""]


def test_a_date_tells_a_file_apart_too(url: str, tmp_path: Path) -> None:
    Handler.tag = "Sun, 29 Nov 2026 01:02:03 GMT"
    begun(url, tmp_path)
    assert fetch_archive(url, tmp_path).read_bytes() == DATA
    assert Handler.asked == ["", "bytes=300000-"]


@pytest.mark.parametrize("data", [bytes(reversed(DATA)), DATA[:1000], DATA + b"more"])
def test_a_file_that_has_changed_begins_from_the_start(data: bytes, url: str, tmp_path: Path) -> None:
    begun(url, tmp_path)
    Handler.data, Handler.tag = data, '"two"'
    assert fetch_archive(url, tmp_path).read_bytes() == data


@pytest.mark.parametrize("url_end", ["", "?other"])
def test_what_lies_there_of_another_address_or_without_a_note_is_not_taken_up(
    url_end: str, url: str, tmp_path: Path
) -> None:
    partial = begun(url, tmp_path)
    partial.write_bytes(b"x" * 300_000)
    if not url_end:
        (tmp_path / "set.zip.partial.from").write_text("10\nno")
    assert fetch_archive(url + url_end, tmp_path).read_bytes() == DATA
    assert Handler.asked == ["", ""]


TAIL = DATA[300_000:]


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("206 P\r\nContent-Range: bytes 200000-1048575/1048576", DATA[200_000:]),
        ("206 P\r\nContent-Range: bytes 300001-1048575/1048576", TAIL[1:]),
        ("206 P\r\nContent-Range: bytes 300000-1048575/1048577", TAIL),
        ("206 P\r\nContent-Range: bytes 300000-1048575/*", TAIL),
        ('206 P\r\nETag: "two"\r\nContent-Range: bytes 300000-1048575/1048576', TAIL),
        ("206 P\r\nContent-Range: bytes */1048576", TAIL),
        ("206 P\r\nContent-Type: multipart/byteranges; boundary=x", b"--x\r\n\r\n" + TAIL),
        ("206 P", TAIL),
        ("416 R\r\nContent-Range: bytes */5", b""),
        ("416 R\r\nContent-Range: bytes */1048576", b""),
        ("416 R", b""),
        ("204 N", b""),
    ],
)
def test_a_reply_that_is_not_the_missing_rest_is_no_part_of_the_file(
    head: str, body: bytes, url: str, tmp_path: Path
) -> None:
    begun(url, tmp_path)
    Handler.raw = [f"HTTP/1.0 {head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body]
    assert fetch_archive(url, tmp_path).read_bytes() == DATA
    assert Handler.asked == ["", "bytes=300000-", ""]


@pytest.mark.parametrize("rest", [TAIL[:-1], TAIL + b"x", b""])
def test_a_rest_of_another_length_is_never_called_whole(rest: bytes, url: str, tmp_path: Path) -> None:
    begun(url, tmp_path)
    head = "HTTP/1.0 206 P\r\nContent-Range: bytes 300000-1048575/1048576\r\n\r\n"
    Handler.raw = [head.encode() + rest]
    with pytest.raises(NotFetchedError, match=r"of 1,048,576 bytes; run again"):
        fetch_archive(url, tmp_path)
    assert not (tmp_path / "set.zip").exists()
    assert fetch_archive(url, tmp_path).read_bytes() == DATA


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a.txt", bytes(range(256)) * 400)
    return buffer.getvalue()


def test_without_a_length_an_archive_is_whole_that_has_its_end(url: str, tmp_path: Path) -> None:
    data = zipped()
    for end in (len(data) // 2, len(data) - 1, 0):
        Handler.raw = [b"HTTP/1.0 200 OK\r\n\r\n" + data[:end]]
        with pytest.raises(NotFetchedError, match="does not say how long"):
            fetch_archive(url, tmp_path)
        assert not (tmp_path / archive_name(url)).exists()
    Handler.raw = [b'HTTP/1.0 200 OK\r\nETag: "x"\r\n\r\n' + data]
    assert fetch_archive(url, tmp_path).read_bytes() == data


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.0 200 OK\r\n\r\nwords",
        b"HTTP/1.0 200 OK\r\nContent-Length: -5\r\n\r\nwords",
        b"HTTP/1.0 200 OK\r\nContent-Length: five\r\n\r\nwords",
        b"HTTP/1.0 200 OK\r\nContent-Length: " + b"9" * 4999 + b"\r\n\r\nwords",
        b"HTTP/1.0 206 OK\r\nContent-Range: bytes 0-4/5\r\nContent-Length: 5\r\n\r\nwords",
        b"HTTP/1.0 202 OK\r\nContent-Length: 5\r\n\r\nwords",
        b"HTTP/1.0 416 R\r\nContent-Range: bytes */5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwords\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwords\r\nzz\r\n",
        b"HTTP/1.0 302 F\r\nLocation: file:///etc/passwd\r\n\r\n",
        b"HTTP/1.0 302 F\r\nLocation: http://[::1\r\n\r\n",
        b"HTTP/1.0 302 F\r\nLocation: http://h:99999/\r\n\r\n",
        b"\x00\xff no HTTP",
        b"",
    ],
)
def test_a_hostile_answer_is_one_line_and_no_file(raw: bytes, url: str, tmp_path: Path) -> None:
    Handler.raw = [raw]
    with pytest.raises(NotFetchedError) as caught:
        fetch_archive(url, tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "set.zip").exists()
    assert fetch_archive(url, tmp_path).read_bytes() == DATA


def test_a_file_is_taken_only_with_the_bytes_that_its_entry_names(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFIMED_CACHE", str(tmp_path))
    known = {"set.zip": {"sha256": hashlib.sha256(DATA).hexdigest()}}
    files = Files("set", SourceEntry("T", "o", "l", url=url, files=known))
    Handler.data = DATA[:-1] + b"x"
    with pytest.raises(UnreachableFileError, match="sha256 differs"):
        files.one("set.zip")
    assert list((tmp_path / "set").glob("set.zip*")) == [tmp_path / "set" / "set.zip.partial.from"]
    Handler.data = DATA
    assert files.one("set.zip").read_bytes() == DATA


def test_two_processes_never_write_one_file(url: str, tmp_path: Path) -> None:
    code = "import sys; from infimed_plugins.storage import locked; from pathlib import Path\n"
    code += "with locked(Path(sys.argv[1])): print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "set")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ConfigError, match=f"in use by process {other.pid}"):
            fetch_archive(url, tmp_path / "set")
        other.stdin.write("\n")
    assert fetch_archive(url, tmp_path / "set").read_bytes() == DATA


def test_what_the_server_lacks_is_absent_and_what_it_cannot_give_now_is_not(url: str, tmp_path: Path) -> None:
    Handler.status = 404
    with pytest.raises(NotFetchedError) as gone:
        fetch_archive(url, tmp_path)
    Handler.status = 503
    with pytest.raises(NotFetchedError) as busy:
        fetch_archive(url, tmp_path)
    assert (gone.value.absent, busy.value.absent) == (True, False)


def test_a_full_disk_is_said(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "the/cache")

    monkeypatch.setattr(download, "_fetch", full)
    with pytest.raises(DataError, match="the/cache: No space left on device; make room and run again"):
        fetch_archive(url, tmp_path)


def test_a_github_archive_is_named_by_repository_and_commit() -> None:
    assert archive_name("https://codeload.github.com/lupantech/PromptPG/zip/7cf61b1") == "PromptPG-7cf61b1.zip"
    assert archive_name("https://a.com/x/iconqa_data.zip?v=1") == "iconqa_data.zip"


def test_a_set_with_a_url_is_fetched_when_the_archive_is_asked_for(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFIMED_CACHE", str(tmp_path))
    files = Files("set", SourceEntry("T", "o", "l", url=url))
    with pytest.raises(MissingFileError):
        files.one("set/rows.json")
    assert Handler.asked == []
    assert files.one("set.zip").read_bytes() == DATA


def test_a_folder_of_several_sets_leaves_the_others_to_the_network(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFIMED_CACHE", str(tmp_path / "cache"))
    (tmp_path / "slake").mkdir()
    entry = SourceEntry("T", "o", "l", url=url)
    assert Files("set", entry, tmp_path).one("set.zip").read_bytes() == DATA
    (tmp_path / "set").mkdir()
    assert Files("set", entry, tmp_path).is_local
    with pytest.raises(MissingFileError, match="its files are not there"):
        Files("set", entry, tmp_path).one("set.zip")


def test_sets_of_one_repository_share_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "pmc_vqa"
    folder.mkdir()
    (folder / "test_2.csv").write_text("x")
    entry = source_entries()["pmc_vqa_2"]
    assert Files("pmc_vqa_2", entry, tmp_path).one("test_2.csv") == folder / "test_2.csv"


def test_a_server_that_is_down_is_no_benchmark_without_files(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that a benchmark asks must not stay because the network failed for a moment."""
    monkeypatch.setenv("INFIMED_CACHE", str(tmp_path / "cache"))
    Handler.status = 503
    entry = source_entries()["tabmwp"]
    monkeypatch.setitem(source_entries(), "tabmwp", SourceEntry(**{**vars(entry), "url": url.replace("set", "P-1")}))
    monkeypatch.setattr("infimed_plugins.sources.tabmwp.ARCHIVE", "P-*.zip")
    with pytest.raises(ConfigError, match=r"cannot be fetched .*run again, or download"):
        hashed_items(Benchmarks(("tabmwp/test",), None, skip_missing=True))
    Handler.status = 404
    absent = hashed_items(Benchmarks(("tabmwp/test",), tmp_path, skip_missing=True))
    assert absent.not_checked == ["tabmwp/test"]
    assert issubclass(UnreachableFileError, MissingFileError)


@pytest.mark.parametrize(
    ("name", "split", "archive"), [("slake", "train", "imgs.zip"), ("pmc_vqa", "train", "images.zip")]
)
def test_an_archive_may_have_been_unpacked(name: str, split: str, archive: str, tmp_path: Path) -> None:
    from infimed_plugins.plugins import registry

    source = registry().get("source", name)
    folder = tmp_path / name
    shutil.copytree(FIXTURES / name, folder)
    with zipfile.ZipFile(folder / archive) as packed:
        packed.extractall(folder)
    packed_rows = [row.id for row in source.load(split, folder=tmp_path)]
    (folder / archive).unlink()
    rows = list(source.load(split, folder=tmp_path))
    assert [row.id for row in rows] == packed_rows
    assert sum(len(image.sha256()) for row in rows for image in getattr(row, "images", ())) >= 64


def test_tabmwp_is_read_in_place_from_its_repository_archive(tmp_path: Path) -> None:
    from infimed_plugins.sources.tabmwp import TABMWP

    inside = FIXTURES / "tabmwp"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in inside.rglob("*"):
            if path.is_file():
                archive.write(path, f"PromptPG-7cf61b1/{path.relative_to(inside)}")
    (tmp_path / "PromptPG-7cf61b1.zip").write_bytes(buffer.getvalue())
    there, here = list(TABMWP.load("train", folder=tmp_path)), list(TABMWP.load("train", folder=inside))
    assert json.dumps([str(row.id) for row in there]) == json.dumps([str(row.id) for row in here])
    pictures = [image.sha256() for row in there for image in getattr(row, "images", ())]
    assert pictures == [image.sha256() for row in here for image in getattr(row, "images", ())]
    assert pictures
