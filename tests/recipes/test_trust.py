"""A recipe file is data: hosts, keys, loader switches and outside paths in it need the word of who builds it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from infimed_plugins.cli.main import app
from infimed_plugins.errors import ConfigError
from infimed_plugins.recipes import build, load_recipe, plan, shipped_recipes
from infimed_plugins.recipes.recipe import EngineChoice

PAIR = {"question": "Is the heart enlarged?", "answer": "yes"}
PART = {"name": "one", "source": "pairs", "split": "q"}


@pytest.fixture
def cwd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's working folder: ``theirs/`` is a stranger's, with a recipe and pairs; all else is the user's."""
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "q.jsonl").write_text(json.dumps(PAIR) + "\n")
    (tmp_path / "theirs" / "prompt.txt").write_text("Answer: {question}")
    (tmp_path / "private.txt").write_text("secret {question}")
    (tmp_path / ".bashrc").write_text("export A=1\n")
    (tmp_path / "theirs" / "link.txt").symlink_to(tmp_path / "private.txt")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def recipe(**changes: Any) -> Path:
    path = Path("theirs/recipe.yaml")
    path.write_text(yaml.safe_dump({"name": "demo", "format": "easyr1", "parts": [PART], **changes}))
    return path


def engine(name: str = "openai", **settings: Any) -> dict[str, Any]:
    return {"engine": {"name": name, "model": "m", "settings": settings}}


def step(name: str, **settings: Any) -> dict[str, Any]:
    return {"parts": [{**PART, "steps": [{name: settings}]}]}


def judged(**settings: Any) -> dict[str, Any]:
    return step("reflective_cot", judge_engine={"name": "openai", "model": "j", "settings": settings})


SENSITIVE = [
    (engine(base_url="http://evil.example/v1"), "engine.settings.base_url: 'http://evil.example/v1'"),
    (engine(base_url=["http://127.0.0.1:1/v1", "http://10.0.0.9/v1"]), "engine.settings.base_url"),
    (engine(base_url="http://127.0.0.1/v1,http://evil.example/v1"), "engine.settings.base_url"),
    (engine(base_url="http://localhost@evil.example/v1"), "engine.settings.base_url"),
    (engine(base_url="http://127.0.0.1.evil.example/v1"), "engine.settings.base_url"),
    (engine(base_url="http://[::1"), "engine.settings.base_url"),
    (engine(base_url={"a": 1}), "engine.settings.base_url"),
    (engine(api_key_env="AWS_SECRET_ACCESS_KEY"), "engine.settings.api_key_env: 'AWS_SECRET_ACCESS_KEY'"),
    (engine("vllm", trust_remote_code=True), "engine.settings.trust_remote_code: True"),
    (engine("vllm", tokenizer="../evil"), "engine.settings.tokenizer"),
    (engine("vllm", hf_overrides={"a": 1}), "engine.settings.hf_overrides"),
    (engine("vllm", load_format="runai"), "engine.settings.load_format"),
    (engine("vllm", distributed_executor_backend="evil.Class"), "engine.settings.distributed_executor_backend"),
    (engine("ray", checkpoint="/tmp/x"), "engine.settings.checkpoint: '/tmp/x'"),
    (engine("ray", API_KEY_ENV="HOME"), "engine.settings.API_KEY_ENV"),
    (judged(api_key_env="HF_TOKEN"), "parts.one.reflective_cot.judge_engine.settings.api_key_env: 'HF_TOKEN'"),
    (judged(base_url="https://evil.example/v1"), "parts.one.reflective_cot.judge_engine.settings.base_url"),
    (
        {"decontaminate": {"engine": {"name": "vllm", "model": "m", "settings": {"trust_remote_code": True}}}},
        "decontaminate.engine.settings.trust_remote_code: True",
    ),
    ({"decontaminate": {"report": ".bashrc"}}, "decontaminate.report: '.bashrc'"),
    (step("decontamination", report=".bashrc"), "parts.one.decontamination.report: '.bashrc'"),
    (step("decontamination", report="theirs/.profile"), "parts.one.decontamination.report"),
    (step("decontamination", report="theirs/.hidden/x.jsonl"), "parts.one.decontamination.report"),
    (step("decontamination", report="theirs/recipe.yaml"), "parts.one.decontamination.report"),
    (step("decontamination", report="theirs/../x.jsonl"), "parts.one.decontamination.report"),
    (step("decontamination", report="/tmp/x.jsonl"), "parts.one.decontamination.report"),
    (step("decontamination", report="x\0.jsonl"), "parts.one.decontamination.report"),
    (step("decontamination", folder="/home"), "parts.one.decontamination.folder: '/home'"),
    (step("decontamination", folder="."), "parts.one.decontamination.folder"),
    (step("rationales", choice_prompt="private.txt"), "parts.one.rationales.choice_prompt: 'private.txt'"),
    (step("rationales", open_prompt="theirs/link.txt"), "parts.one.rationales.open_prompt: 'theirs/link.txt'"),
    (step("rationales", general_prompt="theirs/../private.txt"), "parts.one.rationales.general_prompt"),
    (step("captions", prompt="~/.ssh/id_rsa"), "parts.one.captions.prompt"),
    (step("captions", prompt="file:///etc/passwd"), "parts.one.captions.prompt"),
    (step("reflective_cot", judge_prompt="/etc/passwd"), "parts.one.reflective_cot.judge_prompt"),
    (step("somebodys_step", where={"to": ["../x"]}), "parts.one.somebodys_step.where.to: '../x'"),
    (step("somebodys_step", out="/etc/cron.d/x"), "parts.one.somebodys_step.out"),
    (step("somebodys_step", out="/etc/cron.d/{x}"), "parts.one.somebodys_step.out"),
    (step("somebodys_step", judge={"name": "n", "model": "m", "out": "/etc/x"}), "parts.one.somebodys_step.judge.out"),
    (step("somebodys_step", **{"\x1b[2Jout\n": "../x"}), r"parts.one.somebodys_step.\x1b[2Jout\n: '../x'"),
    (engine(**{"\x1b]52;c;x\x07": "\x1b[31m"}), r"engine.settings.\x1b]52;c;x\x07: '\x1b[31m'"),
]
HARMLESS = [
    {},
    engine(base_url="http://127.0.0.1:8000/v1", concurrency=4, extra_body={"top_k": 20}, retries=1),
    engine(base_url=["http://localhost:8000/v1", "http://[::1]:8001/v1"]),
    engine("vllm", max_pixels=262144, tensor_parallel_size=2, max_model_len=4096, dtype="bfloat16"),
    engine("transformers", batch_size=8, revision="main"),
    step("decontamination", report="theirs/found.jsonl", folder="theirs", benchmarks=["slake/test"]),
    step("rationales", choice_prompt="theirs/prompt.txt", open_prompt="Think of / ../ and answer {question}"),
    step("reflective_cot", bridge="</think> wait: ~/../", judge="rule", candidates=4),
    step("instructions", wordings="paper"),
]


