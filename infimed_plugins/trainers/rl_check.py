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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from infimed_plugins.errors import ConfigError, InfimedError, MissingFileError, known_name, optional_module
from infimed_plugins.limits import parse_yaml, read_bytes
from infimed_plugins.prompts import IMAGE_TAG
from infimed_plugins.records import Json
from infimed_plugins.rewards.scorer import OLD_VARIABLE, VARIABLE, check_settings
from infimed_plugins.trainers import easyr1, ms_swift, openrlhf, trl, verl
from infimed_plugins.trainers.data_check import OnProgress, Rows, load_errors, load_fault, model_fault, quiet, reference
from infimed_plugins.trainers.faults import Checked, Fault, Summary, first_line, nearest
from infimed_plugins.trainers.replies import score_replies
from infimed_plugins.trainers.reward_check import Keys, LoadedReward, judge_faults
from infimed_plugins.trainers.rl_rows import Asked, RowRules, Walk

_Settings = Mapping[str, Any]
_Score = Callable[[list[str], list[Any], _Settings], Sequence[float | None]]  # replies, truths, the reward's settings


@dataclass(frozen=True)
class Layout(Keys):
    """Where a trainer's configuration and rows hold what is checked, and how its adapter is called.

    ``columns`` are those of prompt, truth and images, or the keys that name them; ``taken_off`` is the key of what is
    taken off ``length``, ``too_long`` what becomes of a longer prompt. Without the ``needed`` keys no row is right.
    """

    score: _Score = lambda said, truths, settings: []
    files: tuple[str, ...] = ()
    columns: tuple[str, str, str] = ("prompt", "ground_truth", "images")
    taken_off: str = ""
    too_long: str = "left out"
    needed: tuple[str, ...] = ()


_REWARD = "reward.custom_reward_function"
LAYOUTS = {
    "verl": Layout(  # verl/trainer/config/ppo_trainer.yaml, 0.9.1
        *("verl", "actor_rollout_ref.model.path", f"{_REWARD}.path", f"{_REWARD}.reward_kwargs", "data.train_files"),
        length="data.max_prompt_length",
        score=lambda said, truths, own: [
            verl.compute_score("", one, truth, {}, **own)["score"] for one, truth in zip(said, truths, strict=True)
        ],
        files=("data.train_files", "data.val_files"),
        columns=("data.prompt_key", "reward_model", "data.image_key"),
    ),
    "trl": Layout(  # trl/scripts/grpo.py, 1.16
        *("TRL", "model_name_or_path", "reward_funcs", VARIABLE, "dataset_name"),
        length="vllm_max_model_length",
        score=lambda said, truths, own: trl.infimed_reward(said, ground_truth=truths, **own),
        files=("dataset_name",),
        taken_off="max_completion_length",
        too_long="refused by vLLM",
    ),
    "ms-swift": Layout(  # swift/arguments/rlhf_args.py, 4.6
        *("ms-swift", "model", "reward_funcs", VARIABLE, "dataset"),
        length="max_length",
        score=lambda said, truths, own: ms_swift.InfimedReward()(said, ground_truth=truths, **own),
        files=("dataset", "val_dataset"),
        columns=("messages", "ground_truth", "images"),
    ),
    "openrlhf": Layout(  # openrlhf/cli/train_ppo_ray.py, 0.11.2; its adapter's function, but for the tensors
        *("OpenRLHF", "actor.model_name_or_path", "reward.remote_url", VARIABLE, "data.prompt_dataset"),
        images="data.max_images_per_prompt",
        length="data.max_len",
        score=lambda said, truths, own: [
            one["overall"]
            for one in score_replies([openrlhf.response_of(f"?{text}", "?") for text in said], truths, own)
        ],
        files=("data.prompt_dataset", "eval.dataset"),
        columns=("data.input_key", "data.label_key", "data.image_key"),
        taken_off="rollout.max_new_tokens",
        too_long="cut",
        needed=("data.apply_chat_template", "data.label_key", "data.max_images_per_prompt"),
    ),
}
_COLUMNS = {"data.prompt_key": "prompt", "data.input_key": "input", "data.image_key": "images"}  # by default


def check(
    config: Path, overrides: Sequence[str] = (), trainer: str | None = None, on_progress: OnProgress = lambda *_: None
) -> Checked:
    """Check a configuration and its rows; return all faults. Its keys tell the trainer where none is named.

    Raises MissingFileError without the file, and ConfigError for one that cannot be read or an unknown trainer.
    """
    settings = read_configuration(config, overrides)
    found = next((name for name, one in LAYOUTS.items() if one.model in settings), "easyr1")
    trainer = known_name(trainer or found, ("easyr1", *LAYOUTS), "trainer")
    if trainer == "easyr1":
        return easyr1.check_rl(config, overrides, on_progress=on_progress)
    layout, rows = LAYOUTS[trainer], Rows()
    what, fix = "is not set, and no row is trained on as meant", f"set it (infimed trainers config {trainer})"
    needed = (layout.model, layout.files[0], *layout.needed)
    faults = [Fault(key, what, fix) for key in needed if not settings.get(key)]
    with quiet():
        rules = _rules(layout, settings, faults)
        warnings = judge_faults(rules.reward, faults)
        for key in layout.files:
            for name in _listed(settings.get(key)):
                _check_set(key, name, layout, settings, rules, rows, on_progress)
    faults += rows.faults
    return Checked(tuple(dict.fromkeys(faults)), Summary(rows.count, rows.longest) if rows.count else None, warnings)


