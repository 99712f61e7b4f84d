"""Rescoring whole runs: ``python tests/measure/bench_rescoring.py``. Prints a table; it is not a test.

Run folders of the seven sets at their published sizes (133,840 replies, drawn as in bench_scoring.py) are written once,
with about as many questions an image as the sets have and with the groups that reports break down by; then the
installed ``infimed score`` reads, judges and reports them in one mode after another, in a fresh process each. The few
cases come again and again with the same options: what is remembered of short replies makes ``robust`` faster here than
on a real run. With a MedEvalKit checkout its scoring alone, without reading or reports, is timed first.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from bench_scoring import PUBLISHED, draw, pools
from upstream_medevalkit import score_sets

from infimed_plugins.benchmarks.run_folder import RunFolder, answered_line
from infimed_plugins.plugins import registry
from infimed_plugins.records import OPTION_LETTERS, Response

# the benchmark here, and about how many questions it has an image
SETS = {
    "MMMU-Medical-val": (registry().get("benchmark", "mmmu_health"), 1.0),
    "VQA_RAD": (registry().get("benchmark", "vqa_rad"), 2.2),
    "PATH_VQA": (registry().get("benchmark", "path_vqa"), 7.8),
    "SLAKE": (registry().get("benchmark", "slake"), 21.8),
    "PMC_VQA": (registry().get("benchmark", "pmc_vqa"), 1.5),
    "OmniMedVQA": (registry().get("benchmark", "omnimedvqa"), 1.1),
    "MedXpertQA-MM": (registry().get("benchmark", "medxpertqa_mm"), 1.0),
}
GROUPS = 10  # values of each grouping


def answered(number: int, sample: dict[str, Any], image: int, meta: dict[str, str]) -> Response:
    """A line as the runner writes it."""
    reply = sample.pop("response")
    options: tuple[str, ...] | None = None
    if "choices" in sample:
        options = tuple(choice.strip()[2:].strip() for choice in sample["choices"])
    elif "index2ans" in sample:
        options = tuple(sample["index2ans"].values())
    gold = str(sample["answer"]).strip()
    is_choice = options is not None and gold.upper() in OPTION_LETTERS[: len(options)] and len(gold) == 1
    return Response(
        number,
        f"q{number}",
        "What is shown?",
        options if is_choice else None,
        "multiple_choice" if is_choice else "text",
        gold.upper() if is_choice else gold or "none",
        "en",
        meta,
        [hashlib.sha256(str(image).encode()).hexdigest()],
        "<image>What is shown?",
        sample,
        reply,
    )


def drawn(share: float) -> dict[str, list[dict[str, Any]]]:
    """So many samples with replies of each set, by upstream's name."""
    rng, pool = random.Random(0), pools()
    return {name: draw(pool[name], max(1, int(PUBLISHED[name] * share)), rng) for name in SETS}


def write(root: Path, sets: dict[str, list[dict[str, Any]]]) -> int:
    rng, count = random.Random(1), 0
    for upstream, (benchmark, an_image) in SETS.items():
        folder = RunFolder(root / benchmark.name / "direct")
        folder.prepare({"benchmark": benchmark.name, "model": "m", "prompt_style": "direct", "variant": ""})
        samples = sets[upstream]
        images = round(len(samples) / an_image)
        with (folder.path / "responses.jsonl").open("wb") as file:
            for number, sample in enumerate(samples):
                image = rng.randrange(images) if images < len(samples) else number
                meta = {key: f"{key} {rng.randrange(GROUPS)}" for key in benchmark.group_by}
                file.write(answered_line(answered(number, sample, image, meta)))
        count += len(samples)
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1.0, help="of the published sizes")
    parser.add_argument("--upstream", type=Path, help="a MedEvalKit checkout")
    parser.add_argument("--upstream-python", help="a python that has what upstream's scoring imports")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        sets = drawn(arguments.share)
        theirs = {}
        if arguments.upstream:
            given = {name: {"benchmark": name, "samples": samples} for name, samples in sets.items()}
            theirs = score_sets(given, arguments.upstream, arguments.upstream_python, 1)
        count = write(root, sets)
        size = sum(path.stat().st_size for path in root.rglob("*.jsonl")) / 2**20
        print(f"{count:,} replies, {size:.0f} MiB; Python {platform.python_version()}, load {load:.1f}")
        print(f"{'mode':14}{'wall s':>8}{'CPU s':>8}{'peak MiB':>10}")
        if theirs:
            print(f"{'upstream':14}{'':8}{sum(one['seconds'] for one in theirs.values()):8.1f}")
        for mode in ("medevalkit", "robust", "paper"):
            before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            command = [str(Path(sys.executable).with_name("infimed")), "score", name, "--mode", mode, "--json"]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
            results = json.loads(done.stdout)["results"]
            assert sum(one["figure"]["accuracy"]["total"] + one["unscored"] for one in results) == count
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            print(f"{mode:14}{wall:8.1f}{cpu:8.1f}{after.ru_maxrss / 1024:10.0f}", flush=True)


if __name__ == "__main__":
    main()
