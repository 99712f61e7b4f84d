"""``infimed eval``: counts with intervals, every reply kept, bad names said before a model is loaded."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from chat_server import Body, ChatServer, serving
from typer.testing import CliRunner

from infimed_plugins.cli.main import app
from infimed_plugins.engines import ChatRequest, Reply, Sampling
from infimed_plugins.errors import ConfigError

RUNNER = CliRunner()


STARTED: list[str] = []
HOLDER = """
import sys
from pathlib import Path
from infimed_plugins.storage import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


@dataclass
class AlwaysYes:
    """An engine with one answer; it fails on what asks to think, if it is told to."""

    model: str
    concurrency: int = 1
    timeout: float = 1.0
    top_k: int = 0
    fails: bool = False
    cut: bool = False

    def __post_init__(self) -> None:
        STARTED.append(self.model)

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        for request in requests:
            if self.cut:
                yield Reply(request.id, ("<think>It may be",), cut=(True,))
                continue
            failed = self.fails and "<think>" in request.text
            yield Reply(request.id, (), "the server went away") if failed else Reply(request.id, ("yes",))


@pytest.fixture(autouse=True)
def engine(plug_in: Callable[..., None]) -> None:
    STARTED.clear()
    plug_in(engines={"always_yes": AlwaysYes})


def evaluate(out: Path, *more: str) -> list[str]:
    return ["eval", "--model", "m", "--engine", "always_yes", "--limit", "40", "--out", str(out), *more]


def test_it_counts_each_style_and_keeps_every_reply(tmp_path: Path) -> None:
    done = RUNNER.invoke(app, evaluate(tmp_path, "--json"))
    assert done.exit_code == 0, done.output
    direct, reasoning = json.loads(done.stdout)["results"]
    assert (direct["asked"]["prompt_style"], reasoning["asked"]["prompt_style"]) == ("direct", "reasoning")
    assert {result["asked"]["mode"] for result in (direct, reasoning)} == {"robust"}
    replies = [json.loads(line) for line in (tmp_path / "phantom/direct/responses.jsonl").read_text().splitlines()]
    right = sum(reply["gold"] == "yes" for reply in replies)
    accuracy = direct["figure"]["accuracy"]
    assert 0 < right == accuracy["right"]
    assert len(replies) == accuracy["total"] == 40
    assert accuracy["low"] < right / 40 < accuracy["high"]
    assert reasoning["figure"]["accuracy"] == accuracy  # it never wrote the tags, and said what it said all the same
    assert reasoning["figure"]["invalid"] == direct["figure"]["invalid"]


