"""Check the configuration and rows of any trainer that the package writes rows for; of them only EasyR1 must be there.

    faults = check(Path("verl.yaml"), ["data.train_files=data/train.parquet"]).faults

The rows are loaded with `datasets` as the trainers do, prompts rendered with the model's own chat template and counted
with its processor (ms-swift has templates of its own, meant to write the same), and replies scored through its adapter.
A configuration is YAML, or a shell script with the trainer's command, of which each flag's first value counts.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial, reduce
from pathlib import Path
from typing import Any

from infimed_plugins.errors import ConfigError, InfimedError, MissingFileError, optional_module
from infimed_plugins.limits import parse_yaml, read_bytes
from infimed_plugins.prompts import IMAGE_TAG
from infimed_plugins.records import Json
from infimed_plugins.rewards.scorer import OLD_VARIABLE, VARIABLE, check_settings
from infimed_plugins.trainers import easyr1
from infimed_plugins.trainers.data_check import OnProgress, Rows, load_errors, load_fault, model_fault, quiet, reference
from infimed_plugins.trainers.faults import Checked, Fault, Summary, first_line, nearest
from infimed_plugins.trainers.launch import flat
from infimed_plugins.trainers.registry import GRPO, Keys, find_trainer
from infimed_plugins.trainers.reward_check import LoadedReward, judge_faults
from infimed_plugins.trainers.rl_rows import Asked, RowRules, Walk

_Settings = Mapping[str, Any]


def check(
    config: Path, overrides: Sequence[str] = (), trainer: str | None = None, on_progress: OnProgress = lambda *_: None
) -> Checked:
    """Check a configuration and its rows; return all faults. Its keys tell the trainer where none is named.

    Raises MissingFileError without the file, and ConfigError for one that cannot be read or an unknown trainer.
    """
    settings = read_configuration(config, overrides)
    known = [find_trainer(name) for name in GRPO]
    told = next((one.name for one in known if one.keys and one.keys.model in settings), "easyr1")
    keys = find_trainer(trainer or told, GRPO).keys
    if keys is None:
        return easyr1.check_rl(config, overrides, on_progress=on_progress)
    rows = Rows()
    what = "is not set, and no row is trained on as meant"
    fix = f"set it (infimed trainers config {keys.title.lower()})"
    needed = (keys.model, keys.files[0], *keys.needed)
    faults = [Fault(key, what, fix) for key in needed if not settings.get(key)]
    with quiet():
        rules = _rules(keys, settings, faults)
        warnings = judge_faults(rules.reward, faults)
        for key in keys.files:
            for name in _listed(settings.get(key)):
                _check_set(key, name, keys, settings, rules, rows, on_progress)
    faults += rows.faults
    summary = Summary(rows.count, rows.longest) if rows.count else None
    return Checked(tuple(dict.fromkeys(faults)), summary, warnings)


def read_configuration(config: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return a configuration's values by their dotted keys, with ``key=value`` or ``--key value`` overrides.

    Raises MissingFileError without the file and ConfigError for one that cannot be read.
    """
    try:
        text = read_bytes(config).decode("utf-8-sig")
        if config.suffix in (".yaml", ".yml"):
            values = parse_yaml(text)
            if not isinstance(values, Mapping):
                raise ConfigError("it holds no key: value lines")
            return flat(values) | dict(_said(overrides))
        return dict(_said([*shlex.split(text.replace("\\\n", " "), comments=True), "", *overrides]))
    except FileNotFoundError as error:
        raise MissingFileError(f"no configuration at {config}; check the path") from error
    except (ValueError, OSError) as error:
        raise ConfigError(f"{config} cannot be read: {' '.join(str(error).split())}") from error


def _said(words: Sequence[str]) -> Iterator[tuple[str, Any]]:
    for word, after in zip(words, [*words[1:], ""], strict=False):
        key, equals, value = word.removeprefix("--").lstrip("+").partition("=")
        if equals:
            yield key, parse_yaml(value)
        elif word.startswith("--"):
            yield key, True if after.startswith("--") or after in ("", ")") else parse_yaml(after)


def _listed(value: Any) -> list[str]:
    """Return the names of data sets: a list, or one text with commas; swift's ``#500`` takes so many rows."""
    names = value if isinstance(value, list) else str(value or "").split(",")
    return [str(name).partition("#")[0].strip() for name in names if name]


def _variable(settings: _Settings, names: Sequence[str]) -> Any:
    """Return a variable of the environment as the configuration sets it, bare or as ``env.NAME``, or as it is."""
    here = {key.rpartition(".")[2]: value for key, value in settings.items()}
    return next((place[name] for place in (here, os.environ) for name in names if name in place), None)


def _below(prefix: str, settings: _Settings) -> dict[str, Any]:
    """Return the values of the keys that begin with ``prefix`` as the nested mapping that they are."""
    nested: dict[str, Any] = {}
    for key, value in settings.items():
        if key.startswith(prefix):
            *groups, name = key.removeprefix(prefix).split(".")
            reduce(lambda into, group: into.setdefault(group, {}), groups, nested)[name] = value
    return nested


def _rules(keys: Keys, settings: _Settings, faults: list[Fault]) -> RowRules:
    model, limit, processor = settings.get(keys.model), settings.get(keys.length), None
    if fault := model_fault(keys.model, str(model), False) if model else None:
        faults.append(fault)
    elif model:
        transformers = optional_module("transformers", "reading prompts as the model does", "transformers")
        try:
            processor = transformers.AutoProcessor.from_pretrained(str(model))
        except (OSError, ValueError, KeyError) as error:
            what = f"the processor of {model} does not load ({first_line(error)}), and no row was tokenized"
            faults.append(Fault(keys.model, what, "name a model that transformers itself has, with its processor"))
    return RowRules(
        keys,
        _reward(keys, settings, faults),
        limit_images=_count(keys.images, settings),
        max_tokens=limit - _count(keys.taken_off, settings) if isinstance(limit, int) else None,
        too_long=keys.unfiltered if keys.filter and not settings.get(keys.filter) else keys.too_long,
        tokenizer=getattr(processor, "tokenizer", processor),
        processor=processor,
    )


