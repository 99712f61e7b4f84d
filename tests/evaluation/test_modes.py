"""Every mode judges the replies of every benchmark; what it has no rule for is unscored, never wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from infimed_plugins.benchmarks import PAPER, TEXT, Benchmark
from infimed_plugins.benchmarks.answered import Answered
from infimed_plugins.benchmarks.judging import Opinion, judge_rows
from infimed_plugins.benchmarks.modes import MODES, is_open, scores
from infimed_plugins.benchmarks.questions import MEDEVALKIT_STYLES, Question, questions, request
from infimed_plugins.errors import ConfigError
from infimed_plugins.plugins import registry

DOWNLOADS = Path(__file__).parents[1] / "data" / "sources"
ALL = ("phantom", *PAPER, "gmai_mmbench", *TEXT)


def benchmark(name: str) -> Benchmark:
    found: Benchmark = registry().get("benchmark", name)
    return found


def asked(name: str, reply: str | None = None) -> list[Answered]:
    """The benchmark's questions from the small copies, each with the reply, or with its right answer."""
    of = benchmark(name)
    rows = []
    for index, question in enumerate(questions(of, folder=DOWNLOADS, limit=20)):
        if isinstance(question, Question):
            s = question.sample
            rows.append(
                Answered(
                    index,
                    s.id,
                    s.question,
                    s.options,
                    s.task,
                    s.answer,
                    s.language,
                    dict(s.meta),
                    [],
                    "",
                    question.row,
                    str(s.answer) if reply is None else reply,
                )
            )
    assert rows
    return rows


def answered(**changes: object) -> Answered:
    given = {"index": 0, "id": "q", "question": "Is it?", "options": None, "task": "text", "gold": "yes"}
    given |= {"language": "en", "meta": {}, "images": [], "prompt": "", "text": "yes"}
    return Answered(**{**given, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ALL)
def test_right_answers_are_right_in_the_robust_mode(name: str) -> None:
    judged = scores("robust", benchmark(name), asked(name), "direct")
    assert [score.accuracy for score in judged] == [1.0] * len(judged)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "reply",
    ["", " ", "\x00", "\ud800", "我不知道", "I cannot tell.", "yes " * 250_000],
    ids=lambda text: repr(text)[:12],
)
def test_no_reply_ends_a_run(name: str, mode: str, reply: str) -> None:
    rows = asked(name, reply)[:3]
    judged = scores(mode, benchmark(name), rows, "direct")
    assert len(judged) == len(rows)
    assert all(score.accuracy in (0.0, 1.0, None) for score in judged)
    assert all(score.reason for score in judged if score.accuracy is None)


@pytest.mark.parametrize("name", PAPER)
@pytest.mark.parametrize("style", MEDEVALKIT_STYLES)
def test_the_papers_benchmarks_are_asked_as_medevalkit_asks(name: str, style: str) -> None:
    for question in questions(benchmark(name), folder=DOWNLOADS):
        if isinstance(question, Question):
            made = request(benchmark(name), question, style)
            assert question.row is not None
            assert made.text.count("<image>") == len(made.images) >= 1
            assert ("\\boxed{}" in made.text) == (style == "medevalkit_reasoning")


def test_several_images_are_numbered_and_of_mmmu_only_the_first_is_shown() -> None:
    several = [q for q in questions(benchmark("medxpertqa_mm"), folder=DOWNLOADS) if isinstance(q, Question)]
    many = next(q for q in several if len(q.sample.images) > 1)
    text = request(benchmark("medxpertqa_mm"), many, "medevalkit").text
    assert text.startswith("<image_1>: <image><image_2>: <image>")
    of_mmmu = [q for q in questions(benchmark("mmmu_health"), folder=DOWNLOADS) if isinstance(q, Question)]
    shown = [request(benchmark("mmmu_health"), q, "medevalkit") for q in of_mmmu if len(q.sample.images) > 1]
    assert shown
    assert all(len(made.images) == 1 for made in shown)


def test_a_failed_request_is_unscored_in_every_mode() -> None:
    for mode in MODES:
        (score,) = scores(mode, benchmark("phantom"), [answered(error="server gone", text="")], "direct")
        assert score.accuracy is None
        assert "server gone" in score.reason


def test_medevalkit_guesses_where_robust_abstains() -> None:
    row = answered(task="multiple_choice", options=("CT", "MRI", "Ultrasound", "X-ray"), gold="A", text="I refuse.")
    of = benchmark("phantom")
    assert scores("medevalkit", of, [row], "direct")[0].accuracy == 1.0  # the first option is the likest
    robust = scores("robust", of, [row], "direct")[0]
    assert (robust.accuracy, robust.invalid) == (0.0, True)


def test_where_medevalkits_run_would_end_the_question_is_unscored() -> None:
    (score,) = scores("medevalkit", benchmark("phantom"), [answered(gold="mass", text="")], "direct")
    assert score.accuracy is None
    assert "MedEvalKit's run would end here: ValueError" in score.reason


def test_boxes_have_no_rule_elsewhere() -> None:
    row = answered(task="grounding", gold=[1, 2, 30, 40], text="[1, 2, 30, 40]")
    of = benchmark("phantom")
    assert scores("robust", of, [row], "direct")[0].accuracy == 1.0
    for mode in ("medevalkit", "paper", "vlmevalkit", "multimedeval"):
        assert scores(mode, of, [row], "direct")[0].accuracy is None


def test_a_grounding_reply_is_its_answer_and_not_its_box() -> None:
    row = answered(task="multiple_choice", options=("CT", "MRI"), gold="B")
    row = replace(row, text="<answer> B </answer>\n<box> [1, 2, 3, 4] </box>")
    assert scores("robust", benchmark("phantom"), [row], "grounding")[0].accuracy == 1.0
    asked_for = request(benchmark("phantom"), Question(row.sample), "grounding").text
    assert asked_for.endswith("as [x1, y1, x2, y2] in pixels.")


def test_an_unknown_mode_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match="unknown mode 'strict'; one of robust, medevalkit"):
        scores("strict", benchmark("phantom"), [], "direct")


@pytest.mark.parametrize(
    ("mode", "name", "gold", "open_"),
    [
        ("robust", "vqa_rad", "left lung", True),
        ("robust", "vqa_rad", "Yes", False),
        ("robust", "slake", "没有", False),
        ("paper", "slake", "yes", True),
        ("paper", "path_vqa", "no", False),
    ],
)
def test_a_judge_decides_open_answers_and_of_slake_in_the_papers_mode_all(
    mode: str, name: str, gold: str, open_: bool
) -> None:
    assert is_open(mode, benchmark(name), answered(gold=gold)) is open_


def test_a_judges_verdict_counts_and_its_failure_is_unscored() -> None:
    rows = [answered(id="a", gold="left lung", text="the lung on the left side"), answered(id="b", gold="mass")]
    opinions = {"a": Opinion(True, "right"), "b": Opinion(None, "no JSON")}
    judged = judge_rows(benchmark("vqa_rad"), rows, "direct", "robust", lambda open_rows: opinions)
    assert [row.accuracy for row in judged] == [1.0, None]
    assert judged[1].reason == "unscored: judge: no JSON"
