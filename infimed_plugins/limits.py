"""Limits on files and servers that are not ours: every number, and the readers that keep to them.

One environment variable raises them: ``INFIMED_LIMITS="file=1GiB,deep_pixels=40000000"``.
"""

from __future__ import annotations

import ast
import itertools
import json
import os
import re
import stat
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, AnyStr

from infimed_plugins.errors import ConfigError, DataError

VARIABLE = "INFIMED_LIMITS"
LIMITS = {
    "file": (64 << 20, "bytes of a file read whole"),
    "line": (64 << 20, "characters of a line or row"),
    "field": (64 << 20, "characters of a cell of a table"),
    "literal": (1 << 16, "characters of a list written in Python"),
    "values": (4_000_000, "values of JSON at once"),
    "yaml": (1 << 20, "characters and values of YAML, aliases followed"),
    "inflation": (100, "values for each byte of a parquet file"),
    "batch": (128 << 20, "bytes of a batch of parquet rows"),
    "picture": (128 << 20, "bytes of a picture or archive member"),
    "pixels": (100_000_000, "pixels"),
    "deep_pixels": (4096 * 4096, "pixels of more than 8 bits, or of DICOM"),
    "inflated": (128 << 20, "bytes of a deflated DICOM file"),
    "directory": (256 << 20, "bytes of an archive's directory"),
    "reply": (64 << 20, "bytes of a server's reply, unpacked"),
    "download": (256 << 30, "bytes of a download"),
}
_UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_SMALL = 1 << 22  # characters of JSON, which cannot hold too many values


def limit(name: str) -> int:
    """Return a limit, raised or not. Raises ConfigError where the variable cannot be read."""
    return _raised(os.environ.get(VARIABLE, "")).get(name, LIMITS[name][0])


def check(name: str, value: int, where: object) -> None:
    """Raise DataError where a value is over a limit, with the number and the way to raise it."""
    if value > limit(name):
        raise DataError(
            f"{where or 'it'}: {value:,} or more {LIMITS[name][1]}, where {limit(name):,} are the limit; "
            f"if it is to be trusted, set {VARIABLE}={name}={value}"
        )


@lru_cache(maxsize=16)
def _raised(text: str) -> dict[str, int]:
    found = {}
    for pair in filter(None, text.replace(" ", "").split(",")):
        read = re.fullmatch(r"(\w+)=(\d{1,18})(|KiB|MiB|GiB)", pair)
        if read is None or read[1] not in LIMITS:
            raise ConfigError(f"{VARIABLE}: {pair[:80]!r} is no NAME=NUMBER; names are {', '.join(LIMITS)}")
        found[read[1]] = int(read[2]) * _UNITS[read[3]]
    return found


def read_bytes(path: Path, name: str = "file") -> bytes:
    """Return a file's bytes. Raises DataError for one over the limit, a device or a pipe; and OSError."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{path} cannot be read: it is no file")
    check(name, status.st_size, path)
    return path.read_bytes()


def read_json(path: Path) -> Any:
    """Return the JSON of a UTF-8 file. Raises DataError naming it for any fault in it, and OSError."""
    try:
        return parse_json(read_bytes(path).decode("utf-8-sig"), path)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 ({error})") from error


def parse_json(text: str | bytes, where: object = "", **how: Any) -> Any:
    """Parse with ``json.loads``. Raises DataError, a ValueError, for any fault; ``where`` names its place."""
    check_json(text, where)
    try:
        return json.loads(text, **how)
    except (ValueError, RecursionError) as error:  # an integer of over 4,300 digits is no JSONDecodeError
        said = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise DataError(f"{where} is no JSON ({said})" if where else said) from error


def check_json(text: str | bytes, where: object) -> None:
    """Raise DataError for JSON that is too long, or would have too many values, before it is parsed."""
    if len(text) > _SMALL:
        check("file", len(text), where)
        marks: tuple[Any, ...] = (b",", b"[", b"{") if isinstance(text, bytes) else (",", "[", "{")
        check("values", sum(text.count(mark) for mark in marks), where)


def unpacked(body: bytes, packing: str, where: object) -> bytes:
    """Return a body that was packed by gzip or deflate, unpacked. Raises DataError if too large or neither."""
    packing = packing.strip().lower()
    if packing in ("", "identity") or not body:
        return body
    for window in (32 + zlib.MAX_WBITS, -zlib.MAX_WBITS):  # with the head of gzip or zlib; without, as some send it
        with suppress(zlib.error):
            unpacker = zlib.decompressobj(window)
            read = unpacker.decompress(body, limit("reply") + 1)
            check("reply", len(read), where)
            if unpacker.eof:
                return read
    raise DataError(f"{where}: its reply cannot be unpacked ({packing[:80]!r}); gzip and deflate are asked for")


def parse_literal(text: str) -> Any:
    """Parse a Python literal, never evaluated. Raises ValueError for any fault in it."""
    check("literal", len(text), "a list")
    try:
        return ast.literal_eval(text)
    except (SyntaxError, MemoryError, RecursionError, TypeError) as error:
        raise DataError(f"it is no literal ({error})") from error


def parse_yaml(text: str) -> Any:
    """Parse with ``yaml.safe_load``, aliases counted as often as used, a key written twice refused.

    Raises ValueError for any fault in it.
    """
    import yaml  # here: rewards are imported without it

    class UniqueKeys(yaml.SafeLoader):
        def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
            node: yaml.MappingNode = super().compose_mapping_node(anchor)
            if twice := repeated(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
                said = f"the key {twice!r:.100} is written twice"
                raise yaml.constructor.ConstructorError(None, None, said, node.start_mark)
            return node

    check("yaml", len(text), "it")
    try:
        read = yaml.load(text, UniqueKeys)
        _count(read, 0)
    except yaml.YAMLError as error:
        raise DataError(" ".join(str(error).split())) from error
    except RecursionError as error:
        raise DataError("it is nested too deep") from error
    return read


def repeated(names: Iterable[str]) -> str | None:
    """Return the first name that stands there a second time, None where each stands once."""
    seen = set[str]()
    return next((name for name in names if name in seen or seen.add(name)), None)  # type: ignore[func-returns-value]


def _count(value: Any, before: int) -> int:
    """Return the characters and values so far plus those of ``value``. Raises DataError for too many."""
    before += len(value) + 1 if isinstance(value, (str, bytes)) else 1
    check("yaml", before, "it")
    if isinstance(value, (dict, list, tuple, set)):
        for item in itertools.chain.from_iterable(value.items()) if isinstance(value, dict) else value:
            before = _count(item, before)
    return before


def lines(file: IO[AnyStr], where: object) -> Iterator[AnyStr]:
    """Yield the lines of an open file. Raises DataError for one over the limit, before it is read whole."""
    most = limit("line")
    for number in itertools.count(1):
        line = file.readline(most + 1)
        if not line:
            return
        if len(line) > most:
            check("line", len(line), f"{where}, line {number}")
        yield line
