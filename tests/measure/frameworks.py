"""Try the package beside the newest release of every trainer, engine and harness; print the table anew.

    python tests/measure/frameworks.py --only trl,verl
    python tests/measure/frameworks.py --source easyr1=../EasyR1 --source llamafactory-head=../LLaMA-Factory --json look.json

Each framework gets an environment of its own, `.frameworks/NAME`: torch first, then the framework's newest release, then
this package, which must leave its version alone, and the tests that concern it run there. A cell counts the tests that
passed, failed and were skipped; why, and pytest's whole output, stand in `.frameworks/NAME/look.json` and `*.log`. An
environment is kept with the versions it holds, and a second look goes on with it; `--fresh` makes it anew. What is on
no index (EasyR1, LLaMA-Factory's HEAD, VLMEvalKit) takes a folder or pip URL by `--source`, and is skipped without one.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
COLUMNS = ("rows", "configuration", "reward", "runs")
TEST_TOOLS = "pytest pytest-timeout hypothesis packaging"
SOURCE = "{source}"
ADAPTER = "tests/trainers/test_adapters.py"


@dataclass(frozen=True)
class Framework:
    """One framework: the pip lines that install it, our extras beside it, and by column the arguments of pytest."""

    name: str
    package: str
    lines: tuple[str, ...]
    tests: dict[str, str]
    extras: str = "data"
    torch: bool = True
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def needs_source(self) -> bool:
        """True if it is on no index."""
        return any(SOURCE in line for line in self.lines)


def _trainer(name: str, package: str, *lines: str, runs: str = "", **others: Any) -> Framework:
    word = name.replace("-", "_")
    tests = {
        "rows": f"tests/export -k {word}",
        "configuration": f"tests/trainers -k '{word} and config'",
        "reward": f"{ADAPTER} -k {word}",
    }
    return Framework(name, package, lines, {**tests, **({"runs": runs} if runs else {})}, **others)


FRAMEWORKS = (
    _trainer("verl", "verl", "verl"),
    _trainer("trl", "trl", "trl torchvision pillow", extras="data,trl", runs="tests/quickstart -k trl"),
    _trainer("ms-swift", "ms-swift", "ms-swift msgspec torchvision pillow"),
)


def environment_of(framework: Framework, options: argparse.Namespace, source: str) -> tuple[Path, str]:
    """Make or find its environment; return its Python, and what went wrong or ""."""
    folder = options.folder.resolve() / framework.name
    if options.fresh:
        shutil.rmtree(folder, ignore_errors=True)
    python, stamp = folder / "bin" / "python", folder / ".ready"
    if stamp.is_file():
        return python, ""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    subprocess.run([options.python, "-m", "venv", str(folder)], check=True)
    pins = folder / "pins.txt"
    pins.write_text(options.torch if framework.torch else "", encoding="utf-8")
    lines = [options.torch] if framework.torch else []
    lines += [line.replace(SOURCE, source) for line in framework.lines]
    lines += [f"-e .[{framework.extras}] {TEST_TOOLS}"]
    for line in lines:
        before = version_of(python, framework.package)
        index = ["--extra-index-url", options.index] if options.index else []
        command = [python, "-m", "pip", "install", "--quiet", "-c", pins, *index, *shlex.split(line)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            said = [told for told in done.stderr.splitlines() if told.startswith("ERROR")] or ["pip failed"]
            return python, f"pip install {line}: {said[0]}"
        if before and before != (after := version_of(python, framework.package)):
            return python, f"pip install {line} replaced {before} by {after}"
    if framework.torch:
        subprocess.run([python, "-m", "infimed_plugins.quickstart.torchvision_cpu"], cwd=ROOT, check=False)
    stamp.touch()
    return python, ""


def version_of(python: Path, package: str) -> str:
    """The version of a package in an environment, "" where it is not installed."""
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=False).stdout.strip()


def tested(python: Path, framework: Framework, column: str, log: Path, source: str) -> dict[str, Any]:
    """Run one column's tests; return the counts, and the reasons of what failed and was skipped."""
    report = log.with_suffix(".xml")
    report.unlink(missing_ok=True)
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
    named = {name: value.replace(SOURCE, source) for name, value in framework.environment.items()}
    with log.open("w", encoding="utf-8") as output:
        arguments = shlex.split(framework.tests[column])
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **named}
        subprocess.run([*command, *arguments], cwd=ROOT, env=environment, stdout=output, stderr=output, check=False)
    cases = ET.parse(report).getroot().iter("testcase") if report.is_file() else []
    found: dict[str, Any] = {"passed": 0, "failed": [], "skipped": []}
    for case in cases:
        outcome = next((child for child in case if child.tag in ("failure", "error", "skipped")), None)
        if outcome is None:
            found["passed"] += 1
        else:
            told = f"{case.get('name')}: {(outcome.get('message') or '').splitlines()[:1]}"
            found["skipped" if outcome.tag == "skipped" else "failed"].append(told)
    return found


