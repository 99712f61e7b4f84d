"""Print the folder to give lmms-eval as ``--include_path``."""

from __future__ import annotations

from infimed_plugins.benchmarks.lmms_eval import include_path

print(include_path())
