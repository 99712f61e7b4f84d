"""MedEvalKit's rules as they are, faults included, by hand-made cases; the aggregates and what every reply gets."""

from __future__ import annotations

import difflib
import json
import random
from typing import Any

import pytest
from mmmu_open import open_correct, read_open

from infimed_plugins.errors import ConfigError, DataError
from infimed_plugins.scoring import medevalkit
from infimed_plugins.scoring.medevalkit import UpstreamCrashError, metrics, score_rows
from infimed_plugins.scoring.medevalkit.mmmu import read_choice
from infimed_plugins.scoring.medevalkit.open_answers import OpenMetrics, bleu
from infimed_plugins.scoring.medevalkit.rules import judged_closed, judged_open, judged_yes_no, mcq, most_similar
from infimed_plugins.scoring.medevalkit.text import parse, read_judge

MODALITIES = ["A. CT", "B. MRI", "C. Ultrasound", "D. X-ray"]
OPTIONS = {"A": "Left Atrium", "B": "Right Atrium", "C": "Aorta", "D": "Left Ventricle"}
BOX = r"\boxed{\text{C}}"


def open_metrics(answer: str, reply: str) -> OpenMetrics:
    found = judged_open(answer, reply).metrics
    assert found is not None
    return found


@pytest.mark.parametrize("reply", ["(C)", "The answer is: C", "**C**", BOX, "", "Z", "I cannot tell."])
def test_upstream_gives_a_guess_to_what_it_cannot_read_and_often_to_the_first_option(reply: str) -> None:
    choices = ["CT", "MRI", "Ultrasound", "X-ray"]
    choice = mcq(choices, "C", reply)
    assert choice.guessed
    assert not choice.correct
    assert mcq(choices, "A", reply).correct


@pytest.mark.parametrize(
    ("reply", "parsed", "guessed"),
    [
        ("C", "C", False),
        ("c.", "C", False),
        ("C. Ultrasound", "C", False),
        ("C\n\nbecause it is", "C", False),
        ("First I look.\n\nC. It is", "C", False),
        ("First I look.\n\n\nC. It is", "C", True),  # an odd line end belongs to the last block
        ("<answer>C</answer>", "C", False),
        (r"so \boxed{C}", "C", False),
        ("Answer:C", "C", False),
        ("Answer: C", "C", False),
        ("The answer is: C", "A", True),  # after the colon a blank is left
        ("The boxed area shows flow. The answer is C.", "A", True),
        ("答案:C", "C", False),
        ("final answer C", "C", False),
    ],
)
def test_a_choice_is_read_as_upstream_reads_it(reply: str, parsed: str, guessed: bool) -> None:
    choice = mcq(MODALITIES, "C", reply)
    texts = [choice.lower() for choice in MODALITIES]
    text = parse(reply).strip().lower().replace("\n", "")
    if guessed:
        ratios = [difflib.SequenceMatcher(None, option, text).ratio() for option in texts]
        parsed = "ABCD"[ratios.index(max(ratios))]
    assert (choice.parsed, choice.guessed) == (parsed, guessed)
    assert choice.correct == (parsed == "C")


def test_the_gold_answer_may_be_a_text() -> None:
    assert mcq(["CT", "MRI"], "MRI", "B").correct
    assert mcq(["CT", "MRI"], "mri", "MRI").correct
    assert mcq(["CT", "MRI"], "none of these", "none of these").parsed == "none of these"


@pytest.mark.parametrize(
    ("answer", "reply", "right"),
    [
        ("yes", "Yes.", True),
        ("no", "No", True),
        ("yes", "Yes, there is no pneumothorax.", False),
        ("yes", "It is abnormal.", False),
        ("no", "I do not know.", True),
        ("yes", "Eyes are seen", True),
        ("yes", "", False),
    ],
)
def test_yes_and_no_are_looked_for_as_parts_of_words(answer: str, reply: str, right: bool) -> None:
    assert judged_yes_no(answer.lower(), reply).correct is right


