"""The folder of a build: whether it can be used, what is in it, and how it is emptied.

``manifest.json`` is written last: the build is whole as long as its files have the sha256 that it tells. Until then
``.build/`` holds the settings it was begun with and its finished parts; it stays where requests to a model failed, so
that the same command asks these again. ``replies.sqlite``, what models said, stays in any case. A folder with none of
them is not ours and is left alone; what is removed is only what such a build makes.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from glob import escape
from pathlib import Path

from infimed_plugins.errors import ConfigError, InfimedError
from infimed_plugins.export import hf_datasets, llamafactory
from infimed_plugins.export.image_store import is_stored, logged_images
from infimed_plugins.limits import read_json
from infimed_plugins.recipes.manifest import MANIFEST_FILE, Manifest, read_manifest
from infimed_plugins.recipes.part_file import INPUTS_FILE, REJECTS_FILE, PartFile
from infimed_plugins.recipes.recipe import DECONTAMINATION
from infimed_plugins.records import Json
from infimed_plugins.storage import remove_folder, remove_partial, sha256_of, sync_all, write_whole

WORK_FOLDER = ".build"
SAMPLES_FOLDER = "samples"
IMAGES_FILE = "images.sha256"  # as sha256sum --check reads it


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
        """The manifest if this very build stands already, unharmed; otherwise None, and the folder is ready for work.

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

    def abandon(self) -> None:
        """After an error: leave nothing behind, unless a finished part, replies or rejects are worth coming back to."""
        if any(self.parts.glob("*.json")) or (self.out / REJECTS_FILE).exists() or self.replies.exists():
            return
        self._clear(self._settings() or {})
        if self._is_new and self.out.is_dir() and not any(self.out.iterdir()):
            self.out.rmdir()

    def _in_use(self) -> bool:
        """Whether it holds anything; a work folder without settings was left by a build that was killed as it began."""
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
        """What the build was begun with; None where it was not begun, or the file is damaged."""
        try:
            read = read_json(self._settings_file)
        except (OSError, ValueError):
            return None
        return read if isinstance(read, dict) else None

    def _is_whole(self, manifest: Manifest) -> bool:
        """Whether every output and image has the bytes that it was written with."""
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
                with contextlib.suppress(OSError):  # it holds something of the user's
                    folder.rmdir()
            with contextlib.suppress(OSError):
                (self.out / name).rmdir()


def made_files(settings: dict[str, Json]) -> Iterator[str]:
    """The files that a build with these settings makes in its folder, its images left out; as patterns."""
    name, parts = settings.get("name", ""), [str(part.get("name")) for part in settings.get("parts", ())]
    yield from (REJECTS_FILE, INPUTS_FILE, llamafactory.REGISTRY_FILE)
    for into in ("train", "val"):
        yield from (f"{into}.parquet", *(f"{into}/{file}" for file in (hf_datasets.FILE, *hf_datasets.BESIDE)))
    yield from (f"{escape(name)}{into}{kind}.jsonl" for into in ("", "_val") for kind in ("", "_text"))
    for part in map(escape, parts):
        yield from (f"{SAMPLES_FOLDER}/{part}.jsonl", f"{SAMPLES_FOLDER}/{part}.aside.jsonl")
        yield from (f"{DECONTAMINATION}/{part}.jsonl", f"{DECONTAMINATION}/{part}_images/{'[0-9a-f]' * 16}.jpg")
