"""Manage a build's folder: check that it can be used, read and write its parts, and empty it.

``manifest.json`` is written last: the build is whole as long as its files have the sha256 listed there. Until then
``.build/`` holds the settings it was begun with and its finished parts; it stays where requests to a model failed, so
that the same command asks these again. ``replies.sqlite``, the models' replies, always stays. A folder with none of
them is not a build and is left alone; only files that such a build makes are removed.

``PART.jsonl`` holds the rows of a part, one a line: the sample's fields, its images as paths in the store, its prompt
style and set. ``PART.json`` holds the counts and the sha256 of the part's files, and is written last: the part is whole
while they agree. An interrupted build continues after its last finished part.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from glob import escape
from pathlib import Path
from typing import Any

from infimed_plugins.errors import ConfigError, DataError, InfimedError
from infimed_plugins.export import ExportRow, hf_datasets
from infimed_plugins.export.image_store import is_stored, logged_images
from infimed_plugins.limits import parse_json, read_json
from infimed_plugins.recipes.manifest import MANIFEST_FILE, Manifest, PartCount, read_manifest
from infimed_plugins.recipes.recipe import DECONTAMINATION
from infimed_plugins.recipes.sampling import Tally
from infimed_plugins.records import ImageRef, Json, Sample
from infimed_plugins.storage import remove_folder, remove_partial, sha256_of, sync_all, whole_file, write_whole
from infimed_plugins.trainers.registry import FORMATS, find_format

WORK_FOLDER = ".build"
SAMPLES_FOLDER = "samples"
REJECTS_FILE, INPUTS_FILE = "rejects.jsonl", "inputs.sha256"  # of a build; each part has its own until then
IMAGES_FILE = "images.sha256"  # as sha256sum --check reads it


class PartFile:
    """The files of one part in a build's work folder: rows, what steps put aside, rejects and the user's pictures."""

    def __init__(self, folder: Path, part: str) -> None:
        self._stem = folder / part
        self.path, self.aside, self._count = (self.beside(kind) for kind in ("jsonl", "aside.jsonl", "json"))

    def beside(self, kind: str) -> Path:
        """Return the path of the part's own file of a kind, such as REJECTS_FILE or INPUTS_FILE."""
        return self._stem.with_name(f"{self._stem.name}.{kind}")

    def count(self) -> PartCount | None:
        """Return the counts of the finished part; None when it is not finished, or its files have changed since."""
        try:
            raw = read_json(self._count)
            if raw.pop("files") == self._hashes():
                return PartCount.of_json(raw)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass
        return None

    def write_beside(self, tally: Tally) -> None:
        """Write the rows that cannot be used with their reasons, by id as processes finish them in any order; what
        the steps put aside, without images; and the user's pictures (fingerprints.py)."""
        rejects = sorted(tally.rejects, key=lambda reject: reject["id"])
        write_lines(self.beside(REJECTS_FILE), (json.dumps(one, ensure_ascii=False) for one in rejects))
        write_lines(self.beside(INPUTS_FILE), (f"{sha}  {name}" for name, sha in sorted(tally.pictures.items())))
        self.aside.unlink(missing_ok=True)
        if tally.aside:
            write_lines(self.aside, map(sample_to_line, tally.aside))

    def finish(self, count: PartCount) -> None:
        """Mark the part finished."""
        write_whole(self._count, json.dumps(asdict(count) | {"files": self._hashes()}))

    def reopen(self) -> None:
        """Mark the part unfinished."""
        self._count.unlink(missing_ok=True)

    def _hashes(self) -> dict[str, str]:
        paths = (self.path, self.aside, self.beside(REJECTS_FILE), self.beside(INPUTS_FILE))
        return {path.name: sha256_of(path) for path in paths if path.exists()}

    def images(self) -> set[str]:
        """Return the images that the rows name."""
        with self.path.open(encoding="utf-8") as file:
            return {image for line in file for image in json.loads(line)["images"]}

    def rows(self, store_root: Path) -> Iterator[ExportRow]:
        """Yield the finished rows in the order they were written."""
        with self.path.open(encoding="utf-8") as file:
            for line in file:
                raw: dict[str, Any] = parse_json(line, self.path)
                style, into, paths = raw.pop("style"), raw.pop("into"), tuple(raw.pop("images"))
                images = tuple(ImageRef(path=str(store_root / path)) for path in paths)
                options = None if raw["options"] is None else tuple(raw["options"])
                yield ExportRow(Sample(**{**raw, "options": options, "images": images}), paths, style, into)


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a file line by line, whole or not at all."""
    with whole_file(path) as partial, partial.open("w", encoding="utf-8", errors="backslashreplace") as file:
        file.writelines(f"{line}\n" for line in lines)


def row_to_line(row: ExportRow) -> str:
    """Return a row as a line of a part's file. Raises DataError when the sample's meta is no JSON."""
    try:
        return sample_to_line(row.sample, images=row.images, style=row.style, into=row.into)
    except (TypeError, ValueError) as error:
        raise DataError(f"sample {row.sample.id} holds a value that is no JSON: {error}") from error


def sample_to_line(sample: Sample, **more: Json) -> str:
    """Return a sample as JSON, with other entries; without images its id leads back to the source."""
    line = {one.name: getattr(sample, one.name) for one in fields(Sample) if one.name != "images" or "images" in more}
    return json.dumps(line | {"meta": dict(sample.meta)} | more, ensure_ascii=False)


class BuildFolder:
    """An output folder, made ready by ``prepare`` and closed by ``finish``."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.work = out / WORK_FOLDER
        self.parts = self.work / "parts"
        self.replies = out / "replies.sqlite"
        self.image_log = self.work / "images.jsonl"
        self._settings_file = self.work / "settings.json"
        self._is_new = not out.exists()

    def prepare(self, settings: dict[str, Json], *, fresh: bool) -> Manifest | None:
        """Return the manifest if this very build is there unharmed; else None, with the folder ready for work.

        Raises ConfigError when the folder holds a build with other settings, or files that are no build.
        """
        if self._in_use():
            manifest = self._standing(settings, fresh=fresh)
            remove_partial(self.out)
            if manifest is not None:
                return manifest
        write_whole(self._settings_file, json.dumps(settings))
        return None

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest and drop what only the work needed, and parts with failed requests need no more."""
        failed = [part.part for part in manifest.parts if part.failed]
        for part in failed:
            PartFile(self.parts, part).reopen()
        sync_all(self.out)
        manifest.write(self.out)
        if not failed:
            remove_folder(self.work)

    @contextlib.contextmanager
    def abandoned_on_error(self) -> Iterator[None]:
        """Leave nothing behind after an error, unless a finished part, replies or rejects are worth keeping."""
        try:
            yield
        except Exception:
            if not (any(self.parts.glob("*.json")) or (self.out / REJECTS_FILE).exists() or self.replies.exists()):
                self._clear(self._settings() or {})
                if self._is_new and self.out.is_dir() and not any(self.out.iterdir()):
                    self.out.rmdir()
            raise

    def _in_use(self) -> bool:
        """True if the folder holds anything but a work folder without settings, left by a build killed as it began."""
        if not self.out.is_dir():
            return self.out.exists()
        return any(one != self.work or self._settings_file.exists() for one in self.out.iterdir())

    def _standing(self, settings: dict[str, Json], *, fresh: bool) -> Manifest | None:
        has_manifest = (self.out / MANIFEST_FILE).exists()
        if not has_manifest and not self.work.exists() and not self.replies.exists():
            raise ConfigError(f"{self.out} holds files that are no build; choose a new or empty folder with --out")
        if fresh:
            self._clear(settings)
        elif has_manifest:
            manifest = read_manifest(self.out)
            self._check_same(manifest.settings, settings)
            if self._settings_file.exists():
                return None  # requests failed: they are asked again
            if self._is_whole(manifest):
                return manifest
            self._clear(settings)  # an output was removed or harmed
        elif (begun := self._settings()) is not None:
            self._check_same(begun, settings)
        else:
            self._clear(settings)  # nobody can tell what the finished parts are of
        return None

    def _settings(self) -> dict[str, Json] | None:
        """Return the settings the build was begun with; None without them, or when the file is damaged."""
        try:
            read = read_json(self._settings_file)
        except (OSError, ValueError):
            return None
        return read if isinstance(read, dict) else None

    def _is_whole(self, manifest: Manifest) -> bool:
        """True if every output and image has the bytes that it was written with."""
        try:
            whole = all(sha256_of(self.out / output.file) == output.sha256 for output in manifest.outputs)
            return whole and all(is_stored(self.out, path) for path in self._listed_images())
        except OSError:
            return False

    def _listed_images(self) -> list[str]:
        path = self.out / IMAGES_FILE
        return [line[66:] for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []

    def _check_same(self, known: dict[str, Json], wanted: dict[str, Json]) -> None:
        changed = sorted(key for key in wanted.keys() | known.keys() if wanted.get(key) != known.get(key))
        if changed:
            raise ConfigError(
                f"{self.out} was built with other settings ({', '.join(changed)}); "
                "use --fresh to build it anew, or another --out"
            )

    def _clear(self, wanted: dict[str, Json]) -> None:
        """Remove what the build has made, the manifest first, but for the replies, which cost most; and nothing else.

        ``wanted`` are the settings to go by where neither a manifest nor those it was begun with can be read.
        """
        try:
            settings = read_manifest(self.out).settings
        except InfimedError:
            settings = self._settings() or wanted
        images = [*self._listed_images(), *(stored.path for _, stored in logged_images(self.image_log))]
        for pattern in (MANIFEST_FILE, *made_files(settings), *images, IMAGES_FILE):
            for path in self.out.glob(pattern):
                path.unlink()
        remove_folder(self.work)
        for name in ("images", "train", "val", SAMPLES_FOLDER, DECONTAMINATION):
            for folder in sorted((self.out / name).rglob("*/"), reverse=True):
                with contextlib.suppress(OSError):  # not empty: it holds files of the user's
                    folder.rmdir()
            with contextlib.suppress(OSError):
                (self.out / name).rmdir()


def made_files(settings: dict[str, Json]) -> Iterator[str]:
    """Yield patterns of the files that a build with these settings writes into its folder, images left out."""
    name, parts = settings.get("name", ""), [str(part.get("name")) for part in settings.get("parts", ())]
    form = str(settings.get("format"))  # of `datasets`, what is beside lies in train and val: below
    yield from (REJECTS_FILE, INPUTS_FILE, *(find_format(form).beside if form in FORMATS[:-1] else ()))
    for into in ("train", "val"):
        yield from (f"{into}.parquet", *(f"{into}/{file}" for file in (hf_datasets.FILE, *hf_datasets.BESIDE)))
    sets = (f"{escape(name)}", f"{escape(name)}_val", "train", "val")
    yield from (f"{one}{kind}.jsonl" for one in sets for kind in ("", "_text"))
    for part in map(escape, parts):
        yield from (f"{SAMPLES_FOLDER}/{part}.jsonl", f"{SAMPLES_FOLDER}/{part}.aside.jsonl")
        yield from (f"{DECONTAMINATION}/{part}.jsonl", f"{DECONTAMINATION}/{part}_images/{'[0-9a-f]' * 16}.jpg")
