"""The reward for verl (PyPI's, 0.9): one sample a call, in a thread (verl/trainer/ppo/reward.py, load_extern_object).

``infimed trainers show verl`` prints the lines to paste.
"""

from __future__ import annotations

from typing import Any

from infimed_plugins.rewards import compute_score as score_batch
from infimed_plugins.rewards.scorer import read_settings, settings_of_environment


def compute_score(
    data_source: str = "", solution_str: Any = "", ground_truth: Any = None, extra_info: Any = None, **settings: Any
) -> dict[str, float]:
    """Return the score of one reply: ``score`` for training, ``acc`` for validation, the same keys in every sample.

    ``settings`` are settings of compute_score, from ``reward_kwargs``. Whatever else verl passes
    (``reward_router_address`` and the like) is ignored. Raises ConfigError for a misspelled setting.
    """
    own = {**settings_of_environment(), **read_settings(settings)}
    (row,) = score_batch([{"response": solution_str, "ground_truth": ground_truth}], **own)
    return {"score": row["overall"], "acc": row["accuracy"], **row}