def look(framework: Framework, options: argparse.Namespace) -> dict[str, Any]:
    """Install and test one framework; return its row."""
    row: dict[str, Any] = {"name": framework.name, "version": "", "fault": ""}
    source = dict(pair.partition("=")[::2] for pair in options.source).get(framework.name, "")
    if framework.needs_source and not source:
        return {**row, "fault": f"on no index; name a copy by --source {framework.name}=PATH"}
    if Path(source).is_dir():
        source = str(Path(source).resolve())
    started = time.monotonic()
    python, row["fault"] = environment_of(framework, options, source)
    row["installed_s"] = round(time.monotonic() - started)
    row["version"] = version_of(python, framework.package)
    if not row["fault"]:
        folder = python.parents[1]
        row |= {column: tested(python, framework, column, folder / f"{column}.log", source) for column in framework.tests}
        (folder / "look.json").write_text(json.dumps(row, indent=2), encoding="utf-8")
    return {**row, "seconds": round(time.monotonic() - started)}


def cell(found: dict[str, Any] | None) -> str:
    """Passed, failed and skipped of one cell."""
    return f"{found['passed']} / {len(found['failed'])} / {len(found['skipped'])}" if found else "–"


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as markdown; a cell is passed / failed / skipped."""
    lines = [f"| trainer | version | {' | '.join(COLUMNS)} | minutes |", f"|{'---|' * (len(COLUMNS) + 3)}"]
    for row in rows:
        cells = [row["fault"], *["–"] * 3] if row["fault"] else [cell(row.get(column)) for column in COLUMNS]
        lines.append(f"| {row['name']} | {row['version']} | {' | '.join(cells)} | {row.get('seconds', 0) / 60:.1f} |")
    return "\n".join(lines)


def main() -> int:
    """Look at each framework, the table last; 1 where a test failed or an environment could not be made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = ", ".join(framework.name for framework in FRAMEWORKS)
    parser.add_argument("--only", default="", help=f"names with commas between them, of {known}")
    parser.add_argument("--source", action="append", default=[], metavar="NAME=PATH", help="where a framework comes from")
    parser.add_argument("--torch", default="torch==2.13.0", help="goes in first, and stays")
    parser.add_argument("--index", default="", help="another package index, for a torch without CUDA")
    parser.add_argument("--python", default=sys.executable, help="what makes the environments")
    parser.add_argument("--folder", type=Path, default=ROOT / ".frameworks", help="where the environments lie")
    parser.add_argument("--fresh", action="store_true", help="make the environments anew, with today's releases")
    parser.add_argument("--json", type=Path, help="write the rows with the reasons of what failed and was skipped")
    options = parser.parse_args()
    wanted = options.only.lower().replace("_", "-").split(",") if options.only else known.split(", ")
    if unknown := set(wanted) - set(known.split(", ")):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known are {known}")
    rows = []
    for framework in FRAMEWORKS:
        if framework.name in wanted:
            print(f"{framework.name} …", file=sys.stderr, flush=True)
            rows.append(look(framework, options))
            print(table(rows[-1:]).splitlines()[-1], file=sys.stderr, flush=True)
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    return int(any(row["fault"] or any(row.get(column, {}).get("failed") for column in COLUMNS) for row in rows))


if __name__ == "__main__":
    sys.exit(main())
