"""Each trainer's own loader takes its adapter, and the adapter gives what that trainer reads."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import re
import subprocess
import sys
import tomllib
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
from typer.testing import CliRunner

import infimed_plugins
from infimed_plugins.cli.main import app
from infimed_plugins.errors import ConfigError
from infimed_plugins.rewards import compute_score
from infimed_plugins.trainers import openrlhf, single_calls, verifiers, verl
from infimed_plugins.trainers.ms_swift import InfimedReward
from infimed_plugins.trainers.registry import REWARDED, find_trainer
from infimed_plugins.trainers.replies import reply_text
from infimed_plugins.trainers.trl import infimed_reward, reward_with

RIGHT, WRONG, UNFORMATTED = (
    "<think> round </think><answer> B </answer>",
    "<think> round </think><answer> C </answer>",
    "It is B.",
)
EXPECTED = [1.0, pytest.approx(0.1), 0.0]
TRUTH = '{"task": "multiple_choice", "answer": "B"}'
INSTALLED = os.environ.get("INSTALLED", "")  # set by tests/measure/frameworks.py: what this environment was made for
PACKAGES = ("verl==0.9.1", "hydra-core==1.3.2", "openrlhf==0.11.2", "ms-swift==4.6.0", "json_repair")


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


@pytest.mark.parametrize("opened", ["", "<think>\n"])
def test_trl_with_a_response_template_earns_what_it_would_without(opened: str, tiny_vlm: Path) -> None:
    utils = pytest.importorskip("trl.chat_template_utils")
    if not getattr(utils, "_SUPPORTS_RESPONSE_TEMPLATE", False):
        pytest.skip("TRL splits replies by a template from 1.x on, with transformers 5.13")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_vlm)
    tokenizer.response_template = utils.qwen3_template
    prefix = tokenizer(f"<|im_start|>assistant\n{opened}")["input_ids"]
    replies = [tokenizer(text.removeprefix("<think>" if opened else ""))["input_ids"] for text in (RIGHT, WRONG)]
    completions = [[utils.parse_response(tokenizer, ids, prefix=prefix)] for ids in replies]
    assert all("<think>" not in turn["content"] and "round" in turn["reasoning_content"] for (turn,) in completions)
    assert infimed_reward(completions, ground_truth=[TRUTH] * 2) == EXPECTED[:2]


def test_ms_swift_calls_an_object_with_columns() -> None:
    reward = InfimedReward(args=None)
    assert reward([RIGHT, WRONG, UNFORMATTED], ground_truth=[TRUTH] * 3, prompts=[""] * 3, task="vqa") == EXPECTED


QUESTION = "What?\\nThink in <think> </think>, answer in <answer> </answer>."
TEMPLATES = {  # prompt, the same with its image tokens spelled out as its processor does, and the end of the turn
    "chatml": (
        "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>{q}<|im_end|>\n<|im_start|>assistant\n",
        {"<|image_pad|>": "<|image_pad|>" * 64},
        "<|im_end|>",
    ),
    "chatml that opens thought": (
        "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>{q}<|im_end|>\n<|im_start|>assistant\n<think>\n",
        {"<|image_pad|>": "<|image_pad|>" * 64},
        "<|im_end|>\n",
    ),
    "gemma": (
        "<bos><start_of_turn>user\n<start_of_image>{q}<end_of_turn>\n<start_of_turn>model\n",
        {"<start_of_image>": f"\n\n<start_of_image>{'<image_soft_token>' * 256}<end_of_image>\n\n"},
        "<end_of_turn>",
    ),
    "gemma 4": (
        "<bos><|turn>user\n\n\n<|image|>\n\n{q}<turn|>\n<|turn>model\n",
        {"<|image|>": f"<|image>{'<|image|>' * 280}<image|>"},
        "<turn|>",
    ),
    "internvl": (
        "<|im_start|>user\n<IMG_CONTEXT>\n{q}<|im_end|>\n<|im_start|>assistant\n",
        {"<IMG_CONTEXT>": f"<img>{'<IMG_CONTEXT>' * 256}</img>"},
        "<|im_end|>",
    ),
    "llama 3": (
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n<|image|>{q}<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        {"<|image|>": "<|image|>" * 4},
        "<|eot_id|>",
    ),
    "mistral, the image last": (
        "<s>[INST]{q}[IMG][/INST]",
        {"[IMG]": "[IMG][IMG][IMG_BREAK][IMG][IMG][IMG_END]"},
        "</s>",
    ),
    "text only": ("User: {q}\nAssistant: ", {}, "<｜end▁of▁sentence｜>"),
    "two turns": (
        "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>user\n"
        "<|vision_start|><|image_pad|><|vision_end|>{q}<|im_end|>\n<|im_start|>assistant\n",
        {"<|image_pad|>": "<|image_pad|>" * 64},
        "<|im_end|><|endoftext|>",
    ),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_openrlhf_is_paid_for_the_reply_alone_under_any_chat_template(name: str) -> None:
    pytest.importorskip("torch")
    template, spelled_out, end = TEMPLATES[name]
    prompt = query = template.format(q=QUESTION)
    for token, tokens in spelled_out.items():
        query = query.replace(token, tokens)
    for reply, earned in ((RIGHT, 1.0), (WRONG, 0.1), (UNFORMATTED, 0.0)):
        result = openrlhf.reward_func([query + reply + end], [prompt], [TRUTH])
        assert result["rewards"].tolist() == result["scores"].tolist() == [pytest.approx(earned)]
    mark = prompt[prompt.rfind("<") :] if "<" in prompt[-40:] else prompt[-12:]
    for written in (mark, prompt, prompt[-40:]):  # by the policy
        assert (
            openrlhf.response_of(f"{query}I guess C.{written}{RIGHT}{end}", prompt)
            == f"I guess C.{written}{RIGHT}{end}"
        )
        assert openrlhf.reward_func([f"{query}I guess C.{written}{RIGHT}{end}"], [prompt], [TRUTH])["rewards"] == 0.0


def test_openrlhf_without_the_prompt_in_the_query_takes_all_of_it() -> None:
    assert openrlhf.response_of(RIGHT, "another prompt") == RIGHT


LOADERS = {
    "verl": """