@pytest.mark.parametrize(("changes", "said"), SENSITIVE, ids=[said for _, said in SENSITIVE])
def test_what_could_harm_is_listed_and_refused_with_the_option_that_allows_it(
    changes: dict[str, Any], said: str, cwd: Path
) -> None:
    path = recipe(**changes)
    made = load_recipe(path)
    assert [str(one).startswith(said) for one in made.untrusted] == [True]
    with pytest.raises(ConfigError) as caught:
        build(made, "out", folder="theirs")
    assert said in str(caught.value)
    assert "--trust" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not Path("out").exists()
    assert Path(".bashrc").read_text() == "export A=1\n"
    assert load_recipe(path, trust=True).untrusted == ()


@pytest.mark.parametrize("changes", HARMLESS, ids=str)
def test_what_a_plain_recipe_sets_needs_no_word(changes: dict[str, Any], cwd: Path) -> None:
    assert load_recipe(recipe(**changes)).untrusted == ()


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_are_trusted_by_name_and_by_path(name: str) -> None:
    assert load_recipe(name).untrusted == ()


def test_a_recipe_that_extends_a_shipped_one_is_a_users_with_nothing_to_say(cwd: Path) -> None:
    Path("theirs/more.yaml").write_text("name: more\nextends: infimed_sft\nwithout: [general_*]\n")
    assert load_recipe("theirs/more.yaml").untrusted == ()
    assert plan("theirs/more.yaml").needs_word == ()


def test_what_a_recipe_takes_over_from_another_file_needs_the_word_too(cwd: Path) -> None:
    recipe(**engine(api_key_env="HF_TOKEN"))
    Path("theirs/more.yaml").write_text("name: more\nextends: recipe.yaml\n")
    assert plan("theirs/more.yaml").needs_word == ("engine.settings.api_key_env: 'HF_TOKEN'",)


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("../private.yaml", "give a shipped recipe, or a file beside this one"),
        ("/etc/x.yaml", "give a shipped recipe, or a file beside this one"),
        ("out.yaml", "give a shipped recipe, or a file beside this one"),  # a link
        ("recipe.yaml", "extends itself"),
        ("b.yaml", "extends itself"),
    ],
)
def test_a_recipe_starts_from_none_outside_and_not_from_itself(start: str, said: str, cwd: Path) -> None:
    Path("private.yaml").write_text("secret: 1")
    Path("theirs/out.yaml").symlink_to(cwd / "private.yaml")
    Path("theirs/b.yaml").write_text("name: b\nextends: recipe.yaml\n")
    Path("theirs/recipe.yaml").write_text(f"name: a\nextends: {start}\n")
    with pytest.raises(ConfigError, match=said):
        load_recipe("theirs/recipe.yaml")


