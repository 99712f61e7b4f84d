"""Imports go only downward, and what must be light pulls in nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "infimed_plugins"

# from the bottom; rooms on one line may not import each other
LAYERS = (
    ("errors", "bounded_cache"),
    ("limits", "storage", "hookspecs"),
    ("plugins",),
    ("families",),
    ("images",),
    ("records",),
    ("paths", "tables"),
    ("__init__",),
    ("prompts", "parsing"),
    ("rewards", "quoting", "pages"),
    ("console",),
    ("sources", "engines", "scoring"),
    ("judge", "export"),
    ("trainers",),
    ("curation", "benchmarks"),
    ("recipes",),
    ("reports",),
    ("evaluation",),
    ("api",),
    ("quickstart",),
    ("cli",),
)
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
HEAVY = {"torch", "transformers", "datasets", "ray", "vllm", "trl", "llamafactory", "PIL", "scipy", "pyarrow", "pandas"}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "_shipped" not in path.parts)


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> Iterator[tuple[int, str]]:
    """The line and the room of every import of ours in a file, those inside functions too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if path == PACKAGE / "__init__.py":  # the public face names for type checkers what it imports when it is used
        tree.body = [node for node in tree.body if not isinstance(node, ast.If)]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            top, _, rest = name.partition(".")
            if top == "infimed_plugins":
                room = rest.partition(".")[0]
                yield node.lineno, room if room in LEVEL else "__init__"


def test_a_file_imports_only_from_below() -> None:
    upward = [
        f"{path.relative_to(PACKAGE)}:{line} imports {other}"
        for path in FILES
        for line, other in imported_rooms(path)
        if other != room_of(path) and LEVEL[other] >= LEVEL[room_of(path)]
    ]
    assert upward == []


def test_every_room_has_its_place() -> None:
    assert {room_of(path) for path in FILES} <= set(LEVEL)


def test_the_walk_sees_an_upward_import_inside_a_function(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(
        "def f():\n    from infimed_plugins.cli import data\n    import infimed_plugins.reports.html\n"
    )
    assert list(imported_rooms(tmp_path / "bad.py")) == [(2, "cli"), (3, "reports")]


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("infimed_plugins.rewards", HEAVY),
        ("infimed_plugins.cli.main", HEAVY | {"math_verify", "sympy", "numpy"}),
    ],
)
def test_a_light_module_pulls_in_nothing_heavy(module: str, forbidden: set[str]) -> None:
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & {forbidden!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == []
