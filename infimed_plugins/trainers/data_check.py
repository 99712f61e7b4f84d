"""Check, offline and for both trainers, that models, data files, images and rows are there and can be read."""

from __future__ import annotations

import codecs
import io
import json
import logging
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infimed_plugins.errors import ConfigError, DataError, MissingExtraError, optional_module
from infimed_plugins.families import check_transformers
from infimed_plugins.images import FORMATS
from infimed_plugins.records import ImageRef
from infimed_plugins.trainers.faults import Fault, first_line, nearest

# raised by upstream's converters, templates and processors on rows they cannot read
ROW_ERRORS = (KeyError, ValueError, TypeError, IndexError, AttributeError, OSError, RuntimeError)
OnProgress = Callable[[int, int], None]  # rows done, total
_WIDE_MODES = ("I", "F")  # PIL's modes of more than 8 bits; ``I;16`` and its like start with I
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_JSON_SUFFIXES = {".json", ".jsonl"}
_DATA_SUFFIXES = {".parquet", ".csv", ".arrow", ".txt", *_JSON_SUFFIXES}
_NO_ROWS = ("it holds no rows", "write its rows again, or leave it out")
_HEADS = (  # first bytes of files that are not what their name says, and the fix
    (codecs.BOM_UTF8, "starts with a byte order mark", "save it as UTF-8 without one (sed -i '1s/^\\xEF\\xBB\\xBF//')"),
    (codecs.BOM_UTF16_LE, "is UTF-16", "save it as UTF-8 (iconv -f UTF-16 -t UTF-8)"),
    (codecs.BOM_UTF16_BE, "is UTF-16", "save it as UTF-8 (iconv -f UTF-16 -t UTF-8)"),
    (b"version https://git-lfs", "is a pointer of Git LFS, not the file", "fetch it (git lfs pull)"),
    (b"\x1f\x8b", "is packed with gzip", "unpack it (gunzip)"),
    (b"PK\x03\x04", "is a ZIP archive or a spreadsheet", "unpack it, or save it as CSV or JSON"),
    (b"<", "is a page of HTML or XML, perhaps an error page", "fetch it again"),
)


def model_fault(key: str, model: str, trust: bool) -> Fault | None:
    """Return the fault of a model that lacks files on this machine, or brings code of its own where that is trusted.

    Checks themselves load every model without its code.
    """
    if trust and _brings_code(model):
        what = f"{model} brings code of its own, which trust_remote_code would run (no row was tokenized)"
        return Fault(key, what, "set trust_remote_code to false, or name a model that needs no code")
    folder = Path(model)
    if folder.is_dir():
        missing = [name for name in ("config.json", "tokenizer_config.json") if not (folder / name).exists()]
        if missing:
            return Fault(key, f"{model} has no {missing[0]}", "save the model, its tokenizer and processor there")
        try:
            check_transformers(model)
        except ConfigError as error:
            return Fault.of(key, error)
        return None
    if not _HUB_NAME.fullmatch(model):
        return Fault(key, f"there is no folder {model}", "train or download the model, or name another")
    what = f"{model} is not on this machine, so no row was tokenized"
    return None if in_cache(model, "config.json") else Fault(key, what, f"run: hf download {model}")


def _brings_code(model: str) -> bool:
    """True if a file of a model's settings names classes in the model's own folder."""
    config = Path(model) / "config.json" if Path(model).is_dir() else in_cache(model, "config.json")
    files = [] if config is None else config.parent.glob("*config.json")
    return any(b'"auto_map"' in path.read_bytes() for path in files if path.is_file())


def in_cache(name: str, file: str) -> Path | None:
    """Return a file of the hub that is on this machine."""
    hub = optional_module("huggingface_hub", "finding a model", "transformers")
    found = hub.try_to_load_from_cache(name, file) if _HUB_NAME.fullmatch(name) else None
    return Path(found) if isinstance(found, str) else None


def is_file_name(data: str) -> bool:
    """True if a data set's name means a file or folder here, rather than a data set on the hub."""
    return Path(data).suffix in _DATA_SUFFIXES or not _HUB_NAME.fullmatch(data)


def unreadable_file(path: Path) -> tuple[str, str] | None:
    """Return why a data file cannot be read and how to fix it; None where its bytes show no such fault."""
    if not path.is_file():
        return None
    content = path.read_bytes()
    if not content.strip():
        return "it is empty", "write its rows again, or leave it out"
    for head, what, fix in _HEADS:
        if content.lstrip().startswith(head):
            return f"it {what}", fix
    if path.suffix == ".parquet":
        return _not_parquet(path, content)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return (
            f"it is not UTF-8, by line {line}",
            "save it as UTF-8 (iconv -f GB18030 -t UTF-8, or -f LATIN1 and the like)",
        )
    if "\0" in text[:200]:
        return "it is UTF-16", "save it as UTF-8 (iconv -f UTF-16LE -t UTF-8)"
    return _not_json(text) if path.suffix in _JSON_SUFFIXES else None


def _not_parquet(path: Path, content: bytes) -> tuple[str, str] | None:
    from pyarrow import parquet

    if not content.startswith(b"PAR1"):
        return "it is no parquet file", "write or fetch it again"
    if not content.endswith(b"PAR1"):
        return "it was cut short", "write or fetch it again"
    return None if parquet.read_metadata(path).num_rows else _NO_ROWS


