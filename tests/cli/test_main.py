"""Every command: help with an example, pure JSON on stdout, one clear line and exit code 2 for bad input."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from click import Command, Group
from typer.testing import CliRunner

from infimed_plugins import __version__
from infimed_plugins.cli.main import app

RUNNER = CliRunner()


def commands(command: Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every command that is no group."""
    if not hasattr(command, "commands"):
        yield path
        return
    group: Group = command  # type: ignore[assignment]
    for name, child in group.commands.items():
        yield from commands(child, (*path, name))


ALL = list(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_has_help_with_an_example_that_names_it(path: tuple[str, ...]) -> None:
    shown = RUNNER.invoke(app, [*path, "--help"])
    assert shown.exit_code == 0
    assert f"Example: infimed {' '.join(path)}" in shown.output


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_can_print_json(path: tuple[str, ...]) -> None:
    assert "--json" in RUNNER.invoke(app, [*path, "--help"]).output


def test_the_version_is_printed() -> None:
    assert RUNNER.invoke(app, ["--version"]).output.split() == ["infimed-plugins", __version__]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["data", "plan", "quickstart_stf"], "did you mean 'quickstart_sft'?"),
        (["data", "build", "gone.yaml"], "there is no recipe file gone.yaml"),
        (["data", "build", "quickstart_rlvr", "--model", "x"], "names no engine"),
        (["data", "show", "no/such/folder"], "holds no finished build"),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_bad_input_is_one_line_on_stderr_and_exit_code_2(arguments: list[str], said: str, as_json: bool) -> None:
    done = RUNNER.invoke(app, [*arguments, *(["--json"] if as_json else [])])
    assert done.exit_code == 2
    assert done.stdout == ""
    assert said in done.stderr
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["bild"], ["data", "bild"], ["data", "plan"], ["data", "plan", "a", "--sjon"]])
def test_a_misspelt_command_or_option_exits_with_2(arguments: list[str]) -> None:
    assert RUNNER.invoke(app, arguments).exit_code == 2


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(recipe: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("infimed_plugins.recipes.plan", broken)
    assert isinstance(RUNNER.invoke(app, ["data", "plan", "quickstart_sft"]).exception, ZeroDivisionError)


def test_plugins_are_listed_with_their_owner_as_a_table_and_as_json() -> None:
    listed = json.loads(RUNNER.invoke(app, ["plugins", "--json"]).stdout)
    assert {"kind": "source", "name": "phantom", "owner": "infimed_plugins"} in listed
    table = RUNNER.invoke(app, ["plugins"]).stdout
    assert all(thing["name"] in table for thing in listed)


def test_a_plan_as_json_is_an_object_with_the_total_and_the_parts() -> None:
    plan = json.loads(RUNNER.invoke(app, ["data", "plan", "quickstart_rlvr", "--json"]).stdout)
    assert plan["total"] == sum(part["rows"] for part in plan["parts"])


RECIPE = """
name: small
format: llamafactory
parts: [{name: p, source: phantom, split: train, limit: 3, order: first}]
"""


def test_a_build_is_shown_as_it_was_reported_and_refused_with_other_settings(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(RECIPE)
    out = str(tmp_path / "out")
    built = RUNNER.invoke(app, ["data", "build", str(tmp_path / "small.yaml"), "--out", out, "--json"])
    shown = RUNNER.invoke(app, ["data", "show", out, "--json"])
    assert json.loads(built.stdout) == json.loads(shown.stdout)
    assert json.loads(shown.stdout)["rows"] == 3
    table = RUNNER.invoke(app, ["data", "show", out]).stdout
    assert "small.jsonl" in table
    assert "dataset: small" in table
    (tmp_path / "small.yaml").write_text(RECIPE.replace("limit: 3", "limit: 4"))
    refused = RUNNER.invoke(app, ["data", "build", str(tmp_path / "small.yaml"), "--out", out])
    assert refused.exit_code == 2
    assert "built with other settings (parts); use --fresh" in refused.stderr
    again = RUNNER.invoke(app, ["data", "build", str(tmp_path / "small.yaml"), "--out", out, "--fresh", "--json"])
    assert json.loads(again.stdout)["rows"] == 4


def test_without_out_a_build_goes_to_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(RECIPE)
    assert RUNNER.invoke(app, ["data", "build", "small.yaml"]).exit_code == 0
    assert (tmp_path / "data" / "small" / "manifest.json").is_file()
