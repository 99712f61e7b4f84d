"""The folder of one benchmark asked in one way: settings, replies as they come, verdicts of each mode.

    settings.json            how it was asked; another setting that shapes replies is refused in the same folder
    responses.jsonl          a Response a line with its crc32, in the order the replies came
    finished.json            how many replies there were at the last end, and the sha256 of settings.json
    failed.jsonl             questions whose request failed in the last run; the next run asks them again
    bad_rows.jsonl           rows of the source that no question could be made of, with the reason
    verdicts-MODE.jsonl      id, parsed answer, accuracy, reason, code … in the benchmark's order (scorers.py)
    verdicts-MODE-JUDGE.jsonl  the same by a judge, with all its replies on each open answer
    judge-JUDGE.json         the judge: model, settings, template (open_judge.py)

After a kill a torn last line is dropped, and only what is missing is asked.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from itertools import chain
from pathlib import Path
from typing import Any

from infimed_plugins.errors import ConfigError, DataError, MissingFileError
from infimed_plugins.limits import lines, parse_json, read_json
from infimed_plugins.records import Json, Response
from infimed_plugins.storage import remove_partial, sha256_of, whole_file, write_whole

_UNKNOWN = "holds replies without settings.json: whose they are is not known; put it back or remove them"
_SETTINGS = {"benchmark": str, "prompt_style": str, "variant": str, "seed": int, "limit": int | None}  # and their types
LABELS = ("name",)  # settings that name a run and shape no reply
_FIELDS = tuple(one.name for one in fields(Response))
_encode = json.JSONEncoder(ensure_ascii=False).encode  # json.dumps makes an encoder for each line
SETTINGS, RESPONSES, FAILED, BAD_ROWS = "settings.json", "responses.jsonl", "failed.jsonl", "bad_rows.jsonl"
FINISHED = "finished.json"
_SUM = re.compile(rb'\{"sum":"([0-9a-f]{8})",')


@dataclass(frozen=True)
class RunFolder:
    """One folder. ``prepare`` before writing; reading needs nothing."""

    path: Path

    def begun(self) -> bool:
        """True if it has settings."""
        return (self.path / SETTINGS).exists()

    def check(self, settings: dict[str, Json]) -> None:
        """Raise ConfigError when the folder was made with settings that shape other replies, or with unknown ones."""
        if not self.begun() and self.replies_without_settings():
            raise ConfigError(f"{self.path} {_UNKNOWN}, or choose another --out")
        old = self.settings() if self.begun() else settings
        same = set(LABELS)
        if old.get("model_hash") == settings.get("model_hash") is not None:
            same.add("model")  # the files are the same under another name
        changed = sorted(key for key in settings | old if key not in same and old.get(key) != settings.get(key))
        if changed:
            raise ConfigError(
                f"{self.path} holds a run with another {', '.join(changed)}; choose another --out or remove it"
            )

    def replies_without_settings(self) -> bool:
        """True if replies are here of which it is not known who gave them."""
        log = self.path / RESPONSES
        return not self.begun() and log.is_file() and log.stat().st_size > 0

    def prepare(self, settings: dict[str, Json]) -> None:
        """Make the folder ready for these settings. Raises as ``check`` does."""
        self.check(settings)
        remove_partial(self.path)
        if not self.begun() or self.settings() != settings:
            self.write_json(SETTINGS, settings)
        log = self.path / RESPONSES
        if log.exists():
            _drop_torn_line(log)

    def settings(self) -> dict[str, Any]:
        """Return the settings that the folder was made with. Raises MissingFileError or DataError naming the file."""
        path = self.path / SETTINGS
        if not path.is_file():
            raise MissingFileError(f"{self.path} holds no run (no {SETTINGS}); name what `infimed eval --out` wrote")
        try:
            read = read_json(path)
        except ValueError as error:
            raise DataError(f"{path} is damaged ({error}); remove the folder and run again") from error
        if not isinstance(read, dict):
            raise DataError(f"{path} holds no settings; remove the folder and run again")
        if "benchmark" not in read:
            raise DataError(f"{path} names no benchmark; put it back, or remove the folder and run again")
        for key, kind in _SETTINGS.items():
            value = read.get(key, "" if kind is str else 0)
            if not isinstance(value, kind) or (key == "limit" and str(value).startswith("-")):
                raise DataError(f"{path}: {key} is {read[key]!r:.100}; mend it, or remove the folder and run again")
        return read

    def answered(self) -> list[Response]:
        """Return every question of the folder in the benchmark's order, those that failed among them.

        Raises DataError for a damaged line, and where replies are gone that were there.
        """
        found = {row.id: row for row in self._rows(RESPONSES)}
        self._check_finished(len(found))
        return sorted(({row.id: row for row in self._rows(FAILED)} | found).values(), key=lambda row: row.index)

    def finish(self, replies: int) -> None:
        """Record the number of replies, and the settings that they belong to."""
        self.write_json(FINISHED, {"replies": replies, "settings": sha256_of(self.path / SETTINGS)})

    def _check_finished(self, count: int) -> None:
        path = self.path / FINISHED
        had = read_json(path) if path.exists() else None
        if had is None:
            return
        if not isinstance(had, dict) or type(had.get("replies")) is not int:
            what = f"{FINISHED} is damaged"
        elif count < had["replies"]:
            what = f"{RESPONSES} holds {count:,} of {had['replies']:,} replies"
        elif had.get("settings") != sha256_of(self.path / SETTINGS):
            what = f"{SETTINGS} is changed"
        else:
            return
        raise DataError(
            f"{self.path}: {what} since the run ended; the same `infimed eval` (of another framework's replies, import "
            f"--fresh) mends it, or remove {FINISHED} to take the folder as it is"
        )

    def known(self) -> dict[str, bytes]:
        """Return the questions that have a reply, each with the digest of its prompt, gold answer and images."""
        return {row.id: row.digest for row in self._rows(RESPONSES)}

    def bad_rows(self) -> int:
        """Count the rows that could not be asked."""
        path = self.path / BAD_ROWS
        if not path.exists():
            return 0
        with path.open("rb") as file:
            return sum(1 for line in lines(file, path) if line.endswith(b"\n"))

    def write_json(self, name: str, value: Json) -> None:
        """Write a JSON file, whole or not at all."""
        write_whole(self.path / name, json.dumps(value, indent=1))

    def write_lines(self, name: str, rows: Iterable[Json]) -> None:
        """Write a JSON lines file, whole or not at all; none for no rows."""
        rest = iter(rows)
        first = next(rest, None)
        if first is None:
            (self.path / name).unlink(missing_ok=True)
            return
        with whole_file(self.path / name) as partial, partial.open("wb") as file:
            file.writelines(map(_line, chain([first], rest)))

    def _rows(self, name: str) -> Iterator[Response]:
        path = self.path / name
        if not path.exists():
            return
        with path.open("rb") as file:
            for number, line in enumerate(lines(file, path), start=1):
                if not line.endswith(b"\n"):  # torn by a kill
                    return
                try:
                    row = Response(**parse_json(_without_sum(line)))
                    _check(row)
                except (ValueError, TypeError) as error:
                    raise DataError(f"{path}, line {number} is damaged ({error}); remove that line") from error
                yield row


def _without_sum(line: bytes) -> bytes:
    """Return the line's own JSON. Raises DataError where a byte of it has changed since it was written."""
    found = _SUM.match(line)
    rest = b"{" + line[found.end() :] if found else line
    if found and int(found[1], 16) != zlib.crc32(rest):
        raise DataError("its sum differs; if you changed it, take the sum out of it")
    return rest