from pathlib import Path
import verl
from hydra import compose, initialize_config_dir
from infimed_plugins.trainers.registry import find_trainer
from verl.trainer.ppo.reward import get_custom_reward_fn
printed = [word for word in find_trainer("verl").show().split() if word.lstrip("+").startswith("reward.")]
with initialize_config_dir(str(Path(verl.__file__).parent / "trainer" / "config"), version_base=None):
    config = compose("ppo_trainer", overrides=printed)
score = get_custom_reward_fn(config)
assert score.args[1] == {{"w_format": 0.1, "w_acc": 0.9, "think_prefilled": False}}
print(score(data_source="d", solution_str={text!r}, ground_truth={truth!r}, extra_info={{}})["score"])
""",
    "openrlhf": """
import asyncio
from PIL import Image
from transformers import AutoProcessor
from openrlhf.datasets.prompts_dataset import preprocess_data
from openrlhf.utils.agent import SingleTurnAgentExecutor
from openrlhf.utils.vlm_utils import process_prompt_with_images
executor = SingleTurnAgentExecutor({file!r})
processor = AutoProcessor.from_pretrained({model!r})
template = dict(input_key="question", label_key="ground_truth", apply_chat_template=processor.apply_chat_template)
row = {{"question": "<image>What? <think> </think><answer> </answer>", "ground_truth": {truth!r}}}
prompt, label = preprocess_data(row, **template)
ids, _, _ = process_prompt_with_images(processor, prompt, [Image.new("RGB", (112, 112))])
ids += processor.tokenizer({text!r} + "<|im_end|>")["input_ids"]
query = processor.decode(ids, skip_special_tokens=False)
assert not query.startswith(prompt), "the image token was not spelled out"
(info,) = asyncio.run(executor._fetch_rewards_via_func([query], [prompt], [label]))
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
    """The frameworks as PyPI has them, unpacked, without what they depend on: only their loaders are used.

    In an environment of `make frameworks` the one that is installed there, whatever its version.
    """
    if INSTALLED:
        return Path(infimed_plugins.__file__).parents[1]
    pytest.importorskip("transformers")
    pytest.importorskip("ray")
    folder = tmp_path_factory.mktemp("frameworks")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), *PACKAGES]
    subprocess.run(install, check=True, capture_output=True, timeout=600)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", LOADERS)
def test_the_frameworks_own_loader_takes_the_adapter(name: str, frameworks: Path, tiny_vlm: Path) -> None:
    file = str(find_trainer(name).path)
    program = LOADERS[name].format(file=file, text=RIGHT, truth=TRUTH, model=str(tiny_vlm))
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

config = TaskConfig(**{task!r})
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
    python = sys.executable
    if not INSTALLED:
        folder = tmp_path / "venv"  # its dependencies do not go with LLaMA-Factory's
        subprocess.run([python, "-m", "venv", str(folder)], check=True, timeout=600)
        python = str(folder / "bin" / "python")
        wanted = [f"{Path(__file__).parents[2]}[rewards]", "verifiers==0.4.0"]
        install = [python, "-m", "pip", "install", "--quiet", *wanted]
        subprocess.run(install, check=True, capture_output=True, timeout=1200)
    printed = [tomllib.loads(find_trainer(name).show().partition("\n")[2]) for name in ("verifiers", "prime-rl")]
    task, same = printed[0]["env"]["taskset"]["task"], printed[1]["orchestrator"]["train"]["source"]["env"]["taskset"]
    assert task == same["task"]
    program = VERIFIERS.format(text=RIGHT, truth=TRUTH, task=task)
    run = subprocess.run([python, "-c", program], capture_output=True, text=True, check=False, timeout=600)
    assert run.returncode == 0, run.stderr[-2000:]
    assert [tuple(map(float, line.split())) for line in run.stdout.splitlines()] == [
        (1.0, 1.0),
        (pytest.approx(0.1), 1.0),
        (0.0, 0.0),
    ]


