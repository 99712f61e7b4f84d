"""Each trainer's own loader takes its adapter, and the adapter gives what that trainer reads."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from typer.testing import CliRunner

from infimed_plugins.cli.main import app
from infimed_plugins.errors import ConfigError
from infimed_plugins.rewards import compute_score
from infimed_plugins.trainers import openrlhf, verl
from infimed_plugins.trainers.adapters import ADAPTERS, find_adapter
from infimed_plugins.trainers.ms_swift import InfimedReward
from infimed_plugins.trainers.trl import infimed_reward

RIGHT, WRONG, UNFORMATTED = (
    "<think> round </think><answer> B </answer>",
    "<think> round </think><answer> C </answer>",
    "It is B.",
)
EXPECTED = [1.0, pytest.approx(0.1), 0.0]
TRUTH = '{"task": "multiple_choice", "answer": "B"}'
PACKAGES = ("verl==0.9.1", "openrlhf==0.11.2", "ms-swift==4.6.0", "json_repair")


def test_verl_gets_a_score_and_the_same_keys_whatever_it_passes() -> None:
    rows = [
        verl.compute_score("phantom", text, TRUTH, {"index": 1}, reward_router_address=None, w_format=0.1, w_acc=0.9)
        for text in (RIGHT, WRONG, UNFORMATTED, None)
    ]
    assert [row["score"] for row in rows] == [*EXPECTED, 0.0]
    assert [row["acc"] for row in rows] == [1.0, 0.0, 0.0, 0.0]
    assert len({tuple(row) for row in rows}) == 1


@pytest.mark.parametrize("column", ["ground_truth", "solution", "answer"])
@pytest.mark.parametrize("conversational", [False, True])
def test_trl_gets_a_list_of_floats_for_strings_and_for_turns(column: str, conversational: bool) -> None:
    texts = [RIGHT, WRONG, UNFORMATTED]
    completions = [[{"role": "assistant", "content": text}] for text in texts] if conversational else texts
    logged: dict[str, float] = {}
    columns: dict[str, Any] = {column: [TRUTH] * 3, "trainer_state": None, "completion_ids": [[1]] * 3}
    assert infimed_reward(completions, prompts=["q"] * 3, log_metric=logged.__setitem__, **columns) == EXPECTED
    assert logged["infimed/format"] == pytest.approx(2 / 3)
    assert pickle.loads(pickle.dumps(infimed_reward)) is infimed_reward


def test_trl_passes_settings_on_and_takes_columns_of_the_same_name_for_columns() -> None:
    prefilled = [RIGHT.removeprefix("<think>"), UNFORMATTED]
    columns: dict[str, Any] = {"ground_truth": [TRUTH] * 2, "task": ["vqa", "vqa"]}
    assert infimed_reward(prefilled, think_prefilled=True, w_format=0.5, w_acc=0.5, **columns) == [1.0, 0.0]


def test_trl_without_a_column_of_truths_is_told_what_to_name_it() -> None:
    with pytest.raises(ConfigError, match="name its column one of ground_truth, answer, solution"):
        infimed_reward([RIGHT], prompts=["q"])


def test_ms_swift_calls_an_object_with_columns() -> None:
    reward = InfimedReward(args=None)
    assert reward([RIGHT, WRONG, UNFORMATTED], ground_truth=[TRUTH] * 3, prompts=[""] * 3, task="vqa") == EXPECTED


@pytest.mark.parametrize(
    ("query", "prompt"),
    [
        (f"user: what?{RIGHT}<|im_end|>\n", "user: what?"),
        (
            f"<|im_start|>user\n<|image_pad|><|image_pad|>what?<|im_end|>\n<|im_start|>assistant\n{RIGHT}<|im_end|>",
            "what?",
        ),
        (f"ask{RIGHT}<|im_end|><|endoftext|>", "ask"),
        (RIGHT, "another prompt"),
    ],
)
def test_openrlhf_leaves_prompt_and_end_tokens_in_the_query(query: str, prompt: str) -> None:
    pytest.importorskip("torch")
    assert openrlhf.response_of(query, prompt) == RIGHT
    result = openrlhf.reward_func([query], [prompt], [TRUTH])
    assert result["rewards"].tolist() == result["scores"].tolist() == [1.0]
    assert result["extra_logs"]["accuracy"].tolist() == [1.0]


LOADERS = {
    "verl": """
from verl.utils.import_utils import load_extern_object
score = load_extern_object(module_path="pkg://infimed_plugins.trainers.verl", object_name="compute_score")
print(score(data_source="d", solution_str={text!r}, ground_truth={truth!r}, extra_info={{}})["score"])
""",
    "openrlhf": """
import asyncio
from openrlhf.utils.agent import SingleTurnAgentExecutor
executor = SingleTurnAgentExecutor({file!r})
(info,) = asyncio.run(executor._fetch_rewards_via_func(["ask" + {text!r} + "<|im_end|>"], ["ask"], [{truth!r}]))
print(info["rewards"].item())
""",
    "ms-swift": """
from swift.utils.utils import import_external_file
import_external_file({file!r})
from swift.rewards import orms
print(orms["infimed"](None)([{text!r}], ground_truth=[{truth!r}])[0])
""",
}


@pytest.fixture(scope="module")
def frameworks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The frameworks as PyPI has them, unpacked, without what they depend on: only their loaders are used."""
    pytest.importorskip("transformers")
    pytest.importorskip("ray")
    folder = tmp_path_factory.mktemp("frameworks")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), *PACKAGES]
    subprocess.run(install, check=True, capture_output=True, timeout=600)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", LOADERS)