def _check(row: Response) -> None:
    """Raise TypeError for fields that scoring could not read."""
    good = type(row.text) is str and type(row.id) is str and type(row.index) is int and type(row.meta) is dict
    good = good and type(row.tokens) is int and row.tokens >= 0
    good = good and type(row.question) is str and type(row.prompt) is str and type(row.images) is list
    options, synonyms = row.options, row.meta.get("synonyms", ()) if good else ()
    if not good or not isinstance(synonyms, (list, tuple)):
        raise TypeError("a field is not of its type")
    if options is not None and not (type(options) is list and all(type(option) is str for option in options)):
        raise TypeError("the options are not texts")


def answered_line(row: Response) -> bytes:
    """Return a line of the log."""
    line = _line({name: getattr(row, name) for name in _FIELDS})
    return b'{"sum":"%08x",' % zlib.crc32(line) + line[1:]


def _line(row: Json) -> bytes:
    """Return a line of JSON. Lone surrogates, which no file can hold, become their escapes."""
    return f"{_encode(row)}\n".encode("utf-8", "backslashreplace")


def run_folders(root: Path) -> list[RunFolder]:
    """Return the folders of runs at or below a root, by path.

    Raises MissingFileError when there is none, and for replies without settings.
    """
    found = [RunFolder(path.parent) for path in sorted(root.rglob(SETTINGS)) if (path.parent / RESPONSES).exists()]
    for path in sorted(root.rglob(RESPONSES)):
        if RunFolder(path.parent).replies_without_settings():
            raise MissingFileError(f"{path.parent} {_UNKNOWN}")
    if not found:
        raise MissingFileError(f"{root} holds no run; name what `infimed eval --out` or `infimed import` wrote")
    return found


def _drop_torn_line(log: Path) -> None:
    """Cut the rest that a kill left behind the last whole line, without reading the file."""
    with log.open("r+b") as file:
        end = file.seek(0, 2)
        while end:
            start = max(0, end - 65536)
            file.seek(start)
            place = file.read(end - start).rfind(b"\n")
            if place >= 0:
                file.truncate(start + place + 1)
                return
            end = start
        file.truncate(0)
