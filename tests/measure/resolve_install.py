"""What pip would make of README's own install lines, and of the extras beside today's newest frameworks.

    python tests/measure/resolve_install.py
    python tests/measure/resolve_install.py --only trl --python python3.12

Prints a table; it is not a test. Lines are resolved one after the other by pip itself (--dry-run --report), in a
scratch environment where each line's outcome is written down as metadata alone: pip takes the packages for installed,
and no wheel is fetched that has its metadata beside it. Exit code 1 where a line would replace one of the packages of
the table (torch above all), where it finds no solution, or where `pip check` finds fault with it. A package that is
compiled on the spot (--no-build-isolation) and one without its requirements (--no-deps) are not resolved.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
WATCHED = ("torch", "transformers", "datasets", "trl", "vllm", "llamafactory", "tensordict", "pillow")
BESIDE = {  # newest releases, or a torch that must stay, and then an extra
    "data": ("datasets pillow", "'.[data]'"),
    "trl": ("trl transformers datasets", "'.[trl]'"),
    "eval": ("transformers datasets", "'.[eval]'"),
    "eval beside torch": ("torch==2.8.0", "'.[eval]' torch==2.8.0"),
    "vllm": ("vllm", "'.[vllm]'"),
    "eval beside vllm": ("vllm", "'.[eval]'"),
    "sft": ("llamafactory", "'.[data,sft]'"),
}


def readme_lines(text: str) -> list[str]:
    """The lines of README's block that installs EasyR1 on GPUs."""
    blocks = [block for block in re.findall(r"^```\w*\n(.*?)^```$", text, re.M | re.S) if "EasyR1@" in block]
    if len(blocks) != 1:
        raise SystemExit(f"error: README has {len(blocks)} blocks that install EasyR1; one is expected")
    return [line for line in blocks[0].splitlines() if line.startswith("pip install ")]


def sequences() -> Iterator[tuple[str, list[str]]]:
    """Each sequence of lines by its name: README's, and one for each extra."""
    yield "README, GRPO on GPUs", readme_lines((ROOT / "README.md").read_text(encoding="utf-8"))
    for name, lines in BESIDE.items():
        yield name, [f"pip install {line}" for line in lines]


class Scratch:
    """An environment that holds pip, and of everything else the metadata."""

    def __init__(self, folder: Path, python: str) -> None:
        subprocess.run([python, "-m", "venv", str(folder)], check=True)
        self.python = str(folder / "bin" / "python")
        self.pip("install", "--quiet", "--upgrade", "pip>=26")
        where = "import sysconfig; print(sysconfig.get_path('purelib'))"
        self.packages = Path(subprocess.check_output([self.python, "-c", where], text=True).strip())

    def pip(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run pip, and return what it said."""
        command = [self.python, "-m", "pip", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    def held(self) -> dict[str, str]:
        """The versions that pip takes for installed."""
        listed = json.loads(self.pip("list", "--format=json").stdout)
        return {re.sub(r"[-_.]+", "-", item["name"].lower()): item["version"] for item in listed}

    def resolve(self, line: str) -> tuple[str, bool]:
        """Resolve one line and write its outcome down; return what there is to say, and whether it is a fault."""
        report = self.packages.parent / "report.json"
        done = self.pip(*shlex.split(line)[1:], "--dry-run", "--quiet", "--report", str(report))
        if done.returncode:
            return next((said for said in done.stderr.splitlines() if said.startswith("ERROR")), "pip failed"), True
        before = self.held()
        for item in json.loads(report.read_text(encoding="utf-8"))["install"]:
            self._write_down(item["metadata"])
        after = self.held()
        changed = {name: f"{name} {old} -> {after[name]}" for name, old in before.items() if after[name] != old}
        broken = [said for said in self.pip("check").stdout.splitlines() if not said.startswith("No broken")]
        return "; ".join([*changed.values(), *broken]), bool(broken or set(changed) & set(WATCHED))

    def _write_down(self, metadata: dict[str, Any]) -> None:
        name = re.sub(r"[-_.]+", "_", metadata["name"])
        for old in self.packages.glob("*.dist-info"):
            if old.name.lower().startswith(f"{name.lower()}-"):
                shutil.rmtree(old)
        folder = self.packages / f"{name}-{metadata['version']}.dist-info"
        folder.mkdir()
        extras = [f"Provides-Extra: {extra}" for extra in metadata.get("provides_extra", [])]
        needs = [f"Requires-Dist: {need}" for need in metadata.get("requires_dist", [])]
        head = ["Metadata-Version: 2.1", f"Name: {metadata['name']}", f"Version: {metadata['version']}"]
        (folder / "METADATA").write_text("\n".join([*head, *extras, *needs, ""]), encoding="utf-8")


def main() -> int:
    """Print the table; 1 where a line does what none may do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="the sequences with this in their name: README, data, trl, eval …")
    parser.add_argument("--python", default=sys.executable, help="the Python to resolve for")
    options = parser.parse_args()
    faults = 0
    for name, lines in sequences():
        if options.only.lower() not in name.lower():
            continue
        print(f"\n{name}\n\n| line | {' | '.join(WATCHED)} | what changed |")
        print(f"|{'---|' * (len(WATCHED) + 2)}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            scratch = Scratch(Path(folder) / "venv", options.python)
            for line in lines:
                skipped = next((flag for flag in ("--no-build-isolation", "--no-deps") if flag in line), "")
                said, fault = (f"not resolved: {skipped}", False) if skipped else scratch.resolve(line)
                faults += fault
                cells = [scratch.held().get(package, "") for package in WATCHED]
                print(f"| `{line}` | {' | '.join(cells)} | {said or 'as before'} |", flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
