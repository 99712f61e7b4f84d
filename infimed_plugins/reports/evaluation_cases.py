"""The cases an evaluation page shows: questions with every model's reply, and their images made small."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from typing import TypedDict

from infimed_plugins.benchmarks.judged import Judged, Run
from infimed_plugins.errors import DataError
from infimed_plugins.images import thumbnail
from infimed_plugins.pages import MOST_NAME, data_uri, shortened
from infimed_plugins.records import OPTION_LETTERS, Json
from infimed_plugins.reports.summary import asked_in, identified

# of the questions wanted: the place of each that has an image with the encoded image, or why it cannot be shown
Images = Callable[[Sequence[tuple[Run, Judged]]], Iterable[tuple[int, bytes | str]]]

NO_IMAGE = "no image"
THUMBNAIL = 320  # pixels of the longer side
MOST_GROUPS = 40  # of one case


class ReplyJson(TypedDict):
    """What one model said to a case. ``accuracy`` 1, 0, or null for unscored."""

    model: str
    text: str
    parsed: str | None
    accuracy: float | None
    invalid: bool
    reason: str


class CaseJson(TypedDict):
    """One question in one setting; ``image`` indexes the images, or says in words why there is none."""

    id: str
    benchmark: str
    asked: str
    image: int | str
    question: str
    prompt: str
    options: list[str]
    gold: str
    right: int | None
    language: str
    groups: list[str]
    replies: list[ReplyJson]


class CasesJson(TypedDict):
    """All that the page's browser of cases reads."""

    cases: list[CaseJson]
    images: list[str]


@dataclass(frozen=True)
class Case:
    """One question with the run and the judged reply of each model that was asked it."""

    id: str
    replies: tuple[tuple[Run, Judged], ...]

    @property
    def telling(self) -> bool:
        """Whether the models differ on it or a reply was invalid."""
        return len({row.accuracy for _, row in self.replies}) > 1 or any(row.invalid for _, row in self.replies)


def all_cases(runs: Sequence[Run]) -> dict[tuple[str, str], list[Case]]:
    """Every question by (benchmark, label of the setting), in the order of the runs."""
    found: dict[tuple[str, str], dict[str, list[tuple[Run, Judged]]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        for name, row in identified(run.rows).items():
            found[run.benchmark, asked_in(run).label][name].append((run, row))
    return {key: [Case(name, tuple(replies)) for name, replies in by_id.items()] for key, by_id in found.items()}


def draw_cases(cases: Mapping[tuple[str, str], Sequence[Case]], most: int, seed: int) -> list[Case]:
    """At most ``most`` cases: telling ones first, in turn over benchmarks and settings so that a large benchmark does
    not crowd out the others; at random within each."""
    telling, plain = [], []
    for key, listed in cases.items():
        order = random.Random(f"{seed} {key}").sample(list(listed), len(listed))
        telling.append([case for case in order if case.telling])
        plain.append([case for case in order if not case.telling])
    return list(islice(chain(_in_turn(telling), _in_turn(plain)), most))


def _in_turn(queues: Sequence[Sequence[Case]]) -> Iterator[Case]:
    """The first of each, the second of each …"""
    return (case for layer in zip_longest(*queues) for case in layer if case is not None)


def cases_json(cases: Sequence[Case], images: Images) -> CasesJson:
    """The cases with their images as JPEG data URIs, each image of a benchmark and variant once.

    Raises MissingExtraError without Pillow; an image that is missing or does not decode is said so in its cases.
    """
    wanted: dict[tuple[str, str, str], tuple[Run, Judged]] = {}
    for case in cases:
        run, row = case.replies[0]
        wanted.setdefault((run.benchmark, run.variant, row.image), (run, row))
    keys, asked = list(wanted), list(wanted.values())
    shown: dict[tuple[str, str, str], int | str] = dict.fromkeys(keys, NO_IMAGE)
    uris: list[str] = []
    for place, found in images(asked):  # made small as it comes: no more than one is held whole
        try:
            uris += [] if isinstance(found, str) else [data_uri(thumbnail(found, asked[place][1].id, THUMBNAIL))]
            shown[keys[place]] = found if isinstance(found, str) else len(uris) - 1
        except DataError as error:
            shown[keys[place]] = f"the image cannot be shown: {error}"
    listed = []
    for case in cases:
        run, row = case.replies[0]
        listed.append(_case_json(case, shown[run.benchmark, run.variant, row.image]))
    return {"cases": listed, "images": uris}


def _case_json(case: Case, image: int | str) -> CaseJson:
    run, row = case.replies[0]
    options = [shortened(option) for option in row.options or ()]
    return {
        "id": shortened(case.id, MOST_NAME),
        "benchmark": shortened(run.benchmark),
        "asked": shortened(asked_in(run).label),
        "image": image if isinstance(image, int) else shortened(image),
        "question": shortened(row.question),
        "prompt": shortened(row.prompt),
        "options": options,
        "gold": shortened(row.gold if isinstance(row.gold, str) else json.dumps(row.gold, ensure_ascii=False)),
        "right": _right_option(row.gold, options),
        "language": shortened(row.language, MOST_NAME),
        "groups": _named_groups(row.meta),
        "replies": [_reply_json(one.model, judged) for one, judged in case.replies],
    }


def _named_groups(meta: Mapping[str, Json]) -> list[str]:
    """``modality: CT`` for each of the first ``MOST_GROUPS`` plain values."""
    plain = (f"{key}: {value}" for key, value in meta.items() if isinstance(value, (str, int, float)))
    return [shortened(group, MOST_NAME) for group in islice(plain, MOST_GROUPS)]


def _reply_json(model: str, judged: Judged) -> ReplyJson:
    return {
        "model": shortened(model),
        "text": shortened(judged.text),
        "parsed": None if judged.parsed is None else shortened(judged.parsed),
        "accuracy": judged.accuracy,
        "invalid": judged.invalid,
        "reason": shortened(judged.why),
    }


def _right_option(gold: Json, options: Sequence[str]) -> int | None:
    """The index of the gold option, given by its letter or its text."""
    if not isinstance(gold, str) or not options:
        return None
    if gold in options:
        return options.index(gold)
    letters = OPTION_LETTERS[: len(options)]
    return letters.index(gold) if len(gold) == 1 and gold in letters else None
