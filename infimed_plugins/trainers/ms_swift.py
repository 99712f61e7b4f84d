"""The reward for ms-swift's GRPO, registered when swift imports this file (swift/utils/utils.py, import_external_file).

``infimed trainers show ms-swift`` prints the lines to paste. The data set needs a column ``ground_truth``, or
``answer`` or ``solution``.
"""

from __future__ import annotations

from typing import Any

from infimed_plugins.trainers.trl import infimed_reward


class InfimedReward:
    """An outcome reward as swift calls it: ``ORM(args)(completions, **columns)`` (swift/rewards/orm.py)."""

    def __init__(self, args: Any = None, **_: Any) -> None:
        self.args = args

    def __call__(self, completions: list[str], **columns: Any) -> list[float | None]:
        """Return ``overall`` of each completion, None where there is no verdict."""
        return infimed_reward(completions, **{key: columns[key] for key in columns if key not in ("prompts", "task")})


try:
    from swift.rewards import orms
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "swift":  # OpenStack's swift has no rewards
        raise
else:
    orms["infimed"] = InfimedReward
