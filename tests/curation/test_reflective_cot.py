"""Reflective chains are made as A.2 says: keep from six, reflect from one to five, drop none right."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from infimed_plugins import prompts
from infimed_plugins.curation import StepContext
from infimed_plugins.curation.judge import rule_score
from infimed_plugins.curation.reflective_cot import (
    ReflectiveSettings,
    candidate_prompt,
    read_candidate,
    reflective_cot,
    synthesize,
)
from infimed_plugins.engines import ChatRequest, Reply, Sampling, Usage
from infimed_plugins.errors import ConfigError
from infimed_plugins.records import Sample
from infimed_plugins.rewards import compute_score

SAMPLE = Sample("q", "t", "train", "What is it?", "multiple_choice", "B", options=("cyst", "stone"))
RIGHT = prompts.tagged("One stone. Option B is stone.", "B")
POOR = prompts.tagged("Hm. Hm.", "B")
WRONG = prompts.tagged("One cyst. Option A is cyst.", "A")
BROKEN = "<think> a cyst"
BARE_RIGHT, BARE_WRONG = "A stone. <answer>B</answer>", "A cyst. <answer>A</answer>"  # an answer without the format


@dataclass
class Says:
    texts: tuple[str, ...]
    model: str = "fixed"
    sampling: Sampling | None = None

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        self.sampling = sampling
        for request in requests:
            yield Reply(request.id, self.texts)


def chains(right: int, wrong: str = WRONG) -> tuple[list[Sample], StepContext]:
    context = StepContext(engine=Says((RIGHT,) * right + (wrong,) * (10 - right)), settings={"judge": "rule"})
    return list(reflective_cot([SAMPLE], context)), context


@pytest.mark.parametrize("right", [1, 3, 5])
def test_one_to_five_right_reflect(right: int) -> None:
    (chain,), _ = chains(right)
    assert chain.rationale == (
        "One cyst. Option A is cyst. The answer is A. " + prompts.REFLECTION_BRIDGE + " One stone. Option B is stone."
    )
    (score,) = compute_score(
        [{"response": prompts.target(chain, "reasoning"), "ground_truth": chain.ground_truth.to_json()}]
    )
    assert score["overall"] == pytest.approx(1.0)


@pytest.mark.parametrize("right", [6, 10])
def test_six_or_more_right_are_kept_as_they_are(right: int) -> None:
    (chain,), _ = chains(right)
    assert chain.rationale == "One stone. Option B is stone."
    assert chain.meta["reflective"]["right"] == right


def test_none_right_is_dropped_and_counted() -> None:
    left, context = chains(0)
    assert left == []
    assert context.dropped == {"no right candidate": 1}
    assert context.counted == {"0 right of 10": 1, "candidates: requests": 1}


@pytest.mark.parametrize("wrong", [BROKEN, BARE_WRONG])
def test_a_candidate_that_broke_the_format_is_no_attempt_to_reflect_on_and_that_is_counted(wrong: str) -> None:
    (chain,), context = chains(3, wrong=wrong)
    assert chain.rationale == "One stone. Option B is stone."
    assert context.counted["candidates without the format"] == 7
    assert context.counted["no wrong candidate to reflect on"] == 1
    assert context.counted["chains kept as they are"] == 1


def test_m_counts_right_answers_whatever_their_format_and_chains_are_made_of_the_well_formed() -> None:
    texts = (RIGHT, *[BARE_RIGHT] * 5, *[WRONG] * 4)
    context = StepContext(engine=Says(texts), settings={"judge": "rule"})
    (chain,) = reflective_cot([SAMPLE], context)
    assert chain.rationale == "One stone. Option B is stone."  # m is 6: no reflection
    assert chain.meta["reflective"]["right"] == 6
    assert [c.get("well_formed", True) for c in chain.meta["reflective"]["candidates"]] == [True] + [False] * 5 + [
        True
    ] * 4
    assert context.counted["6 right of 10"] == context.right_of[6, 10] == 1
    assert context.counted["candidates without the format"] == 5
    assert "no wrong candidate to reflect on" not in context.counted


def test_right_answers_that_all_lack_the_format_make_no_chain_and_are_told_from_hard_questions() -> None:
    aside: list[Sample] = []
    texts = (*[BARE_RIGHT] * 4, *[WRONG] * 6)
    context = StepContext(engine=Says(texts), settings={"judge": "rule"}, aside=aside.append)
    assert list(reflective_cot([SAMPLE], context)) == []
    assert context.dropped == {"no right candidate in the format": 1}
    assert aside[0].meta["reflective"]["right"] == 4


def test_every_right_candidate_is_judged_even_one_without_the_format() -> None:
    engine = Judges(answers=(RIGHT, BARE_RIGHT, WRONG))
    (chain,) = reflective_cot([SAMPLE], StepContext(engine=engine))
    assert [c["score"] for c in chain.meta["reflective"]["candidates"]][:3] == [9, 2, None]
    assert str(chain.rationale).endswith("Option B is stone.")


def test_the_best_scored_right_candidate_is_chosen() -> None:
    candidates = [read_candidate(text, SAMPLE) for text in (POOR, RIGHT, POOR, WRONG)]
    for seed in range(10):
        chain = synthesize(SAMPLE, candidates, ReflectiveSettings(), random.Random(seed))
        assert chain is not None
        assert str(chain.rationale).endswith("Option B is stone.")


def test_scores_lie_on_the_papers_scale_and_order_good_before_poor() -> None:
    scores = [rule_score(reasoning, "B", SAMPLE) for reasoning in ("One stone. Option B is stone.", "Hm. Hm.", "")]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == 10
    assert scores[-1] == 1


def test_the_defaults_are_the_papers() -> None:
    engine = Says((RIGHT,) * 10)
    list(reflective_cot([SAMPLE], StepContext(engine=engine, settings={"judge": "rule"})))
    assert engine.sampling is not None
    assert engine.sampling.n == 10
    assert ReflectiveSettings().keep_from == 6
    assert ReflectiveSettings().judge == "model"


def test_it_needs_an_engine_and_knows_its_settings() -> None:
    with pytest.raises(ConfigError, match="engine"):
        list(reflective_cot([SAMPLE], StepContext()))
    with pytest.raises(ConfigError, match="candidates"):
        list(reflective_cot([SAMPLE], StepContext(engine=Says(()), settings={"samples": 3})))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"bridge": "</think><think>"}, "reflective_cot: bridge is '</think><think>'; give a sentence, without tags"),
        ({"bridge": "Look <image> again."}, "without tags"),
        ({"bridge": 3}, "bridge is 3; give a sentence"),
        ({"bridge": " "}, "give a sentence"),
        ({"temperature": "hot"}, "temperature is 'hot'"),
        ({"temperature": -1}, "temperature is -1"),
        ({"temperature": 0}, "all 10 candidates would be one"),
        ({"top_p": 5}, "top_p is 5"),
        ({"judge_engine": "big"}, "judge_engine is 'big'; give {name: openai"),
        (
            {"judge_prompt": "Rate {q}."},
            r"judge_prompt is 'Rate {q}.', .* does not hold {y_i\^\+} once; give the prompt",
        ),
        ({"prompt": "What?"}, "prompt is 'What\\?', which is no file and does not hold {QUESTION} once"),
    ],
)
def test_a_setting_that_would_spoil_the_rows_is_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        list(reflective_cot([SAMPLE], StepContext(engine=Says(()), settings=settings)))


def test_prompts_are_settings_and_the_default_is_the_rendering_that_is_trained_on() -> None:
    engine = Judges()
    settings = {"prompt": "Think hard about {QUESTION}!", "judge_prompt": "Rate {y_i^+} for {q}."}
    list(reflective_cot([SAMPLE], StepContext(engine=engine, settings=settings)))
    assert engine.asked[0].startswith("Think hard about What is it?\nA. cyst\nB. stone\n")
    assert all("\n\nRate \n<<<BEGIN" in text for text in engine.asked[1:])
    plain = Judges()
    list(reflective_cot([SAMPLE], StepContext(engine=plain)))
    assert plain.asked[0] == prompts.render(SAMPLE, "reasoning")


@dataclass
class Judges:
    """Answers a question with POOR, RIGHT and WRONG, and judges by a table; the first try cannot be read."""

    model: str = "judge"
    turns: int = 0
    unreadable: str = ""
    answers: tuple[str, ...] = (POOR, RIGHT, WRONG)  # the last one as often as it takes
    asked: list[str] = field(default_factory=list)

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        if sampling.n > 1:
            for request in requests:
                self.asked.append(request.text)
                more = [self.answers[-1]] * (sampling.n - len(self.answers))
                yield Reply(request.id, (*self.answers, *more), usage=Usage(7, 20))
            return
        self.turns += 1
        for request in requests:
            self.asked.append(request.text)
            score = 9 if "Option B is stone." in request.text else 2
            said = json.dumps({"score": score, "justification": "because"})
            torn = self.turns == 1 or (self.unreadable and self.unreadable in request.text)
            yield Reply(request.id, ("I would say " + said,) if torn else (said,))


def test_a_model_judges_every_right_candidate_and_is_asked_again_for_what_cannot_be_read() -> None:
    context = StepContext(engine=Judges())
    (chain,) = reflective_cot([SAMPLE], context)
    evidence = chain.meta["reflective"]
    assert [candidate["score"] for candidate in evidence["candidates"]] == [2, 9, *[None] * 8]
    assert (evidence["judge"], evidence["seed"]) == ("model", 0)
    assert str(chain.rationale).endswith("Option B is stone.")
    assert context.counted["judge: requests"] == 4
    assert context.counted["candidates: completion tokens"] == 20
    assert context.counted["chains that reflect"] == 1


def test_what_the_judge_never_scores_is_unscored_and_not_chosen_while_another_has_a_score() -> None:
    context = StepContext(engine=Judges(unreadable="Option B is stone."))
    (chain,) = reflective_cot([SAMPLE], context)
    assert [c["score"] for c in chain.meta["reflective"]["candidates"]][:2] == [2, None]
    assert str(chain.rationale).endswith("Hm. Hm.")
    assert context.counted["candidates left unscored by the judge"] == 1


def test_another_engine_may_judge_and_what_nobody_answers_is_put_aside() -> None:
    started: list[object] = []
    aside: list[Sample] = []

    def start(choice: object) -> Judges:
        started.append(choice)
        return Judges()

    choice = {"name": "openai", "model": "big"}
    context = StepContext(
        engine=Says((WRONG,) * 10), settings={"judge_engine": choice}, start_engine=start, aside=aside.append
    )
    assert list(reflective_cot([SAMPLE], context)) == []
    assert started == [choice]
    assert [sample.id for sample in aside] == ["q"]
    assert aside[0].meta["reflective"]["right"] == 0


@pytest.mark.parametrize(
    ("language", "chinese"),
    [
        *((name, True) for name in ("zh", "zh-CN", "ZH_hant", "Chinese", " 中文 ", "Chinese (simplified)")),
        *((name, False) for name in ("en", "", "zhuang", "ja", "English")),
    ],
)
def test_a_row_is_asked_and_its_chain_joined_in_its_language(language: str, chinese: bool) -> None:
    row = replace(SAMPLE, language=language, question="它是什么？")
    asked = candidate_prompt(row)
    first, last = (
        "请从给出的选项中选择，用选项字母作答。",
        "请先在 <think> </think> 中思考，再在 <answer> </answer> 中给出最终答案。",
    )
    if not chinese:
        first, last = (
            "Answer with the option's letter from the given choices.",
            "First think inside <think> </think>, then give the final answer inside <answer> </answer>.",
        )
    assert asked == f"它是什么？\nA. cyst\nB. stone\n{first}\n{last}"
    context = StepContext(engine=Says((RIGHT,) + (WRONG,) * 9), settings={"judge": "rule"})
    (chain,) = reflective_cot([row], context)
    joined = "答案是A。 等等" if chinese else "The answer is A. Wait"
    assert str(chain.rationale).startswith(f"One cyst. Option A is cyst. {joined}")


def test_words_of_the_user_stay_in_a_chinese_row() -> None:
    row = replace(SAMPLE, language="zh")
    assert candidate_prompt(row, "Think! {QUESTION}") == f"Think! {prompts.question_text(row)}"
    settings = {"judge": "rule", "bridge": "Hold on."}
    (chain,) = reflective_cot([row], StepContext(engine=Says((RIGHT,) + (WRONG,) * 9), settings=settings))
    assert "答案是A。 Hold on. One stone." in str(chain.rationale)


def test_a_candidate_that_only_closes_the_tag_is_one_with_the_format() -> None:
    read = read_candidate(RIGHT.removeprefix("<think>"), SAMPLE)
    assert (read.well_formed, read.right, read.reasoning) == (True, True, "One stone. Option B is stone.")
    for torn in ("One stone. <answer>B</answer>", "</think></think><answer>B</answer>", f"So. {RIGHT}"):
        assert not read_candidate(torn, SAMPLE).well_formed


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("task", ["multiple_choice", "text"])
def test_the_rollout_template_asks_in_the_language_of_the_row(language: str, task: str) -> None:
    jinja2 = pytest.importorskip("jinja2")
    file = Path(__file__).parents[2] / "easyr1_configs" / "infimed.jinja"
    row = replace(SAMPLE, language=language, task=task)
    made = jinja2.Template(file.read_text(encoding="utf-8").strip()).render(content=prompts.question_text(row))
    assert made == prompts.render(row, "reasoning")
