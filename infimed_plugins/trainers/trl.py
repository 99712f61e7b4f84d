"""The reward for TRL's GRPOTrainer: a function of completions and the data set's columns.

``infimed trainers show trl`` prints the lines to paste. The data set needs a column ``ground_truth``, or ``answer`` or
``solution``. A plain function, so that it can be pickled and named (``trl grpo --reward_funcs``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from infimed_plugins.errors import ConfigError
from infimed_plugins.rewards.scorer import check_settings
from infimed_plugins.tables.cells import blank
from infimed_plugins.trainers.replies import TRUTH_COLUMNS, score_replies


def infimed_reward(
    completions: Sequence[Any],
    prompts: Sequence[Any] | None = None,
    log_metric: Callable[[str, float], None] | None = None,
    log_extra: Callable[[str, list[str]], None] | None = None,
    **columns: Any,
) -> list[float | None]:
    """Return ``overall`` of each completion, a string or a conversation; None where there is no verdict.

    TRL 1.16 leaves such a completion out (trl/trainer/grpo_trainer.py:2759); 0.24 takes it for 0.
    ``columns`` are the data set's, and settings of ``compute_score``, which are no lists. Format, accuracy
    and the other keys are logged where TRL offers ``log_metric``; ``log_extra`` takes what ``infimed profile`` needs
    in TRL's log of completions: truths and ids. Raises ConfigError without a column of ground truths.
    """
    named = [columns[name] for name in TRUTH_COLUMNS if columns.get(name) is not None]
    if not named:
        raise ConfigError(f"the data set has no ground truth; name its column one of {', '.join(TRUTH_COLUMNS)}")
    truths = [next((value for value in row if not blank(value)), None) for row in zip(*named, strict=True)]
    scores = score_replies(completions, truths, columns, columns.get("completion_ids") or ())
    if log_metric is not None and scores:
        for key in scores[0]:
            log_metric(f"infimed/{key}", sum(score[key] for score in scores) / len(scores))
    if log_extra is not None:
        log_extra("ground_truth", list(map(str, truths)))
        if ids := columns.get("id"):
            log_extra("uid", list(map(str, ids)))
    return [None if score["no_verdict"] else score["overall"] for score in scores]


def reward_with(**settings: Any) -> Callable[..., list[float | None]]:
    """Return ``infimed_reward`` with settings of compute_score. Raises ConfigError at once for any that cannot be."""
    reward = partial(infimed_reward, **check_settings(settings))
    reward.__name__ = infimed_reward.__name__  # type: ignore[attr-defined]  # TRL names its metrics by it
    return reward
