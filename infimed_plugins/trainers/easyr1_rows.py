"""Read every row as EasyR1 will, and name each one it would cut, leave out, read wrongly or fail on."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from infimed_plugins.rewards import compute_score
from infimed_plugins.trainers.data_check import OnProgress, Rows, load_errors, load_fault
from infimed_plugins.trainers.faults import Fault, first_line, nearest
from infimed_plugins.trainers.registry import Keys
from infimed_plugins.trainers.reward_check import LoadedReward
from infimed_plugins.trainers.rl_rows import Asked, RowRules, Walk
from infimed_plugins.trainers.upstream_easyr1 import load_data_set, load_reward_manager, messages

KEYS = Keys(
    title="EasyR1",
    model="worker.actor.model.model_path",
    reward="worker.reward.reward_function",
    arguments="worker.reward.reward_function_kwargs",
    prompt="data.format_prompt",
    template="data.override_chat_template",
    asks="let the template ask for",
    template_file="easyr1_configs/infimed.jinja",
    images="worker.rollout.limit_images",
    length="data.max_prompt_length",
    smaller="lower data.max_pixels, ",
)


def load_reward(config: Any, faults: list[Fault]) -> LoadedReward | None:
    """Return the function as EasyR1 loads it, or None and add a fault.

    ``config`` is EasyR1's RewardConfig after its ``post_init``, which makes a path that is not there None: no fault.
    """
    if config.reward_function is None:
        return None
    try:
        bound, kind, function = load_reward_manager(config)
    except (AttributeError, RuntimeError, OSError, SyntaxError) as error:
        named = f"{config.reward_function}:{config.reward_function_name}"
        faults.append(
            Fault(KEYS.reward, f"{named} does not load ({first_line(error)})", "correct the file or the name")
        )
        return None
    if kind not in ("batch", "sequential"):
        faults.append(Fault(KEYS.reward, f"REWARD_TYPE is {kind!r}", "set it to 'batch' or 'sequential'"))
        return None
    settings = dict(config.reward_function_kwargs or {})
    taken = inspect.signature(function).parameters
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values())
    unknown = [name for name in settings if name not in taken and not takes_all]
    for name in unknown:
        faults.append(Fault(f"{KEYS.arguments}.{name}", "the function takes no such argument", nearest(name, taken)))
    if unknown:
        return None
    is_ours = function is compute_score
    return LoadedReward(KEYS, bound, kind == "batch", is_ours, settings if is_ours else {})


class EasyR1Rules(RowRules):
    """The requirements of EasyR1's configuration. ``tokenize`` is False where the model is not here."""

    def __init__(self, settings: Any, reward: LoadedReward | None, tokenize: bool) -> None:
        self.data = settings.data
        tokenizer, processor, faults = (
            self._load(settings.worker.actor.model.model_path) if tokenize else (None, None, ())
        )
        super().__init__(
            KEYS,
            reward,
            settings.algorithm,
            settings.worker.rollout.limit_images,
            self.data.max_prompt_length,
            "left out" if self.data.filter_overlong_prompts else "cut, its images with it",
            tokenizer,
            processor,
            faults,
        )
        if self.data.override_chat_template:
            self.template_key = KEYS.template

    def _load(self, model: str) -> tuple[Any, Any, tuple[Fault, ...]]:
        from verl.utils.tokenizer import get_processor, get_tokenizer

        # whatever training does: a check runs no code
        options = {
            "trust_remote_code": False,
            "use_fast": True,
            "override_chat_template": self.data.override_chat_template,
        }
        try:
            tokenizer = get_tokenizer(model, **options)
            return tokenizer, get_processor(model, **options), ()
        except ValueError as error:
            if "trust_remote_code" not in str(error):
                raise
            what = f"{model} needs code of its own, which no check runs (no row was tokenized)"
            return None, None, (Fault(KEYS.model, what, "name a model that transformers itself has"),)


