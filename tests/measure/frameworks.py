"""Try the package beside the newest release of every trainer, engine and harness; print the table anew.

    python tests/measure/frameworks.py --only trl,verl
    python tests/measure/frameworks.py --source easyr1=../EasyR1 --json look.json

Each framework gets an environment of its own, `.frameworks/NAME`: torch first, then the framework's newest release,
then this package, which must leave its version alone, and the tests that concern it run there. A cell counts the tests
that passed, failed and were skipped; why, and pytest's output, stand in `look.json` and the logs of `.frameworks/NAME`.
An environment is kept with the versions it holds, and a second look goes on with it; `--fresh` makes it anew. What is
on no index takes a folder or pip URL by `--source NAME=…`, and is skipped without one. On two cores each takes two to
fifteen minutes, the install most of them: about an hour and a half for all.
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
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
COLUMNS = ("rows", "configuration", "reward", "runs")
FRAMEWORKS: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
TEST_TOOLS = "pytest pytest-timeout hypothesis packaging"
SOURCE = "{source}"


def environment_of(name: str, options: argparse.Namespace, source: str) -> tuple[Path, str]:
    """Make or find its environment; return its Python, and what went wrong or ""."""
    framework, folder = FRAMEWORKS[name], options.folder.resolve() / name
    python, stamp = folder / "bin" / "python", folder / ".ready"
    if stamp.is_file() and not options.fresh:
        return python, ""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([options.python, "-m", "venv", str(folder)], check=True)
    pins = folder / "pins.txt"
    torch = [options.torch] if framework.get("torch", True) else []
    pins.write_text("".join(torch), encoding="utf-8")
    ours = f"install -e .[{framework.get('extras', 'data')}] {TEST_TOOLS}"
    lines = [*(f"install {pin}" for pin in torch), *framework["pip"], ours]
    for line in lines:
        before = version_of(python, framework["package"])
        limits = ["-c", str(pins)] + (["--extra-index-url", options.index] if options.index else [])
        verb, *arguments = shlex.split(line.replace(SOURCE, source))
        command = [python, "-m", "pip", verb, "--quiet", *(limits if verb == "install" else []), *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            said = [told for told in done.stderr.splitlines() if told.lower().startswith("error")] or ["it failed"]
            return python, f"pip {line}: {said[0]}"
        if before and before != (after := version_of(python, framework["package"])):
            return python, f"pip {line}: replaced {before} by {after}"
    if torch:
        mend = [python, "-m", "infimed_plugins.quickstart.torchvision_cpu"]
        subprocess.run(mend, cwd=ROOT, capture_output=True, check=False)
    stamp.touch()
    return python, ""


def version_of(python: Path, package: str) -> str:
    """The version of a package in an environment, "" where it is not installed."""
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=False).stdout.strip()


def commit_of(folder: str) -> str:
    """The commit of a copy that is not installed, "" where there is none."""
    command = ["git", "-C", folder or "/", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def tested(python: Path, name: str, column: str, log: Path, source: str) -> dict[str, Any]:
    """Run one column's tests; return the counts, and the reasons of what failed and was skipped."""
    report = log.with_suffix(".xml")
    report.unlink(missing_ok=True)
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
    named = {key: value.replace(SOURCE, source) for key, value in FRAMEWORKS[name].get("env", {}).items()}
    named |= {"INSTALLED": name, "INFIMED_REPLIES": str(log.parents[1] / "replies.json")}
    with log.open("w", encoding="utf-8") as output:
        arguments = shlex.split(FRAMEWORKS[name][column])
        subprocess.run(
            [*command, *arguments], cwd=ROOT, env=os.environ | named, stdout=output, stderr=output, check=False
        )
    if not report.is_file():
        return {"passed": 0, "failed": [f"pytest ended without a report; see {log}"], "skipped": []}
    found: dict[str, Any] = {"passed": 0, "failed": [], "skipped": []}
    for case in ET.parse(report).getroot().iter("testcase"):
        outcome = next((child for child in case if child.tag in ("failure", "error", "skipped")), None)
        if outcome is None:
            found["passed"] += 1
        else:
            told = f"{case.get('name')}: {(outcome.get('message') or '').partition(chr(10))[0]}"
            found["skipped" if outcome.tag == "skipped" else "failed"].append(told)
    return found


def look(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Install and test one framework; return its row."""
    row: dict[str, Any] = {"name": name, "version": "", "fault": "", "left_out": ""}
    source = dict(pair.partition("=")[::2] for pair in options.source).get(name, "")
    if SOURCE in str(FRAMEWORKS[name]) and not source:
        return {**row, "left_out": f"on no index: --source {name}=PATH"}
    if Path(source).is_dir():
        source = str(Path(source).resolve())
    started = time.monotonic()
    python, row["fault"] = environment_of(name, options, source)
    row["installed_s"] = round(time.monotonic() - started)
    row["version"] = version_of(python, FRAMEWORKS[name]["package"]) or commit_of(source)
    if not row["fault"]:
        folder = python.parents[1]
        for column in filter(FRAMEWORKS[name].get, COLUMNS):
            row[column] = tested(python, name, column, folder / f"{column}.log", source)
        (folder / "look.json").write_text(json.dumps(row, indent=2), encoding="utf-8")
    return {**row, "seconds": round(time.monotonic() - started)}


def cell(found: dict[str, Any] | None) -> str:
    """Passed, failed and skipped of one cell."""
    return f"{found['passed']} / {len(found['failed'])} / {len(found['skipped'])}" if found else "–"


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as markdown; a cell is passed / failed / skipped."""
    lines = [f"| trainer | version | {' | '.join(COLUMNS)} | minutes |", f"|{'---|' * (len(COLUMNS) + 3)}"]
    for row in rows:
        cells = [cell(row.get(column)) for column in COLUMNS]
        if said := row["fault"] or row["left_out"]:
            cells[0] = said
        lines.append(f"| {row['name']} | {row['version']} | {' | '.join(cells)} | {row.get('seconds', 0) / 60:.1f} |")
    return "\n".join(lines)


def main() -> int:
    """Look at each framework, the table last; 1 where a test failed or an environment could not be made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = ", ".join(FRAMEWORKS)
    parser.add_argument("--only", default="", help=f"names with commas between them, of {known}")
    parser.add_argument("--source", action="append", default=[], metavar="NAME=PATH", help="a copy of a framework")
    parser.add_argument("--torch", default="torch==2.13.0", help="goes in first, and stays")
    parser.add_argument("--index", default="", help="another package index, for a torch without CUDA")
    parser.add_argument("--python", default=sys.executable, help="what makes the environments")
    parser.add_argument("--folder", type=Path, default=ROOT / ".frameworks", help="where the environments lie")
    parser.add_argument("--fresh", action="store_true", help="make the environments anew, with today's releases")
    parser.add_argument("--json", type=Path, help="write the rows with the reasons of what failed and was skipped")
    options = parser.parse_args()
    wanted = options.only.lower().replace("_", "-").split(",") if options.only else list(FRAMEWORKS)
    if unknown := set(wanted) - set(FRAMEWORKS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known are {known}")
    rows = []
    for name in wanted:
        print(f"{name} …", file=sys.stderr, flush=True)
        rows.append(look(name, options))
        print(table(rows[-1:]).splitlines()[-1], file=sys.stderr, flush=True)
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    return int(any(row["fault"] or any(row.get(column, {}).get("failed") for column in COLUMNS) for row in rows))


if __name__ == "__main__":
    sys.exit(main())
