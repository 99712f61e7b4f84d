"""LLaMA-Factory: ShareGPT rows, and the check of a configuration and all its data, without loading the model.

    faults = check_sft(Path("llamafactory_configs/infimed_sft.yaml")).faults

A row, one JSON object a line, beside a ``dataset_info.json``::

    {"messages": [{"role": "user", "content": "<image>Which organ is shown?\\nAnswer with a word …"},
                  {"role": "assistant", "content": "liver"}],
     "images": ["images/ab/ab3f….png"], "id": "phantom-train-00004-organ"}

Rows with and without images go to sets of their own, ``NAME`` and ``NAME_text`` (export/jsonl.py says why), image sets
listed first. ``media_dir`` and ``dataset_dir`` are both the build folder.

The check: upstream's own code parses the configuration, loads the tokenizer and processor, and reads and encodes every
row (hparams/parser.py:get_train_args, data/loader.py, data/processor/supervised.py). On top of it come the things that
upstream lets pass: cut rows, dropped rows, images clipped to white, an old ``tokenized_path`` that overrules the data.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from infimed_plugins import prompts
from infimed_plugins.errors import ConfigError, optional_module
from infimed_plugins.export import ExportRow, Format
from infimed_plugins.export.jsonl import write_jsonl
from infimed_plugins.limits import parse_json
from infimed_plugins.storage import write_whole
from infimed_plugins.trainers.data_check import OnProgress, in_cache, model_fault, unreadable_file
from infimed_plugins.trainers.faults import Checked, Fault, Summary, nearest
from infimed_plugins.trainers.launch import read_settings
from infimed_plugins.trainers.llamafactory_rows import check_rows
from infimed_plugins.trainers.llamafactory_settings import (
    names_in,
    setting_faults,
    step_faults,
    steps_per_epoch,
    trained_rows,
)
from infimed_plugins.trainers.registry import Trainer
from infimed_plugins.trainers.upstream_llamafactory import (
    command_line_options,
    default_settings,
    quiet_llamafactory,
)

_REGISTRY = "dataset_info.json"  # the name LLaMA-Factory looks for (data/parser.py)
# every column and tag is named: naming one resets all others to None (llamafactory/data/parser.py, DatasetAttr.join)
COLUMNS = {"messages": "messages", "images": "images"}
TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "observation_tag": "observation",
    "function_tag": "function_call",
    "system_tag": "system",
}
# only the machine that trains can judge these; the check runs anywhere
_HARDWARE_KEYS = ("deepspeed", "fsdp", "fsdp_config", "tf32", "fp16", "use_cpu")


def check_sft(
    config: Path,
    overrides: Sequence[str] = (),
    *,
    devices: int | None = None,
    on_progress: OnProgress = lambda done, total: None,
) -> Checked:
    """Check a configuration and its data; return all faults. ``devices`` that will train; default: this machine's.

    Raises MissingFileError without the file, ConfigError for one that is no YAML mapping, and MissingExtraError
    without LLaMA-Factory.
    """
    optional_module("llamafactory", "checking a LLaMA-Factory configuration", "sft")
    if config.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"{config} is not .yaml or .yml; LLaMA-Factory fails on any other")
    settings = read_settings(config, overrides, resolve=False)
    with quiet_llamafactory():
        faults = [*_key_faults(settings), *_value_faults(settings)]
        faults += setting_faults(_sound(settings, faults), default_settings())
        sound = _sound(settings, faults)
        faults += _path_faults(settings)
        arguments = _parse(sound, config, faults)
        if arguments is None or any(fault.where in _DATA_KEYS for fault in faults):
            return Checked(tuple(faults), None)
        has_model = all(fault.where != "model_name_or_path" for fault in faults)
        rows = check_rows(arguments, has_model, on_progress)
        faults += rows.faults
        trained = trained_rows(rows.count, arguments[1], faults)
        at_once = arguments[2].per_device_train_batch_size * (devices or _devices_here())
        steps = steps_per_epoch(arguments[2], trained, at_once)
        faults += step_faults(arguments[2], trained, at_once, steps)
    sequences = at_once * arguments[2].gradient_accumulation_steps
    return Checked(tuple(faults), Summary(trained, rows.longest, sequences, steps))


_DATA_KEYS = ("dataset", "eval_dataset", "dataset_dir", "media_dir")


def _sound(settings: dict[str, Any], faults: Sequence[Fault]) -> dict[str, Any]:
    bad = {fault.where for fault in faults}
    return {key: value for key, value in settings.items() if key not in bad}


def _key_faults(settings: dict[str, Any]) -> Iterator[Fault]:
    known = default_settings()
    for key, value in settings.items():
        if key not in known:
            yield Fault(key, "LLaMA-Factory has no such key and would refuse to start", nearest(key, known))
        elif "${" in str(value):
            yield Fault(key, f"LLaMA-Factory does not fill in {value}", "write the value")


def _value_faults(settings: dict[str, Any]) -> Iterator[Fault]:
    """Yield values of wrong type or outside the choices: upstream judges these on its command line only."""
    actions, default = command_line_options(), default_settings()
    for key, value in settings.items():
        action = actions.get(f"--{key}")
        if value is None and default.get(key) is not None:
            yield Fault(key, "is null, and LLaMA-Factory needs a value", f"write one, such as {default[key]}")
        if action is None or value is None or isinstance(value, (dict, list)):
            continue
        if action.choices and value not in action.choices:
            yield Fault(key, f"{value!r} is not a choice", f"one of {', '.join(map(str, action.choices))}")
        elif action.type in (int, float) and (isinstance(value, (str, bool)) or action.type(value) != value):
            yield Fault(key, f"{value!r} is not {'an integer' if action.type is int else 'a number'}", "write a number")


def _path_faults(settings: dict[str, Any]) -> Iterator[Fault]:
    """Yield missing files and folders, and old ones in the way."""
    model = settings.get("model_name_or_path")
    if isinstance(model, str) and (
        fault := model_fault("model_name_or_path", model, bool(settings.get("trust_remote_code")))
    ):
        yield fault
    yield from _dataset_faults(settings)
    for key, fix in _FOLDERS.items():
        for name in names_in(settings.get(key)):
            folder = Path(name)
            if not folder.is_dir() and not in_cache(name, "adapter_config.json"):
                yield Fault(key, f"there is no folder {name}", fix)
            elif folder.is_dir() and key != "media_dir" and not [*chain(*map(folder.glob, _WEIGHTS))]:
                yield Fault(key, f"{name} holds no weights", fix)
    if settings.get("resume_from_checkpoint") is True and not any(Path(str(settings.get("output_dir"))).glob(_STEPS)):
        what = f"there is no checkpoint in {settings.get('output_dir')} to go on from"
        yield Fault("resume_from_checkpoint", what, "remove it: a run goes on from its last checkpoint by itself")
    tokenized = settings.get("tokenized_path")
    if tokenized and Path(str(tokenized)).exists():
        what = f"{tokenized} exists, and would be trained on whatever dataset says"
        yield Fault("tokenized_path", what, "remove the folder or the key")
    deepspeed = settings.get("deepspeed")
    if isinstance(deepspeed, str) and not Path(deepspeed).is_file():
        yield Fault("deepspeed", f"there is no file {deepspeed}", "write the settings in place or correct the path")


_STEPS, _WEIGHTS = "checkpoint-*", ("*.safetensors", "*.bin", "*.pt", "global_step*")
_FOLDERS = {
    "media_dir": "build the data or correct the path",
    "resume_from_checkpoint": f"name a folder {_STEPS} of the run, or remove it",
    "adapter_name_or_path": "train or download the adapter, or remove it",
}


def _dataset_faults(settings: dict[str, Any]) -> Iterator[Fault]:
    folder = Path(str(settings.get("dataset_dir", "data")))
    registry = folder / _REGISTRY
    if not registry.is_file():
        yield Fault("dataset_dir", f"there is no {registry}", "build the data (infimed data build) or correct the path")
        return
    try:
        known = parse_json(registry.read_text(encoding="utf-8"), registry)  # as strict as LLaMA-Factory
    except ValueError as error:
        what, fix = unreadable_file(registry) or (str(error), "build the data again")
        yield Fault("dataset_dir", f"{registry} cannot be read: {what}", fix)
        return
    for key in ("dataset", "eval_dataset"):
        names = names_in(settings.get(key))
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield Fault(key, f"{name} is named twice and would be read once", "name it once")
        for name in names:
            yield from _entry_faults(key, name, known, registry)


def _entry_faults(key: str, name: str, known: Any, registry: Path) -> Iterator[Fault]:
    if not isinstance(known, dict) or name not in known:
        yield Fault(key, f"{registry} has no data set {name!r}", nearest(name, known))
    elif "file_name" in known[name] and not (registry.parent / known[name]["file_name"]).exists():
        missing = registry.parent / known[name]["file_name"]
        yield Fault(key, f"there is no {missing}", "build the data again or correct file_name")
    elif known[name].get("formatting") == "sharegpt" and "messages" not in known[name].get("columns", ("messages",)):
        what = f"the columns of {name!r} do not name messages, which naming any column resets"
        yield Fault(key, what, f'add "messages" to its columns in {registry}')


def _parse(settings: dict[str, Any], config: Path, faults: list[Fault]) -> Any:
    """Return upstream's parsed arguments, or None and add a fault. What depends on hardware is left out."""
    from llamafactory.hparams import get_train_args

    portable = {key: value for key, value in settings.items() if key not in _HARDWARE_KEYS} | {"use_cpu": True}
    try:
        return get_train_args(portable)
    except (ValueError, TypeError, ImportError, OSError, KeyError) as error:
        said = " ".join(str(error).split())
    if "overwrite_output_dir" in said and not settings.get("overwrite_output_dir"):
        what = f"{settings.get('output_dir')} holds a trained model"
        faults.append(Fault("output_dir", what, "set overwrite_output_dir: true or name another folder"))
        return _parse(settings | {"overwrite_output_dir": True}, config, faults)
    faults.append(Fault(str(config), f"LLaMA-Factory refuses it: {said}", "change what it names"))
    return None


