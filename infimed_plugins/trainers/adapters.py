"""Adapters to the trainers that take the rewards, with the lines to paste into the configuration of each."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from infimed_plugins.errors import known_name
from infimed_plugins.paths import shipped
from infimed_plugins.records import Json
from infimed_plugins.trainers.upstream_easyr1 import COMMIT


@dataclass(frozen=True)
class Adapter:
    """One trainer. ``lines`` holds ``{file}``, the adapter's path here; ``checked`` says what it was tried against."""

    name: str
    version: str
    takes: str
    checked: str
    lines: str
    file: str

    @property
    def path(self) -> Path:
        """The adapter's file in this installation."""
        return shipped(self.file).resolve()

    def show(self) -> str:
        """Return the lines to paste."""
        return self.lines.format(file=self.path)

    def to_json(self) -> dict[str, Json]:
        """Return every field, with the real path."""
        return {**asdict(self), "file": str(self.path), "lines": self.show()}


ADAPTERS = (
    Adapter(
        "easyr1",
        COMMIT[:7],
        "a file with a batch function",
        "EasyR1 itself, in training",
        """worker:
  reward:
    reward_function: {file}:compute_score
    reward_function_kwargs:
      w_format: 0.1
      w_acc: 0.9
      think_prefilled: false  # true where the chat template opens <think> itself
""",
        "easyr1_configs/infimed_reward.py",
    ),
    Adapter(
        "verl",
        "0.9",
        "a module with a function for one sample",
        "verl 0.9.1's own loader",
        """reward:
  custom_reward_function:
    path: pkg://infimed_plugins.trainers.verl
    name: compute_score
    reward_kwargs:
      w_format: 0.1
      w_acc: 0.9
      think_prefilled: false  # true where the chat template opens <think> itself
""",
        "infimed_plugins/trainers/verl.py",
    ),
    Adapter(
        "trl",
        "0.24",
        "a function of completions and columns",
        "TRL's GRPOTrainer, in training",
        """from infimed_plugins.trainers.trl import infimed_reward

GRPOTrainer(model=..., reward_funcs=infimed_reward, train_dataset=...)  # with a column ground_truth
# where the chat template opens <think> itself: functools.partial(infimed_reward, think_prefilled=True),
# with a __name__ of its own, or INFIMED_REWARD={{"think_prefilled": true}} in the environment
""",
        "infimed_plugins/trainers/trl.py",
    ),
    Adapter(
        "ms-swift",
        "4.6",
        "a file that registers a class",
        "ms-swift 4.6.0's own loader",
        """swift rlhf --rlhf_type grpo --external_plugins {file} --reward_funcs infimed ...
# where the chat template opens <think> itself: export INFIMED_REWARD='{{"think_prefilled": true}}'
""",
        "infimed_plugins/trainers/ms_swift.py",
    ),
    Adapter(
        "openrlhf",
        "0.11",
        "a file with a function of queries, prompts and labels",
        "OpenRLHF 0.11.2's own loader",
        """python -m openrlhf.cli.train_ppo_ray --reward.remote_url {file} --data.label_key ground_truth ...
# where the chat template opens <think> itself: export INFIMED_REWARD='{{"think_prefilled": true}}'
""",
        "infimed_plugins/trainers/openrlhf.py",
    ),
    Adapter(
        "verifiers",
        "0.4",
        "an async function of a task and its trace",
        "verifiers 0.4.0's own Task and Trace",
        """[env.taskset.task.rewards.infimed]
fn = "infimed_plugins.trainers.verifiers:infimed"

[env.taskset.task.metrics.infimed]
fn = "infimed_plugins.trainers.verifiers:infimed_metrics"
# where the chat template opens <think> itself: export INFIMED_REWARD='{{"think_prefilled": true}}'
""",
        "infimed_plugins/trainers/verifiers.py",
    ),
)


def find_adapter(name: str) -> Adapter:
    """Return the adapter of a trainer, its name in any case, ``_`` as ``-``. Raises ConfigError with the known ones."""
    adapters = {adapter.name: adapter for adapter in ADAPTERS}
    return adapters[known_name(name, adapters, "trainer")]
