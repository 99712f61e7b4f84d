"""Every mode judges the replies of every benchmark; what it has no rule for is unscored, never wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infimed_plugins.benchmarks import Benchmark, benchmarks
from infimed_plugins.benchmarks.judged import Run
from infimed_plugins.benchmarks.judging import judge_rows, metrics_of
from infimed_plugins.benchmarks.questions import MEDEVALKIT_STYLES, Question, questions, request
from infimed_plugins.benchmarks.run_folder import RESPONSES, RunFolder, answered_line
from infimed_plugins.benchmarks.scorers import find_scorer, judges_verdict, scores
from infimed_plugins.engines.structured_reply import ParsedReply
from infimed_plugins.errors import ConfigError, PluginError
from infimed_plugins.evaluation.notes import _unscored
from infimed_plugins.plugins import registry
from infimed_plugins.records import Code, Response, Score
from infimed_plugins.scoring import medevalkit

DOWNLOADS = Path(__file__).parents[1] / "data" / "sources"
MODES = [one.name for one in registry() if one.kind == "scorer" and one.owner == "infimed_plugins"]
PAPER, TEXT = ([one.name for one in benchmarks(suite)] for suite in ("paper", "text"))
ALL = ("phantom", *PAPER, "gmai_mmbench", *TEXT)


def medevalkit_set(name: str) -> medevalkit.MedEvalKitSet:
    found = benchmark(name).medevalkit
    assert found is not None
    return found


def benchmark(name: str) -> Benchmark:
    found: Benchmark = registry().get("benchmark", name)
    return found


def asked(name: str, reply: str | None = None) -> list[Response]:
    """The benchmark's questions from the small copies, each with the reply, or with its right answer."""
    of = benchmark(name)
    rows = []
    for index, question in enumerate(questions(of, folder=DOWNLOADS, limit=20)):
        if isinstance(question, Question):
            s = question.sample
            rows.append(
                Response(
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


def answered(**changes: object) -> Response:
    given = {"index": 0, "id": "q", "question": "Is it?", "options": None, "task": "text", "gold": "yes"}
    given |= {"language": "en", "meta": {}, "images": [], "prompt": "", "text": "yes"}
    return Response(**{**given, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ALL)
def test_right_answers_are_right_in_the_robust_mode(name: str) -> None:
    judged = scores("robust", benchmark(name), asked(name), "direct")
    assert [score.accuracy for score in judged] == [1.0] * len(judged)


@pytest.mark.parametrize("name", ALL)
def test_no_reply_ends_a_run(name: str) -> None:
    for reply in ("", " ", "\x00", "\ud800", "我不知道", "I cannot tell.", "yes " * 250_000):
        rows = asked(name, reply)[:3]
        for mode in MODES:
            judged = scores(mode, benchmark(name), rows, "direct")
            assert len(judged) == len(rows), (mode, reply[:12])
            assert all(score.accuracy in (0.0, 1.0, None) for score in judged), (mode, reply[:12])
            assert all(score.reason for score in judged if score.accuracy is None), (mode, reply[:12])


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
    one = next(q for q in several if len(q.sample.images) == 1)  # upstream numbers a single one of this set, too
    assert request(benchmark("medxpertqa_mm"), one, "medevalkit").text.startswith("<image_1>: <image>\nQuestion: ")
    of_mmmu = [q for q in questions(benchmark("mmmu_health"), folder=DOWNLOADS) if isinstance(q, Question)]
    shown = [request(benchmark("mmmu_health"), q, "medevalkit") for q in of_mmmu if len(q.sample.images) > 1]
    assert shown
    assert all(len(made.images) == 1 for made in shown)


@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        ("medqa", "\nQuestion: A 23-year-old woman at 22 weeks\tgestation has pain. Which is the best treatment?"),
        ("medmcqa", "\nQuestion: Which vitamin is supplied from only animal source:\nOptions: \nA. Vitamin C\nB. "),
        (
            "pubmedqa",
            "Context: Dyschesia can be provoked by defecation.\nConsecutive patients were studied.\n\nQuestion: ",
        ),
        ("medxpertqa_text", "\nQuestion: A 45-year-old man has pain.\nWhat is the cause?\nAnswer Choices: (A) Gout"),
        ("mmlu_medical", "\nQuestion: Which belongs to anatomy?\nOptions: \nA. one"),  # not upstream's, which has none
    ],
)
def test_text_sets_are_asked_in_medevalkits_words(name: str, prompt: str) -> None:
    first = next(q for q in questions(benchmark(name), folder=DOWNLOADS) if isinstance(q, Question))
    text = request(benchmark(name), first, "medevalkit").text
    assert text.startswith(prompt)
    assert ("\nA.yes\nB.no\nC.maybe\n" in text) is (name == "pubmedqa")
    assert benchmark(name).medevalkit in (None, *medevalkit.known_sets().values())
    assert (benchmark(name).medevalkit is None) is (name == "mmlu_medical")


def test_mmmus_open_questions_are_a_choice_of_the_answer_or_others_to_vlmevalkit() -> None:
    of, row = benchmark("mmmu_health"), answered(gold="left atrium", text="I see the Left Atrium here")
    for mode in ("vlmevalkit", "vlmevalkit-2025-05"):
        judged = [
            scores(mode, of, [replace(row, text=text)], "direct")[0] for text in (row.text, "A", "B", "the aorta")
        ]
        assert [score.accuracy for score in judged] == [1.0, 1.0, 0.0, 0.0]
        assert [score.parsed for score in judged] == ["A", "A", "B", None]
    letter = answered(gold="C", text="C", row={"answer": "C"})  # an answer that is a letter is taken for the gold one
    assert scores("vlmevalkit", of, [letter], "direct")[0].accuracy == 0.0
    several = answered(gold="24.3", task="math", row={"answer": "['24.3', '24.30']"}, text="24.3")
    assert scores("vlmevalkit", of, [several], "direct")[0].accuracy == 0.0
    assert scores("vlmevalkit", benchmark("slake"), [row], "direct")[0].accuracy is None


def test_a_verdict_names_vlmevalkits_revision_and_the_earlier_papers_can_be_chosen() -> None:
    row = answered(task="multiple_choice", options=("cyst", "stone"), gold="B")
    row = replace(row, text="B is what I see in this picture here")
    may, now = (
        scores(mode, benchmark("gmai_mmbench"), [row], "direct")[0] for mode in ("vlmevalkit-2025-05", "vlmevalkit")
    )
    assert (may.accuracy, may.reason) == (1.0, "option read (2025-05-24_0f27427e)")
    assert (now.accuracy, now.reason) == (0.0, "no option read (HEAD_e8e78f05)")


def test_boxes_that_never_close_cost_no_more_than_others() -> None:
    row = answered(
        text="<box>" * 200_000 + "<answer>B</answer>", task="multiple_choice", options=("CT", "MRI"), gold="B"
    )
    assert scores("robust", benchmark("phantom"), [row], "grounding")[0].accuracy == 1.0


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("vqa_rad", {"row": {"question": "?", "answer": 5}}),
        ("slake", {"row": {"question": "?", "answer": "lung"}}),
        ("mmmu_health", {"row": {"answer": "A"}}),
        ("pmc_vqa", {"row": {"choices": None, "answer": "A"}}),
        ("pmc_vqa", {"row": {"choices": ["CT"], "answer": ["A"]}}),
    ],
)
def test_a_row_on_which_upstream_would_end_is_unscored(name: str, changed: dict[str, Any]) -> None:
    (judged,) = scores("medevalkit", benchmark(name), [answered(text="A", **changed)], "direct")
    assert judged.accuracy is None
    assert "MedEvalKit's run would end here" in judged.reason