@pytest.mark.parametrize(
    ("reply", "right"), [("MRI", True), ("mri.", True), ("MRI\n", True), ("MRI ", False), ("**MRI**", False)]
)
def test_a_closed_answer_must_be_the_gold_to_the_last_blank(reply: str, right: bool) -> None:
    assert judged_closed("MRI", reply).correct is right


def test_precision_recall_and_f1_have_each_others_names() -> None:
    given = open_metrics("right lung", "the right lung apex")
    assert not given["em"]
    assert (given["recall"], given["f1"]) == (2 / 4, 2 / 2)  # precision, recall
    assert given["precision"] == 2 * (0.5 * 1.0) / 1.5  # F1
    assert not open_metrics("right lung", "right lung.")["em"]


@pytest.mark.parametrize(
    ("dataset", "reply", "error"),
    [
        ("VQA_RAD", "", "ValueError: Hypothesis is empty."),
        ("VQA_RAD", ".", "ValueError: Hypothesis is empty."),
        ("SLAKE", " ", "TypeError: cannot unpack non-iterable int object"),
        ("SLAKE", None, "AttributeError: 'NoneType' object has no attribute 'rfind'"),
        ("PMC_VQA", None, "AttributeError: 'NoneType' object has no attribute 'lower'"),
        ("OmniMedVQA", None, None),
        ("MMMU-Medical-val", None, "TypeError: argument of type 'NoneType' is not iterable"),
    ],
)
def test_a_reply_that_ends_upstreams_run_is_told_and_the_others_are_judged(
    dataset: str, reply: str | None, error: str | None
) -> None:
    row = {
        "answer": "A",
        "answer_type": "OPEN",
        "choices": MODALITIES,
        "question_type": "multiple-choice",
        "options": "['CT', 'MRI']",
    }
    first, second = score_rows(dataset, [row, row], [reply, "A"])
    assert (first.error, first.correct is None) == (error, error is not None)
    assert second.correct is True
    if error:
        with pytest.raises(UpstreamCrashError, match=r"MedEvalKit would end with .* on reply 0") as raised:
            metrics(dataset, [row, row], [reply, "A"])
        assert raised.value.error == error


@pytest.mark.parametrize(
    ("reply", "letter", "drawn"),
    [
        ("(B)", "B", False),
        ("B", "B", False),
        ("B.", "B", False),
        ("It is A or (B), not A", "B", False),
        ("A, then B or C !", "C", False),
        ("It must be the aorta on this view", "C", False),
        ("the aorta", "A", True),
        ("B. Left Atrium", "A", True),
        ("**B**", "A", True),
        ("<answer>(D)</answer>", "D", False),
        (r"\boxed{D}", "D", False),
        ("", "A", True),
    ],
)
def test_mmmu_reads_a_letter_in_brackets_or_between_blanks_and_else_draws_one(
    reply: str, letter: str, drawn: bool
) -> None:
    if drawn:
        letter = random.Random(5).choice(list(OPTIONS))
    assert read_choice(reply, list(OPTIONS), OPTIONS, random.Random(5)) == (letter, drawn)


def test_mmmus_draws_are_pythons_in_the_order_of_the_replies() -> None:
    rows = [
        {"question_type": "multiple-choice", "options": str(list("wxyz")[:n]), "answer": "A"} for n in (2, 3, 4) * 9
    ]
    rng = random.Random(42)
    expected = [rng.choice("ABCD"[: len(json.loads(row["options"].replace("'", '"')))]) for row in rows]
    verdicts = score_rows("MMMU-Medical-val", rows, ["?"] * len(rows))
    assert [verdict.parsed for verdict in verdicts] == expected
    assert all(verdict.random for verdict in verdicts)


