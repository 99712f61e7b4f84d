"""EasyR1: rows, the reward, and the check of a configuration and all its data, without loading the model.

    faults = check_rl(Path("easyr1_configs/grpo.yaml")).faults

The rows, in ``train.parquet`` and ``val.parquet``:

    problem  string                     the question with its image tags (EasyR1's jinja template adds the instruction)
    answer   string                     {"task": "text", "answer": "liver"}
    images   list<struct<bytes: binary>>  encoded images; [] in a text row
    id       string
    task     string
    style    string                     reasoning, or direct: which of the two templates of easyr1_configs/ to name

The images are in the file itself: on a Ray cluster the reading process has a working directory of its own, so paths
would be lost (verl/utils/dataset.py, process_image, reads ``{"bytes": …}``). Text rows need an empty list: EasyR1
asks every row for its length. A run has one template for all rows; the check says where a row's style is another.

The check: upstream's own code parses the configuration, judges its batch sizes (RayPPOTrainer.__init__ and
FSDPWorker._init_dist_mesh), loads the reward function and reads every row (RLHFDataset). On top of it come the things
that upstream lets pass: a prompt template or an image folder that is not there is silently left out, images without a
tag are ignored, and a gold answer that earns nothing teaches nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from infimed_plugins import prompts
from infimed_plugins.errors import installed_versions
from infimed_plugins.export import ExportRow, Format
from infimed_plugins.export.parquet import embedded, write_parquet
from infimed_plugins.trainers import upstream_easyr1
from infimed_plugins.trainers.data_check import OnProgress, Rows, in_cache, is_file_name, model_fault, quiet
from infimed_plugins.trainers.easyr1_rows import KEYS, check_rows, load_reward, row_rules
from infimed_plugins.trainers.easyr1_settings import at_once, setting_faults, step_faults, value_at
from infimed_plugins.trainers.faults import Checked, Fault, Summary, first_line, nearest
from infimed_plugins.trainers.launch import read_settings
from infimed_plugins.trainers.registry import PARQUET_HINT, Trainer
from infimed_plugins.trainers.reward_check import judge_faults
from infimed_plugins.trainers.rl_rows import RowRules
from infimed_plugins.trainers.upstream_easyr1 import COMMIT, import_easyr1, judge_trainer_sizes, judge_worker_sizes

_DATA_KEYS = ("data.train_files", "data.val_files")
_PATH_KEYS = {
    "data.format_prompt": "EasyR1 would go on without a template",
    "data.image_dir": "EasyR1 would go on without it",
    "data.override_chat_template": "EasyR1 would go on without it",
    "trainer.load_checkpoint_path": "EasyR1 would go on without it",
}


def check_rl(
    config: Path, overrides: Sequence[str] = (), *, on_progress: OnProgress = lambda done, total: None
) -> Checked:
    """Check a configuration and its data; return all faults.

    Raises MissingFileError without the file, ConfigError for one that is no YAML mapping, and MissingEasyR1Error.
    """
    raw = read_settings(config, overrides, resolve=False)
    import_easyr1()
    from verl.trainer.config import PPOConfig

    with quiet():
        faults = list(_take_unknown_keys(raw, PPOConfig(), ""))
        settings = _parse(raw, config, faults)
        if settings is None:
            return Checked(tuple(faults), None)
        faults += _path_faults(settings)
        faults += setting_faults(settings, type(settings)())
        settings.deep_post_init()
        faults += _rule_faults(settings)
        reward = load_reward(settings.worker.reward, faults)
        warnings = judge_faults(reward, faults)
        rules = row_rules(settings, reward, not any(fault.where == KEYS.model for fault in faults), faults)
        train, val = (_rows(key, settings.data, rules, faults, on_progress) for key in _DATA_KEYS)
    summary = None
    if train and val and settings.data.rollout_batch_size >= 1:
        faults += _size_faults(settings, train)
        sequences = settings.worker.actor.global_batch_size * settings.worker.rollout.n
        summary = Summary(train.count, train.longest, sequences, train.count // settings.data.rollout_batch_size)
    return Checked(tuple(dict.fromkeys(faults)), summary, warnings)  # train and val may share a fault


def _take_unknown_keys(settings: dict[str, Any], known: Any, prefix: str) -> Iterator[Fault]:
    """Remove the keys that EasyR1 refuses, so that the rest can be checked; it would name only the first."""
    names = {field.name for field in dataclasses.fields(known)}
    for key in list(settings):
        if key not in names:
            what = "EasyR1 has no such key and would refuse to start"
            yield Fault(f"{prefix}{key}", what, nearest(str(key), names))
            del settings[key]
            continue
        group = getattr(known, key)
        if dataclasses.is_dataclass(group) and isinstance(settings[key], dict):
            yield from _take_unknown_keys(settings[key], group, f"{prefix}{key}.")


def _parse(raw: dict[str, Any], config: Path, faults: list[Fault]) -> Any:
    """Return the configuration as upstream's ``main`` reads it (verl/trainer/main.py:92), or None and add a fault."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from verl.trainer.config import PPOConfig

    try:
        return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(PPOConfig()), raw))
    except (OmegaConfBaseException, ValueError, TypeError) as error:
        where = getattr(error, "full_key", None) or str(config)
        said = str(error).strip().splitlines()[0]
        faults.append(Fault(where, f"EasyR1 refuses it: {said}", "change the value"))
    return None


