"""Whether what a configuration names is there, without the network."""

from __future__ import annotations

import re
from pathlib import Path

from infimed_plugins.errors import MissingExtraError
from infimed_plugins.trainers.faults import Fault

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_DATA_SUFFIXES = {".parquet", ".json", ".jsonl", ".csv", ".arrow", ".txt"}


def model_fault(key: str, model: str) -> Fault | None:
    """What is missing of a model's folder, or of a hub model on this machine."""
    folder = Path(model)
    if folder.is_dir():
        missing = [name for name in ("config.json", "tokenizer_config.json") if not (folder / name).exists()]
        if not missing:
            return None
        return Fault(key, f"{model} has no {missing[0]}", "save the model, its tokenizer and processor there")
    if not _HUB_NAME.fullmatch(model):
        return Fault(key, f"there is no folder {model}", "train or download the model, or name another")
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError as error:
        raise MissingExtraError("finding a model", "huggingface_hub", "transformers") from error
    if isinstance(try_to_load_from_cache(model, "config.json"), str):
        return None
    what = f"{model} is not on this machine, so no row was tokenised"
    return Fault(key, what, f"run: hf download {model}")


def is_file_name(data: str) -> bool:
    """Whether a data set's name means a file or folder here, rather than a data set on the hub."""
    return Path(data).suffix in _DATA_SUFFIXES or not _HUB_NAME.fullmatch(data)
