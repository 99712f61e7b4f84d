"""Scoring replies: ``python tests/measure/bench_scoring.py [--upstream CHECKOUT --upstream-python PYTHON]``.

Prints a table; it is not a test. Samples per CPU-second on 10,000 replies a set, drawn with a seed from the parity
cases (INFIMED_PARITY_DIR, else the packed sample), whose replies are an adversarial mix; the best of some rounds. With
a MedEvalKit checkout its own functions score the same samples (it needs nltk, rouge and mathruler: its own python, if
this one lacks them), and the verdicts must be the same. Replies on which upstream ends are left out: no rate there.

``medevalkit`` is verdicts and metrics.json; ``robust``, on the choice sets, the package's default rules, every reply
being new to it; ``as_drawn`` the same where what it remembers of short replies is kept over the 10,000, in which the
cases come several times. "all seven sets" is as many replies as the published sets have questions.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import json
import os
import platform
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from infimed_plugins import bounded_cache
from infimed_plugins.records import Sample
from infimed_plugins.scoring import medevalkit, robust

sys.path.insert(0, str(Path(__file__).parent))
from upstream_medevalkit import score_sets

PACKED = Path(__file__).parents[1] / "data" / "parity"
PUBLISHED = {"MMMU-Medical-val": 150, "VQA_RAD": 451, "PATH_VQA": 6_719, "SLAKE": 2_094, "PMC_VQA": 33_430,
             "OmniMedVQA": 88_996, "MedXpertQA-MM": 2_000}  # fmt: skip
STYLES = {"omni": "OmniMedVQA", "pmc": "PMC_VQA", "medx": "MedXpertQA-MM"}
CHOICE_SETS = ("PMC_VQA", "OmniMedVQA", "MedXpertQA-MM")
LONG = {"OmniMedVQA": 1_300, "PATH_VQA": 1_500}  # characters
ROUNDS = 5
PASS = 500  # fewer replies than any choice set has different cases, in the full folder
MOST_WORDS = 300  # in a sentence: upstream's recursion
Given = dict[str, Any]


def cases(rule: str) -> list[Given]:
    """The parity cases of a rule."""
    folder = Path(os.environ.get("INFIMED_PARITY_DIR") or PACKED)
    with gzip.open(folder / f"{rule}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def pools() -> dict[str, list[Given]]:
    """Samples as MedEvalKit has them when it scores, with a response, by benchmark."""
    found: dict[str, list[Given]] = {name: [] for name in PUBLISHED}
    for case in cases("mcq") + cases("mcq_bench"):
        if case["style"] in STYLES:
            sample = {"choices": case["choices"], "answer": case["answer"], "response": case["response"]}
            groups = {"question_type": "Modality Recognition", "modality_type": "CT", "medical_task": "Diagnosis"}
            found[STYLES[case["style"]]].append({**sample, **groups})
    for case in cases("vqa_bench"):
        found[case["benchmark"]].append(case["sample"])
    multiple = [{**case, "question_type": "multiple-choice"} for case in cases("mmmu_mc")]
    opened = [{**case, "question_type": "open"} for case in cases("mmmu_open")]
    mmmu = multiple + opened[: len(multiple) * 5 // 145]
    wanted = ("question_type", "answer", "all_choices", "index2ans", "response")
    found["MMMU-Medical-val"] = [{key: case[key] for key in wanted if key in case} for case in mmmu]
    return {name: [sample for sample in pool if scorable(name, sample)] for name, pool in found.items()}


def scorable(benchmark: str, sample: Given) -> bool:
    """Whether upstream comes through this reply."""
    reply = sample["response"]
    if reply is None or max(len(part.split()) for part in reply.split(".")) > MOST_WORDS:
        return False
    return medevalkit.score_rows(benchmark, [sample], [reply])[0].error is None


def draw(pool: list[Given], count: int, rng: random.Random, characters: int = 0) -> list[Given]:
    """So many samples, the whole pool before any comes again; other replies lead each up to so many characters."""
    shuffled = [sample for _ in range(count // len(pool) + 1) for sample in rng.sample(pool, len(pool))]
    drawn = [dict(sample) for sample in shuffled[:count]]
    prose = [
        reply for sample in pool if len(reply := sample["response"]) > 60 and "\\" not in reply and "<" not in reply
    ]
    for place, sample in enumerate(drawn):
        sample.update(
            id=f"validation_Pharmacy_{place}",
            subject="Pharmacy",
            image=None,
            final_input_prompt="",
            question="What is shown?",
        )
        while len(sample["response"]) < characters:
            sample["response"] = f"{rng.choice(prose)}\n\n{sample['response']}"
    return drawn


def timed(function: Callable[[], Any], rounds: int = ROUNDS) -> tuple[Any, float]:
    """What a function gives, and its CPU seconds: the best of the rounds.

    The collector leaves what is there already alone: this process holds the cases of all sets, upstream's those of one.
    """
    gc.freeze()
    seconds = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        value = function()
        seconds = min(seconds, time.process_time() - started)
    return value, seconds


def ours(benchmark: str, samples: list[Given], rounds: int = ROUNDS) -> tuple[list[bool | None], float]:
    """Our verdicts and the CPU seconds for them and the metrics.

    What is remembered of options and short replies is forgotten where the drawn samples begin to repeat.
    """
    step = PASS if benchmark in CHOICE_SETS else len(samples)

    def score() -> list[medevalkit.MedEvalKitVerdict]:
        verdicts: list[medevalkit.MedEvalKitVerdict] = []
        for start in range(0, len(samples), step):
            bounded_cache.clear()
            part = samples[start : start + step]
            verdicts += medevalkit.score_rows(benchmark, part, [sample["response"] for sample in part])
        replies = [sample["response"] for sample in samples]
        medevalkit.metrics(benchmark, samples, replies, verdicts=verdicts)
        return verdicts

    verdicts, seconds = timed(score, rounds)
    return [verdict.correct for verdict in verdicts], seconds


def robust_seconds(samples: list[Given], step: int) -> float:
    """CPU seconds of the default rules on the same replies; the options without upstream's letters.

    After so many replies what was remembered is forgotten.
    """
    asked = []
    for sample in samples:
        options = tuple(choice.strip()[2:].strip() for choice in sample["choices"])
        gold = sample["answer"].strip().upper()
        letter = gold if len(gold) == 1 and ord(gold) - 65 in range(len(options)) else "A"
        asked.append(
            (sample["response"], Sample("q", "b", "test", "What is shown?", "multiple_choice", letter, options=options))
        )

    def score() -> None:
        for start in range(0, len(asked), step):
            bounded_cache.clear()
            for reply, sample in asked[start : start + step]:
                robust.score(reply, sample)

    return timed(score, 2)[1]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upstream", type=Path, help="a MedEvalKit checkout")
    parser.add_argument("--upstream-python", help="a python that has what upstream's scoring imports")
    parser.add_argument("--replies", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    return parser.parse_args()


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """A row for each set, and the time for all seven of the published sizes."""
    pool, rng = pools(), random.Random(given.seed)
    sets: dict[str, Given] = {}
    for name in PUBLISHED:
        sets[name] = {"benchmark": name, "samples": draw(pool[name], given.replies, rng)}
        if name in LONG:
            long = draw(pool[name], given.replies // 5, rng, LONG[name])
            if name == "PATH_VQA":
                long = [sample for sample in long if sample["answer"].lower().strip() not in ("yes", "no")]
                long += draw([s for s in pool[name] if s["answer"].lower().strip() in ("yes", "no")], 1, rng)
            label = f"{name}{' open' if name == 'PATH_VQA' else ''}, {LONG[name]} characters"
            sets[label] = {"benchmark": name, "samples": long}
    rows = []
    for label, given_set in sets.items():  # one after the other, as a machine's speed may change within a minute
        one = {label: given_set}
        theirs = score_sets(one, given.upstream, given.upstream_python, ROUNDS)[label] if given.upstream else None
        rows.append(row(label, given_set, theirs))
    everything = {name: draw(pool[name], count, rng) for name, count in PUBLISHED.items()}
    seconds = sum(ours(name, samples, 1)[1] for name, samples in everything.items())
    return {"sets": rows, "all_seven": {"replies": sum(PUBLISHED.values()), "cpu_seconds": seconds}}


def row(label: str, given_set: Given, theirs: Given | None) -> dict[str, Any]:
    """Rates of one set. Exits when a verdict is not upstream's."""
    benchmark, samples = given_set["benchmark"], given_set["samples"]
    correct, seconds = ours(benchmark, samples)
    rates: dict[str, Any] = {"set": label, "replies": len(samples), "medevalkit": len(samples) / seconds}
    if benchmark in CHOICE_SETS:
        rates["robust"] = len(samples) / robust_seconds(samples, PASS)
        rates["as_drawn"] = len(samples) / robust_seconds(samples, len(samples))
    if theirs is not None:
        other = [place for place, verdict in enumerate(correct) if verdict != theirs["correct"][place]]
        if other:
            sys.exit(f"{label}: {len(other)} verdicts are not upstream's, the first on {samples[other[0]]}")
        rates["upstream"] = len(samples) / theirs["seconds"]
        rates["ratio"] = rates["medevalkit"] / rates["upstream"]
        if "robust" in rates:
            rates["robust_ratio"] = rates["robust"] / rates["upstream"]
            rates["drawn_ratio"] = rates["as_drawn"] / rates["upstream"]
    return rates


def main() -> None:
    given = arguments()
    result = measure(given)
    if given.json:
        print(json.dumps(result))
        return
    names = ("replies", "upstream", "medevalkit", "ratio", "robust", "robust_ratio", "as_drawn", "drawn_ratio")
    table = Table("set", *names, title=f"samples per CPU-second, Python {platform.python_version()}")
    for rates in result["sets"]:
        cells = [rates.get(name) for name in names]
        shown = ["" if cell is None else f"{cell:,.1f}" if "ratio" in name else f"{cell:,.0f}"
                 for name, cell in zip(names, cells, strict=True)]  # fmt: skip
        table.add_row(rates["set"], *shown)
    console = Console(width=130)
    console.print(table)
    whole = result["all_seven"]
    console.print(f"all seven sets, {whole['replies']:,} replies: {whole['cpu_seconds']:.1f} CPU-seconds")


if __name__ == "__main__":
    main()
