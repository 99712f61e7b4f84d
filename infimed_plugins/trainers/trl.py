"""The reward for TRL's GRPOTrainer: a function of completions and the data set's columns.

``infimed trainers show trl`` prints the lines to paste. The data set needs a column ``ground_truth``, or ``answer`` or
``solution``. A plain function, so that it can be pickled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from infimed_plugins.errors import ConfigError
from infimed_plugins.rewards import compute_score
from infimed_plugins.rewards.scorer import read_settings, settings_of_environment
from infimed_plugins.tables.cells import blank

TRUTH_COLUMNS = ("ground_truth", "answer", "solution")  # a solution may be worked


def infimed_reward(
    completions: Sequence[Any],
    prompts: Sequence[Any] | None = None,
    log_metric: Callable[[str, float], None] | None = None,
    **columns: Any,
) -> list[float]:
    """Return ``overall`` of each completion: a string, or a conversation (list of turns; the last one counts).

    ``columns`` are the data set's, and settings of ``compute_score``, which are no lists. Format, accuracy
    and the other keys are logged where TRL offers ``log_metric``. Raises ConfigError without a column of ground truths.
    """
    named = [columns[name] for name in TRUTH_COLUMNS if columns.get(name) is not None]
    if not named:
        raise ConfigError(f"the data set has no ground truth; name its column one of {', '.join(TRUTH_COLUMNS)}")
    truths = [next((value for value in row if not blank(value)), None) for row in zip(*named, strict=True)]
    rows = [
        {"response": _text(completion), "ground_truth": truth}
        for completion, truth in zip(completions, truths, strict=True)
    ]
    settings = {**settings_of_environment(), **read_settings(columns)}
    scores = compute_score(rows, **settings)
    if log_metric is not None and scores:
        for key in scores[0]:
            log_metric(f"infimed/{key}", sum(score[key] for score in scores) / len(scores))
    return [score["overall"] for score in scores]


def _text(completion: Any) -> Any:
    if not isinstance(completion, list):
        return completion
    turn = completion[-1] if completion else None
    content = turn.get("content") if isinstance(turn, dict) else ""
    if isinstance(content, list):
        return "".join(part.get("text") or "" for part in content if isinstance(part, dict))
    return content
