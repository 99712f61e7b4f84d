"""How well replies are read, against what a person says each commits to; beside it MedEvalKit's and VLMEvalKit's rules.

    python tests/measure/bench_reader.py tests/data/replies/own.jsonl.gz --group hedge --show 5

Prints a table; it is not a test. By default the file is INFIMED_REPLIES, else tests/data/replies/own.jsonl.gz. A line
of it is ``{"id", "origin", "group", "task", "question", "options", "answer", "reply", "lang", "intended"}``, and for
multiple choice ``intended_letter``, "" where the reply commits to none. Rows meant "ambiguous" are left out.

    missed       meant right, not counted right             of those meant right
    paid         meant wrong or none, counted right         of those meant wrong or none
    misread      another letter than the one meant          of those that commit to a letter
    abstained    no letter                                  of the same
    guessed      a letter                                   of those that commit to none

Shares have 95% Wilson intervals. µs are of one thread: what is remembered of replies is forgotten before each of three
passes over the file, and a reply's best pass counts. MedEvalKit has no rule for boxes, VLMEvalKit one for options only.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

import infimed_plugins
from infimed_plugins import bounded_cache
from infimed_plugins.records import OPTION_LETTERS, Sample, Score
from infimed_plugins.reports.statistics import wilson
from infimed_plugins.scoring import medevalkit, robust, vlmevalkit

OWN = Path(__file__).parents[1] / "data" / "replies" / "own.jsonl.gz"
ALL, OURS = "all", "infimed"
SHARES = ("missed", "paid", "misread", "abstained", "guessed")
Row = dict[str, Any]
Tally = dict[str, dict[str, tuple[int, int]]]  # by group and share: how many count, and of how many


class Reading(NamedTuple):
    """What a reader makes of a reply; ``letter`` is "" where none is read."""

    right: bool
    letter: str
    reason: str


def rows_of(paths: Iterable[Path], group: str = "") -> list[Row]:
    """The labelled replies of the files, without the ambiguous ones, of the groups with this in their name."""
    texts = (gzip.decompress(path.read_bytes()).decode("utf-8") for path in paths)
    rows: list[Row] = [json.loads(line) for text in texts for line in text.split("\n") if line]
    return [row for row in rows if row["intended"] != "ambiguous" and group in row["group"]]


def sample_of(row: Row) -> Sample:
    """The sample a source would build. An "open" answer is a text, or a number where it is written as one."""
    task, answer = row["task"], row["answer"]
    if task == "open":
        answer = str(answer[0] if isinstance(answer, list) else answer)
        task = "math" if answer.replace(".", "", 1).lstrip("-").isdecimal() else "text"
    options = tuple(map(str, row["options"])) if row["options"] else None
    language = row.get("lang") or "en"
    return Sample(row["id"], "replies", "test", row["question"] or "?", task, answer, (), options, None, language)


def score(reply: str, sample: Sample) -> Score:
    """The package's public verdict on one reply; the robust scorer's own where there is no public call."""
    public: Callable[..., Score] | None = getattr(infimed_plugins, "score_reply", None)
    return public(reply, sample, mode="robust") if public else robust.score(reply, sample)


def reading_of(verdict: Score) -> Reading:
    return Reading(verdict.accuracy == 1.0, "" if verdict.invalid else verdict.parsed or "", verdict.reason)


def by_package(row: Row, sample: Sample) -> Reading:
    """The package's reading. A reply that cannot be scored at all is a fault to count, not a reason to stop."""
    try:
        return reading_of(score(row["reply"], sample))
    except Exception as error:  # noqa: BLE001
        return Reading(False, "", f"{type(error).__name__}: {error}")


def by_medevalkit(row: Row, sample: Sample) -> Reading | None:
    """By MedEvalKit's rule for such questions, where it has one; a reply that would end its run is not right."""
    if sample.task not in ("multiple_choice", "text", "math"):
        return None
    choices = [f"{letter}. {text}" for letter, text in zip(OPTION_LETTERS, sample.options or (), strict=False)]
    asked = {"question": sample.question, "choices": choices, "answer": str(sample.answer)}
    (verdict,) = medevalkit.score_rows("OmniMedVQA" if choices else "VQA_RAD", [asked], [row["reply"]])
    return Reading(bool(verdict.correct), verdict.parsed or "", verdict.error or verdict.kind)


