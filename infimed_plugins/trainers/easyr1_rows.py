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
    unfiltered="cut, its images with it",
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


def row_rules(settings: Any, reward: LoadedReward | None, tokenize: bool, faults: list[Fault]) -> RowRules:
    """Return the requirements of EasyR1's configuration; ``tokenize`` is False where the model is not here."""
    data = settings.data
    tokenizer, processor = _loaded(settings.worker.actor.model.model_path, data, faults) if tokenize else (None, None)
    return RowRules(
        KEYS,
        reward,
        settings.algorithm,
        limit_images=settings.worker.rollout.limit_images,
        max_tokens=data.max_prompt_length,
        too_long=KEYS.too_long if data.filter_overlong_prompts else KEYS.unfiltered,
        tokenizer=tokenizer,
        processor=processor,
        template_key=KEYS.template if data.override_chat_template else "",
    )


def _loaded(model: str, data: Any, faults: list[Fault]) -> tuple[Any, Any]:
    """Return tokenizer and processor as EasyR1 loads them, but for code of the model's own: a check runs none."""
    from verl.utils.tokenizer import get_processor, get_tokenizer

    options = {"trust_remote_code": False, "use_fast": True, "override_chat_template": data.override_chat_template}
    try:
        return get_tokenizer(model, **options), get_processor(model, **options)
    except ValueError as error:
        if "trust_remote_code" not in str(error):
            raise
        what = f"{model} needs code of its own, which no check runs (no row was tokenized)"
        faults.append(Fault(KEYS.model, what, "name a model that transformers itself has"))
        return None, None


def check_rows(key: str, config: Any, rules: RowRules, on_progress: OnProgress) -> Rows:
    """Check all rows of ``data.train_files`` or ``data.val_files``; ``key`` names which, ``config`` is a DataConfig."""
    data = getattr(config, key.removeprefix("data."))
    file = data.partition("@")[0]
    bad = partial(load_fault, key, data, [file], fix="write it as one parquet file (infimed data build)")
    try:
        dataset = load_data_set(data, config, rules.tokenizer, rules.processor)
    except load_errors() as error:
        return Rows(faults=[bad(error)])
    table, columns = dataset.dataset, dataset.dataset.column_names
    rows = Rows(faults=[*_column_faults(key, columns, config, rules), *_style_faults(key, table, config.format_prompt)])
    if not rows.faults:
        asked = (_asked(table[index], dataset, config, rules.processor) for index in range(len(table)))
        try:
            Walk(Path(file).name, rules, rows).all(asked, len(table), on_progress)
        except UnicodeDecodeError as error:  # text in another encoding is decoded only here
            rows.faults.append(bad(error))
    return rows


def _asked(row: dict[str, Any], dataset: Any, config: Any, processor: Any) -> Asked:
    images = row[config.image_key]
    if isinstance(images, list) and config.image_dir is not None:  # like upstream, only for paths that are plain texts
        images = [str(Path(config.image_dir) / one) if isinstance(one, str) else one for one in images]
    return Asked(
        row[config.prompt_key],
        images,
        row[config.answer_key],
        row.get("style"),
        partial(messages, row, dataset),
        partial(_prompt_tokens, row, images, dataset, config, processor),
    )


def _column_faults(key: str, columns: list[str], config: Any, rules: RowRules) -> Iterator[Fault]:
    for name in ("prompt_key", "answer_key", "image_key"):
        wanted = getattr(config, name)
        if wanted not in columns:
            consequence = "; every row would be read without images" if name == "image_key" else ""
            what = f"has no column {wanted!r} (data.{name}){consequence}"
            close = nearest(wanted, columns, otherwise=f"its columns are {', '.join(columns)}")
            yield Fault(key, what, close)
    if rules.tokenizer is not None and rules.processor is None and config.image_key in columns:
        what = f"has a column {config.image_key!r}, which EasyR1 reads with a processor, and the model has none"
        yield Fault(key, what, "name a vision-language model, or drop the column")


def _style_faults(key: str, table: Any, template: str | None) -> Iterator[Fault]:
    """Yield a fault if a file's prompt style (a column of its own) is not the template's."""
    from jinja2 import Template

    if "style" not in table.column_names or not len(table) or template is None or not Path(template).is_file():
        return
    words = Template(Path(template).read_text(encoding="utf-8").strip()).render(content="")  # as upstream renders it
    asked = "reasoning" if "<think>" in words else "direct"
    others = sum(style != asked for style in table["style"])
    if others:
        other, file = ("direct", "infimed_direct") if asked == "reasoning" else ("reasoning", "infimed")
        what = f"{others:,} of {len(table):,} rows are for the {other} prompt, and data.format_prompt is for {asked}"
        yield Fault(key, what, f"name easyr1_configs/{file}.jinja, or give the parts of the recipe one style")


def _prompt_tokens(row: dict[str, Any], images: list[Any], dataset: Any, config: Any, processor: Any) -> int:
    """Return a prompt's length as upstream's filter counts it (verl/utils/dataset.py, _filter_overlong_prompts)."""
    from verl.utils.dataset import process_image

    prompt = processor.apply_chat_template(messages(row, dataset), add_generation_prompt=True, tokenize=False)
    pictures = [process_image(image, config.min_pixels, config.max_pixels) for image in images] or None
    ids = processor(pictures, [prompt], add_special_tokens=False, return_tensors="pt")["input_ids"]
    return int(ids.size(-1))
