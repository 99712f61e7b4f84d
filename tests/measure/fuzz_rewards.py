"""Random rollouts without end: ``python tests/measure/fuzz_rewards.py --seconds 600``. Names every failure.

Responses are made of tags, answers, brackets, foreign characters and earlier responses cut and joined, from nothing to
a megabyte; truths are right, odd and broken. A failure is an exception, a score that is no float in [0, 1], another set
of keys, a total other than 0.1 format + 0.9 accuracy, a paid answer without one ``<think>`` pair at the start, or, for
tasks other than math, a row that took more than 50 ms of CPU time (the smaller of two tries).
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from collections import Counter
from typing import Any

from rich.console import Console
from rich.progress import Progress

from infimed_plugins.rewards import compute_score

TASKS = ("multiple_choice", "text", "math", "grounding", "detection")
SLOW_SECONDS = 0.05
MEGABYTE = 1_000_000
POOL = 500  # responses to cut and join
PIECES = [
    *(
        "<think>",
        "</think>",
        "<answer>",
        "</answer>",
        "\\boxed{",
        "}",
        "{",
        "[",
        "]",
        "(",
        ")",
        ",",
        "'",
        '"',
        ":",
        "|",
    ),
    *("A", "B", "A or B", "The answer is B", "not ", "(C)", "D. pneumonia", "12", "1,234", "0.5", "50%", "12 mg"),
    *("\\frac{1}{2}", "\\sqrt{", "x=", "^{9^{9}}", "!", "1/0", "nan", "1e999", "-", "\\", "$", "\\text{", "\\\\"),
    *("[1,2,3,4]", "{'Position': [1, 1, 2, 2], 'Confidence': 0.5}", "No Objects", '{"bbox_2d": [', "```json"),
    *("pleural effusion", "左肺", "是", "ﷺ", "½", "²", "\u0315", "\u200b", "\ud800", "\0", "\n", " ", "\t", "Wait, "),
]
TRUTHS: list[Any] = [
    *("B", "pleural effusion", "12", "\\frac{1}{2}", "[10, 10, 50, 50]", "[[1, 1, 9, 9], [20, 20, 40, 40]]", "是", ""),
    *("{", "[", "\ud800", None, 7, float("nan"), [1, 2], {"task": "math"}, '{"task": "unknown", "answer": 1}', b"B"),
]


def response(rng: random.Random, pool: list[str]) -> str:
    """A random text, in three cases of four with the form that opens the gate."""
    if pool and rng.random() < 0.3:
        a, b = rng.choice(pool), rng.choice(pool)
        body = a[: rng.randint(0, len(a))] + b[rng.randint(0, len(b)) :]
    else:
        body = "".join(rng.choice(PIECES) for _ in range(rng.randint(0, 14)))
        if rng.random() < 0.3:
            body += "".join(chr(rng.choice([rng.randint(0, 127), rng.randint(0, 0xFFFF)])) for _ in range(8))
    if rng.random() < 0.02 and body:
        body = body * (rng.choice([4_000, 49_000, MEGABYTE]) // len(body))
    form = rng.randrange(4)
    if form == 0:
        return body
    return f"<think>a</think>{body}" if form == 1 else f"<think>a</think><answer>{body}</answer>"


def row(rng: random.Random, pool: list[str]) -> dict[str, Any]:
    """A row with a truth of its task, or any."""
    text, truth = response(rng, pool), rng.choice(TRUTHS)
    if rng.random() < 0.9 and not isinstance(truth, (dict, bytes)):
        truth = json.dumps({"task": rng.choice(TASKS), "answer": truth})
    return {"response": text if rng.random() < 0.99 else rng.choice([None, 5, b"x", [text]]), "ground_truth": truth}


def faults(given: dict[str, Any], keys: list[str]) -> str | None:
    """What is wrong with one row's score."""
    started = time.thread_time()
    try:
        (score,) = compute_score([given])
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return f"raised {type(error).__name__}: {error}"
    took = time.thread_time() - started
    if list(score) != keys:
        return f"other keys: {list(score)}"
    if not all(isinstance(value, float) and math.isfinite(value) and 0 <= value <= 1 for value in score.values()):
        return f"not a float in [0, 1]: {score}"
    if abs(score["overall"] - (0.1 * score["format"] + 0.9 * score["accuracy"])) > 1e-9:
        return f"the total is not the sum of its parts: {score}"
    text = given["response"]
    opened = isinstance(text, str) and text.strip().startswith("<think>") and text.count("<think>") == 1
    if score["overall"] and not (opened and text.count("</think>") == 1):
        return f"paid {score['overall']} without one <think> pair at the start"
    if took > SLOW_SECONDS and '"math"' not in str(given["ground_truth"])[:40]:
        started = time.thread_time()
        compute_score([given])
        took = min(took, time.thread_time() - started)
        if took > SLOW_SECONDS:
            return f"took {took * 1000:.0f} ms"
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng, pool, count, failed = random.Random(arguments.seed), [], 0, 0
    kinds: Counter[str] = Counter()
    keys = list(compute_score([{"response": "", "ground_truth": "B"}])[0])
    end = time.monotonic() + arguments.seconds
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("rows", total=arguments.seconds)
        while time.monotonic() < end:
            given = row(rng, pool)
            fault = faults(given, keys)
            count += 1
            kinds["over 100 kB"] += isinstance(given["response"], str) and len(given["response"]) > 100_000
            if fault:
                failed += 1
                shown = {name: repr(value)[:300] for name, value in given.items()}
                print(f"row {count}: {fault}: {shown}", file=sys.stderr)
            elif isinstance(given["response"], str) and len(given["response"]) < 2_000:
                pool.append(given["response"])
                del pool[: len(pool) - POOL]
            progress.update(bar, completed=arguments.seconds - (end - time.monotonic()))
    print(f"{count} rows, {kinds['over 100 kB']} of them over 100 kB, {failed} failures, seed {arguments.seed}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
