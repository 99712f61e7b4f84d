"""Importing the rewards, and scoring what needs no math or matching, stays light."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = ["torch", "transformers", "sympy", "scipy", "numpy", "math_verify", "datasets", "ray", "yaml", "rich", "typer"]
CODE = """
import json, sys, time
started = time.perf_counter()
import infimed_plugins.rewards as rewards
seconds = time.perf_counter() - started
def loaded(): return [name for name in {heavy!r} if name in sys.modules]
after_import = loaded()
rows = [("multiple_choice", "B", "B"), ("text", "left lung", "left lung"), ("math", "12.0", "12"),
        ("grounding", "[1, 2, 3, 4]", [1, 2, 3, 4]), ("detection", "No Objects", [])]
scores = rewards.compute_score([
    {{"response": f"<think>a</think><answer>{{said}}</answer>",
      "ground_truth": json.dumps({{"task": t, "answer": gold}})}}
    for t, said, gold in rows])
print(json.dumps([seconds, after_import, loaded(), [score["overall"] for score in scores]]))
"""


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    runs = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", CODE.format(heavy=HEAVY)], capture_output=True, text=True, timeout=120, check=True
        )
        seconds, after_import, after_scoring, overall = json.loads(done.stdout)
        assert after_import == []
        assert after_scoring == []
        assert overall == [1.0] * 5
        runs.append(seconds)
    assert min(runs) < 2.0  # a guard against something heavy; 0.06 s were measured