def test_the_command_lists_every_trainer_and_prints_lines_with_paths_that_exist() -> None:
    listed = json.loads(CliRunner().invoke(app, ["trainers", "--json"]).stdout)
    assert [row["name"] for row in listed] == list(REWARDED)
    for adapter in map(find_trainer, REWARDED):
        assert adapter.path.is_file()
        shown = CliRunner().invoke(app, ["trainers", "show", adapter.name])
        assert shown.exit_code == 0
        assert "{file}" not in shown.stdout
        assert str(adapter.path) in shown.stdout or f"infimed_plugins.trainers.{adapter.path.stem}" in shown.stdout


def test_the_lines_for_trl_make_a_reward() -> None:
    made: dict[str, Any] = {}
    exec(find_trainer("trl").show().partition("GRPOTrainer")[0], made)
    assert made["reward"]([RIGHT], ground_truth=[TRUTH]) == [1.0]


def test_an_unknown_trainer_gets_one_line_and_code_2() -> None:
    result = CliRunner().invoke(app, ["trainers", "show", "ppo"])
    assert result.exit_code == 2
    assert "unknown trainer 'ppo'; one of easyr1, verl, trl, ms-swift, openrlhf, verifiers, prime-rl," in result.stderr
    close = CliRunner().invoke(app, ["trainers", "show", "OpenRHLF"])
    assert "did you mean 'openrlhf'?" in close.stderr


@pytest.mark.parametrize("written", ["ms_swift", "MS-Swift", "ms-swift"])
def test_a_trainer_is_found_under_any_spelling(written: str) -> None:
    assert find_trainer(written).name == "ms-swift"
    assert find_trainer("TRL").name == "trl"


