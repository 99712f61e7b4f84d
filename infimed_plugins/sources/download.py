"""Fetch the files of a data set's entry: a snapshot of its hub repository, or one archive by its URL.

An archive goes to ``INFIMED_CACHE/NAME`` (without the variable ``~/.cache/infimed_plugins``) and is taken up again
where an interruption left it. Every failure is a NotFetchedError or a DataError that says what to do.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infimed_plugins.errors import DataError, InfimedError, optional_module
from infimed_plugins.limits import check
from infimed_plugins.sources import SourceEntry
from infimed_plugins.storage import PARTIAL, locked, settle, sha256_of, write_whole

SECONDS = 60.0  # without a byte
_CHUNK = 1 << 20


class NotFetchedError(Exception):
    """A fetch that failed. ``offline`` says that nothing was tried, and ``absent`` that the server has no such thing;
    else another try may help."""

    def __init__(self, reason: str, *, offline: bool = False, absent: bool = False) -> None:
        super().__init__(reason)
        self.offline, self.absent = offline, absent


def hub_snapshot(entry: SourceEntry, patterns: Sequence[str]) -> Path:
    """Return the folder with a hub repository's files that match the patterns, at the entry's revision."""
    hub = optional_module("huggingface_hub", f"fetching {entry.hub}", "data")
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        where = hub.snapshot_download(
            str(entry.hub), repo_type="dataset", revision=entry.revision, allow_patterns=list(patterns)
        )
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, OSError, ValueError) as error:
        _refuse_full_disk(error)
        offline = isinstance(error, OfflineModeIsEnabled) or isinstance(error.__cause__, OfflineModeIsEnabled)
        reason = "HF_HUB_OFFLINE is set" if offline else f"{type(error).__name__}: {_first_line(error)}"
        status = getattr(getattr(error, "response", None), "status_code", None)
        raise NotFetchedError(reason, offline=offline, absent=status in (401, 403, 404)) from error
    return Path(where)


def cache_folder(name: str) -> Path:
    """Return the folder of a data set's archive."""
    return Path(os.environ.get("INFIMED_CACHE") or Path.home() / ".cache" / "infimed_plugins") / name


def archive_name(url: str) -> str:
    """Return the file name of a URL; a GitHub archive is named by its repository and commit."""
    parts = [part for part in urlsplit(url).path.split("/") if part]
    return parts[-1] if "." in parts[-1] else f"{parts[-3]}-{parts[-1]}.zip"


def fetch_archive(url: str, folder: Path, sha256: str | None = None) -> Path:
    """Return the file behind a URL in a folder, fetched unless it is there; a download that was begun is resumed.

    Raises ConfigError while another process fetches into the folder (storage.locked).
    """
    whole = folder / archive_name(url)
    if whole.exists():
        return whole
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise NotFetchedError("HF_HUB_OFFLINE is set", offline=True)
    partial, note = (whole.with_name(whole.name + end) for end in (PARTIAL, PARTIAL + ".from"))
    try:
        with locked(folder):
            folder.mkdir(parents=True, exist_ok=True)
            if not whole.exists():  # another process may have fetched it meanwhile
                is_whole = _fetch(url, partial, note)
                _check(partial, is_whole, sha256)
                settle(partial, whole)
                note.unlink(missing_ok=True)
    except InfimedError:
        raise
    except (OSError, ValueError, HTTPException) as error:  # urllib's errors are OSErrors
        _refuse_full_disk(error)
        status = getattr(error, "code", None)
        raise NotFetchedError(f"{url}: {_first_line(error)}", absent=status in (401, 403, 404, 410)) from error
    return whole


def _fetch(url: str, partial: Path, note: Path) -> bool:
    """Append what is missing of the same file, else begin from the start; return True if it is surely whole then."""
    begun, total, validator = _begun(url, partial, note)
    if begun and begun == total:  # killed before the last rename
        return True
    request = urllib.request.Request(url, headers={"Range": f"bytes={begun}-", "If-Range": validator} if begun else {})
    try:
        reply: Any = urllib.request.urlopen(request, timeout=SECONDS)
    except urllib.error.HTTPError as error:
        if not begun or error.code != 416:
            raise
        reply = error
    with reply:
        place = re.fullmatch(rf"bytes {begun}-\d+/{total}", reply.headers.get("Content-Range", ""))
        goes_on = begun and reply.status == 206 and place and _validator(reply.headers) in ("", validator)
        if begun and not goes_on and reply.status != 200:
            partial.unlink()
            return _fetch(url, partial, note)
        if not goes_on:
            if reply.status != 200:
                raise OSError(f"the server answers {reply.status} where the whole file was asked for")
            begun, total = 0, 0 if reply.chunked else int(reply.headers.get("Content-Length") or 0)
            check("download", total, url)
            partial.write_bytes(b"")
            write_whole(note, "\n".join((str(total), _validator(reply.headers), url)))
        with partial.open("ab") as file, _bar(partial.name, total, begun) as bar:
            while piece := reply.read(_CHUNK):
                begun += len(piece)
                check("download", begun, url)
                file.write(piece)
                bar.update(len(piece))
        if total and begun != total:
            raise OSError(f"the connection ended after {begun:,} of {total:,} bytes; run again")
        return bool(total or reply.chunked)


def _validator(headers: Mapping[str, str]) -> str:
    """Return the header that changes with the file; a weak ETag (W/) may stand for other bytes."""
    tag = headers.get("ETag", "")
    found = tag if tag.startswith('"') else headers.get("Last-Modified", "")
    return found if found.isascii() and found.isprintable() else ""


def _begun(url: str, partial: Path, note: Path) -> tuple[int, int, str]:
    """Return the bytes there are, the total and the validator of a begun download; zeros where these are not known."""
    with contextlib.suppress(OSError, ValueError):
        total, validator, source = note.read_text(encoding="utf-8").split("\n")
        begun = partial.stat().st_size
        if validator and source == url and begun <= int(total):
            return begun, int(total), validator
    return 0, 0, ""


def _check(path: Path, is_whole: bool, sha256: str | None) -> None:
    """Raise OSError for another file than the registry knows, or for one of unknown length that may be cut: all in the
    registry are zips, which have a record at their end."""
    if sha256 is not None and sha256_of(path) != sha256:
        path.unlink()
        raise OSError("the server sends another file than the registry knows (sha256 differs)")
    if not is_whole and sha256 is None and not zipfile.is_zipfile(path):
        raise OSError(
            "the server does not say how long the file is, and it does not end as a whole one does; run again"
        )


def _bar(name: str, total: int, begun: int) -> Any:
    from tqdm import tqdm  # type: ignore[import-untyped]  # huggingface_hub shows its downloads with it, too

    title = name.removesuffix(PARTIAL)
    return tqdm(total=total or None, initial=begun, unit="B", unit_scale=True, desc=title, leave=False)


def _refuse_full_disk(error: BaseException) -> None:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = error.filename or "the cache"
        raise DataError(f"{where}: {error.strerror}; make room and run again, what is fetched is kept") from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
