"""Check rows to reinforce: pictures, boxes, prompts, lengths and rewards, whichever trainer they are for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from infimed_plugins.errors import ConfigError, DataError
from infimed_plugins.images import MAX_ASPECT_RATIO
from infimed_plugins.judge.reward import lacks_question
from infimed_plugins.parsing.boxes import parse_boxes
from infimed_plugins.parsing.response import INFIMED_FORM
from infimed_plugins.prompts import IMAGE_TAG
from infimed_plugins.records import GroundTruth
from infimed_plugins.rewards import parse_truth
from infimed_plugins.trainers.data_check import ROW_ERRORS, OnProgress, Rows, picture_faults
from infimed_plugins.trainers.faults import Fault, first_line
from infimed_plugins.trainers.prompt_check import SpecialTokens, asks_thousandths, read_prompt
from infimed_plugins.trainers.registry import Keys
from infimed_plugins.trainers.reward_check import Kind, LoadedReward, response_form, reward_faults


@dataclass(frozen=True)
class Asked:
    """A row as its trainer reads it: ``question`` with an ``<image>`` for each image, ``images`` as paths or bytes.

    ``messages`` are what the chat template takes, ``tokens`` counts the prompt's.
    """

    question: Any
    images: Any
    truth: Any
    style: str | None
    messages: Callable[[], list[dict[str, Any]]]
    tokens: Callable[[], int]


@dataclass
class RowRules:
    """The requirements of a configuration on a row; ``too_long`` is what becomes of a prompt over ``max_tokens``.

    Without a ``tokenizer`` and ``processor``, where the model is not here, no row is tokenized. ``template_key`` says
    where the chat template comes from, by default with the model.
    """

    keys: Keys
    reward: LoadedReward | None
    algorithm: Any = None
    limit_images: int = 0
    max_tokens: int | None = None
    too_long: str = "left out"
    tokenizer: Any = None
    processor: Any = None
    template_key: str = ""

    def __post_init__(self) -> None:
        self.task = self.reward.settings.get("task") if self.reward else None
        self.form = INFIMED_FORM
        with suppress(ConfigError):  # reward_faults names it
            self.form = response_form(self.reward.settings) if self.reward else INFIMED_FORM
        self.template_key = self.template_key or self.keys.model
        self.special = SpecialTokens(self.tokenizer)


class Walk:
    """Each row's faults and ground truth, and the first prompt of each kind (task, pictures or none, style)."""

    def __init__(self, name: str, rules: RowRules, rows: Rows) -> None:
        self.name, self.rules, self.rows = name, rules, rows
        self.truths: list[tuple[str, Any]] = []
        self.kinds: dict[tuple[Any, ...], Kind | None] = {}
        self.prompt_faults: list[Fault] = []
        self.without_question = 0  # of those that a judge marks

    def all(self, asked: Iterable[Asked], count: int, on_progress: OnProgress) -> None:
        """Check ``count`` rows, then the prompts and the reward that they have in common."""
        for index, row in enumerate(asked):
            self._check(f"{self.name}[{index}]", row)
            on_progress(index + 1, count)
        self.rows.faults += self.prompt_faults
        if self.without_question:
            what = f"{self.without_question:,} rows that the judge marks have no question in their ground truth"
            self.rows.faults.append(Fault(self.name, what, "infimed data build --for-judge, or the recipe's for_judge"))
        if self.rules.reward is not None:
            kinds = [kind for kind in self.kinds.values() if kind]
            self.rows.faults += reward_faults(self.truths, self.rules.reward, kinds, self.rules.algorithm)

    def _check(self, where: str, row: Asked) -> None:
        is_empty = row.truth is None or (isinstance(row.truth, str) and not row.truth.strip())
        truth = None
        with suppress(DataError):  # the reward names it
            truth = None if is_empty else parse_truth(row.truth, self.rules.task)
        faults = list(_row_faults(where, row, truth, self.rules))
        if is_empty:
            faults.append(Fault(where, "the answer is empty", "drop the row or answer it"))
        else:
            self.truths.append((where, row.truth))
            self.without_question += bool(
                self.rules.reward and truth and lacks_question(truth, self.rules.reward.settings)
            )
        if not faults and truth is not None:
            self._read_prompt(row, truth)
        if faults or self.rules.processor is None or self.prompt_faults:
            self.rows.count += 1
        else:
            faults += _measure(where, row, self.rules, self.rows)
        self.rows.faults += faults

    def _read_prompt(self, row: Asked, truth: GroundTruth) -> None:
        kind = (truth.task, bool(row.images), row.style)
        if kind in self.kinds:
            return
        asked, faults = read_prompt(row.question, row.messages(), len(row.images), self.rules)
        known = {one.kind for one in self.prompt_faults}
        self.prompt_faults += [fault for fault in faults if fault.kind not in known]
        self.kinds[kind] = None if faults else Kind(row.truth, asked)


def _row_faults(where: str, row: Asked, truth: GroundTruth | None, rules: RowRules) -> Iterator[Fault]:
    prompt, images = row.question, row.images
    if not isinstance(prompt, str) or not prompt.strip():
        yield Fault(where, "the prompt is empty", "drop the row")
        return
    if not isinstance(images, list):
        what = "images is null" if images is None else f"images is {type(images).__name__}, not a list"
        yield Fault(where, what, "write a list, [] for a row without images")
        return
    tags = prompt.count(IMAGE_TAG)
    said = f"{tags} {IMAGE_TAG} in the prompt for {len(images)} images"
    faults, sizes = picture_faults(where, said, tags, images, MAX_ASPECT_RATIO)
    yield from rules.special.faults(where, prompt)
    if rules.limit_images and len(images) > rules.limit_images:
        what = f"{len(images)} images are more than {rules.keys.images} {rules.limit_images}"
        yield Fault(where, what, "raise it or drop the row")
    yield from faults
    if truth is not None and truth.task in ("grounding", "detection") and len(sizes) == len(images):
        yield from _box_faults(where, truth, prompt, sizes)


def _box_faults(where: str, truth: GroundTruth, prompt: str, sizes: Sequence[tuple[int, int]]) -> Iterator[Fault]:
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


def _measure(where: str, row: Asked, rules: RowRules, rows: Rows) -> Iterator[Fault]:
    """Count the row and its prompt's tokens in ``rows``; yield the fault of a prompt that is too long."""
    limit = rules.max_tokens
    try:
        length = row.tokens()
    except ROW_ERRORS as error:
        yield Fault(where, f"cannot be encoded ({first_line(error)})", "mend or drop the row")
        return
    rows.measured(length)
    is_long = limit is not None and length > limit
    rows.count += not (is_long and rules.too_long == "left out")
    if is_long:
        what = f"{length:,} tokens are more than {rules.keys.length} {limit:,}; it would be {rules.too_long}"
        yield Fault(where, what, f"raise it, {rules.keys.smaller}or drop the row")