def _not_json(text: str) -> tuple[str, str] | None:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError):
        lines, rows = [text] if text.lstrip().startswith("[") else text.splitlines(), text
        for number, line in enumerate(lines, 1):
            try:
                json.loads(line or "{}")
            except (ValueError, RecursionError) as error:
                place = f"line {number}" if len(lines) > 1 else " ".join(str(error).split())
                return f"it is not JSON: {place}", "mend or drop what stands there, or write the file again"
    return None if rows else _NO_ROWS


def model_class(config: Any) -> Any:
    """Return the auto class that loads a model: with images if transformers has one (by a private table, 4.57)."""
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

    takes_pictures = type(config) in AutoModelForImageTextToText._model_mapping
    return AutoModelForImageTextToText if takes_pictures else AutoModelForCausalLM


def unknown_modules(key: str, model: str, named: Sequence[str]) -> Iterator[Fault]:
    """Yield a fault for each name that is no module of the model, which is built without weights or memory."""
    try:
        import torch
        from transformers import AutoConfig
    except ImportError as error:
        raise MissingExtraError("finding a model's modules", str(error.name), "transformers") from error
    try:
        config = AutoConfig.from_pretrained(model, local_files_only=True)
        with torch.device("meta"):
            built = model_class(config).from_config(config)
    except (ValueError, OSError, KeyError, ImportError):  # not here, or of its own code
        return
    modules = [module for module, _ in built.named_modules()]
    known = {part for module in modules for part in module.split(".") if not part.isdigit()}
    for name in filter(None, map(str.strip, named)):
        if not any(module == name or module.endswith(f".{name}") for module in modules):
            yield Fault(key, f"the model has no module {name!r}", nearest(name, known, otherwise="set it to all"))


def check_image(image: Any, where: str, *, max_aspect_ratio: float | None = None) -> tuple[int, int] | Fault:
    """Return (width, height) of an image, or its fault. Images are paths, bytes, or ``{"bytes": …, "path": …}``."""
    optional_module("PIL.Image", "checking images", "data")
    from PIL import Image, UnidentifiedImageError

    found = reference(image)
    if found is None:
        return Fault(where, f"an image is {type(image).__name__}, neither a path nor bytes", "give its path or bytes")
    try:
        encoded = found.read()
    except DataError as error:
        fix = str(error).rpartition("; ")[2]
        return Fault(where, f"image {found.path} cannot be read", f"{fix}, or drop the row")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(encoded), formats=FORMATS)
            picture.load()
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        name = found.path or "in the row"
        return Fault(where, f"image {name} does not open ({error})", "fetch or write it again, or drop the row")
    if picture.mode.startswith(_WIDE_MODES):
        what = f"an image of more than 8 bits (mode {picture.mode}) would be clipped to white"
        return Fault(where, what, "window it and save it with 8 bits")
    ratio = max(picture.size) / min(picture.size)
    if max_aspect_ratio is not None and ratio > max_aspect_ratio:
        what = f"an image of {picture.width}×{picture.height} is more than {max_aspect_ratio:g} times as long as wide"
        return Fault(where, what, "crop it or drop the row")
    return picture.size


def reference(image: Any) -> ImageRef | None:
    """Return an image that is a path, bytes, or ``{"bytes": …, "path": …}``; None for anything else."""
    if isinstance(image, str):
        return ImageRef(path=image)
    if isinstance(image, bytes):
        return ImageRef(data=image)
    if isinstance(image, Mapping):
        if isinstance(image.get("bytes"), bytes):
            return ImageRef(data=image["bytes"])
        if isinstance(image.get("path"), str):
            return ImageRef(path=image["path"])
    return None


@dataclass
class Rows:
    """The result: ``count`` rows to train on, and the ``longest`` in tokens, None when nothing was tokenized."""

    count: int = 0
    longest: int | None = None
    faults: list[Fault] = field(default_factory=list)

    def measured(self, length: int) -> None:
        """Note the length of one more row."""
        self.longest = max(self.longest or 0, length)


def load_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that loading a data set raises."""
    from datasets.exceptions import DatasetGenerationError, DatasetNotFoundError
    from pyarrow import ArrowException

    return (DatasetGenerationError, DatasetNotFoundError, ArrowException, StopIteration, *ROW_ERRORS)  # an empty file's


def load_fault(where: str, name: str, files: Iterable[str], error: Exception, fix: str) -> Fault:
    """Return the fault of a data set that cannot be loaded: of its first unreadable file, else of the exception."""
    known = next(filter(None, (unreadable_file(Path(file)) for file in files)), None)
    what, fix = known or (first_line(error.__cause__ or error), fix)
    return Fault(where, f"{name} cannot be loaded ({what})".strip(), fix)


def picture_faults(
    where: str, said: str, tags: int, images: Sequence[Any], max_aspect_ratio: float | None = None
) -> tuple[list[Fault], list[tuple[int, int]]]:
    """Return the faults of a row's images and their sizes; ``said`` is the message for a wrong number of tags."""
    faults = []
    if tags != len(images):
        fix = "write <image> once for each image" if images else "write it <img>"
        faults.append(Fault(where, said, fix))
    found = [check_image(image, where, max_aspect_ratio=max_aspect_ratio) for image in images]
    faults += [one for one in found if isinstance(one, Fault)]
    return faults, [one for one in found if not isinstance(one, Fault)]


@contextmanager
def quiet() -> Iterator[None]:
    """Silence stdout, progress bars of datasets, and messages of transformers below an error."""
    import datasets
    import transformers

    level, bars = transformers.logging.get_verbosity(), datasets.is_progress_bar_enabled()
    transformers.logging.set_verbosity(logging.ERROR)
    datasets.disable_progress_bars()
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        transformers.logging.set_verbosity(level)
        if bars:
            datasets.enable_progress_bars()
