r"""How long scoring takes: ``python tests/measure/bench_rewards.py``. Prints a table; it is not a test.

4,096 rollouts are 256 questions with 16 responses each, about 2,300 characters long. The mix: 45% multiple choice, 20%
text, 20% math, 10% grounding, 5% detection; half of the answers are right, a tenth breaks the format. Cold: a new
interpreter, which imports, starts the math process and verifies everything once. Warm: the same batch again, the
median of five. Then the rewards of others on the same rows, in the same run: plain math_verify, TRL's accuracy_reward
and, with EASYR1=folder, EasyR1's examples. They are run once, on the rows' answers in a ``\boxed{}``, for at most
LIMIT_SECONDS; their verdicts are not compared.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

LIMIT_SECONDS = 60
TASKS = ("multiple_choice", "text", "math", "grounding", "detection")
MIX = (45, 20, 20, 10, 5)
SENTENCE = "The T2-weighted image shows a bright lesion in the left lobe, which differs from option {letter}. "
BURNERS = (  # @ is another number each time
    "@^{9^{9^{9}}}",
    "1000000@!",
    "(x+@)^{1000}(y+1)^{1000}",
    "10^{10^{@}}",
    "\\sin(x+@)^{900}",
    "\\log_{2}(@!!!)",
    "\\sum_{k=1}^{10^{9}} k^@",
    "\\binom{@000000}{500000}",
)
LOOPS = ("</think>\\boxed{", "<answer></think>", "[[", "a ")
PHRASES = ("left pleural effusion", "right lower lobe", "glioma", "no", "yes", "liver", "cardiomegaly", "CT")


def question(task: str, rng: random.Random) -> tuple[Any, list[str]]:
    """A truth and answers to it, the first of which is right."""
    if task == "multiple_choice":
        letter = rng.choice("ABCD")
        return letter, [letter, f"{letter}. Pneumonia", rng.choice("ABCD"), "The answer is C", "A or B"]
    if task == "text":
        phrase = rng.choice(PHRASES)
        return phrase, [phrase, f"The {phrase}.", rng.choice(PHRASES), "not visible"]
    if task == "math":
        n = rng.randint(2, 400)
        forms = [
            (str(n), f"{n}.0"),
            (f"{n}/7", f"\\frac{{{n}}}{{7}}"),
            (f"{n} mm", f"{n}"),
            (f"{n}\\sqrt{{2}}", f"\\sqrt{{2}}\\cdot {n}"),
        ]
        truth, right = rng.choice(forms)
        return truth, [right, str(n + 1), f"x = {n}", f"{n} or {n + 1}"]
    boxes = [
        [x, y, x + rng.randint(10, 90), y + rng.randint(10, 90)]
        for x, y in [(rng.randint(0, 200), rng.randint(0, 200)) for _ in range(3)]
    ]
    if task == "grounding":
        return boxes[0], [str(boxes[0]), json.dumps({"bbox_2d": boxes[1]}), "upper left"]
    return boxes, [
        str(boxes),
        str(boxes[:2]),
        str([{"Position": box, "Confidence": 0.9} for box in boxes]),
        "No Objects",
    ]


def rollouts(mix: dict[str, int], seed: int = 0, pathological: float = 0.0) -> list[dict[str, Any]]:
    """256 questions by 16 responses; ``pathological`` is the share of burners, and again that of endless loops."""
    rng = random.Random(seed)
    rows = []
    for _ in range(256):
        task = rng.choices(list(mix), list(mix.values()))[0]
        truth, answers = question(task, rng)
        for _ in range(16):
            answer = answers[0] if rng.random() < 0.5 else rng.choice(answers)
            thought = "".join(SENTENCE.format(letter=rng.choice("ABCD")) for _ in range(rng.randint(10, 38)))
            text = f"<think>{thought}</think>\n<answer>{answer}</answer>"
            if rng.random() < 0.1:
                text = text.replace("</think>", "")
            ground = json.dumps({"task": task, "answer": truth})
            if rng.random() < pathological:
                text, ground = (
                    f"<think>{thought}</think>\\boxed{{{rng.choice(BURNERS).replace('@', str(rng.randint(2, 99)))}}}",
                    '{"task": "math", "answer": "41"}',
                )
            elif rng.random() < pathological:
                text = "<think>" + rng.choice(LOOPS) * 4000
            rows.append({"response": text, "response_length": len(text) // 4, "ground_truth": ground})
    return rows


SETS: dict[str, tuple[dict[str, int], float]] = {
    "mix": (dict(zip(TASKS, MIX, strict=True)), 0.0),
    "mix, 1% burners, 1% loops": (dict(zip(TASKS, MIX, strict=True)), 0.01),
    "math, 1% burners, 1% loops": ({"math": 1}, 0.01),
    **{task: ({task: 1}, 0.0) for task in TASKS},
}


def boxed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same rollouts for rewards that read a box and a bare truth."""
    changed = []
    for row in rows:
        text = row["response"].replace("<answer>", "\\boxed{").replace("</answer>", "}")
        changed.append({**row, "response": text, "ground_truth": str(json.loads(row["ground_truth"])["answer"])})
    return changed


