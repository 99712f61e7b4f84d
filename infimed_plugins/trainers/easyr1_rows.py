"""Read every row as EasyR1 will, and name each one it would cut, leave out, read wrongly or fail on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from infimed_plugins.errors import ConfigError, DataError
from infimed_plugins.images import MAX_ASPECT_RATIO
from infimed_plugins.parsing.boxes import parse_boxes
from infimed_plugins.parsing.response import INFIMED_FORM
from infimed_plugins.prompts import IMAGE_TAG
from infimed_plugins.records import GroundTruth
from infimed_plugins.rewards import parse_truth
from infimed_plugins.trainers.data_check import (
    ROW_ERRORS,
    OnProgress,
    Rows,
    load_errors,
    load_fault,
    picture_faults,
)
from infimed_plugins.trainers.faults import Fault, first_line, nearest
from infimed_plugins.trainers.prompt_check import SpecialTokens, asks_thousandths, read_prompt
from infimed_plugins.trainers.reward_check import Kind, LoadedReward, response_form, reward_faults
from infimed_plugins.trainers.upstream_easyr1 import load_data_set, messages


class RowRules:
    """The requirements of a configuration on a row. ``tokenize`` is False where the model is not here."""

    def __init__(self, settings: Any, reward: LoadedReward | None, tokenize: bool) -> None:
        self.data, self.algorithm, self.reward = settings.data, settings.algorithm, reward
        self.limit_images, self.model_key = settings.worker.rollout.limit_images, "worker.actor.model.model_path"
        self.task = reward.settings.get("task") if reward else None
        self.form = INFIMED_FORM
        with suppress(ConfigError):  # reward_faults names it
            self.form = response_form(reward.settings) if reward else INFIMED_FORM
        self.faults: tuple[Fault, ...] = ()
        self.tokenizer: Any = None
        self.processor: Any = None
        if tokenize:
            from verl.utils.tokenizer import get_processor, get_tokenizer

            model, template = settings.worker.actor.model.model_path, self.data.override_chat_template
            options = {"trust_remote_code": False, "use_fast": True}  # whatever training does: a check runs no code
            try:
                tokenizer = get_tokenizer(model, override_chat_template=template, **options)
                self.processor = get_processor(model, override_chat_template=template, **options)
                self.tokenizer = tokenizer
            except ValueError as error:
                if "trust_remote_code" not in str(error):
                    raise
                what = f"{model} needs code of its own, which no check runs (no row was tokenized)"
                self.faults = (Fault(self.model_key, what, "name a model that transformers itself has"),)
        self.special = SpecialTokens(self.tokenizer)

    def truth(self, value: Any) -> GroundTruth | None:
        """Return a row's ground truth, None where it cannot be read."""
        try:
            return parse_truth(value, self.task)
        except DataError:
            return None


def check_rows(key: str, data: str, rules: RowRules, on_progress: OnProgress) -> Rows:
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
    walk = _Walk(Path(data.partition("@")[0]).name, dataset, rules, rows)
    for index in range(len(dataset.dataset)):
        try:
            row = dataset.dataset[index]
        except ValueError as error:  # text in another encoding is decoded only here
            rows.faults.append(_load_fault(key, data, error))
            return rows
        walk.check(index, row)
        on_progress(index + 1, len(dataset.dataset))
    rows.faults += walk.prompt_faults
    if rules.reward is not None:
        kinds = [kind for kind in walk.kinds.values() if kind]
        rows.faults += reward_faults(walk.truths, rules.reward, kinds, rules.algorithm)
    return rows


class _Walk:
    """Each row's faults and ground truth, and the first prompt of each kind (task, pictures or none, style)."""

    def __init__(self, name: str, dataset: Any, rules: RowRules, rows: Rows) -> None:
        self.name, self.dataset, self.rules, self.rows = name, dataset, rules, rows
        self.truths: list[tuple[str, Any]] = []
        self.kinds: dict[tuple[Any, ...], Kind | None] = {}
        self.prompt_faults: list[Fault] = []

    def check(self, index: int, row: dict[str, Any]) -> None:
        """Check one row."""
        where, value = f"{self.name}[{index}]", row[self.rules.data.answer_key]
        truth = None if _is_empty(value) else self.rules.truth(value)
        faults = list(_row_faults(where, row, truth, self.rules))
        if _is_empty(value):
            faults.append(Fault(where, "the answer is empty", "drop the row or answer it"))
        else:
            self.truths.append((where, value))
        if not faults and truth is not None:
            self._read_prompt(row, truth)
        if faults or self.rules.processor is None or self.prompt_faults:
            self.rows.count += 1
        else:
            faults += _measure(where, row, self.dataset, self.rules, self.rows)
        self.rows.faults += faults

    def _read_prompt(self, row: dict[str, Any], truth: GroundTruth) -> None:
        kind = (truth.task, bool(row[self.rules.data.image_key]), row.get("style"))
        if kind in self.kinds:
            return
        asked, faults = read_prompt(row, self.dataset, self.rules)
        known = {one.kind for one in self.prompt_faults}
        self.prompt_faults += [fault for fault in faults if fault.kind not in known]
        self.kinds[kind] = None if faults else Kind(row[self.rules.data.answer_key], asked)