@pytest.mark.parametrize("gold", ["D", "", "BA", None, 1])
def test_a_choice_whose_gold_is_none_of_its_letters_is_unscored_and_ends_nothing(gold: Any) -> None:
    row = answered(task="multiple_choice", options=("CT", "MRI", "X-ray"), gold=gold, text="A")
    bad, good = scores("robust", benchmark("phantom"), [row, replace(row, gold="A")], "direct")
    assert (bad.accuracy, bad.code, good.accuracy) == (None, "bad_truth", 1.0)
    assert f"answer {gold!r} is not a letter" in bad.reason or "has no answer" in bad.reason


def test_multimedeval_takes_english_rows_only() -> None:
    judged = scores("multimedeval", benchmark("slake"), rows := asked("slake"), "direct")
    assert {row.language for row in rows} == {"en", "zh"}
    for row, score in zip(rows, judged, strict=True):
        assert score.accuracy == (1.0 if row.language == "en" else None)
    assert {(score.code, score.reason) for score in judged if score.accuracy is None} == {
        (Code.UNSCORED, "MultiMedEval's rules are for English")
    }


def test_a_row_without_upstreams_own_does_not_change_the_rule_of_the_others() -> None:
    first, *others = asked("mmmu_health", "B. it is so")
    alone = scores("medevalkit", benchmark("mmmu_health"), [first, *others], "direct")[1:]
    beside = scores("medevalkit", benchmark("mmmu_health"), [*others, replace(first, row=None)], "direct")
    assert [score.reason for score in beside[:-1]] == [score.reason for score in alone]
    assert beside[-1].reason == "mcq"  # as it judges such a choice elsewhere: the letter in front is read


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
    assert find_scorer(mode).is_open(benchmark(name), answered(gold=gold)) is open_


