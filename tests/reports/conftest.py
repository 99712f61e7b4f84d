"""Runs made up by a seeded generator: no model said any of it, and no figure of theirs means anything."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from chromium import Page

from infimed_plugins.benchmarks.judged import Judged, Run
from infimed_plugins.reports.evaluation_page import write_evaluation_page

MODALITIES = ("CT", "MRI", "ultrasound")
OPTIONS = ("the left lung", "the right lung", "the liver", "the spleen")
SKILL = {"base": 0.45, "sft": 0.6, "rl": 0.66}
COST = {"": 0.0, "shuffle": 0.05, "circular": 0.12, "blur": 0.08, "noise": 0.06}
VARIANTS = ("shuffle:1", "shuffle:2", "shuffle:3", "circular", "blur:1", "blur:2", "blur:3", "noise:1", "noise:2")


def synthetic_rows(model: str, benchmark: str, questions: int, variant: str = "", seed: int = 0) -> list[Judged]:
    """Rows of a made-up model: two questions an image, some replies unreadable or empty, one engine failure."""
    rng = random.Random(f"{seed} {model} {benchmark} {variant}")
    family, _, severity = variant.partition(":")
    loss = COST[family] * (float(severity or 1) if family != "shuffle" else 1)
    rows = []
    for number in range(questions):
        gold = random.Random(f"{seed} {benchmark} {number}").choice("ABCD")
        dice = rng.random()
        right, empty, mute = dice < SKILL[model] - loss, dice > 0.99, dice > 0.96
        said = gold if right else rng.choice([letter for letter in "ABCD" if letter != gold])
        text = "" if empty else "It could be several." if mute else f"<think>Looks so.</think>\n<answer>{said}</answer>"
        failed = number == 7 and model == "base"
        rows.append(
            Judged(
                id=f"{benchmark}-{number:04d}",
                group="organ",
                image=f"{benchmark}-image-{number // 2}",
                prompt=f"<image>Which organ is shown in picture {number}? A … D",
                text="" if failed else text,
                gold=gold,
                parsed=None if mute or failed else said,
                accuracy=None if failed else float(right),
                format=0.0 if mute else 1.0,
                invalid=mute and not failed,
                reason="the server went away" if failed else "no answer" if mute else "",
                question=f"Which organ is shown in picture {number}?",
                options=OPTIONS,
                task="multiple_choice",
                meta={"kind": ("organ", "side")[number % 2], "modality": MODALITIES[number % 3]},
            )
        )
    return rows


@pytest.fixture(scope="session")
def synthetic_runs() -> list[Run]:
    """Three models on three benchmarks, and the variants of one."""
    runs = [
        Run(model, benchmark, "direct", "robust", synthetic_rows(model, benchmark, questions))
        for benchmark, questions in (("phantom", 300), ("vqa_rad", 200), ("mmmu_health", 150))
        for model in SKILL
    ]
    runs += [
        Run(model, "phantom", "direct", "robust", synthetic_rows(model, "phantom", 200, variant), variant=variant)
        for variant in VARIANTS
        for model in ("base", "rl")
    ]
    return runs


def pictures(wanted: Sequence[tuple[Run, Judged]]) -> Iterator[tuple[int, bytes | str]]:
    """Grey pictures that differ by image, the last first; none for one of them."""
    from PIL import Image

    for place, (_, judged) in reversed(list(enumerate(wanted))):
        number = int(judged.image.rpartition("-")[2])
        if number == 4:
            yield place, b"no image at all"
        elif number == 5:
            yield place, "no image: lost"
        elif number != 3:
            buffer = io.BytesIO()
            Image.linear_gradient("L").rotate(number * 7).resize((640, 480)).save(buffer, format="PNG")
            yield place, buffer.getvalue()


@pytest.fixture(scope="session")
def write_synthetic() -> Callable[[Sequence[Run], Path], str]:
    """Write the page of some runs; returns its text."""

    def write(runs: Sequence[Run], path: Path, most_cases: int = 300) -> str:
        write_evaluation_page(
            runs,
            path,
            images=pictures,
            metadata={"seed": "0", "data": "made up by a test"},
            notes=["Every figure here is made up: no model was asked."],
            most_cases=most_cases,
        )
        return path.read_text(encoding="utf-8")

    return write


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    page = Page(tmp_path_factory.mktemp("chromium"))
    yield page
    page.close()
