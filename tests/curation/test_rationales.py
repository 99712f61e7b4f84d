"""A rationale is drawn with the paper's prompt and kept only when its answer is right, allowed and well-formed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from infimed_plugins import prompts
from infimed_plugins.curation import StepContext
from infimed_plugins.curation.rationales import (
    CHOICE_PROMPT,
    RationaleSettings,
    judge,
    rationale_prompt,
    rationales,
    take_apart,
)
from infimed_plugins.engines import ChatRequest, Reply, Sampling
from infimed_plugins.errors import ConfigError
from infimed_plugins.parsing.options import last_option
from infimed_plugins.recipes import Part, Recipe, Step, build
from infimed_plugins.records import ImageRef, Sample
from infimed_plugins.rewards import compute_score

OPTIONS = ("cyst", "stone", "mass", "polyp")
SAMPLE = Sample("q", "t", "train", "What is it?", "multiple_choice", "B", (ImageRef(data=b""),), OPTIONS)
WIDTH = Sample("w", "t", "train", "How wide is it, in mm?", "math", "16")
ORGAN = Sample("o", "t", "train", "Which organ?", "text", "liver")
GOOD = "A bright spot with a shadow behind it.\nThat is a stone.\n<answer>B</answer>"


@dataclass
class Says:
    texts: tuple[str, ...]
    model: str = "fixed"
    failing: str = ""
    sampling: Sampling | None = None
    asked: list[ChatRequest] = field(default_factory=list)

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        self.sampling = sampling
        for request in requests:
            self.asked.append(request)
            yield Reply(request.id, self.texts, error="down" if request.id == self.failing else None)


@pytest.mark.parametrize(
    ("text", "rejected"),
    [
        (GOOD, ""),
        (f"<think>Hm, what could it be.</think>\n{GOOD}", ""),
        ("It throws a shadow. So B. <answer>stone</answer>", ""),
        ("It throws a shadow. So it is B. <answer> (B) stone </answer>", ""),
        ("It throws a shadow. B", "not one well-formed answer"),
        ("It throws a shadow. \\boxed{B}", "not one well-formed answer"),
        ("It throws a shadow. <answer>B", "not one well-formed answer"),
        ("It throws a shadow. </answer>B<answer>", "not one well-formed answer"),
        ("It throws a shadow. <answer> </answer>", "not one well-formed answer"),
        ("Perhaps <answer>A</answer>, no: <answer>B</answer>", "not one well-formed answer"),
        (f"{GOOD} I hope that this helps.", "not one well-formed answer"),
        ("<think>It throws a shadow. <answer>B</answer>", "not one well-formed answer"),
        ("", "not one well-formed answer"),
        ("<answer>B</answer>", "no reasoning"),
        ("**Answer:** <answer>B</answer>", "no reasoning"),
        ("…\n<answer>B</answer>", "no reasoning"),
        ("The final answer is B: stone. <answer>B</answer>", "reasoning that only repeats the answer"),
        ("Stone. <answer>B</answer>", "reasoning that only repeats the answer"),
        ("It throws a shadow. <answer>E</answer>", "answer is none of the options"),
        ("It throws a shadow. <answer>B or C</answer>", "answer is none of the options"),
        ("It throws a shadow. <answer>a gallstone</answer>", "answer is none of the options"),
        ("It throws no shadow. <answer>A</answer>", "wrong answer"),
        ("It throws a shadow. So the answer is A. <answer>B</answer>", "reasoning for another option"),
        ("It looks like a cyst. <answer>B</answer>", "reasoning for another option"),
        ("A is out: it throws a shadow. C is out. So the answer is B.\n<answer>B</answer>", ""),
    ],
)
def test_a_candidate_is_kept_or_rejected_for_one_reason(text: str, rejected: str) -> None:
    assert judge(text, SAMPLE).rejected == rejected


@pytest.mark.parametrize(
    ("reasoning", "letter"),
    [
        ("It looks like a cyst.", "A"),
        ("It is most likely a cyst with a thin wall.", "A"),
        ("The findings are consistent with a mass. The margins are rough.", "C"),
        ("The final diagnosis is cyst. Smooth margins.", "A"),
        ("So A.", "A"),
        ("It looks like a cyst at first, but the shadow shows it is a stone.", "B"),
        ("It is bright, so it is a stone, not a cyst.", "B"),
        ("1. A bright spot.\n2. A. Cyst: a sac. D. Polyp: a mass on a stalk.\n3. This is typical of a stone.", "B"),
        ("It is not a cyst.", ""),
        ("It doesn't look like a cyst.", ""),
        ("If it were a cyst, there would be no shadow.", ""),
        ("Unlike a cyst it throws a shadow.", ""),
        ("Option A is a cyst, which would be dark.", ""),
        ("Option A (cyst) would be dark. Option B (stone) is bright.", ""),
        ("The margins suggest cyst or stone.", ""),
        ("It throws a shadow.", ""),
    ],
)
def test_the_option_that_reasoning_commits_to_last_is_read(reasoning: str, letter: str) -> None:
    assert last_option(reasoning, OPTIONS) == letter


def test_a_chinese_chain_commits_too() -> None:
    assert [last_option(text, ("囊肿", "结石")) for text in ("图像提示囊肿。", "这不是囊肿。")] == ["A", ""]


@pytest.mark.parametrize(
    ("sample", "text", "rejected"),
    [
        (ORGAN, "Large and brown, under the diaphragm. <answer>the spleen</answer>", "wrong answer"),
        (ORGAN, "Large and brown, under the diaphragm. <answer>the liver</answer>", ""),
        (ORGAN, "Large and brown, under the diaphragm. <answer>Liver.</answer>", ""),
        (ORGAN, "Liver. <answer>Liver</answer>", "reasoning that only repeats the answer"),
        (WIDTH, "From 10 to 26 pixels, one mm each. <answer>16 mm</answer>", ""),
        (WIDTH, "From 10 to 25 pixels, one mm each. <answer>15</answer>", "wrong answer"),
    ],
)
def test_other_tasks_are_checked_by_their_own_rules(sample: Sample, text: str, rejected: str) -> None:
    assert judge(text, sample).rejected == rejected


@pytest.mark.parametrize(
    ("text", "reasoning"),
    [
        ("First this.\nThen that.\n\nFinal Answer:\n<answer>B</answer>", "First this.\nThen that."),
        ("<think>Hidden.</think> Shown. <answer>B</answer>", "Shown."),
        ("<think>All there is.</think>\n<answer>B</answer>", "All there is."),
        ("Opened by the template.</think>\n<answer>B</answer>", "Opened by the template."),
    ],
)
def test_the_reasoning_is_what_was_shown(text: str, reasoning: str) -> None:
    assert take_apart(text) == (reasoning, "B")


def test_the_prompt_is_the_papers_and_does_not_tell_the_answer() -> None:
    prompt = rationale_prompt(SAMPLE, RationaleSettings())
    question = "<image>What is it?\nA. cyst\nB. stone\nC. mass\nD. polyp"
    assert prompt == CHOICE_PROMPT.replace("{QUESTION}", question)
    assert prompt.startswith("Please carefully analyze the following multiple-choice question by generating a clear,")


@pytest.mark.parametrize(
    ("options", "named"),
    [(2, "(A and B)"), (3, "(A, B, and C)"), (4, "(A, B, C, and D)"), (5, "(A, B, C, D, and E)")],
)
def test_the_options_named_are_those_of_the_question(options: int, named: str) -> None:
    sample = Sample("q", "t", "train", "?", "multiple_choice", "A", options=("x", "y", "z", "u", "v")[:options])
    assert f"Consider each option {named} and" in rationale_prompt(sample, RationaleSettings())


def test_a_question_cannot_fill_in_the_prompt_or_open_a_turn() -> None:
    sample = Sample("q", "t", "train", "{QUESTION} (A, B, C, and D) <|im_end|><image>", "text", "liver")
    prompt = rationale_prompt(sample, RationaleSettings(general=True))
    assert prompt.startswith("{QUESTION} (A, B, C, and D) < |im_end|><img>\nAnswer with a word or a short phrase.\n")


def test_the_first_accepted_candidate_becomes_the_rationale_and_all_are_counted() -> None:
    second = GOOD.replace("bright", "white")
    context = StepContext(engine=Says(("no tag", second, GOOD, "Shadow. <answer>A</answer>")), seed=7)
    (enhanced,) = rationales([SAMPLE], context)
    assert enhanced.rationale == "A white spot with a shadow behind it.\nThat is a stone."
    assert enhanced.meta["rationale"] == {"prompt": "choice", "accepted": 2, "of": 4}
    assert context.counted == {
        "candidates: accepted": 2,
        "candidates: not one well-formed answer": 1,
        "candidates: wrong answer": 1,
    }
    target = prompts.target(enhanced, "reasoning")
    (score,) = compute_score([{"response": target, "ground_truth": enhanced.ground_truth.to_json()}])
    assert score["overall"] == pytest.approx(1.0)
    engine = context.engine
    assert isinstance(engine, Says)
    assert engine.sampling == Sampling(4, 1.0, 1.0, 2048, seed=7)
    assert engine.asked[0].images == SAMPLE.images


def test_a_sample_without_one_is_dropped_by_what_its_best_candidate_lacked() -> None:
    engine = Says(("no tag", "Shadow. <answer>A</answer>", "<answer>B</answer>"), failing="w")
    context = StepContext(engine=engine)
    assert list(rationales([SAMPLE, WIDTH], context)) == []
    assert context.dropped == {"no rationale: wrong answer": 1, "engine error": 1}


def test_general_chains_are_asked_for_plainly() -> None:
    context = StepContext(engine=Says((GOOD,)), settings={"general": True, "candidates": 1})
    (enhanced,) = rationales([SAMPLE], context)
    assert enhanced.meta["rationale"]["prompt"] == "general"
    engine = context.engine
    assert isinstance(engine, Says)
    assert "letter from the given choices.\nThink step by step." in engine.asked[0].text


def test_each_prompt_may_be_given_as_text_or_file(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("Why {QUESTION}? (A, B, C, and D)", encoding="utf-8")
    settings = RationaleSettings(choice_prompt=str(tmp_path / "mine.txt"), open_prompt="Tell me: {QUESTION}")
    question = "<image>What is it?\nA. cyst\nB. stone\nC. mass\nD. polyp"
    assert rationale_prompt(SAMPLE, settings) == f"Why {question}? (A, B, C, and D)"
    assert rationale_prompt(ORGAN, settings) == "Tell me: Which organ?\nAnswer with a word or a short phrase."


@pytest.mark.parametrize(
    ("engine", "settings", "said"),
    [
        (None, {}, "rationales needs an engine to draw candidates from; name one"),
        (Says(()), {"candidate": 3}, "; one of candidates, general"),
        (Says(()), {"candidates": 0}, "rationales: candidates is 0; give a whole number from 1"),
        (Says(()), {"general": "yes"}, "give true or false"),
        (Says(()), {"temperature": "hot"}, "rationales: temperature is 'hot'"),
        (Says(()), {"choice_prompt": "gone.txt"}, r"choice_prompt is 'gone.txt', which is no file and does not hold"),
        (Says(()), {"open_prompt": "{QUESTION} {QUESTION}"}, "does not hold {QUESTION} once"),
        (Says(()), {"open_prompt": "<image>{QUESTION}"}, "open_prompt holds a media tag such as <image>; leave it out"),
        (Says(()), {"general_prompt": 3}, "general_prompt is 3"),
    ],
)
def test_what_cannot_be_is_said(engine: Says | None, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        list(rationales([SAMPLE], StepContext(engine=engine, settings=settings)))


@dataclass
class AlwaysA:
    """Says A to everything: right for some phantoms, wrong for others."""

    model: str = "fixed"

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        for request in requests:
            yield Reply(request.id, ("The picture looks like the first one.\n<answer>A</answer>",) * sampling.n)


def test_in_a_recipe_only_rows_with_a_right_rationale_are_built(plug_in: Callable[..., None], tmp_path: Path) -> None:
    plug_in(curation_steps={"rationales_tried": rationales})
    step = Step("rationales_tried", {"candidates": 2})
    part = Part(
        "p", "phantom", "train", limit=12, order="first", tasks=("multiple_choice",), style="reasoning", steps=(step,)
    )
    (count,) = build(Recipe("demo", "llamafactory", (part,)), tmp_path, engine=AlwaysA()).parts
    assert 0 < count.kept < 12
    assert count.dropped["no rationale: wrong answer"] == 12 - count.kept
    rows = (tmp_path / "demo.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(rows) == count.kept
    assert all("<think> The picture looks like the first one. </think>" in row for row in rows)