def test_a_judges_verdict_counts_and_its_failure_is_unscored() -> None:
    rows = [answered(id="a", gold="left lung", text="the lung on the left side"), answered(id="b", gold="mass")]
    opinions = {"a": ParsedReply("a", True), "b": ParsedReply("b", None, reason="no JSON")}
    judged = judge_rows(benchmark("vqa_rad"), rows, "direct", "robust", lambda open_rows: opinions)
    assert [row.accuracy for row in judged] == [1.0, None]
    assert [row.why for row in judged] == ["judge: right", "unscored: judge: no JSON"]
    said = [judges_verdict(replace(row, reason="in other words")) for row in judged]
    assert said == ["right", "failed"]
    assert judges_verdict(replace(judged[0], reason="judge: right", code=Code.JUDGED)) is None


def test_the_unscored_are_told_with_their_reason_whatever_its_words() -> None:
    rows = [answered(id="a", error="judge: gone"), answered(id="b")]
    judged = judge_rows(benchmark("vqa_rad"), rows, "direct", "robust")
    assert (judged[0].code, judges_verdict(judged[0])) == (Code.UNSCORED, None)
    (note,) = _unscored(Run("m", "vqa_rad", "direct", "robust", judged))
    assert note == "vqa_rad: 1 of 2 unscored (robust): judge: gone"


def kept(path: Path, name: str, rows: list[Response]) -> RunFolder:
    folder = RunFolder(path)
    folder.prepare({"benchmark": name, "model": "m", "prompt_style": "medevalkit", "variant": ""})
    (path / RESPONSES).write_bytes(b"".join(map(answered_line, rows)))
    return folder


def judged_run(name: str, mode: str, rows: list[Response], right: bool | None, model: str = "m") -> Run:
    is_open = find_scorer(mode).is_open
    opinions = {row.id: ParsedReply(row.id, right) for row in rows if is_open(benchmark(name), row)}
    judged = judge_rows(benchmark(name), rows, "medevalkit", mode, lambda open_rows: opinions)
    return Run(model, name, "medevalkit", mode, judged, judge="j")


@pytest.mark.parametrize(("right", "said"), [(True, "0"), (False, "1"), (None, None)])
@pytest.mark.parametrize(("name", "mode"), [("vqa_rad", "robust"), ("vqa_rad", "paper"), ("slake", "paper")])
def test_a_judges_verdicts_stand_for_upstreams_judge_in_its_metrics(
    name: str, mode: str, right: bool | None, said: str | None, tmp_path: Path
) -> None:
    rows = asked(name, "a reply")
    folder = kept(tmp_path / name, name, rows)
    outputs = [said and f"<judge>{said}</judge>"] * len(rows)
    upstreams = medevalkit_set(name), [row.row for row in rows], [row.text for row in rows]
    assert metrics_of(folder) == medevalkit.metrics(*upstreams)
    with_judge = metrics_of(folder, [judged_run(name, mode, rows, right)])
    assert with_judge == medevalkit.metrics(*upstreams, outputs)
    assert (with_judge != metrics_of(folder)) is bool(right)
    other_model = judged_run(name, mode, rows, right, model="another")
    assert metrics_of(folder, [other_model, replace(other_model, model="m", judge="")]) == metrics_of(folder)


def test_a_judge_that_was_not_asked_all_that_upstream_asks_gives_no_metrics(tmp_path: Path) -> None:
    rows = asked("slake", "a reply")
    folder = kept(tmp_path / "slake", "slake", rows)
    found = metrics_of(folder, [judged_run("slake", "robust", rows, True)])
    assert found == {"error": "upstream's judge is asked of more questions than this one was; add --mode paper"}
    of_choices = asked("pmc_vqa", "B")
    folder = kept(tmp_path / "pmc_vqa", "pmc_vqa", of_choices)
    assert metrics_of(folder, [judged_run("pmc_vqa", "robust", of_choices, True)])["total metrics"]["total"] == 5


@pytest.mark.parametrize("name", [*PAPER, *TEXT])
def test_medevalkits_metrics_are_there_for_its_sets(name: str, tmp_path: Path) -> None:
    rows = asked(name, "B")
    if name == "omnimedvqa":  # a row of it has another name for its modality, at which upstream ends
        rows = [row for row in rows if "modality_type" in row.row]
    found = metrics_of(kept(tmp_path, name, rows))
    if name == "mmlu_medical":
        assert found == {"error": "MedEvalKit has no data set mmlu_medical"}
    else:
        assert found["total" if name == "mmmu_health" else "total metrics"]["total"] == len(rows)


@pytest.mark.parametrize(
    "given", [[], ["right"], [Score(0.5, 0.0, 0.5)], [Score(1.0, 0.0, 1.0)] * 2], ids=["none", "text", "half", "two"]
)
def test_a_scorer_that_does_not_give_each_reply_a_verdict_is_named(given: list[Any], plug_in: Any) -> None:
    plug_in(scorers={"odd": lambda benchmark, responses, style: given})
    with pytest.raises(PluginError, match="the scorer 'odd' must give each of 1 replies a Score of accuracy 0, 1 or"):
        scores("odd", benchmark("phantom"), [answered()], "direct")
