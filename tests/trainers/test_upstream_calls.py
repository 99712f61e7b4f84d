"""Trainers that are on no index call the reward by their own code: slime, AReaL, rLLM and NeMo Gym.

Each test needs a checkout, named by an environment variable: SLIME (tried with 624b824), AREAL (4aef98d), RLLM
(9beb6e0), NEMO_GYM (07d6b0d), and what it imports.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TRUTH = '{"task": "multiple_choice", "answer": "B"}'
TEXTS = ("<think> round </think><answer> B </answer>", "<think> round </think><answer> C </answer>", "It is B.")
START = f"import asyncio, json\nTRUTH, TEXTS = {TRUTH!r}, {TEXTS!r}\n"
PROGRAMS = {
    "SLIME": """
from argparse import Namespace
from slime.rollout.rm_hub import async_rm, batched_async_rm
from slime.utils.types import Sample

args = Namespace(custom_rm_path="infimed_plugins.trainers.single_calls.slime", reward_key=None)
samples = [Sample(response=text + "<|im_end|>", label=TRUTH) for text in TEXTS]
alone = [asyncio.run(async_rm(args, sample)) for sample in samples]
args.reward_key = "overall"
for sample, reward in zip(samples, asyncio.run(batched_async_rm(args, samples))):
    sample.reward = reward
assert [sample.get_reward_value(args) for sample in samples] == alone
assert [sample.remove_sample for sample in samples] == [False] * 3
print(json.dumps(alone))
""",
    "AREAL": """
from areal.api.reward_api import AsyncRewardWrapper
from areal.utils.dynamic_import import import_from_string

call = AsyncRewardWrapper(import_from_string("infimed_plugins.trainers.single_calls.areal"))
row = {"messages": [], "images": [], "ground_truth": TRUTH, "task": "vqa"}
async def all_of_them():
    positional = [await call("what?", text + "<|im_end|>", [1], [2], **row) for text in TEXTS]
    named = [await call(prompt="", completions=text, prompt_ids=[1], completion_ids=[2], **row) for text in TEXTS]
    assert named == positional
    return named
print(json.dumps(asyncio.run(all_of_them())))
""",
    "RLLM": """
import tempfile
from pathlib import Path
from rllm.eval._resolution import build_dataset_evaluator
from rllm.types import Episode, Step, Task, Trajectory
from infimed_plugins.trainers.registry import find_trainer

folder = Path(tempfile.mkdtemp())
(folder / "dataset.toml").write_text(find_trainer("rllm").show().partition("[verifier]")[2].join(["[verifier]", ""]))
evaluator = build_dataset_evaluator(folder)
def evaluated(**step):
    episode = Episode(trajectories=[Trajectory(steps=[Step(model_response="", thought="a tool"), Step(**step)])])
    return evaluator.evaluate(Task(id="1", instruction="what?", metadata={"ground_truth": TRUTH}), episode)
parted = evaluated(model_response="<answer> B </answer>", thought="round")
assert parted.reward == 1.0 and parted.is_correct
assert {signal.name: signal.value for signal in parted.signals}["format"] == 1.0
print(json.dumps([evaluated(model_response=text).reward for text in TEXTS]))
""",
    "NEMO_GYM": """
from infimed_plugins.errors import NoVerdictError
from infimed_plugins.rewards import scorer
from infimed_plugins.trainers.nemo_gym import InfimedServer  # first: Ray, which nemo_gym imports, reorders sys.path
from unittest.mock import MagicMock
from fastapi.testclient import TestClient
from nemo_gym.base_resources_server import BaseResourcesServerConfig
from nemo_gym.server_utils import ServerClient

config = BaseResourcesServerConfig(host="127.0.0.1", port=1, entrypoint="app.py", name="infimed")
client = TestClient(InfimedServer(config=config, server_client=MagicMock(spec=ServerClient)).setup_webserver())
def verified(*output):
    response = {"id": "r", "created_at": 0.0, "model": "m", "object": "response", "output": output,
                "parallel_tool_calls": False, "tool_choice": "none", "tools": []}
    row = {"responses_create_params": {"input": "what?"}, "response": response, "ground_truth": TRUTH}
    answer = client.post("/verify", json=row)
    assert answer.status_code == 200, answer.text
    return answer.json()
def said(text):
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"id": "m", "type": "message", "role": "assistant", "status": "completed", "content": content}
thought = {"id": "t", "type": "reasoning", "summary": [{"type": "summary_text", "text": "round"}]}
parted = verified(thought, said("<answer> B </answer>"))
assert (parted["reward"], parted["format"], parted["ground_truth"]) == (1.0, 1.0, TRUTH)
scores = [verified(said(text))["reward"] for text in TEXTS]
def judge_that_is_out(answer, truth):
    raise NoVerdictError("the judge's server is out")
scorer.find_reward = lambda name: judge_that_is_out
lost = verified(said(TEXTS[0]))
assert (lost["reward"], lost["_ng_failure_class"]) == (0.0, "judge_failed")
print(json.dumps(scores))
""",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_trainers_own_code_gets_the_right_reward(name: str) -> None:
    checkout = os.environ.get(name)
    if not checkout:
        pytest.skip(f"it is on no package index: set {name} to a checkout")
    path = os.pathsep.join([str(Path(checkout).resolve()), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        [sys.executable, "-c", START + PROGRAMS[name]],
        env=dict(os.environ, PYTHONPATH=path, CUDA_VISIBLE_DEVICES=""),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert json.loads(run.stdout.splitlines()[-1]) == [1.0, pytest.approx(0.1), 0.0]