def test_an_open_question_of_mmmu_cannot_be_right() -> None:
    row = {"question_type": "open", "answer": "aorta", "options": "[]"}
    assert score_rows("MMMU-Medical-val", [row], ["aorta"])[0].correct is False
    assert open_correct("aorta", read_open("So the answer is aorta."))


@pytest.mark.parametrize(
    ("output", "right"),
    [
        ("<think>Same.</think><judge>0</judge>", True),
        ("0", True),
        ("<judge>{0}</judge>", False),
        ("0\n", False),
        ("<judge>0</judge><judge>0</judge>", False),
        (None, False),
    ],
)
def test_a_judge_says_right_with_a_bare_0_only(output: str | None, right: bool) -> None:
    assert read_judge(output)[1] is right


def vqa(dataset: str, opened: int, closed: int) -> tuple[list[dict[str, Any]], list[str]]:
    """So many open and closed questions, all answered rightly."""
    kinds = ["OPEN"] * opened + ["CLOSED"] * closed
    rows = [{"answer": "right lung" if kind == "OPEN" else "yes", "answer_type": kind} for kind in kinds]
    return rows, [row["answer"] for row in rows]


@pytest.mark.parametrize("dataset", ["VQA_RAD", "PATH_VQA", "SLAKE"])
def test_the_open_accuracy_is_divided_by_the_number_of_open_questions_twice(dataset: str) -> None:
    given = metrics(dataset, *vqa(dataset, 4, 2))
    assert (given["open"]["right"], given["open"]["acc"], given["open"]["em"]) == (4, 1 / 4, 1.0)
    assert given["total metrics"]["acc"] == given["close"]["acc"] == 1.0


@pytest.mark.parametrize(("dataset", "closed", "total"), [("VQA_RAD", 2, 6), ("PATH_VQA", 0, 4), ("SLAKE", 4, 8)])
def test_with_a_judge_pathvqa_loses_the_closed_part_and_slake_counts_it_twice(
    dataset: str, closed: int, total: int
) -> None:
    given = metrics(dataset, *vqa(dataset, 4, 2), ["<judge>0</judge>"] * 6)
    assert (given["close"]["right"], given["total metrics"]["right"]) == (closed, total)


def test_a_set_without_open_questions_divides_by_zero() -> None:
    with pytest.raises(UpstreamCrashError, match="ZeroDivisionError"):
        metrics("VQA_RAD", *vqa("VQA_RAD", 0, 3))


def test_groups_are_counted_apart() -> None:
    rows = [{"choices": MODALITIES, "answer": "A", "question_type": kind, "modality_type": "CT"} for kind in "xxy"]
    given = metrics("OmniMedVQA", rows, ["A", "B", "A"])
    assert given["question type metrics"] == {
        "x": {"total": 2, "right": 1, "acc": 0.5},
        "y": {"total": 1, "right": 1, "acc": 1.0},
    }
    mmmu = [
        {"id": f"validation_{subject}_1", "question_type": "multiple-choice", "options": ["CT", "MRI"], "answer": "A"}
        for subject in ("Pharmacy", "Clinical_Medicine")
    ]
    subjects = metrics("MMMU-Medical-val", mmmu, ["A", "B"])
    assert list(subjects) == ["total", "Clinical_Medicine", "Pharmacy"]
    assert subjects["Pharmacy"] == {"total": 1, "right": 1, "acc": 1.0, "num_example": 1}


RAW = {
    "PMC_VQA": ["0", "f.jpg", "caption", "Which?", " A: CT ", " B: MRI ", " C: US ", " D: X-ray ", "B", "test"],
    "OmniMedVQA": {"question": "Which?", "gt_answer": "MRI", "option_A": "CT", "option_B": "MRI"},
    "MedXpertQA-MM": {"question": "Which?", "label": "B", "options": {"A": "CT", "B": "MRI"}},
    "MedQA_USMLE": {"question": "?", "options": {"A": "CT", "B": "MRI", "C": "US", "D": "PET"}, "answer_idx": "B"},
    "MedMCQA": {"question": "Which?", "opa": "CT", "opb": "MRI", "opc": "US", "opd": "PET", "cop": 1},
    "PubMedQA": {
        "data": {
            "Question": "?",
            "Options": {"A": "CT", "B": "MRI", "C": "US"},
            "Context": ["It is."],
            "Correct Option": "B",
        }
    },
    "MMMU-Medical-val": {
        "question": "Which?",
        "question_type": "multiple-choice",
        "options": "['CT', 'MRI']",
        "answer": "B",
    },
}


