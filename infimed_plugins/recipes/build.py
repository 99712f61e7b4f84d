"""Build a recipe: sources to samples, through the steps, into the files a trainer reads, with a manifest.

The work goes part by part, and an interrupted build continues after its last finished part. Bad rows are counted and
named in ``rejects.jsonl``; above the recipe's ``max_rejects`` in one part the build stops.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from infimed_plugins import __version__
from infimed_plugins.curation import ENGINE_ERROR
from infimed_plugins.engines import Engine
from infimed_plugins.errors import DataError, InfimedError, MissingExtraError, refuse_failures
from infimed_plugins.export.image_store import ImageStore
from infimed_plugins.export.image_workers import AHEAD, image_workers
from infimed_plugins.plugins import registry
from infimed_plugins.recipes import fingerprints
from infimed_plugins.recipes.build_folder import (
    IMAGES_FILE,
    INPUTS_FILE,
    REJECTS_FILE,
    SAMPLES_FOLDER,
    BuildFolder,
    PartFile,
    write_lines,
)
from infimed_plugins.recipes.build_part import BuildContext, PartRows, Progress
from infimed_plugins.recipes.manifest import Manifest, PartCount, output_of, versions
from infimed_plugins.recipes.plan import PlanRow, plan
from infimed_plugins.recipes.recipe import DECONTAMINATION, Part, Recipe
from infimed_plugins.recipes.recipe_file import load_recipe
from infimed_plugins.recipes.sampling import Tally
from infimed_plugins.recipes.step_engine import BuildEngines, model_identity, shaping
from infimed_plugins.recipes.trust import check_trusted
from infimed_plugins.records import Json
from infimed_plugins.storage import locked, sync_all, whole_file, write_whole
from infimed_plugins.trainers.registry import find_format

REASONS_SHOWN = 3


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
    made, downloads = BuildFolder(Path(out_dir)), None if folder is None else Path(folder)
    check_trusted(recipe, made.out, downloads)
    planned = plan(recipe).parts  # every name is checked before any work
    engines = BuildEngines(recipe, made.replies, engine)
    # where the rows carry the images themselves these are kept only until the rows are written
    root = made.out if find_format(recipe.format).images_beside else made.work
    try:
        with locked(made.out):
            settings = _settings(recipe, engine)
            standing = made.prepare(settings, fresh=fresh)
            for part in standing.parts if standing else ():
                fingerprints.check_inputs(part, downloads)
            fingerprints.check_pictures(made.out / INPUTS_FILE, downloads)
            if standing is not None:
                return standing
            with (
                made.abandoned_on_error(),
                closing(engines),
                image_workers(workers, on) as executor,
                closing(ImageStore(root, recipe.image_max_pixels, executor, made.image_log, recipe.family)) as store,
            ):
                show = progress or (lambda *_: None)
                context = BuildContext(recipe, made, downloads, store, engines, show, AHEAD[on])
                return _Build(context, planned, settings, allow_empty).run()
    except InfimedError:
        raise
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"building {recipe.name}", error.name or "", "data") from error
    except OSError as error:
        where = error.filename or out_dir
        raise DataError(
            f"{where}: {error.strerror or error}; mend it and run again, finished parts are kept"
        ) from error


def _settings(recipe: Recipe, engine: Engine | None) -> dict[str, Json]:
    """Return everything that shapes the bytes that are built."""
    settings = {**shaping(recipe.settings()), "version": __version__}
    model = engine.model if engine else recipe.engine.model if recipe.engine else None
    if model and any(recipe.steps_of(part) for part in recipe.parts):
        settings["model"] = model_identity(model)
    as_json: dict[str, Json] = json.loads(json.dumps(settings))
    return as_json


@dataclass(frozen=True)
class _Build:
    """The work of one build."""

    context: BuildContext
    planned: Sequence[PlanRow]
    settings: dict[str, Json]
    allow_empty: bool

    def run(self) -> Manifest:
        """Build the parts that are not finished, write the trainer's files, then the manifest."""
        build, recipe, out = self.context, self.context.recipe, self.context.folder.out
        self._look_for_files()
        counts = tuple(self._part(part, row) for part, row in zip(recipe.parts, self.planned, strict=True))
        build.progress(f"writing {recipe.format} files", 0, None)
        sets, images = self._write_sets(), build.store.paths()
        files = {**sets, **dict.fromkeys(self._write_beside(sets, images), 0)}
        checked_against = (recipe.decontaminate or {}).get("benchmarks", ())
        manifest = Manifest(
            recipe=recipe.name,
            description=recipe.description,
            format=recipe.format,
            settings=self.settings,
            versions=versions(),
            parts=counts,
            outputs=tuple(output_of(out, file, rows) for file, rows in files.items()),
            datasets=tuple(Path(Path(file).parts[0]).stem for file in sets),
            images=len(images),
            checked_against={
                name: fingerprints.revision_of(name.partition("/")[0], build.downloads) for name in checked_against
            },
        )
        build.engines.close()
        build.folder.finish(manifest)
        return manifest

    def _files(self) -> dict[str, PartFile]:
        return {part.name: PartFile(self.context.folder.parts, part.name) for part in self.context.recipe.parts}

    def _look_for_files(self) -> None:
        """Read the first row of every part from a user's files, so that a missing file is said before hours of work."""
        folder, seed = self.context.downloads, self.context.recipe.seed
        for part in self.context.recipe.parts if folder else ():
            source = registry().get("source", part.source)
            if self._files()[part.name].count() is None and fingerprints.is_local(source, folder):
                next(iter(source.load(part.split, folder=folder, seed=seed)), None)

    def _write_sets(self) -> dict[str, int]:
        """Write the trainer's files; return the rows of each."""
        out, root, recipe = self.context.folder.out, self.context.store.root, self.context.recipe
        rows = chain.from_iterable(file.rows(root) for file in self._files().values())
        return find_format(recipe.format).write(rows, out, root, recipe.name)

    def _write_beside(self, sets: dict[str, int], images: Sequence[str]) -> list[str]:
        """Write the other files of a build (format, samples, reports, lists); return their names."""
        out, form = self.context.folder.out, find_format(self.context.recipe.format)
        written = list(form.files_beside(sets))
        if form.images_beside and images:
            write_lines(out / IMAGES_FILE, (f"{Path(path).stem}  {path}" for path in images))
            written.append(IMAGES_FILE)
        written += self._write_samples()
        return written + self._write_listed(REJECTS_FILE) + self._write_listed(INPUTS_FILE)

    def _write_samples(self) -> list[str]:
        """Write the samples of every part with steps, their evidence in ``meta``; return the names of the files."""
        out, files = self.context.folder.out, self._files()
        reports = sorted((out / DECONTAMINATION).glob("*.jsonl"))
        written = [path.relative_to(out).as_posix() for path in reports]
        for file in (files[part.name] for part in self.context.recipe.parts if part.steps):
            for path in (path for path in (file.path, file.aside) if path.exists()):
                with whole_file(out / SAMPLES_FOLDER / path.name) as partial:
                    shutil.copyfile(path, partial)
                written.append(f"{SAMPLES_FOLDER}/{path.name}")
        return written

    def _write_listed(self, name: str) -> list[str]:
        """Join one list of all parts, bad rows or the user's pictures, into one file; return its name, if any."""
        paths = [file.beside(name) for file in self._files().values()]
        text = "".join(path.read_text(encoding="utf-8") for path in paths if path.exists())
        if text:
            write_whole(self.context.folder.out / name, text)
        return [name] if text else []

    def _part(self, part: Part, planned: PlanRow) -> PartCount:
        """Build a part, or take it as it is if finished; return its counts."""
        build, file, folder = self.context, self._files()[part.name], self.context.downloads
        known = file.count()
        if known is not None and file.images() <= set(build.store.paths()):
            fingerprints.check_inputs(known, folder)
            fingerprints.check_pictures(file.beside(INPUTS_FILE), folder)
            return known
        tally = Tally()
        write_lines(file.path, PartRows(part, build, tally).lines())
        file.write_beside(tally)
        self._check(part, tally)
        source = registry().get("source", part.source)
        inputs = fingerprints.inputs_of(source, part.split, folder)
        inputs |= fingerprints.benchmark_inputs(build.recipe.steps_of(part), folder)
        revision = fingerprints.revision_of(part.source, folder) or planned.revision
        count = tally.counts(part, revision, planned.licence, inputs)
        sync_all(build.folder.out)
        file.finish(count)
        return count

    def _check(self, part: Part, tally: Tally) -> None:
        """Raise DataError when too many rows are bad or none is kept, leaving the rejects file to look into."""
        recipe, later = self.context.recipe, tally.rejected.total() - tally.bad
        for bad, tried in ((tally.bad, tally.read), (later, tally.chosen)):
            if bad > recipe.max_rejects * tried:
                self._write_listed(REJECTS_FILE)
                raise DataError(
                    f"part {part.name}: {bad} of {tried} rows cannot be used, over the "
                    f"{recipe.max_rejects:.0%} allowed; {_top(tally.rejected)}; "
                    f"all are named in {self.context.folder.out / REJECTS_FILE}"
                )
        failed, error = tally.dropped[ENGINE_ERROR], next(iter(tally.errors), "")
        decided = tally.chosen - later - failed
        if tally.kept == 0 and not (self.allow_empty and decided > 0):
            refuse_failures(failed, tally.asked, error, f"rows of {part.name} lack a reply")
            first = next((f"; the first: {bad['detail']}" for bad in tally.rejects if bad["detail"]), "")
            why = f"{_top(tally.dropped + tally.rejected)}{first}"
            raise DataError(f"part {part.name} keeps none of {tally.read} rows read; {why}")


def _top(reasons: Counter[str]) -> str:
    named = [f"{count} x {reason}" for reason, count in reasons.most_common(REASONS_SHOWN)]
    return "most often: " + "; ".join(named) if named else "the source gave no rows"