def plain_math_verify(rows: list[dict[str, Any]]) -> None:
    from math_verify import parse, verify

    for row in rows:
        verify(parse(f"${row['ground_truth']}$"), parse(row["response"]))


def trl_accuracy(rows: list[dict[str, Any]]) -> None:
    from trl.rewards import accuracy_reward

    completions = [[{"role": "assistant", "content": row["response"]}] for row in rows]
    accuracy_reward(completions, [f"${row['ground_truth']}$" for row in rows])


def easyr1_math(rows: list[dict[str, Any]]) -> None:
    _easyr1("math").compute_score(rows)


def easyr1_r1v(rows: list[dict[str, Any]]) -> None:
    score = _easyr1("r1v").compute_score
    for row in rows:
        score(row)


def _easyr1(name: str) -> Any:
    path = Path(os.environ["EASYR1"]) / "examples" / "reward_function" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


OTHERS = {other.__name__: other for other in (plain_math_verify, trl_accuracy, easyr1_math, easyr1_r1v)}


def measure_other(other: str, name: str) -> dict[str, float]:
    """Seconds of another reward on one set; its imports are not counted."""
    mix, pathological = SETS[name]
    rows = boxed(rollouts(mix, pathological=pathological))
    OTHERS[other](rows[:1])
    started = time.perf_counter()
    OTHERS[other](rows)
    return {"once": time.perf_counter() - started, "rows": len(rows)}


def compare(names: list[str]) -> None:
    """Print what the others take."""
    print(f"\n{'set':30}{'reward of others':>20}{'s':>9}{'µs':>9}")
    for name in names:
        for other in OTHERS:
            if other.startswith("easyr1") and not Path(os.environ.get("EASYR1", "?")).is_dir():
                continue
            command = [sys.executable, __file__, "--one", name, "--other", other]
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS)
            except subprocess.TimeoutExpired:
                print(f"{name:30}{other:>20}  no end in {LIMIT_SECONDS} s", flush=True)
                continue
            if done.returncode:
                print(f"{name:30}{other:>20}  {done.stderr.strip().splitlines()[-1][:60]}", flush=True)
                continue
            got = json.loads(done.stdout.splitlines()[-1])
            print(f"{name:30}{other:>20}{got['once']:9.2f}{got['once'] / got['rows'] * 1e6:9.0f}", flush=True)


def measure(name: str) -> dict[str, float]:
    """Seconds of one set in this fresh interpreter."""
    mix, pathological = SETS[name]
    rows = rollouts(mix, pathological=pathological)
    started = time.perf_counter()
    from infimed_plugins.rewards import compute_score

    imported = time.perf_counter()
    scores = compute_score(rows)
    cold = time.perf_counter() - imported
    warm = []
    for _ in range(5):
        again = time.perf_counter()
        assert compute_score(rows) == scores
        warm.append(time.perf_counter() - again)
    mean = statistics.fmean
    return {
        "import": imported - started,
        "cold": cold,
        "warm": statistics.median(warm),
        "rows": len(rows),
        "length": mean(len(row["response"]) for row in rows),
        "overall": mean(score["overall"] for score in scores),
        "timed_out": sum(score["timed_out"] for score in scores),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=list(SETS), action="append", help="one set only (may be repeated)")
    parser.add_argument("--no-others", action="store_true", help="only these rewards")
    parser.add_argument("--one", choices=list(SETS), help=argparse.SUPPRESS)
    parser.add_argument("--other", choices=list(OTHERS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.other:
        print(json.dumps(measure_other(arguments.other, arguments.one)))
        return
    if arguments.one:
        print(json.dumps(measure(arguments.one)))
        return
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(
        f"{'set':30}{'rows':>6}{'chars':>7}{'import s':>10}{'cold s':>8}{'cold µs':>9}{'warm µs':>9}"
        f"{'timed out':>11}{'mean':>7}"
    )
    for name in arguments.set or SETS:
        done = subprocess.run([sys.executable, __file__, "--one", name], capture_output=True, text=True, check=True)
        got = json.loads(done.stdout)
        each = 1e6 / got["rows"]
        print(
            f"{name:30}{got['rows']:6.0f}{got['length']:7.0f}{got['import']:10.3f}{got['cold']:8.2f}"
            f"{got['cold'] * each:9.0f}{got['warm'] * each:9.1f}{got['timed_out']:11.0f}{got['overall']:7.3f}",
            flush=True,
        )
    if not arguments.no_others:
        compare(arguments.set or list(SETS)[:3])


if __name__ == "__main__":
    main()