@pytest.mark.parametrize("dataset", RAW)
def test_a_raw_row_is_judged_as_the_sample_made_of_it(dataset: str) -> None:
    row: Any = RAW[dataset]
    asked = medevalkit.construct(dataset, row, reasoning=False)
    assert asked.choices is not None
    built = {"choices": list(asked.choices), "answer": asked.answer, "question_type": "multiple-choice"}
    if dataset == "MMMU-Medical-val":
        built = {**row, "index2ans": dict(zip("AB", asked.choices, strict=True)), "all_choices": ["A", "B"]}
    for reply in ("B", "A", "MRI", "(B)", ""):
        assert score_rows(dataset, [row], [reply]) == score_rows(dataset, [built], [reply])
    assert score_rows(dataset, [row], ["B"])[0].correct


@pytest.mark.parametrize(
    ("dataset", "keys"),
    [("PMC_VQA", ["image", "prompt"]), ("MedXpertQA-MM", ["images", "prompt"]), ("PubMedQA", ["prompt"])],
)
def test_pictures_stand_where_upstream_puts_them(dataset: str, keys: list[str]) -> None:
    pictures = medevalkit.construct(dataset, RAW[dataset], reasoning=False).pictures
    assert sorted(["prompt", *filter(None, [pictures])]) == keys


def test_the_abstract_of_pubmedqa_stands_before_upstreams_prompt_and_its_choices_have_no_blank() -> None:
    asked = medevalkit.construct("PubMedQA", RAW["PubMedQA"], reasoning=True)
    assert asked.prompt.startswith("Context: It is.\n\nQuestion: ?\nOptions: \nA.CT\nB.MRI\nC.US\nAnswer with ")
    assert asked.choices == ("A.CT", "B.MRI", "C.US")
    assert medevalkit.construct("MedMCQA", {**RAW["MedMCQA"], "cop": -1}, reasoning=False).answer == "D"  # type: ignore[dict-item]


@pytest.mark.parametrize(("dataset", "places"), [("VQA_RAD", [0]), ("PATH_VQA", [0]), ("SLAKE", [0, 1])])
def test_upstreams_judge_is_asked_of_open_questions_and_of_slake_all(dataset: str, places: list[int]) -> None:
    assert medevalkit.asked_of_judge(dataset, score_rows(dataset, *vqa(dataset, 1, 1))) == places
    choices = score_rows("PMC_VQA", [{"choices": MODALITIES, "answer": "A"}], ["A"])
    assert medevalkit.asked_of_judge("PMC_VQA", choices) == []