def test_one_style_as_a_table(tmp_path: Path) -> None:
    shown = RUNNER.invoke(app, evaluate(tmp_path, "--prompt", "direct")).stdout
    assert "direct" in shown
    assert not (tmp_path / "phantom" / "reasoning").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--benchmarks", "phantom,pantom"], "unknown benchmark 'pantom'; available: gmai_mmbench, .*phantom"),
        (
            ["--engine", "vlm"],
            "unknown engine 'vlm'; available: always_yes, openai, ray, transformers, vllm; did you mean",
        ),
        (["--judge", "j", "--judge-engine", "opnai"], "ray, transformers, vllm; did you mean 'openai'?"),
        (["--max-pixels", "100"], "engine 'always_yes' does not take these settings: .*max_pixels"),
    ],
)
def test_a_bad_name_or_setting_is_one_line(more: list[str], said: str, tmp_path: Path) -> None:

    done = RUNNER.invoke(app, evaluate(tmp_path, *more))
    assert (done.exit_code, done.stdout) == (2, "")
    assert re.search(said, done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    RUNNER.invoke(app, evaluate(tmp_path))
    refused = RUNNER.invoke(
        app, ["eval", "--model", "other", "--engine", "always_yes", "--limit", "40", "--out", str(tmp_path)]
    )
    assert refused.exit_code == 2
    assert "another model" in refused.stderr


def test_a_run_goes_on_with_another_name_and_other_settings_that_shape_no_reply(tmp_path: Path) -> None:
    assert RUNNER.invoke(app, evaluate(tmp_path, "--engine-set", "concurrency=4", "--name", "a")).exit_code == 0
    again = evaluate(tmp_path, "--engine-set", "timeout=9", "--name", "b", "--json")
    done = RUNNER.invoke(app, again)
    assert done.exit_code == 0, done.output
    assert {result["model"] for result in json.loads(done.stdout)["results"]} == {"b"}
    first, second = json.loads((tmp_path / "run.json").read_text())
    assert (first["engine_settings"], second["engine_settings"]) == ({"concurrency": 4}, {"timeout": 9})
    refused = RUNNER.invoke(app, evaluate(tmp_path, "--engine-set", "top_k=1"))
    assert refused.exit_code == 2
    assert "another engine_settings" in refused.stderr


def test_a_finished_run_starts_no_engine_and_an_unfinished_one_does(tmp_path: Path) -> None:
    RUNNER.invoke(app, evaluate(tmp_path))
    first = RUNNER.invoke(app, evaluate(tmp_path, "--json")).stdout
    assert STARTED == ["m"]
    replies = tmp_path / "phantom/direct/responses.jsonl"
    replies.write_text("".join(replies.read_text().splitlines(keepends=True)[:-1]))
    assert RUNNER.invoke(app, evaluate(tmp_path, "--json")).stdout == first
    assert STARTED == ["m", "m"]


def test_a_folder_of_another_run_is_said_before_the_engine_starts(tmp_path: Path) -> None:
    RUNNER.invoke(app, evaluate(tmp_path, "--prompt", "reasoning"))
    STARTED.clear()
    refused = RUNNER.invoke(app, evaluate(tmp_path, "--seed", "1"))
    assert (refused.exit_code, STARTED) == (2, [])
    assert "another seed" in refused.stderr
    assert not (tmp_path / "phantom" / "direct").exists()


def test_a_second_start_touches_nothing_of_a_run_that_is_under_way(tmp_path: Path) -> None:
    RUNNER.invoke(app, evaluate(tmp_path, "--prompt", "direct"))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    STARTED.clear()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        refused = RUNNER.invoke(app, evaluate(tmp_path, "--prompt", "reasoning"))
        other.communicate("\n")
    assert (refused.exit_code, STARTED) == (2, [])
    assert f"is in use by process {other.pid} on" in refused.stderr
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_the_others_are_asked_when_one_fails_and_the_end_says_so(tmp_path: Path) -> None:
    styles = ("--prompt", "reasoning", "--prompt", "direct")
    done = RUNNER.invoke(app, evaluate(tmp_path, *styles, "--engine-set", "fails=true", "--json"))
    assert done.exit_code == 3
    assert "1 of 2 were not finished" in done.stderr
    assert "phantom reasoning: 40 of 40 requests failed, the first: the server went away" in done.stderr
    said = json.loads(done.stdout)
    found = {
        one["asked"]["prompt_style"]: (one["figure"]["accuracy"]["total"], one["unscored"]) for one in said["results"]
    }
    assert found == {"reasoning": (0, 40), "direct": (40, 0)}
    assert any("phantom reasoning: 40 of 40 requests failed" in note for note in said["notes"])


class Heart(ChatServer):
    """It answers and judges alike."""

    def answer(self, body: Body, text: str) -> list[str]:
        return ["heart"]


@pytest.mark.parametrize(
    ("elsewhere", "more", "seen"),
    [
        (False, (), {"Bearer first"}),  # two servers of one machine
        (True, (), {"Bearer second"}),
        (True, ("--judge-set", "api_key_env=OPENAI_API_KEY"), {"Bearer first"}),  # the user's word
        (True, ("--judge-set", "api_key_env=THIRD"), {None}),
    ],
)
def test_the_key_of_those_who_answer_goes_to_no_judge_on_another_host(
    elsewhere: bool, more: tuple[str, ...], seen: set[str | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "first")
    monkeypatch.setenv("JUDGE_API_KEY", "second")
    with serving(Heart()) as answering, serving(Heart()) as judging:
        url = judging.url.replace("127.0.0.1", "localhost") if elsewhere else judging.url
        command = ["eval", "--model", "m", "--base-url", answering.url, "--judge", "j", "--judge-url", url, *more]
        done = RUNNER.invoke(app, [*command, "--limit", "8", "--prompt", "direct", "--out", str(tmp_path / "out")])
        assert done.exit_code == 0, done.output
        assert (answering.keys, judging.keys) == ({"Bearer first"}, seen)


@pytest.mark.parametrize(
    "url",
    ["http://h:99999/v1", "http://[::1", "http://h\r\nX: 1/v1", "http://a b/v1", "http://", "file:///etc", "ftp://h"],
)
@pytest.mark.parametrize("option", ["--judge-url", "--base-url", "--judge-set", "--engine-set"])
def test_an_address_that_no_server_can_have_is_said_before_anything_is_asked(
    option: str, url: str, tmp_path: Path
) -> None:
    bad = [option, url] if option.endswith("url") else ["--engine", "openai", option, f"base_url={json.dumps([url])}"]
    with serving(Heart()) as server:
        command = ["eval", "--model", "m", "--base-url", server.url, "--limit", "2", "--out", str(tmp_path / "out")]
        if option in ("--base-url", "--engine-set"):
            command = [*command[:3], *command[5:]]
        else:
            command += ["--judge", "j"]
        done = RUNNER.invoke(app, [*command, *bad])
    assert done.exit_code == 2
    assert "write it as http://host:8000/v1" in " ".join(done.output.split())
    assert server.keys == set()


class Half(ChatServer):
    """It says half a character and the key it was asked with."""

    def answer(self, body: Body, text: str) -> list[str]:
        return ["heart \ud83d sk-mine/0123", '{"verdict": "Right\udfff"}'][: body.get("n", 1)]


def test_half_a_character_and_an_echoed_key_stop_no_run_and_no_rerun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mine/0123")
    with serving(Half()) as server:
        command = ["eval", "--model", "m", "--base-url", server.url, "--judge", "j", "--judge-url", server.url]
        command += ["--limit", "8", "--prompt", "direct", "--out", str(tmp_path / "out"), "--skill-judge"]
        for more in (["--json"], ["--html", str(tmp_path / "out" / "page.html")]):
            done = RUNNER.invoke(app, [*command, *more])
            assert done.exit_code == 0, done.output
            assert "sk-mine" not in done.output
    kept = [path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.suffix in (".jsonl", ".json", ".html")]
    assert any("heart \ufffd ***".encode() in text or b"heart \\ufffd ***" in text for text in kept)
    assert not any(b"sk-mine" in text for text in kept)


def test_a_judge_that_shares_the_engine_of_a_build_has_its_own_key_elsewhere() -> None:
    from infimed_plugins.evaluation.engine_choice import choose_engine, choose_judge, own_key

    engine = choose_engine("openai", "m", ["http://a/v1", "http://b/v1"], {"retries": 1})
    keyed = choose_engine("openai", "m", settings={**engine.settings, "api_key_env": "MINE"})
    for urls, key in ((["http://b:9/v1"], "MINE"), (None, "MINE"), (["http://c/v1", "http://a/v1"], "JUDGE_API_KEY")):
        assert choose_judge(keyed, "j", urls or ()).settings["api_key_env"] == key
    assert own_key({"base_url": ["http://[::1"]}, engine.settings) == {"api_key_env": "JUDGE_API_KEY"}
    with pytest.raises(ConfigError, match=r"base_url .* is no web address"):
        choose_judge(engine, "j", ["http://[::1"])


def test_replies_that_were_cut_before_an_answer_are_told_with_the_mend(tmp_path: Path) -> None:
    done = RUNNER.invoke(app, evaluate(tmp_path, "--prompt", "direct", "--engine-set", "cut=true", "--json"))
    notes = json.loads(done.stdout)["notes"]
    told = "phantom: 40 of 40 replies were cut off before an answer (robust); give a larger --max-tokens"
    assert [note for note in notes if "cut" in note] == [told]


def test_a_score_of_no_reply_ends_with_2_and_says_so(tmp_path: Path) -> None:
    RUNNER.invoke(app, evaluate(tmp_path, "--prompt", "direct"))
    (tmp_path / "phantom/direct/responses.jsonl").write_text("")
    (tmp_path / "phantom/direct/finished.json").unlink()
    done = RUNNER.invoke(app, ["score", str(tmp_path), "--json"])
    assert (done.exit_code, "no reply of 0 is scored" in done.stderr) == (2, True)
