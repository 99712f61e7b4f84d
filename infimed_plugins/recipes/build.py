"""Build a recipe: sources to samples, through the steps, into the files a trainer reads, with a manifest.

The work goes part by part, and a build that was ended goes on behind its last finished part. Bad rows never end it:
they are counted and named in ``rejects.jsonl``. Above the recipe's ``max_rejects`` in one part the build stops.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from infimed_plugins import __version__
from infimed_plugins.curation import ENGINE_ERROR
from infimed_plugins.engines import Engine
from infimed_plugins.errors import DataError, InfimedError, MissingExtraError, refuse_failures
from infimed_plugins.export import ExportRow, easyr1, hf_datasets, llamafactory, ray_executor
from infimed_plugins.export.image_store import ImageStore
from infimed_plugins.export.token_count import TokenCounter
from infimed_plugins.plugins import registry
from infimed_plugins.recipes.build_engines import BuildEngines, shaping
from infimed_plugins.recipes.build_folder import IMAGES_FILE, SAMPLES_FOLDER, BuildFolder
from infimed_plugins.recipes.image_workers import image_workers
from infimed_plugins.recipes.inputs import (
    benchmark_inputs,
    check_inputs,
    check_pictures,
    inputs_of,
    is_local,
    revision_of,
)
from infimed_plugins.recipes.manifest import Manifest, PartCount, output_of, versions
from infimed_plugins.recipes.needs_word import check_words
from infimed_plugins.recipes.part_file import INPUTS_FILE, REJECTS_FILE, PartFile
from infimed_plugins.recipes.part_rows import IMAGES_AHEAD, PartRows, Progress
from infimed_plugins.recipes.plan import PlanRow, plan
from infimed_plugins.recipes.recipe import DECONTAMINATION, Part, Recipe
from infimed_plugins.recipes.recipe_file import load_recipe
from infimed_plugins.recipes.sampling import Tally
from infimed_plugins.recipes.step_engine import model_identity, model_path
from infimed_plugins.records import Json
from infimed_plugins.storage import locked, sync_all, whole_file, write_whole

REASONS_SHOWN = 3
DEFAULT_MAX_PIXELS = 262_144  # the paper's


def build(
    recipe: Recipe | str | Path,
    out_dir: str | Path,
    *,
    engine: Engine | None = None,
    progress: Progress | None = None,
    fresh: bool = False,
    folder: str | Path | None = None,
    workers: int = 1,
    on: str = "local",
    allow_empty: bool = False,
) -> Manifest:
    """Build a recipe into ``out_dir`` and give its manifest; a finished build with the same settings is reused.

    Args:
        recipe: a shipped recipe's name, the path of a recipe file, or a Recipe.
        out_dir: a new or empty folder, or one that an earlier build with the same settings made or began.
        engine: what steps draw from and judge with, in the place of the engines the recipe names.
        progress: called as rows are done, with what is being done, how many are, and of how many.
        fresh: remove what an earlier build made there first.
        folder: where downloaded data sets lie, each in a folder of its source's name; the hub without it.
        workers: processes that prepare images; they do not change the bytes.
        on: "local", or "ray" for image preparation through Ray Data, on a cluster where there is one.
        allow_empty: a part of which its steps leave no row is no error; one of which no row could be used still is.
    Raises:
        ConfigError: the folder holds another build or other files, or a setting cannot be used.
        DataError: a part has too many bad rows or keeps none, or the folder cannot be written.
        UnknownPluginError, MissingFileError, MissingExtraError, EngineError: something the recipe names is not there.
    """
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    downloads = None if folder is None else Path(folder)
    check_words(recipe, Path(out_dir), downloads)
    planned = plan(recipe).parts  # every name is checked before any work
    shown = progress or (lambda title, done, total: None)
    work = _Build(recipe, BuildFolder(Path(out_dir)), planned, engine, shown, downloads, workers, on, allow_empty)
    try:
        with locked(work.folder.out):
            standing = work.folder.prepare(work.settings(), fresh=fresh)
            for part in standing.parts if standing else ():
                check_inputs(part, downloads)
            check_pictures(work.folder.out / INPUTS_FILE, downloads)
            return standing or work.run()
    except InfimedError:
        raise
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"building {recipe.name}", error.name or "", "data") from error
    except OSError as error:
        where = error.filename or out_dir
        raise DataError(
            f"{where}: {error.strerror or error}; mend it and run again, finished parts are kept"
        ) from error


@dataclass
class _Build:
    """One build: what is to be made, where, and with what."""

    recipe: Recipe
    folder: BuildFolder
    planned: tuple[PlanRow, ...]
    engine: Engine | None
    progress: Progress
    downloads: Path | None = None
    workers: int = 1
    on: str = "local"
    allow_empty: bool = False
    _tokens: TokenCounter | None = None
    _engines: BuildEngines = field(init=False)

    def __post_init__(self) -> None:
        self._engines = BuildEngines(self.recipe, self.folder.replies, self.engine)

    def settings(self) -> dict[str, Json]:
        """Everything that shapes the bytes that are built."""
        settings = {**shaping(self.recipe.settings()), "version": __version__}
        model = self.engine.model if self.engine else self.recipe.engine.model if self.recipe.engine else None
        if model and any(self.recipe.steps_of(part) for part in self.recipe.parts):
            settings["model"] = model_identity(model)
        as_json: dict[str, Json] = json.loads(json.dumps(settings))
        return as_json

    def run(self) -> Manifest:
        """Do the work; after an error only what a rerun can use stays."""
        try:
            return self._run()
        except BaseException as error:
            try:
                self._engines.close()
            finally:
                if isinstance(error, Exception):
                    self.folder.abandon()
            raise

    def _run(self) -> Manifest:
        """Build the parts that are not finished, write the trainer's files, then the manifest."""
        # EasyR1's parquet carries the images itself: there they are kept only until it is written
        root = self.folder.out if self.recipe.format == "llamafactory" else self.folder.work
        with image_workers(self.workers, self.on) as executor:
            store = ImageStore(root, self.recipe.image_max_pixels, executor, self.folder.image_log)
            try:
                return self._finish(store)
            finally:
                store.close()

    def _finish(self, store: ImageStore) -> Manifest:
        self._look_for_files()
        pairs = zip(self.recipe.parts, self.planned, strict=True)
        counts = tuple(self._part(part, planned, store) for part, planned in pairs)
        self.progress(f"writing {self.recipe.format} files", 0, None)
        sets = self._write_sets(store)
        beside = [llamafactory.REGISTRY_FILE] if self.recipe.format == "llamafactory" else []
        beside += self._write_images(store) + self._write_samples()
        if self.recipe.format == "datasets":
            beside += [f"{Path(file).parent}/{name}" for file in sets for name in hf_datasets.BESIDE]
        beside += self._write_listed(REJECTS_FILE) + self._write_listed(INPUTS_FILE)
        files = {**sets, **dict.fromkeys(beside, 0)}
        manifest = Manifest(
            recipe=self.recipe.name,
            description=self.recipe.description,
            format=self.recipe.format,
            settings=self.settings(),
            versions=versions(),
            parts=counts,
            outputs=tuple(output_of(self.folder.out, file, rows) for file, rows in files.items()),
            datasets=tuple(Path(Path(file).parts[0]).stem for file in sets),
            images=len(store.paths()),
            checked_against=self._checked_against(),
        )
        self._engines.close()
        self.folder.finish(manifest)
        return manifest

    def _look_for_files(self) -> None:
        """Read the first row of every part from a user's files, so that a missing file is said before hours of work."""
        for part in self.recipe.parts if self.downloads else ():
            source = registry().get("source", part.source)
            if PartFile(self.folder.parts, part.name).count() is None and is_local(source, self.downloads):
                next(iter(source.load(part.split, folder=self.downloads, seed=self.recipe.seed)), None)

    def _write_sets(self, store: ImageStore) -> dict[str, int]:
        rows = self._rows(store)
        if self.recipe.format == "easyr1":
            return easyr1.write(rows, self.folder.out, store.root)
        if self.recipe.format == "datasets":
            return hf_datasets.write(rows, self.folder.out, store.root)
        return llamafactory.write(rows, self.folder.out, self.recipe.name)

    def _write_images(self, store: ImageStore) -> list[str]:
        """The list of the images that lie beside a LLaMA-Factory set; other formats hold them in their files."""
        if self.recipe.format != "llamafactory" or not store.paths():
            return []
        write_whole(self.folder.out / IMAGES_FILE, "".join(f"{Path(path).stem}  {path}\n" for path in store.paths()))
        return [IMAGES_FILE]

    def _write_samples(self) -> list[str]:
        """The samples of every part that went through steps, with the evidence the steps left in ``meta``."""
        names = [part.name for part in self.recipe.parts if part.steps]
        reports = sorted((self.folder.out / DECONTAMINATION).glob("*.jsonl"))
        written = [path.relative_to(self.folder.out).as_posix() for path in reports]
        for file in (PartFile(self.folder.parts, name) for name in names):
            for path in (path for path in (file.path, file.aside) if path.exists()):
                with whole_file(self.folder.out / SAMPLES_FOLDER / path.name) as partial:
                    shutil.copyfile(path, partial)
                written.append(f"{SAMPLES_FOLDER}/{path.name}")
        return written

    def _rows(self, store: ImageStore) -> Iterator[ExportRow]:
        for part in self.recipe.parts:
            yield from PartFile(self.folder.parts, part.name).rows(store.root)

    def _part(self, part: Part, planned: PlanRow, store: ImageStore) -> PartCount:
        file = PartFile(self.folder.parts, part.name)
        known = file.count()
        if known is not None and file.images() <= set(store.paths()):
            check_inputs(known, self.downloads)
            check_pictures(file.beside[INPUTS_FILE], self.downloads)
            return known
        tally = Tally()
        limit = self.recipe.token_limit
        rows = PartRows(
            part,
            self.recipe.steps_of(part),
            self.recipe.seed,
            store,
            self.folder.work,
            self._engines.drawn_from,
            self.progress,
            self.downloads,
            self._counter,
            limit.tokens if limit else 0,
            ray_executor.AHEAD if self.on == "ray" else IMAGES_AHEAD,
            self._engines.other,
        )
        file.write(rows.lines(tally))
        file.write_beside(tally)
        self._check(part, tally)
        count = PartCount(
            part=part.name,
            source=part.source,
            split=part.split,
            revision=revision_of(part.source, self.downloads) or planned.revision,
            licence=planned.licence,
            read=tally.read,
            kept=tally.kept,
            dropped=dict(sorted(tally.dropped.items())),
            rejected=dict(sorted(tally.rejected.items())),
            counted=dict(sorted(tally.counted.items())),
            right_of=tuple((*key, count) for key, count in sorted(tally.right_of.items())),
            not_checked=tuple(sorted(tally.not_checked)),
            asked=tally.asked,
            error=next(iter(tally.errors), ""),
            inputs=inputs_of(registry().get("source", part.source), part.split, self.downloads)
            | benchmark_inputs(self.recipe.steps_of(part), self.downloads),
        )
        sync_all(self.folder.out)
        self._engines.flush()  # a finished part is never asked again: what it was told must not be lost by a kill
        file.finish(count)
        return count

    def _checked_against(self) -> dict[str, str | None]:
        """The benchmarks that rows were checked against, with the revision that was read of each."""
        names = (self.recipe.decontaminate or {}).get("benchmarks", ())
        return {name: revision_of(name.partition("/")[0], self.downloads) for name in names}

    def _counter(self) -> TokenCounter | None:
        limit = self.recipe.token_limit
        if self._tokens is None and limit is not None:
            pixels = self.recipe.image_max_pixels or DEFAULT_MAX_PIXELS
            self._tokens = TokenCounter(model_path(limit.model), pixels)
        return self._tokens

    def _check(self, part: Part, tally: Tally) -> None:
        """Raise DataError when too many rows are bad or none is kept, leaving the rejects file to look into."""
        later = tally.rejected.total() - tally.bad
        for bad, tried in ((tally.bad, tally.read), (later, tally.chosen)):
            if bad > self.recipe.max_rejects * tried:
                self._write_listed(REJECTS_FILE)
                raise DataError(
                    f"part {part.name}: {bad} of {tried} rows cannot be used, over the "
                    f"{self.recipe.max_rejects:.0%} allowed; {_top(tally.rejected)}; "
                    f"all are named in {self.folder.out / REJECTS_FILE}"
                )
        decided = tally.chosen - later - tally.dropped[ENGINE_ERROR]
        if tally.kept == 0 and not (self.allow_empty and decided > 0):
            failed, error = tally.dropped[ENGINE_ERROR], next(iter(tally.errors), "")
            refuse_failures(failed, tally.asked, error, f"rows of {part.name} lack a reply")
            first = next((f"; the first: {bad['detail']}" for bad in tally.rejects if bad["detail"]), "")
            why = f"{_top(tally.dropped + tally.rejected)}{first}"
            raise DataError(f"part {part.name} keeps none of {tally.read} rows read; {why}")

    def _write_listed(self, name: str) -> list[str]:
        """One file of every bad row so far, or of the user's pictures that rows were shown with; none for none."""
        files = [PartFile(self.folder.parts, part.name).listed(name) for part in self.recipe.parts]
        lines = list(chain.from_iterable(files))
        if lines:
            write_whole(self.folder.out / name, "".join(lines))
        return [name] if lines else []


def _top(reasons: Counter[str]) -> str:
    named = [f"{count} x {reason}" for reason, count in reasons.most_common(REASONS_SHOWN)]
    return "most often: " + "; ".join(named) if named else "the source gave no rows"