def test_the_frameworks_own_loader_takes_the_adapter(name: str, frameworks: Path) -> None:
    file = str(find_adapter(name).path)
    program = LOADERS[name].format(file=file, text=RIGHT, truth=TRUTH)
    environment = dict(os.environ, PYTHONPATH=str(frameworks))
    run = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert float(run.stdout.split()[-1]) == 1.0


VERIFIERS = """
import asyncio
from verifiers.v1.configs.task import TaskConfig
from verifiers.v1.graph import MessageNode
from verifiers.v1.task import Task, TaskData
from verifiers.v1.trace import Trace, TraceTask
from verifiers.v1.types import AssistantMessage, UserMessage

class Data(TaskData):
    ground_truth: str

function = "infimed_plugins.trainers.verifiers:infimed"
config = TaskConfig(rewards={{"infimed": {{"fn": function}}}}, metrics={{"infimed": {{"fn": function + "_metrics"}}}})
data = Data(prompt="what?", ground_truth={truth!r})
for reply in (
    AssistantMessage(content={text!r}),
    AssistantMessage(content="<answer> C </answer>", reasoning_content=" round "),
    AssistantMessage(content="It is B."),
):
    asked, said = MessageNode(message=UserMessage(content="what?")), MessageNode(parent=0, message=reply, sampled=True)
    trace = Trace.model_construct(  # without the agent, which scoring does not look at
        task=TraceTask.model_construct(data=data), nodes=[asked, said], rewards={{}}, metrics={{}}, calls=[],
        root_reply=None, errors=[],
    )
    asyncio.run(Task(data, config).score(trace))
    print(trace.reward, trace.metrics["infimed/format"])
"""


@pytest.mark.slow
def test_verifiers_own_task_takes_the_reward_and_the_metrics(tmp_path: Path) -> None:
    folder = tmp_path / "venv"  # its dependencies do not go with LLaMA-Factory's
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=600)
    python = folder / "bin" / "python"
    wanted = [f"{Path(__file__).parents[2]}[rewards]", "verifiers==0.4.0"]
    install = [str(python), "-m", "pip", "install", "--quiet", *wanted]
    subprocess.run(install, check=True, capture_output=True, timeout=1200)
    program = VERIFIERS.format(text=RIGHT, truth=TRUTH)
    run = subprocess.run([str(python), "-c", program], capture_output=True, text=True, check=False, timeout=600)
    assert run.returncode == 0, run.stderr[-2000:]
    assert [tuple(map(float, line.split())) for line in run.stdout.splitlines()] == [
        (1.0, 1.0),
        (pytest.approx(0.1), 1.0),
        (0.0, 0.0),
    ]


def test_the_command_lists_every_trainer_and_prints_lines_with_paths_that_exist() -> None:
    listed = json.loads(CliRunner().invoke(app, ["trainers", "--json"]).stdout)
    assert [row["name"] for row in listed] == [adapter.name for adapter in ADAPTERS]
    for adapter in ADAPTERS:
        assert adapter.path.is_file()
        shown = CliRunner().invoke(app, ["trainers", "show", adapter.name])
        assert shown.exit_code == 0
        assert "{file}" not in shown.stdout
        assert str(adapter.path) in shown.stdout or f"infimed_plugins.trainers.{adapter.path.stem}" in shown.stdout


def test_an_unknown_trainer_gets_one_line_and_code_2() -> None:
    result = CliRunner().invoke(app, ["trainers", "show", "ppo"])
    assert result.exit_code == 2
    assert "unknown trainer 'ppo'; one of easyr1, verl, trl, ms-swift, openrlhf, verifiers" in result.stderr


def test_settings_are_typed_and_misspelt_names_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    prefilled = RIGHT.removeprefix("<think>")
    assert verl.compute_score("", prefilled, TRUTH, think_prefilled="false")["score"] == 0.0
    weights = {"w_format": numpy.float32(0.25), "w_acc": torch.tensor(0.75), "think_prefilled": numpy.bool_(True)}
    assert verl.compute_score("", prefilled.replace("B", "C"), TRUTH, **weights)["score"] == 0.25
    for value in ("perhaps", 1, [True]):
        with pytest.raises(ConfigError, match=r"think_prefilled is .* it must be true or false"):
            compute_score([{"response": RIGHT, "ground_truth": TRUTH}], think_prefilled=value)
    for name in ("w_fmt", "think_prefill"):
        with pytest.raises(ConfigError, match="did you mean"):
            verl.compute_score("", RIGHT, TRUTH, **{name: 0.1})
        with pytest.raises(ConfigError, match="did you mean"):
            infimed_reward([RIGHT], ground_truth=[TRUTH], **{name: 0.1})
    monkeypatch.setenv("INFIMED_REWARD", '{"think_prefilled": true}')
    assert InfimedReward()([prefilled], ground_truth=[TRUTH]) == [1.0]


def test_the_truth_is_chosen_for_each_row() -> None:
    assert infimed_reward([RIGHT, RIGHT], ground_truth=[None, TRUTH], answer=["B", None]) == [1.0, 1.0]
    worked = "<think>It is bright.</think><answer> B </answer>"
    assert infimed_reward([RIGHT, RIGHT], solution=["As it is bright, B", worked], answer=["B", None]) == [1.0, 1.0]
    assert infimed_reward([[{"role": "assistant", "content": None}], [None], RIGHT], answer=["B"] * 3) == [
        0.0,
        0.0,
        1.0,
    ]


def test_a_mark_that_the_policy_writes_starts_no_reply() -> None:
    mark = "<start_of_turn>model\n"
    query = f"<start_of_turn>user\n<img><img>what?<end_of_turn>\n{mark}I guess C.{mark}{RIGHT}<end_of_turn>"
    prompt = f"<start_of_turn>user\n<img>what?<end_of_turn>\n{mark}"
    assert openrlhf.response_of(query, prompt) == f"I guess C.{mark}{RIGHT}"
