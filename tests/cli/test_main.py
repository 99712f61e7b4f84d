"""Every command: help with an example, pure JSON on stdout, one clear line and exit code 2 for bad input."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer.main
from click import Command, Group
from rich.text import Text
from typer.testing import CliRunner

from infimed_plugins import __version__
from infimed_plugins import console as output
from infimed_plugins.cli.main import app
from infimed_plugins.console import PlainConsole

RUNNER = CliRunner()
WORKED_ON = """\
name: worked_on
format: llamafactory
parts: [{name: p, source: phantom, split: train, order: first, limit: 600, style: direct}]
"""


def test_ctrl_c_is_one_line_and_the_same_command_goes_on(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(WORKED_ON)
    command = [sys.executable, "-c", "from infimed_plugins.cli.main import app\napp()"]
    build = [*command, "data", "build", "r.yaml", "--out", "o", "--workers", "2"]
    process = subprocess.Popen(
        build,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    while not any((tmp_path / "o/images").glob("*/*.png")):
        assert process.poll() is None, "it ended before a picture was stored"
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers, too
    _, said = process.communicate(timeout=60)
    left = [line for line in said.splitlines() if not line.startswith("p: ")]  # progress
    assert left == ["interrupted; what is done is kept, and the same command goes on"]
    assert process.returncode == 130
    again = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert again.returncode == 0, again.stderr
    assert len((tmp_path / "o/worked_on.jsonl").read_text().splitlines()) == 600


@pytest.mark.parametrize("place", [".", "/"])
def test_a_page_that_would_take_a_folders_place_is_refused(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("g.jsonl").write_text('{"response": "<think> a </think><answer> B </answer>", "ground_truth": "B"}')
    done = subprocess.run(
        [sys.executable, "-c", "from infimed_plugins.cli.main import app\napp()", "reward", "g.jsonl", "--html", place],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 2
    assert done.stderr == f"error: {place}: Is a directory; name another place, or mend that one\n"


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


ESC, ST, CSI, OSC = "\x1b", "\x1b\\", "\x9b", "\x9d"
ORDERS = (
    *(
        f"{ESC}[2J",
        f"{ESC}[31mred",
        f"{ESC}[1A{ESC}[2K",
        f"{ESC}c",
        f"{ESC}[?1049h",
        f"{ESC}[6n",
        f"{ESC}[5i",
        f"{ESC}#8",
    ),
    *(f"{ESC}]0;title\a", f"{ESC}]8;;http://x{ST}here{ESC}]8;;{ST}", f"{ESC}]52;c;cm0gLXJm\a", f"{ESC}]52;c;?{ST}"),
    *(f"{ESC}]1337;File=x\a", f"{ESC}]777;notify;a;b\a", f'{ESC}P$q"p{ST}', f"{ESC}_G{ST}", f"{ESC}^x{ST}"),
    *(f"{ESC}(0", f"{ESC}#8"),
    *(f"{CSI}2J", f"{OSC}52;c;eA==\x9c", f"\x90q{ST}", "\x9e", "\x9f", "\x84", "\x85", "\x8d", "\x80", "\x98"),
    *(
        "\a",
        "\b\b\b",
        "\x7f",
        "\0",
        "\x0e",
        "\x0f",
        "\v",
        "\f",
        "ok\rerror: gone",
        "\x05",
        "\x11",
        "\x13",
        "\x1a",
        "\x1c",
    ),
    *(
        "\u202eexe.txt",
        "\u202a",
        "\u202b",
        "\u202c",
        "\u202d",
        "\u2066",
        "\u2067",
        "\u2068",
        "\u2069",
        "\u200e",
        "\u200f",
    ),
    *("\u061c", "\u2028", "\u2029", "\u200b", "\u2060", "\ufeff", "\u00ad", "\U000e0041", "\ufff9", "\ud800", "\ue000"),
)
WORDS = (
    "[bold]x[/bold]",
    "[link=http://x]y[/link]",
    "no [/] here",
    "[red",
    ":smile:",
    "[@click=bell]x",
    "\\[x]",
    "[/a]",
)
KEPT = ("右肺", "½ µm", "نمی\u200cخواهم", "👩\u200d⚕", "a\u00a0b", "a\u3000b", "é", "e\u0301", "–", "C:\\new")


def printed(show: Callable[[], None], monkeypatch: pytest.MonkeyPatch, terminal: bool) -> str:
    """What a call prints on both streams; as to a terminal of 200 columns, or to a pipe."""
    streams = {False: io.StringIO(), True: io.StringIO()}
    for name, error in (("console", False), ("messages", True)):
        made = PlainConsole(
            file=streams[error], force_terminal=terminal, color_system="truecolor" if terminal else None, width=200
        )
        monkeypatch.setattr(output, name, made)
    show()
    return streams[False].getvalue() + streams[True].getvalue()


PRINTERS: dict[str, Callable[[str], None]] = {
    "say": output.say,
    "tell": lambda text: output.tell(f"error: {text}", style="red"),
    "title": lambda text: output.print_table(text, ["a" * 60], [["b"]]),
    "column": lambda text: output.print_table("t", [text], [["b"]]),
    "cell": lambda text: output.print_table("t", ["a"], [[text]]),
    "text": lambda text: output.console.print(Text(text)),
}
OWN = re.compile(r"\x1b\[[0-9;]*m")  # colours, which are ours


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
@pytest.mark.parametrize("printer", PRINTERS)
def test_no_text_orders_a_terminal_about(printer: str, terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = printed(lambda: PRINTERS[printer]("ab"), monkeypatch, terminal)
    for order in ORDERS:
        text = f"a{order}b"
        shown = printed(lambda text=text: PRINTERS[printer](text), monkeypatch, terminal)
        assert set(OWN.findall(shown)) == set(OWN.findall(plain)), ascii(order)
        bare = OWN.sub("", shown).replace("\n", "")
        assert [one for one in bare if not one.isprintable()] == [], ascii(order)
        if printer != "text":
            assert f"a{json.dumps(order)[1:-1]}b".replace('\\"', '"').replace("\\\\", "\\") in bare, ascii(order)


@pytest.mark.parametrize("printer", PRINTERS)
def test_what_looks_like_markup_and_every_script_are_printed_as_they_are(
    printer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in (*WORDS, *KEPT):
        shown = printed(lambda text=text: PRINTERS[printer](text), monkeypatch, terminal=False)
        assert text in shown, ascii(text)


def test_json_holds_the_text_and_no_order(capsys: pytest.CaptureFixture[str]) -> None:
    for order in ORDERS:
        output.print_json({order: [order]})
        shown = capsys.readouterr().out
        assert [one for one in shown if not one.isprintable() and one != "\n"] == [], ascii(order)
        assert json.loads(shown) == {order: [order]}


def test_a_table_has_room_for_what_it_shows_of_an_order(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [["a\x1b[2Jb", 1], ["plain", 22]]
    shown = printed(lambda: output.print_table("", ["name", "n"], rows), monkeypatch, terminal=False)
    assert [line.rindex("│") for line in shown.splitlines()[2:]] == [1 + len("a\\u001b[2Jb") + 1] * 2


def test_consoles_are_used_by_the_functions_of_console_alone() -> None:
    folder = Path(output.__file__).parent / "cli"
    named = [
        path.name
        for path in folder.glob("*.py")
        if re.search(r"rich\b.*import|Console\(", path.read_text(encoding="utf-8"))
    ]
    assert named == []


def run(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    infimed = f"{shlex.quote(sys.executable)} -c 'from infimed_plugins.cli.main import app; app()'"
    return subprocess.run(
        ["bash", "-c", command.replace("infimed", infimed)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


FULL = "error: standard output: No space left on device; name another place, or mend that one\n"
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("command", ["plugins", "plugins --json", "--help", "--version", "trainers show trl"])
def test_a_full_disk_below_stdout_is_one_line_and_exit_code_2(command: str) -> None:
    done = run(f"infimed {command} > /dev/full")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", FULL)


@pytest.mark.parametrize("command", ["plugins", "plugins --json", "--version", "trainers show trl"])
def test_a_closed_stdout_takes_nothing_and_fails_nothing(command: str) -> None:
    done = run(f"infimed {command} >&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full", ">&- 2>&-"])
def test_an_error_that_nobody_can_be_told_keeps_its_exit_code(where: str) -> None:
    if "full" in where and not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    done = run(f"infimed data show /no/such/folder {where}")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


@pytest.mark.parametrize("command", ["plugins", "plugins --json", "--help"])
def test_a_reader_that_has_enough_is_no_error(command: str) -> None:
    assert run(f"infimed {command} | true").stderr == ""


@pytest.mark.parametrize("command", ["trainers", "trainers --json", "--help"])
def test_a_stdout_of_ascii_gets_escapes(command: str) -> None:
    done = run(f"infimed {command}", **ASCII)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()


def test_json_for_a_stdout_of_ascii_is_json() -> None:
    shown = r"output.print_json({'a': '\u80ba \U0001f469 \xe9'})"
    code = f"from infimed_plugins import console as output; output.guard_streams(); {shown}"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env={**os.environ, **ASCII}, capture_output=True, check=True, timeout=120)
    assert json.loads(done.stdout.decode("ascii")) == {"a": "肺 👩 é"}


def test_a_missing_character_is_written_as_its_escape(tmp_path: Path) -> None:
    folder = tmp_path / "肺"
    done = run(f"infimed data show {shlex.quote(str(folder))}", **ASCII, PYTHONFSENCODING="utf-8")
    assert done.returncode == 2
    assert done.stderr.isascii()
    assert done.stderr.count("\n") == 1


def test_progress_without_a_terminal_is_a_line_after_two_seconds_and_one_a_minute() -> None:
    stream, waited = io.StringIO(), []
    lines = output._Lines(PlainConsole(file=stream, width=200))
    steps = iter([(), (1, 5000), (2000, 5000, "loss 1.5"), None, (3000, None)])

    def wait(seconds: float) -> bool:
        """Time passes, and work goes on meanwhile; of None there is no word."""
        waited.append(seconds)
        step = next(steps, "end")
        if step and step != "end":
            lines.show("rows [x]", *step)
        return step == "end"

    lines.report(wait)
    assert waited == [2.0, 2.0, 60.0, 60.0, 60.0, 60.0]
    told = ["1 of 5,000", "2,000 of 5,000, loss 1.5", "2,000 of 5,000, loss 1.5", "3,000"]
    assert stream.getvalue() == "".join(f"rows [x]: {one}\n" for one in told)


def test_progress_goes_to_the_stream_of_messages_and_ends_with_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "FIRST_WORD", 0.001)

    def work() -> None:
        with output.progress() as show:
            show("rows", 1, 2)
            deadline = time.monotonic() + 60
            while not streams.getvalue() and time.monotonic() < deadline:
                time.sleep(0.01)
        assert not [thread for thread in threading.enumerate() if "report" in thread.name]

    streams = io.StringIO()
    monkeypatch.setattr(output, "messages", PlainConsole(file=streams, width=200))
    work()
    assert streams.getvalue() == "rows: 1 of 2\n"
