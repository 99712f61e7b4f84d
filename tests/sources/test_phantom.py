"""The embedded data set: deterministic, every task, splits that share no picture, answers that score 1."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest

from infimed_plugins import prompts
from infimed_plugins.errors import ConfigError
from infimed_plugins.records import TASKS
from infimed_plugins.rewards import compute_score
from infimed_plugins.sources.phantom import (
    DESCRIPTIONS,
    NAMES_THE_OPTION,
    PHANTOM,
    READING,
    ROTATION,
    SPLIT_PICTURES,
    phantom_sample,
)

DIGEST = """
import hashlib
from infimed_plugins.sources.phantom import PHANTOM
lines = [f"{s.id} {s.question} {s.options} {s.answer} {s.images[0].sha256()}" for s in PHANTOM.load("train", limit=20)]
print(hashlib.sha256("\\n".join(lines).encode()).hexdigest())
"""


def test_another_process_makes_the_same_samples() -> None:
    samples = PHANTOM.load("train", limit=20)
    lines = [f"{s.id} {s.question} {s.options} {s.answer} {s.images[0].sha256()}" for s in samples]
    here = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    run = subprocess.run([sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == here


def test_splits_share_no_picture() -> None:
    seen: dict[str, str] = {}
    for split in SPLIT_PICTURES:
        for sample in PHANTOM.load(split, limit=60):
            digest = sample.images[0].sha256()
            assert digest not in seen, f"{split} and {seen.get(digest)} share a picture"
            seen[digest] = split


def test_another_seed_gives_other_pictures() -> None:
    first, other = (next(PHANTOM.load("test", seed=seed)).images[0].sha256() for seed in (0, 1))
    assert first != other


def test_every_task_and_kind_is_asked() -> None:
    samples = list(PHANTOM.load("train", limit=400))
    assert {sample.task for sample in samples} == set(TASKS)
    assert {sample.meta["kind"] for sample in samples} == set(ROTATION)


def test_gold_answers_score_one() -> None:
    samples = list(PHANTOM.load("rlvr", limit=200))
    rows = [
        {"response": prompts.target(sample, "reasoning"), "ground_truth": sample.ground_truth.to_json()}
        for sample in samples
    ]
    wrong = [sample.id for sample, row in zip(samples, compute_score(rows), strict=True) if row["overall"] < 0.999]
    assert wrong == []


def test_boxes_lie_inside_the_picture_and_never_touch() -> None:
    for index in range(300):
        sample = phantom_sample("train", index, kind="boxes")
        for number, (x1, y1, x2, y2) in enumerate(sample.answer):
            assert 0 <= x1 < x2 <= 112
            assert 0 <= y1 < y2 <= 112
            for a1, b1, a2, b2 in sample.answer[:number]:
                assert x2 <= a1 or a2 <= x1 or y2 <= b1 or b2 <= y1


@pytest.mark.parametrize("kind", DESCRIPTIONS)
def test_descriptions_are_asked_by_name_only(kind: str) -> None:
    sample = phantom_sample("train", 3, kind=kind)
    assert sample.meta["kind"] == kind
    assert "Answer with" not in prompts.render(sample, "direct")


def test_reading_exercises_list_every_option_once() -> None:
    assert READING == ("copy", "letter")
    for index in range(20):
        copy, letter = (phantom_sample("pretrain", index, kind=kind) for kind in READING)
        assert copy.options is not None
        assert letter.options is not None
        marked = (f"{mark}. {name}" for mark, name in zip("ABCD", copy.options, strict=True))
        assert copy.answer == ", ".join(marked) + "."
        listed = str(letter.answer).removeprefix("Here ").removesuffix(".").split(", ")
        assert sorted(listed) == sorted(f"{name} {mark}" for mark, name in zip("ABCD", letter.options, strict=True))


def test_some_rationales_name_the_option_and_those_that_do_name_the_right_one() -> None:
    samples = [phantom_sample("train", index, kind="modality") for index in range(400)]
    naming = [sample for sample in samples if "Choose" in str(sample.rationale)]
    assert abs(len(naming) / len(samples) - NAMES_THE_OPTION) < 0.1
    for sample in naming:
        assert str(sample.rationale).endswith(f"Choose {sample.meta['modality']} {sample.answer}.")


def test_an_unknown_split_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match="pretrain, train, rlvr, val, test"):
        next(PHANTOM.load("tset"))
