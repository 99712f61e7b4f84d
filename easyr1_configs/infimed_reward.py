"""The reward EasyR1 loads by path: ``worker.reward.reward_function: …/infimed_reward.py:compute_score``.

The function is the installed package's; ``reward_function_kwargs`` may set ``w_format``, ``w_acc``, ``task``,
``reward``, ``think_prefilled``, ``think_tag``, ``answer_tag``, ``answer_frame`` and ``judge``.
"""

from infimed_plugins.rewards import compute_score

__all__ = ["REWARD_NAME", "REWARD_TYPE", "compute_score"]

REWARD_NAME = "infimed"
REWARD_TYPE = "batch"