def read_configuration(config: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return a configuration's values by their dotted keys, with ``key=value`` or ``--key value`` overrides.

    Raises MissingFileError without the file and ConfigError for one that cannot be read.
    """
    try:
        text = read_bytes(config).decode("utf-8-sig")
        if config.suffix in (".yaml", ".yml"):
            return dict(_flat(parse_yaml(text))) | dict(_said(overrides))
        return dict(_said([*shlex.split(text.replace("\\\n", " "), comments=True), "", *overrides]))
    except FileNotFoundError as error:
        raise MissingFileError(f"no configuration at {config}; check the path") from error
    except (ValueError, OSError) as error:
        raise ConfigError(f"{config} cannot be read: {' '.join(str(error).split())}") from error


def _flat(values: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(values, Mapping):
        raise ConfigError("it holds no key: value lines")
    for key, value in values.items():
        yield from (
            _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) and value else [(f"{prefix}{key}", value)]
        )


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


def _rules(layout: Layout, settings: _Settings, faults: list[Fault]) -> RowRules:
    model, limit, processor = settings.get(layout.model), settings.get(layout.length), None
    if fault := model_fault(layout.model, str(model), False) if model else None:
        faults.append(fault)
    elif model:
        transformers = optional_module("transformers", "reading prompts as the model does", "transformers")
        try:
            processor = transformers.AutoProcessor.from_pretrained(str(model))
        except (OSError, ValueError, KeyError) as error:
            what = f"the processor of {model} does not load ({first_line(error)}), and no row was tokenized"
            faults.append(Fault(layout.model, what, "name a model that transformers itself has, with its processor"))
    is_filtered = settings.get("data.filter_overlong_prompts", layout.trainer != "verl")
    return RowRules(
        layout,
        _reward(layout, settings, faults),
        limit_images=int(settings.get(layout.images) or 0),
        max_tokens=limit - int(settings.get(layout.taken_off) or 0) if isinstance(limit, int) else None,
        too_long=layout.too_long if is_filtered else "refused, the run ended",
        tokenizer=getattr(processor, "tokenizer", processor),
        processor=processor,
    )


def _reward(layout: Layout, settings: _Settings, faults: list[Fault]) -> LoadedReward | None:
    """Return the adapter's reward with the settings that it gets, or None and add a fault."""
    if "infimed" not in str(settings.get(layout.reward)):
        what = f"names {settings.get(layout.reward)!r}, no reward of this package, and no reply was scored"
        faults.append(Fault(layout.reward, what, f"see infimed trainers show {layout.trainer.lower()}"))
        return None
    said, prefix = _variable(settings, (VARIABLE, OLD_VARIABLE)), f"{layout.arguments}."
    try:
        passed = {key.removeprefix(prefix): value for key, value in settings.items() if key.startswith(prefix)}
        own = check_settings(json.loads(said) if isinstance(said, str) else said or {}) | check_settings(passed)
    except (InfimedError, ValueError, TypeError, AttributeError) as error:
        what, _, fix = str(error).partition("; ")
        faults.append(Fault(layout.arguments, what, fix or "write it as infimed trainers show does"))
        return None

    def rewards(inputs: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
        replies, truths = ([one[key] for one in inputs] for key in ("response", "ground_truth"))
        return [{"overall": score or 0.0} for score in layout.score(replies, truths, own)]  # None: no verdict

    return LoadedReward(rewards, True, True, own, layout)


def _check_set(
    key: str, name: str, layout: Layout, settings: _Settings, rules: RowRules, rows: Rows, on_progress: OnProgress
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
    columns = [settings.get(column) or _COLUMNS.get(column, column) for column in layout.columns]
    for split, table in sets.items():
        missing = [column for column in columns[:2] if column not in table.column_names]
        for column in missing:
            close = nearest(column, table.column_names, otherwise=f"its columns are {', '.join(table.column_names)}")
            rows.faults.append(Fault(key, f"{name} has no column {column!r}", close))
        walk, raw = Walk(split if Path(name).is_dir() else Path(name).name, rules, rows), table.with_format("arrow")
        for index in range(0 if missing else len(table)):
            (row,) = raw[index : index + 1].to_pylist()  # pictures as they are stored
            walk.check(index, _asked(row, columns, layout, settings, rules.processor))
            on_progress(index + 1, len(table))
        walk.finish()


def _asked(row: dict[str, Any], columns: Sequence[str], layout: Layout, settings: _Settings, processor: Any) -> Asked:
    said, truth, images = (row.get(column) for column in columns)
    pictures = [_located(image, settings) for image in images or []]
    tags = IMAGE_TAG * len(pictures) if layout.trainer == "TRL" else ""
    turns = [{"role": "user", "content": said}] if isinstance(said, str) else [*(said or [])]
    turns = [turn for turn in turns if isinstance(turn, dict) and turn.get("role") in ("system", "user")]
    texts = [(turn["role"], _text(turn, tags)) for turn in turns]
    question = "\n".join(text for role, text in texts if role == "user")
    messages = [{"role": role, "content": _parts(text)} for role, text in texts]
    truth = truth.get("ground_truth") if isinstance(truth, dict) else truth
    style = row.get("style") or (row.get("extra_info") or {}).get("style")
    return Asked(question, pictures, truth, style, lambda: messages, partial(_tokens, messages, pictures, processor))


def _text(turn: dict[str, Any], tags: str) -> str:
    """Return a turn's text with a tag for each image; ``tags`` go before a plain text of TRL, which has none."""
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
