"""Run the two upstream trainers as subprocesses, and check a configuration and its data before a long run.

- ``run_llamafactory`` and ``run_easyr1`` start the real commands, follow their logs and clean up after them;
- ``llamafactory.check_sft`` and ``easyr1.check_rl`` replay what upstream would do with a configuration and its data;
- ``easyr1_merge.merged_checkpoint`` turns EasyR1's shards into a folder that transformers loads.
"""

from infimed_plugins.trainers.faults import Checked, Fault, Summary
from infimed_plugins.trainers.launch import Progress, run_easyr1, run_llamafactory

__all__ = ["Checked", "Fault", "Progress", "Summary", "run_easyr1", "run_llamafactory"]
