"""Fetching what a data set's entry names: a snapshot of its hub repository, or one archive by its URL.

An archive goes to ``INFIMED_CACHE/NAME`` (without the variable ``~/.cache/infimed_plugins``) and is taken up again
where an interruption left it. Every failure is a NotFetchedError or a DataError that says what to do.
"""

from __future__ import annotations

import errno
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infimed_plugins.errors import DataError, MissingExtraError
from infimed_plugins.limits import check
from infimed_plugins.sources.entry import SourceEntry

SECONDS = 60.0  # without a byte
_CHUNK = 1 << 20


class NotFetchedError(Exception):
    """What was not fetched. ``offline`` says that nothing was tried, and ``absent`` that the server has no such thing;
    else another try may help."""

    def __init__(self, reason: str, *, offline: bool = False, absent: bool = False) -> None:
        super().__init__(reason)
        self.offline, self.absent = offline, absent


def hub_snapshot(entry: SourceEntry, patterns: Sequence[str]) -> Path:
    """The folder with the files of a hub repository that match the patterns, at the entry's revision."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled
    except ImportError as error:
        raise MissingExtraError(f"fetching {entry.hub}", "huggingface_hub", "data") from error
    try:
        where = snapshot_download(
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
    """Where the archive of a data set lies."""
    return Path(os.environ.get("INFIMED_CACHE") or Path.home() / ".cache" / "infimed_plugins") / name


def archive_name(url: str) -> str:
    """The name of the file that a URL gives; a GitHub archive's is the repository's and its commit's."""
    parts = [part for part in urlsplit(url).path.split("/") if part]
    return parts[-1] if "." in parts[-1] else f"{parts[-3]}-{parts[-1]}.zip"


def fetch_archive(url: str, folder: Path) -> Path:
    """The file behind a URL in a folder, fetched unless it is there; begun downloads go on."""
    whole = folder / archive_name(url)
    if whole.exists():
        return whole
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise NotFetchedError("HF_HUB_OFFLINE is set", offline=True)
    partial = whole.with_name(whole.name + ".partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _fetch(url, partial)
        partial.replace(whole)
    except DataError:
        raise
    except (OSError, ValueError, HTTPException) as error:  # urllib's errors are OSErrors
        _refuse_full_disk(error)
        status = getattr(error, "code", None)
        raise NotFetchedError(f"{url}: {_first_line(error)}", absent=status in (401, 403, 404, 410)) from error
    return whole


def _fetch(url: str, partial: Path) -> None:
    """Append what is missing; a server that starts anew is taken from its start."""
    begun = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={begun}-"} if begun else {})
    try:
        reply: Any = urllib.request.urlopen(request, timeout=SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == 416 and begun:  # nothing is left to fetch
            return
        raise
    with reply:
        goes_on = reply.status == 206
        left = int(reply.headers.get("Content-Length") or 0)
        check("download", left + begun * goes_on, url)
        with partial.open("ab" if goes_on else "wb") as file, _bar(partial.name, left, begun if goes_on else 0) as bar:
            got = 0
            while piece := reply.read(_CHUNK):
                got += len(piece)
                check("download", got + begun * goes_on, url)
                file.write(piece)
                bar.update(len(piece))
    if left and got < left:
        raise OSError(f"the connection ended after {got:,} of {left:,} bytes; run again, the rest is fetched then")


def _bar(name: str, left: int, begun: int) -> Any:
    from tqdm import tqdm  # type: ignore[import-untyped]  # huggingface_hub shows its downloads with it, too

    title = name.removesuffix(".partial")
    return tqdm(total=(begun + left) or None, initial=begun, unit="B", unit_scale=True, desc=title, leave=False)


def _refuse_full_disk(error: BaseException) -> None:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = error.filename or "the cache"
        raise DataError(f"{where}: {error.strerror}; make room and run again, what is fetched is kept") from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
