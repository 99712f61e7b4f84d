"""The folder of a build: whether it can be used, what is in it, and how it is emptied.

``manifest.json`` is written last and says the build is whole. Until then ``.build/`` holds the settings it was begun
with and its finished parts; it stays where requests to a model failed, so that the same command asks these again.
``replies.sqlite``, what models said, stays in any case. A folder with none of them is not ours and is left alone.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from infimed_plugins.errors import ConfigError
from infimed_plugins.export import remove_partial_files, whole_file
from infimed_plugins.limits import read_json
from infimed_plugins.recipes.manifest import MANIFEST_FILE, Manifest, read_manifest
from infimed_plugins.recipes.part_file import PartFile
from infimed_plugins.recipes.recipe import DECONTAMINATION
from infimed_plugins.records import Json

WORK_FOLDER = ".build"
REJECTS_FILE = "rejects.jsonl"
SAMPLES_FOLDER = "samples"


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
        """The manifest if this very build stands already; otherwise None, and the folder is ready for the work.

        Raises ConfigError when the folder holds a build with other settings, or files that are no build.
        """
        if self._in_use():
            manifest = self._standing(settings, fresh=fresh)
            if manifest is not None:
                return manifest
            remove_partial_files(self.out)
        with whole_file(self._settings_file) as partial:
            partial.write_text(json.dumps(settings), encoding="utf-8")
        return None

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest and drop what only the work needed, and parts with failed requests need no more."""
        failed = [part.part for part in manifest.parts if part.failed]
        for part in failed:
            PartFile(self.parts, part).reopen()
        manifest.write(self.out)
        if not failed:
            shutil.rmtree(self.work)

    def abandon(self) -> None:
        """After an error: leave nothing behind, unless a finished part, replies or rejects are worth coming back to."""
        if any(self.parts.glob("*.json")) or (self.out / REJECTS_FILE).exists() or self.replies.exists():
            return
        self._clear()
        if self._is_new and not any(self.out.iterdir()):
            self.out.rmdir()

    def _in_use(self) -> bool:
        return self.out.exists() and (not self.out.is_dir() or any(self.out.iterdir()))

    def _standing(self, settings: dict[str, Json], *, fresh: bool) -> Manifest | None:
        has_manifest = (self.out / MANIFEST_FILE).exists()
        if not has_manifest and not self._settings_file.exists():
            raise ConfigError(f"{self.out} holds files that are no build; choose a new or empty folder with --out")
        if fresh:
            self._clear()
        elif has_manifest:
            manifest = read_manifest(self.out)
            self._check_same(manifest.settings, settings)
            if self._settings_file.exists():
                return None  # requests failed: they are asked again
            if all((self.out / output.file).is_file() for output in manifest.outputs):
                return manifest
            self._clear()  # an output was removed by hand
        else:
            self._check_same(read_json(self._settings_file), settings)
        return None

    def _check_same(self, known: dict[str, Json], wanted: dict[str, Json]) -> None:
        changed = sorted(key for key in wanted.keys() | known.keys() if wanted.get(key) != known.get(key))
        if changed:
            raise ConfigError(
                f"{self.out} was built with other settings ({', '.join(changed)}); "
                "use --fresh to build it anew, or another --out"
            )

    def _clear(self) -> None:
        """Remove what a build makes, the manifest first, but for the replies, which cost most; and nothing else."""
        written = [MANIFEST_FILE, REJECTS_FILE, "dataset_info.json", "*.jsonl", "*.parquet"]
        for path in [path for pattern in written for path in self.out.glob(pattern)]:
            path.unlink(missing_ok=True)
        for folder in ("images", "train", "val", SAMPLES_FOLDER, DECONTAMINATION, WORK_FOLDER):
            shutil.rmtree(self.out / folder, ignore_errors=True)
