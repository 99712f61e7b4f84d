"""The reward for verl (PyPI's, 0.9): one sample a call, in a thread (verl/trainer/ppo/reward.py, load_extern_object).

``infimed trainers show verl`` prints the lines to paste.
"""

from __future__ import annotations

from typing import Any

from infimed_plugins.trainers.replies import score_replies


def compute_score(
    data_source: str = "", solution_str: Any = "", ground_truth: Any = None, extra_info: Any = None, **settings: Any
) -> dict[str, float]:
    """Return the score of one reply: ``score`` for training, ``acc`` for validation, the same keys in every sample.

    ``settings`` are settings of compute_score, from ``reward_kwargs``. Whatever else verl passes
    (``reward_router_address`` and the like) is ignored. Raises ConfigError for a misspelled setting.
    """
    (row,) = score_replies([solution_str], [ground_truth], settings)
    return {"score": row["overall"], "acc": row["accuracy"], **row}
