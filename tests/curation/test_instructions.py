"""Every question says what form its answer has, in the paper's words or in several of ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infimed_plugins import prompts
from infimed_plugins.curation import StepContext
from infimed_plugins.curation.instructions import TEMPLATES, answer_kind, instructions
from infimed_plugins.errors import ConfigError
from infimed_plugins.recipes import Part, Recipe, Step, build
from infimed_plugins.records import Sample, Task

CHOICE = Sample("c", "t", "train", "What is it?", "multiple_choice", "B", options=("cyst", "stone"))


def asked(task: Task, answer: Any, **more: Any) -> Sample:
    return Sample("q", "t", "train", "What?", task, answer, **more)


@pytest.mark.parametrize(
    ("sample", "kind"),
    [
        (CHOICE, "multiple_choice"),
        (asked("text", "yes"), "yes_no"),
        (asked("text", "No."), "yes_no"),
        (asked("text", "没有", language="zh"), "yes_no"),
        (asked("text", "no lesion"), "short_text"),
        (asked("text", "upper left"), "short_text"),
        (asked("text", "左肺", language="zh"), "short_text"),
        (asked("text", "The lesion is seen in the upper left lobe of the lung, and it is round."), "long_text"),
        (asked("text", "A round lesion.", meta={"kind": "caption"}), "caption"),
        (asked("math", "16"), "number"),
        (asked("math", "12.5 mm"), "number"),
        (asked("math", r"\frac{1}{2}"), "number"),
        (asked("math", "x^2 + 1"), "expression"),
        (asked("grounding", [1, 2, 3, 4]), "box"),
        (asked("detection", [[1, 2, 3, 4]]), "boxes"),
        (asked("detection", []), "boxes"),
    ],
)
def test_the_kind_of_an_answer_is_read_from_task_and_form(sample: Sample, kind: str) -> None:
    assert answer_kind(sample) == kind


def test_the_paper_has_one_wording_and_it_ends_the_question() -> None:
    (told,) = instructions([CHOICE], StepContext())
    assert prompts.question_text(told) == (
        "What is it?\nA. cyst\nB. stone\nAnswer with the option's letter from the given choices."
    )
    (told,) = instructions([replace(CHOICE, language="zh")], StepContext())
    assert told.meta["instruction"] == "请从给出的选项中选择，用选项字母作答。"


def wordings(seed: int, language: str = "en") -> list[str]:
    samples = [replace(CHOICE, id=f"c{n}", language=language) for n in range(60)]
    context = StepContext(seed=seed, settings={"wordings": "varied"})
    return [sample.meta["instruction"] for sample in instructions(samples, context)]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_varied_wordings_are_drawn_by_seed_and_id(language: str) -> None:
    assert set(wordings(0, language)) == set(TEMPLATES["multiple_choice"][language])
    assert wordings(0, language) == wordings(0, language) != wordings(1, language)


def test_the_wording_does_not_hang_on_what_the_right_answer_is() -> None:
    for wording in ("paper", "varied"):
        context = StepContext(settings={"wordings": wording})
        for answers in (("yes", "no"), ("是", "否"), ("有", "没有"), ("liver", "kidney")):
            told = list(instructions([asked("text", answer) for answer in answers], context))
            assert len({sample.meta["instruction"] for sample in told}) == 1


def test_every_kind_has_several_wordings_in_both_languages() -> None:
    for kind, languages in TEMPLATES.items():
        assert set(languages) == {"en", "zh"}, kind
        for wordings in languages.values():
            assert len(set(wordings)) == len(wordings) >= 2, kind
            assert all(prompts.escape_media_tags(text) == text.strip() for text in wordings)
            assert all(("[x1, y1, x2, y2]" in text) == (kind in ("box", "boxes")) for text in wordings)
            assert all(("No Objects" in text) == (kind == "boxes") for text in wordings)


def test_an_instruction_of_its_own_is_left_alone_and_counted() -> None:
    own = CHOICE.with_meta(instruction="Pick one.")
    silent = replace(CHOICE, id="s").with_meta(instruction="")
    context = StepContext()
    assert list(instructions([own, silent, CHOICE], context))[:2] == [own, silent]
    assert context.counted == {"instruction of its own": 2, "instruction for multiple_choice": 1}
    context = StepContext(settings={"fill_empty": True})
    first, second = instructions([own, silent], context)
    assert first == own
    assert second.meta["instruction"] == prompts.TASK_INSTRUCTIONS["multiple_choice"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"wordings": "many"}, "instructions: wordings is 'many'; one of paper, varied"),
        ({"words": "paper"}, "; one of wordings, fill_empty"),
        ({"fill_empty": 1}, "fill_empty is 1; give true or false"),
    ],
)
def test_what_cannot_be_is_said(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        list(instructions([CHOICE], StepContext(settings=settings)))


def test_in_a_recipe_every_row_ends_with_a_template(plug_in: Callable[..., None], tmp_path: Path) -> None:
    plug_in(curation_steps={"instructions_tried": instructions})
    step = Step("instructions_tried", {"wordings": "varied"})
    part = Part("p", "phantom", "train", limit=20, order="first", steps=(step,))
    (count,) = build(Recipe("demo", "llamafactory", (part,)), tmp_path).parts
    assert count.kept == sum(number for note, number in count.counted.items() if note.startswith("instruction")) == 20
    known = {text for languages in TEMPLATES.values() for text in languages["en"]}
    for row in (tmp_path / "demo.jsonl").read_text(encoding="utf-8").splitlines():
        assert json.loads(row)["messages"][0]["content"].splitlines()[-1] in known