def _load_fault(key: str, data: str, error: Exception) -> Fault:
    return load_fault(key, data, [data.partition("@")[0]], error, "write it as one parquet file (infimed data build)")


def _column_faults(key: str, columns: list[str], rules: RowRules) -> Iterator[Fault]:
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


def _style_faults(key: str, table: Any, rules: RowRules) -> Iterator[Fault]:
    """Yield a fault if a file's prompt style (a column of export/easyr1.py) is not the template's."""
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


def _is_empty(truth: Any) -> bool:
    return truth is None or (isinstance(truth, str) and not truth.strip())


def _row_faults(where: str, row: dict[str, Any], truth: GroundTruth | None, rules: RowRules) -> Iterator[Fault]:
    prompt, images = row[rules.data.prompt_key], row[rules.data.image_key]
    if not isinstance(prompt, str) or not prompt.strip():
        yield Fault(where, "the prompt is empty", "drop the row")
        return
    if not isinstance(images, list):
        what = "images is null" if images is None else f"images is {type(images).__name__}, not a list"
        yield Fault(where, what, "write a list, [] for a row without images")
        return
    tags = prompt.count(IMAGE_TAG)
    said = f"{tags} {IMAGE_TAG} in the prompt for {len(images)} images"
    located = [_located(image, rules) for image in images]
    faults, sizes = picture_faults(where, said, tags, located, MAX_ASPECT_RATIO)
    yield from rules.special.faults(where, prompt)
    if rules.limit_images and len(images) > rules.limit_images:
        what = f"{len(images)} images are more than worker.rollout.limit_images {rules.limit_images}"
        yield Fault(where, what, "raise it or drop the row")
    yield from faults
    if truth is not None and truth.task in ("grounding", "detection") and len(sizes) == len(images):
        yield from _box_faults(where, truth, prompt, sizes)


def _box_faults(where: str, truth: GroundTruth, prompt: str, sizes: list[tuple[int, int]]) -> Iterator[Fault]:
    """Yield a fault for gold boxes that leave their picture: pixels of another size, or no pixels at all."""
    boxes, size = parse_boxes(truth.answer), truth.size or (sizes[0] if len(sizes) == 1 else None)
    if truth.size is None and truth.frame == "truth" and asks_thousandths(prompt):
        size = (1000, 1000)
    if boxes is None or size is None:
        return
    for box in boxes.boxes:
        if min(box) < 0 or box[2] > size[0] + 1 or box[3] > size[1] + 1:
            what = f"the gold box {list(box)} reaches beyond its picture of {size[0]:g}×{size[1]:g}"
            yield Fault(where, what, "write it in pixels of that picture, name its size in the truth, or drop the row")
            return


def _located(image: Any, rules: RowRules) -> Any:
    """Return an image's path below image_dir; like upstream, only for paths that are plain strings."""
    if isinstance(image, str) and rules.data.image_dir is not None:
        return str(Path(rules.data.image_dir) / image)
    return image


def _measure(where: str, row: dict[str, Any], dataset: Any, rules: RowRules, rows: Rows) -> Iterator[Fault]:
    """Count the row and its prompt's tokens in ``rows``; yield the fault of a prompt that is too long."""
    limit, is_filtered = rules.data.max_prompt_length, rules.data.filter_overlong_prompts
    try:
        length = _prompt_tokens(row, dataset, rules)
    except ROW_ERRORS as error:
        yield Fault(where, f"cannot be encoded ({first_line(error)})", "mend or drop the row")
        return
    rows.measured(length)
    rows.count += not (length > limit and is_filtered)
    if length > limit:
        outcome = "left out" if is_filtered else "cut, its images with it"
        what = f"{length:,} tokens are more than data.max_prompt_length {limit:,}; it would be {outcome}"
        yield Fault(where, what, "raise it, lower data.max_pixels, or drop the row")


def _prompt_tokens(row: dict[str, Any], dataset: Any, rules: RowRules) -> int:
    """Return a prompt's length as upstream's filter counts it (verl/utils/dataset.py, _filter_overlong_prompts)."""
    from verl.utils.dataset import process_image

    config, processor = rules.data, rules.processor
    prompt = processor.apply_chat_template(messages(row, dataset), add_generation_prompt=True, tokenize=False)
    located = [_located(image, rules) for image in row[config.image_key]]
    images = [process_image(image, config.min_pixels, config.max_pixels) for image in located] or None
    ids = processor(images, [prompt], add_special_tokens=False, return_tensors="pt")["input_ids"]
    return int(ids.size(-1))