def _path_faults(settings: Any) -> Iterator[Fault]:
    """Yield the missing files and folders, before upstream turns them into None."""
    from jinja2 import Template, TemplateSyntaxError

    for key, consequence in _PATH_KEYS.items():
        (group, _, name), path = key.partition("."), value_at(settings, key)
        if path is not None and not Path(path).exists():
            yield Fault(key, f"there is no {path}; {consequence}", "correct the path, relative to where you start")
        elif path is not None and group == "data" and Path(path).is_file():
            try:
                text = Path(path).read_text(encoding="utf-8")
                Template(text if name == "format_prompt" else "")
            except (UnicodeDecodeError, TemplateSyntaxError) as error:
                yield Fault(key, f"{path} cannot be read ({first_line(error)})", "mend it, and save it as UTF-8")
                setattr(settings.data, name, None)  # the rest is judged as if it were not there
    model = settings.worker.actor.model.model_path
    if model is None:
        yield Fault(KEYS.model, "is not set", "name the model of the first stage")
    elif fault := model_fault(KEYS.model, model, settings.worker.actor.model.trust_remote_code):
        yield fault
    elif Path(model).is_dir() and settings.worker.actor.padding_free and not upstream_easyr1.takes_model(model):
        what = f"{model} is of an architecture that EasyR1 does not train"
        yield Fault(KEYS.model, what, "name a Qwen2.5-VL or Qwen3-VL, or take another trainer")
    for key in ("worker.actor.model.tokenizer_path", "worker.critic.model.model_path"):
        other = value_at(settings, key)
        if other is not None and not Path(other).is_dir() and not in_cache(other, "config.json"):
            yield Fault(key, f"there is no folder {other}", "correct the path, or leave it out")
    reward = settings.worker.reward.reward_function
    if reward is None:
        yield Fault(KEYS.reward, "is not set", "name easyr1_configs/infimed_reward.py:compute_score")
    elif not (file := Path(reward.rpartition(":")[0] or reward)).exists():
        what = f"there is no {file}; EasyR1 would say so only after it loaded the model"
        yield Fault(KEYS.reward, what, "name easyr1_configs/infimed_reward.py:compute_score")
    for key in _DATA_KEYS:
        yield from _data_file_faults(key, value_at(settings, key))


def _data_file_faults(key: str, data: str) -> Iterator[Fault]:
    path, _, _split = data.partition("@")
    if not path:
        yield Fault(key, "is not set, and EasyR1 cannot do without", "name a parquet file (infimed data build)")
    elif data.count("@") > 1:
        yield Fault(key, f"{data} has more than one @, which EasyR1 takes for a split", "rename the file or folder")
    elif is_file_name(path) and not Path(path).exists():
        yield Fault(key, f"there is no {path}", "build the data (infimed data build) or correct the path")


def _rule_faults(settings: Any) -> Iterator[Fault]:
    """Yield faults of upstream's own rules on sizes; a value it cannot divide by is named already."""
    for judge in (judge_trainer_sizes, judge_worker_sizes):
        try:
            judge(settings)
        except (ValueError, NotImplementedError) as error:
            yield Fault("batch sizes", f"EasyR1 refuses them: {str(error).rstrip('.')}", "change the figures it names")
        except ArithmeticError:
            pass
    yield from _version_faults()


def _version_faults() -> Iterator[Fault]:
    from packaging.requirements import Requirement

    lines = ("vllm>=0.8,<0.12", "omegaconf>=2.3,<2.4", "transformers>=4.54,<5")
    wanted = {line: Requirement(line) for line in lines}
    installed = installed_versions(*(requirement.name for requirement in wanted.values()))
    for line, requirement in wanted.items():
        version = installed.get(requirement.name)
        if version and not requirement.specifier.contains(version, prereleases=True):
            yield Fault(requirement.name, f"{version} does not fit EasyR1", f"pip install '{line}'")


def _rows(key: str, data: Any, rules: RowRules, faults: list[Fault], on_progress: OnProgress) -> Rows | None:
    if any(fault.where == key for fault in faults):
        return None
    rows, known = check_rows(key, data, rules, on_progress), {fault.where for fault in faults}
    faults += [fault for fault in rows.faults if "[" in fault.where or fault.where not in known]
    return rows if rows.count else None


def _size_faults(settings: Any, train: Rows) -> Iterator[Fault]:
    batch = at_once(settings)
    if train.count < batch:
        what = f"{train.count} rows do not fill one batch of {batch}, and EasyR1 drops what does not"
        yield Fault("data.train_files", what, "lower data.rollout_batch_size or add rows")
    else:
        yield from step_faults(settings, train.count // settings.data.rollout_batch_size)


def parquet_row(row: ExportRow, store_root: Path, _number: int = 0) -> dict[str, Any]:
    """Return a row of the parquet file, its images read from the store."""
    return {
        "problem": prompts.question_text(row.sample),
        "answer": row.sample.ground_truth.to_json(),
        "images": embedded(row, store_root),
        "id": row.sample.id,
        "task": row.sample.task,
        "style": row.style,
    }


TRAINERS = (
    Trainer(
        name="easyr1",
        version=COMMIT[:7],
        takes="a file with a batch function",
        file="easyr1_configs/infimed_reward.py",
        lines="""worker:
  reward:
    reward_function: {file}:compute_score
    reward_function_kwargs:
      w_format: 0.1
      w_acc: 0.9
      think_prefilled: false  # true where the chat template opens <think> itself
""",
        format=Format(partial(write_parquet, to_row=parquet_row), PARQUET_HINT),
    ),
)