@pytest.mark.parametrize("name", ["trl", "ms_swift", "openrlhf", "verl", "verifiers", "single_calls"])
def test_wrong_settings_are_refused_when_a_trainer_imports_the_adapter(name: str) -> None:
    for value, why in (
        ('{"w_fromat": 0.1}', "unknown setting of the reward 'w_fromat'; one of w_format, .*did you mean 'w_format'"),
        ('{"w_format": 0.5}', "they must sum to 1"),
        ('{"task": "vqa"}', "unknown reward 'vqa'"),
        ("w_format=0.1", "is no JSON object of settings"),
    ):
        run = subprocess.run(
            [sys.executable, "-c", f"import infimed_plugins.trainers.{name}"],
            env=dict(os.environ, INFIMED_REWARD_KWARGS=value),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert run.returncode == 1
        assert re.search(f"ConfigError: INFIMED_REWARD_KWARGS.*{why}", run.stderr), run.stderr


def test_an_openstack_swift_is_not_taken_for_ms_swift(tmp_path: Path) -> None:
    (tmp_path / "swift").mkdir()
    (tmp_path / "swift" / "__init__.py").write_text("")
    path = os.pathsep.join([str(tmp_path), str(Path(infimed_plugins.__file__).parents[1])])
    code = "from infimed_plugins.trainers.ms_swift import InfimedReward; import swift; print(swift.__file__)"
    run = subprocess.run(
        [sys.executable, "-c", code], env=dict(os.environ, PYTHONPATH=path), capture_output=True, text=True, check=True
    )
    assert run.stdout.startswith(str(tmp_path))


def test_settings_are_typed_and_misspelt_names_are_refused() -> None:
    torch = pytest.importorskip("torch")
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
    with pytest.raises(ConfigError, match="did you mean 'w_format'"):
        reward_with(w_fmt=0.1)
    with pytest.raises(ConfigError, match="must sum to 1"):
        reward_with(w_acc=0.5)
    reward = reward_with(think_prefilled="true", w_format=0.5, w_acc=0.5)
    assert (reward([prefilled, RIGHT.replace("B", "C")], answer=[TRUTH] * 2), reward.__name__) == (
        [1.0, 0.5],
        "infimed_reward",
    )
    assert pickle.loads(pickle.dumps(reward)).__name__ == "infimed_reward"


@pytest.mark.parametrize("variable", ["INFIMED_REWARD_KWARGS", "INFIMED_REWARD"])
def test_settings_of_the_environment_reach_every_adapter(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    prefilled = RIGHT.removeprefix("<think>").replace("B", "C")
    monkeypatch.setenv(variable, '{"think_prefilled": true, "w_format": 0.25, "w_acc": 0.75}')
    sample = SimpleNamespace(response=prefilled, label=TRUTH, remove_sample=False)
    assert InfimedReward()([prefilled], ground_truth=[TRUTH]) == [0.25]
    assert infimed_reward([prefilled], ground_truth=[TRUTH]) == [0.25]
    assert verl.compute_score("", prefilled, TRUTH)["score"] == 0.25
    assert verl.compute_score("", prefilled, TRUTH, w_format=0.5, w_acc=0.5)["score"] == 0.5
    assert openrlhf.reward_func([prefilled], [""], [TRUTH])["rewards"].tolist() == [0.25]
    assert single_calls.areal("what?", prefilled, [1], [2], solution=TRUTH, task="vqa") == 0.25
    assert asyncio.run(single_calls.slime(Namespace(reward_key=None), sample)) == 0.25
    trace = SimpleNamespace(assistant_messages=[{"role": "assistant", "content": prefilled}])
    assert asyncio.run(verifiers.infimed(SimpleNamespace(answer=TRUTH), trace)) == 0.25


THOUGHT, ANSWER = " round ", "<answer> B </answer>"
SAID: dict[str, Any] = {
    "a string": RIGHT,
    "a message": {"role": "assistant", "content": RIGHT},
    "the last assistant turn": [
        {"role": "assistant", "content": WRONG},
        {"role": "user", "content": "Are you sure?"},
        {"role": "assistant", "content": RIGHT},
        {"role": "tool", "content": "5"},
    ],
    "parts": [{"type": "text", "text": "<think> round </think>"}, {"type": "text", "text": ANSWER}],
    "reasoning_content, as TRL with a response template has it": [
        {"role": "assistant", "content": ANSWER, "reasoning_content": THOUGHT}
    ],
    "reasoning": {"role": "assistant", "content": [{"type": "text", "text": ANSWER}], "reasoning": THOUGHT},
    "thinking": {"role": "assistant", "content": ANSWER, "thinking": THOUGHT},
    "two names for one reasoning": {"content": ANSWER, "reasoning_content": THOUGHT, "reasoning": THOUGHT},
    "reasoning that the text holds already": {"content": RIGHT, "reasoning_content": "round"},
    "a part of reasoning": {"content": [{"type": "thinking", "thinking": THOUGHT}, {"type": "text", "text": ANSWER}]},
    "parts within a part": {
        "content": [{"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]}, {"text": ANSWER}]
    },
    "an object": SimpleNamespace(role="assistant", content=ANSWER, reasoning_content=THOUGHT, tool_calls=None),
    "end tokens": RIGHT + "<|im_end|>\n</s>",
}


@pytest.mark.parametrize("name", SAID)
def test_a_reply_is_one_text_whatever_a_trainer_hands_over(name: str) -> None:
    assert reply_text(SAID[name]) == RIGHT
    assert infimed_reward([SAID[name]], ground_truth=[TRUTH]) == [1.0]


def test_what_is_no_reply_has_no_text_and_earns_nothing() -> None:
    nothing: list[Any] = [None, [], {"content": None}, [{"role": "user", "content": RIGHT}], 5]
    assert [reply_text(said) for said in nothing] == [None, "", None, None, None]
    assert infimed_reward(nothing, ground_truth=[TRUTH] * 5) == [0.0] * 5


def test_a_second_block_of_reasoning_is_not_hidden_by_the_one_that_was_cut_out() -> None:
    twice = {"role": "assistant", "content": f"<think> again </think>{ANSWER}", "reasoning_content": THOUGHT}
    assert infimed_reward([[twice]], ground_truth=[TRUTH]) == [0.0]
    cut = {"role": "assistant", "content": None, "reasoning_content": f"round {ANSWER}"}
    assert infimed_reward([[cut]], ground_truth=[TRUTH]) == [0.0]
    assert reply_text({"content": f"B{ANSWER}", "reasoning": "B"}) == f"<think>B</think>B{ANSWER}"


def test_the_truth_is_chosen_for_each_row() -> None:
    assert infimed_reward([RIGHT, RIGHT], ground_truth=[None, TRUTH], answer=["B", None]) == [1.0, 1.0]
    worked = "<think>It is bright.</think><answer> B </answer>"
    assert infimed_reward([RIGHT, RIGHT], solution=["As it is bright, B", worked], answer=["B", None]) == [1.0, 1.0]
    assert infimed_reward([[{"role": "assistant", "content": None}], [None], RIGHT], answer=["B"] * 3) == [
        0.0,
        0.0,
        1.0,
    ]
