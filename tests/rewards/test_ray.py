"""The rewards in Ray: in a task, in a plain, a threaded and an async actor, and in EasyR1's own manager as an actor."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.slow

BURNER = "\\prod_{k=1}^{4000} (k!)"
ANSWERS = ["\\log_2(8)", "\\log_2(16)", BURNER]
EXPECTED = [1.0, 0.0, 0.0]


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """One small node on loopback."""
    ray.init(num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.1", log_to_driver=False)
    yield
    ray.shutdown()


def accuracies() -> tuple[list[float], list[float], list[int]]:
    """Verdicts that need the processes, which of them ran out of time, and the processes."""
    from infimed_plugins.rewards import compute_score
    from infimed_plugins.rewards.math_pool import MATH

    rows = [
        {
            "response": f"<think>t</think><answer>{answer}</answer>",
            "ground_truth": json.dumps({"task": "math", "answer": "3"}),
        }
        for answer in ANSWERS
    ]
    scores = compute_score(rows)
    processes = [process.pid for process in MATH.processes if process.pid]
    return [score["accuracy"] for score in scores], [score["timed_out"] for score in scores], processes


class Plain:
    def score(self) -> Any:
        return accuracies()


class Async:
    async def score(self) -> Any:
        return accuracies()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def check(results: list[tuple[list[float], list[float], list[int]]]) -> None:
    for verdicts, timed_out, _ in results:
        assert verdicts == EXPECTED
        assert timed_out == [0.0, 0.0, 1.0]
    # of calls at the same time one may look while the other's process has just been killed
    assert any(processes for _, _, processes in results)


def test_a_task() -> None:
    check(ray.get([ray.remote(accuracies).remote() for _ in range(2)]))


@pytest.mark.parametrize(
    ("kind", "options"),
    [(Plain, {}), (Plain, {"max_concurrency": 4}), (Async, {}), (Async, {"max_concurrency": 4})],
    ids=["plain", "threaded", "async", "async with four at once"],
)
def test_an_actor_and_nothing_is_left_when_it_is_killed(kind: type, options: dict[str, int]) -> None:
    actor = ray.remote(kind).options(**options).remote()
    results = ray.get([actor.score.remote() for _ in range(4)])
    check(results)
    ray.kill(actor)
    deadline = time.monotonic() + 60
    left = {pid for _, _, processes in results for pid in processes}
    while any(map(alive, left)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(alive, left))


class Words:
    """A tokenizer, as far as the manager uses one."""

    def decode(self, ids: Any, skip_special_tokens: bool) -> str:
        return f"<think>t</think><answer>{ANSWERS[int(ids[0])]}</answer>"


@pytest.mark.easyr1
def test_easyr1s_reward_manager_as_the_actor_that_its_trainer_makes() -> None:
    import numpy as np
    import torch
    from verl.protocol import DataProto
    from verl.workers.reward import AutoRewardManager
    from verl.workers.reward.config import RewardConfig

    shim = Path(__file__).parents[2] / "easyr1_configs" / "infimed_reward.py"
    config = RewardConfig(reward_function=f"{shim}:compute_score")
    config.post_init()
    manager = ray.remote(AutoRewardManager).options(num_cpus=1).remote(config, Words())  # verl/trainer/main.py:68
    data = DataProto.from_dict(
        tensors={"responses": torch.tensor([[0], [1], [2]]), "response_mask": torch.ones(3, 1)},
        non_tensors={"ground_truth": np.array([json.dumps({"task": "math", "answer": "3"})] * 3, dtype=object)},
    )
    rewards, metrics = ray.get(manager.compute_reward.remote(data))
    assert torch.allclose(rewards, torch.tensor([[1.0], [0.1], [0.1]]))
    assert metrics["timed_out"] == [0.0, 0.0, 1.0]