def _devices_here() -> int:
    import torch

    processes = int(os.environ.get("NPROC_PER_NODE", 0)) or torch.cuda.device_count() or 1
    return processes * int(os.environ.get("NNODES", 1))


def sharegpt_row(row: ExportRow) -> dict[str, Any]:
    """Return the row as LLaMA-Factory reads it."""
    asked = prompts.render(row.sample, row.style)
    answer = prompts.escape_media_tags(prompts.target(row.sample, row.style))
    turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
    return {"messages": turns, "images": list(row.images), "id": row.sample.id}


def write_rows(rows: Iterable[ExportRow], folder: Path, _: Path, name: str) -> dict[str, int]:
    """Write a ``.jsonl`` file per set and ``dataset_info.json``; return the rows of each file, image sets first."""
    counts = write_jsonl(
        rows,
        folder,
        folder,
        to_row=lambda row, _: sharegpt_row(row),
        name_of=lambda into: name + ("" if into == "train" else f"_{into}"),
    )
    registry = dataset_info(file.removesuffix(".jsonl") for file in counts)
    write_whole(folder / _REGISTRY, json.dumps(registry, indent=2) + "\n")
    return counts


def dataset_info(datasets: Iterable[str]) -> dict[str, Any]:
    """Return the registry LLaMA-Factory reads from its ``dataset_dir``."""
    return {
        dataset: {"file_name": f"{dataset}.jsonl", "formatting": "sharegpt", "columns": COLUMNS, "tags": TAGS}
        for dataset in datasets
    }


TRAINERS = (
    Trainer(
        name="llamafactory",
        format=Format(
            write_rows,
            "In LLaMA-Factory's YAML: dataset: {sets}, dataset_dir and media_dir: {folder}",
            images_beside=True,
            beside=(_REGISTRY,),
        ),
    ),
)