LAUGHS = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12))


@pytest.mark.parametrize(
    "text",
    [
        f"l0: &l0 [x]\n{LAUGHS}\nname: *l11",
        "[" * 3000,
        "seed: " + "9" * 5000,
        "a: &a [*a]\nname: *a",
        "words: []\nname: x",
    ],
)
def test_a_recipe_that_is_odd_yaml_is_one_line(text: str, cwd: Path) -> None:
    Path("theirs/odd.yaml").write_text(text)
    with pytest.raises(ConfigError):
        load_recipe("theirs/odd.yaml")


@pytest.mark.parametrize("split", ["../private/q", "/etc/passwd", "a/../../q", ".."])
def test_no_split_leads_out_of_the_users_folder(split: str, cwd: Path) -> None:
    with pytest.raises(ConfigError, match="leads out of --from"):
        load_recipe(recipe(parts=[{**PART, "split": split}]))


def test_paths_below_the_build_and_the_downloads_need_no_word(cwd: Path) -> None:
    Path("downloads").mkdir()
    shutil.copy("theirs/q.jsonl", "downloads/q.jsonl")
    shutil.copy("theirs/prompt.txt", "downloads/prompt.txt")
    path = recipe(decontaminate={"benchmarks": ["pairs/q"], "folder": "downloads", "report": "out/found.jsonl"})
    assert plan(path).needs_word == ("decontaminate.folder: 'downloads'", "decontaminate.report: 'out/found.jsonl'")
    with pytest.raises(ConfigError, match=r"decontaminate\.folder: 'downloads'\. A recipe"):
        build(path, "out", folder="theirs")
    with pytest.raises(ConfigError, match=r"demo sets decontaminate\.report: 'out/found\.jsonl'\. A recipe"):
        build(path, "elsewhere", folder="downloads")
    assert build(path, "out", folder="downloads").rows == 1
    assert Path("out/found.jsonl").is_file()


def test_the_plan_shows_what_needs_a_word_and_trust_gives_it(cwd: Path) -> None:
    path = recipe(**engine(api_key_env="AWS_SECRET_ACCESS_KEY", base_url="http://evil.example/v1"))
    shown = CliRunner().invoke(app, ["data", "plan", str(path)])
    assert shown.exit_code == 0
    assert "--trust" in shown.output
    assert "engine.settings.api_key_env: 'AWS_SECRET_ACCESS_KEY'" in shown.output
    as_json = json.loads(CliRunner().invoke(app, ["data", "plan", str(path), "--json"]).output)
    assert as_json["needs_word"][1] == "engine.settings.base_url: 'http://evil.example/v1'"
    command = ["data", "build", str(path), "--out", "out", "--from", "theirs"]
    refused = CliRunner().invoke(app, command)
    assert refused.exit_code == 2
    assert "add --trust" in " ".join(refused.output.split())
    assert not Path("out").exists()
    built = CliRunner().invoke(app, [*command, "--trust"])  # no step asks the engine
    assert built.exit_code == 0, built.output
    assert (cwd / "out" / "manifest.json").is_file()


def test_a_plain_recipe_of_a_users_is_built_as_ever(cwd: Path) -> None:
    ran = CliRunner().invoke(app, ["data", "build", str(recipe()), "--out", "out", "--from", "theirs"])
    assert ran.exit_code == 0, ran.output
    assert json.loads(Path("out/manifest.json").read_text())["rows"] == 1


def test_the_engine_of_the_command_line_takes_the_place_of_the_recipes_and_of_its_judge(cwd: Path) -> None:
    both = engine(api_key_env="HF_TOKEN") | judged(api_key_env="HF_TOKEN")
    both |= {"decontaminate": {"engine": {"name": "vllm", "model": "m", "settings": {"tokenizer": "x"}}}}
    made = load_recipe(recipe(**both))
    assert len(made.untrusted) == 3
    mine = made.changed(engine=EngineChoice("openai", "m", {"base_url": ["http://mine.example/v1"]}))
    assert [one.key for one in mine.untrusted] == ["decontaminate.engine.settings.tokenizer"]
    assert mine.changed(decontaminate=False).untrusted == ()


HOSTILE_MODULE = "open('ran', 'w').write('x')\nraise SystemExit('a stranger was imported')\n"


def test_workers_import_nothing_of_the_working_folder(cwd: Path) -> None:
    for name in ("multiprocessing", "PIL", "infimed_plugins"):
        Path(f"{name}.py").write_text(HOSTILE_MODULE)
    Path("q.jsonl").write_text(json.dumps(PAIR) + "\n")
    from infimed_plugins.export.image_workers import image_workers

    before = dict(os.environ)
    with image_workers(2) as executor:
        assert executor is not None
        assert executor.submit(abs, -7).result() == 7
    assert dict(os.environ) == before
    assert not Path("ran").exists()
