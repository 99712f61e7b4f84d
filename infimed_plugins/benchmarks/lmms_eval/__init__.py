"""The benchmarks as tasks of lmms-eval, added from outside: its tree is not touched.

    export INFIMED_DATA_DIR=DIR
    python -m lmms_eval --model … --tasks infimed --include_path "$(python -m infimed_plugins.benchmarks.lmms_eval)"

``--include_path`` is read by its TaskManager (lmms_eval/tasks/__init__.py:43, versions 0.7.2 and 0.7.3), which takes
every ``*.yaml`` below. ``infimed`` stands for the seven tasks of the paper, ``infimed_text`` for the five without
pictures; ``infimed_gmai_mmbench`` is asked by its name, and ``infimed_phantom`` needs no download.
"""

from __future__ import annotations

from pathlib import Path

TASKS = {  # task -> source and split
    "phantom": ("phantom", "test"),
    "mmmu_health": ("mmmu_health", "validation"),
    "vqa_rad": ("vqa_rad", "test"),
    "slake": ("slake", "test"),
    "path_vqa": ("path_vqa", "test"),
    "pmc_vqa_2": ("pmc_vqa_2", "test"),
    "omnimedvqa": ("omnimedvqa", "test"),
    "medxpertqa_mm": ("medxpertqa_mm", "test"),
    "gmai_mmbench": ("gmai_mmbench", "val"),
    "medqa": ("medqa", "test"),
    "medmcqa": ("medmcqa", "validation"),
    "pubmedqa": ("pubmedqa", "test"),
    "mmlu_medical": ("mmlu_medical", "test"),
    "medxpertqa_text": ("medxpertqa_text", "test"),
}


def include_path() -> Path:
    """The folder to give lmms-eval as ``--include_path``."""
    return Path(__file__).parent
