"""Notes beside the figures of runs, one a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.benchmarks.judged import Run
from infimed_plugins.benchmarks.judging import CUT
from infimed_plugins.benchmarks.run_folder import BAD_ROWS, RunFolder
from infimed_plugins.benchmarks.scorers import find_scorer
from infimed_plugins.plugins import registry

MOST_REASON = 160  # characters
DIGEST = 64  # characters of the hash of an image


def notes_on(runs: Sequence[Run], folders: Sequence[RunFolder]) -> list[str]:
    """Return a line for each model, benchmark and thing; one for all models of which the same is true."""
    notes: dict[str, dict[str, None]] = {}  # and the models they are of
    bad: dict[str, int] = {}
    for folder in folders:
        if count := folder.bad_rows():
            name = str(folder.settings().get("benchmark"))
            bad[name] = max(count, bad.get(name, 0))
            notes[f"{name}: {count:,} rows of the data set could not be asked ({folder.path / BAD_ROWS})"] = {}
    for run in (run for run in runs if not run.variant):
        benchmark, name, asked = registry().get("benchmark", run.benchmark), run.benchmark, len(run.rows)
        if benchmark.questions and asked + bad.get(name, 0) < benchmark.questions:
            text = f"{name}: {asked:,} of its {benchmark.questions:,} questions were asked"
            notes.setdefault(text, {})[run.model] = None
        if not run.judge and (count := _judged_by_rule(run, benchmark)):
            text = f"{name}: {count:,} of {asked:,} answers are a judge's to mark and were scored by rule ({run.mode})"
            notes.setdefault(text, {})[run.model] = None
        for text in _unscored(run):
            notes.setdefault(text, {})[run.model] = None
    everyone = len({run.model for run in runs})
    said = [f"{text} [{', '.join(of)}]" if 0 < len(of) < everyone else text for text, of in notes.items()]
    return [*said, *_notes_on_images(runs)]


def _unscored(run: Run) -> Iterator[str]:
    """Yield how many questions are unscored, with the commonest reason, and how many replies ended before an answer."""
    reasons = Counter(row.reason for row in run.rows if row.accuracy is None)
    if reasons:
        (reason, _), count = reasons.most_common(1)[0], reasons.total()
        shown = f"{reason[:MOST_REASON]}…" if len(reason) > MOST_REASON else reason
        commonest = "" if len(reasons) == 1 else ", the commonest reason"
        yield f"{run.benchmark}: {count:,} of {len(run.rows):,} unscored ({run.mode}): {shown}{commonest}"
    if cut := sum(row.invalid and row.reason.endswith(CUT) for row in run.rows):
        text = f"{cut:,} of {len(run.rows):,} replies were cut off before an answer ({run.mode})"
        yield f"{run.benchmark}: {text}; give a larger --max-tokens"


def _notes_on_images(runs: Sequence[Run]) -> Iterator[str]:
    """Yield a line for each benchmark whose models were shown other images under the same ids: no comparison holds."""
    if len({run.model for run in runs}) < 2:
        return
    known: dict[tuple[str, str, str], str] = {}
    others: dict[str, set[str]] = {}
    for run in runs:
        for row in run.rows:
            image = known.setdefault((run.benchmark, run.variant, row.id), row.image)
            if image != row.image and len(image) == len(row.image) == DIGEST:  # an imported run kept none
                others.setdefault(run.benchmark, set()).add(row.id)
    for name, ids in others.items():
        yield f"{name}: {len(ids):,} questions have another image in another run (another --seed?); do not compare them"


def _judged_by_rule(run: Run, benchmark: Benchmark) -> int:
    """Count the answers scored by rule that a judge would have decided."""
    is_open = find_scorer(run.mode).is_open
    return sum(row.accuracy is not None and is_open(benchmark, row) for row in run.rows)


def notes_on_labels(runs: Sequence[Run], people: Mapping[str, bool]) -> list[str]:
    """Return a line for people's labels that are of no question here, naming an id of each."""
    known = [row.id for run in runs for row in run.rows if row.accuracy is not None]
    if not people or not people.keys().isdisjoint(known):
        return []
    here = f"one that was scored is {known[0]!r}" if known else "nothing was scored"
    return [f"none of the {len(people):,} labels is of a question here: one is of {next(iter(people))!r}, {here}"]
