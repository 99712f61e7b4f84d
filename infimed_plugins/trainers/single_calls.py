"""The reward for trainers that call a function for each reply: slime, AReaL and rLLM.

Settings come from INFIMED_REWARD_KWARGS. NeMo Gym's server is in nemo_gym.py, which cannot be imported without it.
"""

from __future__ import annotations

import asyncio
from typing import Any

from infimed_plugins.errors import NoVerdictError
from infimed_plugins.trainers.registry import SETTINGS_LINES, Trainer
from infimed_plugins.trainers.replies import score_replies, truth_of


async def slime(args: Any, samples: Any, **_: Any) -> Any:
    """Return the reward of a sample, or a list of them (``--group-rm``): ``overall``, or all with ``--reward-key``.

    slime (624b824) awaits it (slime/rollout/rm_hub/__init__.py:54, 98); ``label`` holds the ground truth. A sample
    without a verdict is taken out of the loss (``remove_sample``, slime/utils/types.py).
    """
    given = samples if isinstance(samples, list) else [samples]
    texts, truths = [sample.response for sample in given], [sample.label for sample in given]
    scores = await asyncio.to_thread(score_replies, texts, truths)
    for sample, score in zip(given, scores, strict=True):
        sample.remove_sample = sample.remove_sample or bool(score["no_verdict"])
    rewards = [score if args.reward_key else score["overall"] for score in scores]
    return rewards if isinstance(samples, list) else rewards[0]


def areal(prompt: Any, completions: Any, prompt_ids: Any = None, completion_ids: Any = None, **columns: Any) -> float:
    """Return ``overall`` of one reply; AReaL (4aef98d) calls it in another process (areal/api/reward_api.py).

    Raises NoVerdictError where what judges is out: AReaL tries again, then drops the rollout (areal/infra/
    workflow_executor.py:1140).
    """
    (score,) = score_replies([completions], [truth_of(columns)])
    if score["no_verdict"]:
        raise NoVerdictError("no verdict on this reply: what judges it is out")
    return score["overall"]


def rllm(task: Any, episode: Any) -> Any:
    """Return rLLM's EvalOutput of the last reply, with the other keys as its signals.

    rLLM (9beb6e0) calls it by ``[verifier] import_path`` (rllm/eval/_resolution.py:396); ``metadata`` is the row.
    """
    from rllm.eval.types import EvalOutput, Signal

    steps = [step for trajectory in episode.trajectories for step in trajectory.steps if step.model_response]
    said = {"content": steps[-1].model_response, "reasoning": steps[-1].thought} if steps else None
    (score,) = score_replies([said or episode.artifacts.get("answer")], [truth_of(task.metadata)])
    signals = [Signal(name=key, value=value) for key, value in score.items() if key != "overall"]
    return EvalOutput(reward=score["overall"], is_correct=score["accuracy"] == 1.0, signals=signals)


TRAINERS = (
    Trainer(
        name="slime",
        version="624b824",
        takes="an async function of one sample or a group",
        lines=SETTINGS_LINES
        + """python train.py --custom-rm-path infimed_plugins.trainers.single_calls.slime --reward-key overall \\
    --label-key ground_truth ...
""",
    ),
    Trainer(
        name="areal",
        version="4aef98d",
        takes="a function for one reply",
        lines=SETTINGS_LINES
        + 'reward_fn="infimed_plugins.trainers.single_calls.areal"  # with a column ground_truth\n',
    ),
    Trainer(
        name="rllm",
        version="9beb6e0",
        takes="a function of a task and its episode",
        lines=SETTINGS_LINES
        + """# in dataset.toml, with a column ground_truth:
[verifier]
import_path = "infimed_plugins.trainers.single_calls:rllm"
""",
    ),
    Trainer(
        name="nemo-gym",
        version="07d6b0d",
        takes="a resources server",
        file="infimed_plugins/trainers/nemo_gym.py",
        lines=SETTINGS_LINES
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
