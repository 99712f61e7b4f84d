"""Adapters to the trainers that take the rewards, with the lines to paste into the configuration of each."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from infimed_plugins.errors import known_name
from infimed_plugins.paths import shipped
from infimed_plugins.records import Json
from infimed_plugins.trainers.upstream_easyr1 import COMMIT

# settings where a trainer has no arguments for them; Ray's workers have the environment of `ray start`
_KWARGS = """export INFIMED_REWARD_KWARGS='{{"w_format": 0.1, "w_acc": 0.9, "think_prefilled": false}}'
# think_prefilled: true where the chat template opens <think> itself
"""


_VERIFIERS = """[{0}.rewards.infimed]
fn = "infimed_plugins.trainers.verifiers:infimed"

[{0}.metrics.infimed]
fn = "infimed_plugins.trainers.verifiers:infimed_metrics"
"""
# of these, `infimed data build --format NAME` writes the rows, and `infimed trainers config NAME` the configuration
_WHOLE = ("easyr1", "verl", "trl", "ms-swift", "openrlhf")


@dataclass(frozen=True)
class Adapter:
    """One trainer and the ``version`` tried. ``lines`` holds ``{file}``, the adapter's path here."""

    name: str
    version: str
    takes: str
    file: str
    lines: str

    @property
    def path(self) -> Path:
        """The adapter's file in this installation."""
        return shipped(self.file).resolve()

    @property
    def rows(self) -> str | None:
        """The format of `infimed data build` that it loads."""
        return self.name if self.name in _WHOLE else None

    @property
    def configuration(self) -> str | None:
        """The command that prints its configuration."""
        return f"infimed trainers config {self.name}" if self.rows else None

    def show(self) -> str:
        """Return the lines to paste."""
        return self.lines.format(file=self.path)

    def to_json(self) -> dict[str, Json]:
        """Return every field, with the real path."""
        more = {"rows": self.rows, "configuration": self.configuration, "file": str(self.path), "lines": self.show()}
        return {**asdict(self), **more}


ADAPTERS = (
    Adapter(
        "easyr1",
        COMMIT[:7],
        "a file with a batch function",
        "easyr1_configs/infimed_reward.py",
        """worker:
  reward:
    reward_function: {file}:compute_score
    reward_function_kwargs:
      w_format: 0.1
      w_acc: 0.9
      think_prefilled: false  # true where the chat template opens <think> itself
""",
    ),
    Adapter(
        "verl",
        "0.9.1",
        "a module with a function for one sample",
        "infimed_plugins/trainers/verl.py",
        """python -m verl.trainer.main_ppo ... \\
    reward.custom_reward_function.path=pkg://infimed_plugins.trainers.verl \\
    reward.custom_reward_function.name=compute_score \\
    +reward.custom_reward_function.reward_kwargs.w_format=0.1 \\
    +reward.custom_reward_function.reward_kwargs.w_acc=0.9 \\
    +reward.custom_reward_function.reward_kwargs.think_prefilled=false
# true where the chat template opens <think> itself
""",
    ),
    Adapter(
        "trl",
        "1.16.0",
        "a function of completions and columns",
        "infimed_plugins/trainers/trl.py",
        """from infimed_plugins.trainers.trl import reward_with

reward = reward_with(w_format=0.1, w_acc=0.9, think_prefilled=False)  # True where the template opens <think> itself
GRPOTrainer(model=..., reward_funcs=reward, train_dataset=...)  # with a column ground_truth
# or: trl grpo --reward_funcs infimed_plugins.trainers.trl.infimed_reward, with these settings in the environment:
"""
        + _KWARGS,
    ),
    Adapter(
        "ms-swift",
        "4.6.0",
        "a file that registers a class",
        "infimed_plugins/trainers/ms_swift.py",
        _KWARGS + "swift rlhf --rlhf_type grpo --external_plugins {file} --reward_funcs infimed ...\n",
    ),
    Adapter(
        "openrlhf",
        "0.11.2",
        "a file with a function of queries, prompts and labels",
        "infimed_plugins/trainers/openrlhf.py",
        _KWARGS
        + """python -m openrlhf.cli.train_ppo_ray --reward.remote_url {file} --data.label_key ground_truth \\
    --data.max_images_per_prompt 1 ...
""",
    ),
    Adapter(
        "verifiers",
        "0.4.0",
        "an async function of a task and its trace",
        "infimed_plugins/trainers/verifiers.py",
        _KWARGS + "# in the TOML file for vf-eval:\n" + _VERIFIERS.format("env.taskset.task"),
    ),
    Adapter(
        "prime-rl",
        "0.8.0, read",
        "verifiers' functions",
        "infimed_plugins/trainers/verifiers.py",
        _KWARGS + _VERIFIERS.format("orchestrator.train.source.env.taskset.task"),
    ),
    Adapter(
        "slime",
        "624b824",
        "an async function of one sample or a group",
        "infimed_plugins/trainers/single_calls.py",
        _KWARGS
        + """python train.py --custom-rm-path infimed_plugins.trainers.single_calls.slime --reward-key overall \\
    --label-key ground_truth ...
""",
    ),
    Adapter(
        "areal",
        "4aef98d",
        "a function for one reply",
        "infimed_plugins/trainers/single_calls.py",
        _KWARGS + 'reward_fn="infimed_plugins.trainers.single_calls.areal"  # with a column ground_truth\n',
    ),
    Adapter(
        "rllm",
        "9beb6e0",
        "a function of a task and its episode",
        "infimed_plugins/trainers/single_calls.py",
        _KWARGS
        + """# in dataset.toml, with a column ground_truth:
[verifier]
import_path = "infimed_plugins.trainers.single_calls:rllm"
""",
    ),
    Adapter(
        "nemo-gym",
        "07d6b0d",
        "a resources server",
        "infimed_plugins/trainers/nemo_gym.py",
        _KWARGS
        + """# resources_servers/infimed/app.py, with infimed-plugins[rewards] in requirements.txt beside it:
from infimed_plugins.trainers.nemo_gym import InfimedServer

if __name__ == "__main__":
    InfimedServer.run_webserver()
# resources_servers/infimed/configs/infimed.yaml:
infimed:
  resources_servers:
    infimed:
      entrypoint: app.py
      domain: knowledge
""",
    ),
)


def find_adapter(name: str) -> Adapter:
    """Return the adapter of a trainer, its name in any case, ``_`` as ``-``. Raises ConfigError with the known ones."""
    adapters = {adapter.name: adapter for adapter in ADAPTERS}
    return adapters[known_name(name, adapters, "trainer")]