def _count(key: str, settings: _Settings) -> int:
    """Return the number under a key, 0 where it is not set. Raises ConfigError for anything else."""
    try:
        return int(settings.get(key) or 0)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{key} is {settings[key]!r:.100}; give a whole number") from error


def _reward(keys: Keys, settings: _Settings, faults: list[Fault]) -> LoadedReward | None:
    """Return the adapter's reward with the settings that it gets, or None and add a fault."""
    if "infimed" not in str(settings.get(keys.reward)):
        what = f"names {settings.get(keys.reward)!r}, no reward of this package, and no reply was scored"
        faults.append(Fault(keys.reward, what, f"see infimed trainers show {keys.title.lower()}"))
        return None
    said = _variable(settings, (VARIABLE, OLD_VARIABLE))
    try:
        own = check_settings(json.loads(said) if isinstance(said, str) else said or {})
        own |= check_settings(_below(f"{keys.arguments}.", settings))
    except (InfimedError, ValueError, TypeError, AttributeError) as error:
        faults.append(Fault.of(keys.arguments, error, "write it as infimed trainers show does"))
        return None

    def rewards(inputs: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
        replies, truths = ([one[key] for one in inputs] for key in ("response", "ground_truth"))
        return [{"overall": score or 0.0} for score in keys.score(replies, truths, own)]  # None: no verdict

    return LoadedReward(keys, rewards, True, True, own)


def _check_set(
    key: str, name: str, keys: Keys, settings: _Settings, rules: RowRules, rows: Rows, on_progress: OnProgress
) -> None:
    datasets = optional_module("datasets", "reading rows", "data")
    build = "build the rows (infimed data build), or correct the path"
    if not Path(name).exists():
        rows.faults.append(Fault(key, f"there is no {name}", build))
        return
    try:
        kind = {"data_files": name, "path": "parquet" if name.endswith(".parquet") else "json"}
        sets = datasets.load_dataset(name) if Path(name).is_dir() else datasets.load_dataset(**kind)
    except load_errors() as error:
        rows.faults.append(load_fault(key, name, [name], error, build))
        return
    columns = [settings.get(key) or column for key, column in keys.columns.items()]
    for split, table in sets.items():
        missing = [column for column in columns[:2] if column not in table.column_names]
        for column in missing:
            close = nearest(column, table.column_names, otherwise=f"its columns are {', '.join(table.column_names)}")
            rows.faults.append(Fault(key, f"{name} has no column {column!r}", close))
        if not missing:
            raw = table.with_format("arrow")  # pictures as they are stored
            stored = (raw[index : index + 1].to_pylist()[0] for index in range(len(table)))
            asked = (_asked(row, columns, keys, settings, rules.processor) for row in stored)
            Walk(split if Path(name).is_dir() else Path(name).name, rules, rows).all(asked, len(table), on_progress)


def _asked(row: dict[str, Any], columns: Sequence[str], keys: Keys, settings: _Settings, processor: Any) -> Asked:
    said, truth, images = (row.get(column) for column in columns)
    pictures = [_located(image, settings) for image in images or []]
    tags = IMAGE_TAG * len(pictures) if keys.images_first else ""
    turns = [{"role": "user", "content": said}] if isinstance(said, str) else [*(said or [])]
    turns = [turn for turn in turns if isinstance(turn, dict) and turn.get("role") in ("system", "user")]
    texts = [(turn["role"], _text(turn, tags)) for turn in turns]
    question = "\n".join(text for role, text in texts if role == "user")
    messages = [{"role": role, "content": _parts(text)} for role, text in texts]
    truth = truth.get("ground_truth") if isinstance(truth, dict) else truth
    style = row.get("style") or (row.get("extra_info") or {}).get("style")
    return Asked(question, pictures, truth, style, lambda: messages, partial(_tokens, messages, pictures, processor))


def _text(turn: dict[str, Any], tags: str) -> str:
    """Return a turn's text with a tag for each image; ``tags`` go before a plain text that has none."""
    content = turn.get("content")
    if isinstance(content, list):
        return "".join(IMAGE_TAG if part.get("type") == "image" else str(part.get("text") or "") for part in content)
    return (tags if turn["role"] == "user" else "") + str(content or "")


def _parts(text: str) -> list[dict[str, str]]:
    """Return a turn's content with an image part for each tag, as all four trainers make it."""
    parts = filter(None, re.split(f"({IMAGE_TAG})", text))
    return [{"type": "image"} if part == IMAGE_TAG else {"type": "text", "text": part} for part in parts]


def _located(image: Any, settings: _Settings) -> Json:
    """Return an image as bytes or a path: that of ms-swift below ROOT_IMAGE_DIR, of OpenRLHF in base64."""
    root = _variable(settings, ["ROOT_IMAGE_DIR"])
    path = image.get("path") if isinstance(image, Mapping) and not image.get("bytes") else image
    if isinstance(path, str) and path.startswith("data:"):
        with suppress(ValueError):
            return base64.b64decode(path.partition(",")[2])
    return str(Path(root) / path) if isinstance(path, str) and root and not Path(path).exists() else path


def _tokens(messages: list[dict[str, Any]], images: list[Any], processor: Any) -> int:
    prompt = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    pictures = [found.open() for image in images if (found := reference(image))]
    return len(processor(images=pictures or None, text=[prompt], add_special_tokens=False)["input_ids"][0])