@pytest.mark.parametrize("alphabet", ["ab", "abc ", "abcdefgh .", "aİß左 e"])
def test_the_first_option_with_difflibs_highest_ratio_is_taken_on_either_side_of_autojunk(alphabet: str) -> None:
    rng = random.Random(alphabet)
    for _ in range(400):
        options = ["".join(rng.choices(alphabet, k=rng.randint(0, 25))) for _ in range(4)]
        text = "".join(rng.choices(alphabet, k=rng.choice([0, 1, 5, 40, 199, 200, 450])))
        if rng.random() < 0.4:
            text = text[: len(text) // 2] + rng.choice(options) + text[len(text) // 2 :]
        theirs = [difflib.SequenceMatcher(None, option, text).ratio() for option in options]
        assert most_similar(options, text) == theirs.index(max(theirs))


def test_bleu_is_nltks_to_the_last_bit() -> None:
    nltk_bleu = pytest.importorskip("nltk.translate.bleu_score", reason="nltk is not installed")
    rng = random.Random(1)
    for _ in range(300):
        texts = [" ".join(rng.choices(["the", "left", "lung", "of", "a.", ""], k=rng.randint(0, 12))) for _ in range(2)]
        words = [text.replace(".", " .").split(" ") for text in texts]
        for n, ours in enumerate(bleu(*texts), 1):
            assert ours == nltk_bleu.sentence_bleu([words[1]], words[0], weights=[1 / n] * n)


def test_rouge_is_the_packages_to_the_last_bit() -> None:
    package = pytest.importorskip("rouge", reason="rouge is not installed")
    rng = random.Random(2)
    for _ in range(300):
        reply, gold = (" ".join(rng.choices(["a", "b", "c", "d.", "e"], k=rng.randint(1, 15))) for _ in range(2))
        theirs = package.Rouge().get_scores(reply, gold)[0]
        given = open_metrics(gold, reply)
        assert [given["rouge1"], given["rouge2"], given["rougel"]] == [
            theirs[name]["f"] for name in ("rouge-1", "rouge-2", "rouge-l")
        ]


@pytest.mark.parametrize(
    "dataset", [name for name in medevalkit.known_sets() if name not in ("MedXpertQA", "MedFrameQA")]
)
@pytest.mark.parametrize(
    "reply", ["", "x" * 1_000_000, "word " * 200_000, "\ud800", "\x00", "答案是左肺。", "\\boxed{" * 999]
)
def test_any_reply_gets_a_verdict_or_an_error(dataset: str, reply: str) -> None:
    row = {
        "id": "validation_Pharmacy_1",
        "answer": "A",
        "answer_type": "OPEN",
        "choices": MODALITIES,
        "question_type": "multiple-choice",
        "options": "['CT', 'MRI']",
    }
    (verdict,) = score_rows(dataset, [row], [reply])
    assert (verdict.correct is None) == (verdict.error is not None)


@pytest.mark.parametrize("dataset", ["VQA_RAD", "PMC_VQA", "OmniMedVQA", "SLAKE"])
def test_a_verdict_does_not_depend_on_the_replies_around_it(dataset: str) -> None:
    replies = ["A", "(B)", "The answer is A.", "", "yes", "<answer>B</answer>", None, "right lung", "I would choose B"]
    row = {"answer": "A", "answer_type": "OPEN", "choices": MODALITIES}
    rows = [row] * len(replies)
    forward = score_rows(dataset, rows, replies)
    assert score_rows(dataset, rows, replies[::-1])[::-1] == forward
    assert [score_rows(dataset, [row], [reply])[0] for reply in replies] == forward


def test_what_cannot_be_scored_is_said() -> None:
    with pytest.raises(ConfigError, match=r"MedEvalKit's rules are here for MMMU-Medical-val, .* not for 'VQA'"):
        score_rows("VQA", [], [])
    with pytest.raises(ConfigError, match="not for 'VQA'"):
        medevalkit.construct("VQA", {}, reasoning=False)
    with pytest.raises(DataError, match="1 rows of SLAKE and 0 replies"):
        score_rows("SLAKE", [{}], [])
    with pytest.raises(DataError, match=r"a row of SLAKE lacks .*KeyError: 'answer_type'"):
        medevalkit.construct("SLAKE", {"question": "Where?"}, reasoning=False)
    with pytest.raises(DataError, match="MMMU's options are no Python list"):
        medevalkit.construct("MMMU-Medical-val", {**RAW["MMMU-Medical-val"], "options": "open()"}, reasoning=False)
    with pytest.raises(ConfigError, match="language 'fr'; languages: en, zh"):
        medevalkit.prompt("open", "Où ?", False, "fr")