def check_rows(key: str, data: str, rules: EasyR1Rules, on_progress: OnProgress) -> Rows:
    """Check all rows of ``data.train_files`` or ``data.val_files``; ``key`` names which."""
    rows = Rows()
    try:
        dataset = load_data_set(data, rules.data, rules.tokenizer, rules.processor)
    except load_errors() as error:
        rows.faults.append(_load_fault(key, data, error))
        return rows
    rows.faults += _column_faults(key, dataset.dataset.column_names, rules)
    rows.faults += _style_faults(key, dataset.dataset, rules)
    if rows.faults:
        return rows
    walk = Walk(Path(data.partition("@")[0]).name, rules, rows)
    for index in range(len(dataset.dataset)):
        try:
            row = dataset.dataset[index]
        except ValueError as error:  # text in another encoding is decoded only here
            rows.faults.append(_load_fault(key, data, error))
            return rows
        walk.check(index, _asked(row, dataset, rules))
        on_progress(index + 1, len(dataset.dataset))
    walk.finish()
    return rows


def _asked(row: dict[str, Any], dataset: Any, rules: EasyR1Rules) -> Asked:
    config, images = rules.data, row[rules.data.image_key]
    if (
        isinstance(images, list) and config.image_dir is not None
    ):  # like upstream, only for paths that are plain strings
        images = [str(Path(config.image_dir) / one) if isinstance(one, str) else one for one in images]
    return Asked(
        row[config.prompt_key],
        images,
        row[config.answer_key],
        row.get("style"),
        partial(messages, row, dataset),
        partial(_prompt_tokens, row, images, dataset, rules),
    )


def _load_fault(key: str, data: str, error: Exception) -> Fault:
    return load_fault(key, data, [data.partition("@")[0]], error, "write it as one parquet file (infimed data build)")


def _column_faults(key: str, columns: list[str], rules: EasyR1Rules) -> Iterator[Fault]:
    for name in ("prompt_key", "answer_key", "image_key"):
        wanted = getattr(rules.data, name)
        if wanted not in columns:
            consequence = "; every row would be read without images" if name == "image_key" else ""
            what = f"has no column {wanted!r} (data.{name}){consequence}"
            close = nearest(wanted, columns, otherwise=f"its columns are {', '.join(columns)}")
            yield Fault(key, what, close)
    if rules.tokenizer is not None and rules.processor is None and rules.data.image_key in columns:
        what = f"has a column {rules.data.image_key!r}, which EasyR1 reads with a processor, and the model has none"
        yield Fault(key, what, "name a vision-language model, or drop the column")


def _style_faults(key: str, table: Any, rules: EasyR1Rules) -> Iterator[Fault]:
    """Yield a fault if a file's prompt style (a column of its own) is not the template's."""
    template = rules.data.format_prompt
    if "style" not in table.column_names or not len(table) or template is None or not Path(template).is_file():
        return
    asked = "reasoning" if "<think>" in rendered_template(template) else "direct"
    others = sum(style != asked for style in table["style"])
    if others:
        other, file = ("direct", "infimed_direct") if asked == "reasoning" else ("reasoning", "infimed")
        what = f"{others:,} of {len(table):,} rows are for the {other} prompt, and data.format_prompt is for {asked}"
        yield Fault(key, what, f"name easyr1_configs/{file}.jinja, or give the parts of the recipe one style")


def rendered_template(path: str | Path) -> str:
    """Return the words that a template adds to a question, as upstream renders it."""
    from jinja2 import Template

    return str(Template(Path(path).read_text(encoding="utf-8").strip()).render(content=""))


def _prompt_tokens(row: dict[str, Any], images: list[Any], dataset: Any, rules: EasyR1Rules) -> int:
    """Return a prompt's length as upstream's filter counts it (verl/utils/dataset.py, _filter_overlong_prompts)."""
    from verl.utils.dataset import process_image

    config, processor = rules.data, rules.processor
    prompt = processor.apply_chat_template(messages(row, dataset), add_generation_prompt=True, tokenize=False)
    pictures = [process_image(image, config.min_pixels, config.max_pixels) for image in images] or None
    ids = processor(pictures, [prompt], add_special_tokens=False, return_tensors="pt")["input_ids"]
    return int(ids.size(-1))
