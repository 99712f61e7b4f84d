"""An archive that is not on the hub is fetched from its URL, by a real server on loopback; a broken fetch goes on."""

from __future__ import annotations

import errno
import io
import json
import shutil
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from infimed_plugins.curation.decontamination.benchmark_items import Benchmarks, hashed_items
from infimed_plugins.errors import ConfigError, DataError, MissingFileError
from infimed_plugins.sources import download
from infimed_plugins.sources.download import NotFetchedError, archive_name, fetch_archive
from infimed_plugins.sources.entry import SourceEntry, source_entries
from infimed_plugins.sources.faults import UnreachableFileError
from infimed_plugins.sources.files import Files

DATA = bytes(range(256)) * 4096
FIXTURES = Path(__file__).parents[1] / "data" / "sources"


class Handler(BaseHTTPRequestHandler):
    """Serves DATA with ranges; ``cut`` ends replies early, ``ranges`` off ignores the header."""

    asked: ClassVar[list[str]] = []
    cut: ClassVar[int | None] = None
    ranges: ClassVar[bool] = True
    status: ClassVar[int] = 200
    chunk: ClassVar[bytes] = b""  # instead of a length: the size that a chunk says it has

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        Handler.asked.append(wanted)
        start = int(wanted[6:-1]) if wanted and self.ranges else 0
        if self.status != 200 or start >= len(DATA):
            self.send_response(self.status if self.status != 200 else 416)
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        length = ("Content-Length", str(len(DATA) - start))
        self.send_header(*(("Transfer-Encoding", "chunked") if self.chunk else length))
        self.end_headers()
        self.wfile.write(self.chunk)
        self.wfile.write(DATA[start : self.cut])
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    Handler.asked, Handler.cut, Handler.ranges, Handler.status, Handler.chunk = [], None, True, 200, b""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
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


def test_a_fetch_that_a_kill_ended_before_the_last_rename_is_whole(url: str, tmp_path: Path) -> None:
    (tmp_path / "set.zip.partial").write_bytes(DATA)
    assert fetch_archive(url, tmp_path).read_bytes() == DATA


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