def by_vlmevalkit(row: Row, sample: Sample) -> Reading | None:
    """By VLMEvalKit's rule of its newest revision, without its judge."""
    if not sample.options:
        return None
    choices = dict(zip(OPTION_LETTERS, sample.options, strict=False))
    read = vlmevalkit.infer(row["reply"], choices, vlmevalkit.REVISIONS[-1]) or vlmevalkit.NO_OPTION
    return Reading(read == sample.answer, "" if read == vlmevalkit.NO_OPTION else read, "")


Reader = Callable[[Row, Sample], Reading | None]
READERS: dict[str, Reader] = {OURS: by_package, "MedEvalKit": by_medevalkit, "VLMEvalKit": by_vlmevalkit}


def counted(row: Row, reading: Reading) -> dict[str, bool]:
    """The shares that a reply belongs to, and whether it counts there."""
    found = {"missed": not reading.right} if row["intended"] == "right" else {"paid": reading.right}
    if row["task"] != "multiple_choice" or "intended_letter" not in row:
        return found
    letter, read = row["intended_letter"], reading.letter
    if not letter:
        return found | {"guessed": bool(read)}
    return found | {"misread": bool(read) and read != letter, "abstained": not read}


def tally(rows: Sequence[Row], readings: Sequence[Reading | None]) -> Tally:
    """The counts of one reader, by group and over all."""
    found: Tally = {}
    for row, reading in zip(rows, readings, strict=True):
        for share, hit in (counted(row, reading) if reading else {}).items():
            for group in (row["group"], ALL):
                hits, total = found.setdefault(group, {}).get(share, (0, 0))
                found[group][share] = (hits + hit, total + 1)
    return found


def speeds(rows: Sequence[Row], samples: Sequence[Sample]) -> dict[str, dict[str, float]]:
    """By group and over all: mean, 95th percentile and maximum of what reading a reply takes, in µs."""
    best = [float("inf")] * len(rows)
    for _ in range(3):
        bounded_cache.clear()
        for place, (row, sample) in enumerate(zip(rows, samples, strict=True)):
            started = time.perf_counter()
            by_package(row, sample)
            best[place] = min(best[place], 1e6 * (time.perf_counter() - started))
    found: dict[str, list[float]] = {}
    for taken, row in sorted(zip(best, rows, strict=True), key=lambda pair: pair[0]):
        for group in (row["group"], ALL):
            found.setdefault(group, []).append(taken)
    return {key: {"mean": sum(of) / len(of), "p95": of[len(of) * 19 // 20], "max": of[-1]} for key, of in found.items()}


def cell(hits: int, total: int) -> str:
    """A share with its interval, in percent."""
    rate = wilson(hits, total)
    return f"{hits}/{total} {100 * rate.value:.1f} [{100 * rate.low:.1f}, {100 * rate.high:.1f}]" if total else ""


def table(tallies: dict[str, Tally], taken: dict[str, dict[str, float]], groups: Iterable[str]) -> Table:
    made = Table("group", "reader", *(f"{share} %" for share in SHARES), "µs mean / p95 / max")
    for group in (*groups, ALL):
        made.add_section()
        for name in READERS:
            if of := tallies[name].get(group):
                speed = " / ".join(f"{value:,.0f}" for value in taken[group].values()) if name == OURS else ""
                made.add_row(group, name, *(cell(*of.get(share, (0, 0))) for share in SHARES), speed)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE.jsonl.gz")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--show", type=int, default=0, metavar="N", help="print the first N replies judged otherwise")
    parser.add_argument("--group", default="", metavar="TEXT", help="only groups with this in their name")
    given = parser.parse_args()
    rows = rows_of(given.files or [Path(os.environ.get("INFIMED_REPLIES") or OWN)], given.group)
    if not rows:
        parser.error(f"no labelled reply in a group with {given.group!r} in its name")
    samples = list(map(sample_of, rows))
    readings = {name: list(map(reader, rows, samples)) for name, reader in READERS.items()}
    tallies, taken = {name: tally(rows, made) for name, made in readings.items()}, speeds(rows, samples)
    if given.json:
        print(json.dumps({"replies": len(rows), "readers": tallies, "microseconds": taken}, ensure_ascii=False))
        return
    pairs = [(row, read) for row, read in zip(rows, readings[OURS], strict=True) if read]
    for row, read in [pair for pair in pairs if any(counted(*pair).values())][: given.show]:
        print(json.dumps({**row, "read": read._asdict()}, ensure_ascii=False, indent=1))
    Console(width=205).print(table(tallies, taken, dict.fromkeys(row["group"] for row in rows)))


if __name__ == "__main__":
    main()
