"""The general and text sets as upstream has them: every quirk is read, every bad row is named."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from infimed_plugins.errors import DataError, MissingFileError
from infimed_plugins.prompts import question_text
from infimed_plugins.records import BadRow, ImageRef, Sample
from infimed_plugins.sources import SourceEntry, public, source_entries
from infimed_plugins.sources.iconqa import ICONQA, ICONQA_HUB
from infimed_plugins.sources.llava_onevision import CONFIGS, LLAVA_ONEVISION
from infimed_plugins.sources.medical_o1 import MEDICAL_O1, MEDICAL_R1_DISTILL
from infimed_plugins.sources.public import PublicSource, Row, text_or_math
from infimed_plugins.sources.reasonmed import REASONMED
from infimed_plugins.sources.scienceqa import SCIENCEQA
from infimed_plugins.sources.tabmwp import TABMWP
from infimed_plugins.sources.tqa_distill import TQA_DISTILL
from infimed_plugins.sources.virft_coco import VIRFT_COCO

FIXTURES = Path(__file__).parents[1] / "data" / "sources"
SOURCES: tuple[PublicSource, ...] = (
    LLAVA_ONEVISION,
    REASONMED,
    MEDICAL_R1_DISTILL,
    MEDICAL_O1,
    ICONQA,
    ICONQA_HUB,
    SCIENCEQA,
    TABMWP,
    TQA_DISTILL,
    VIRFT_COCO,
)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain entry for each source that the registry does not list."""
    known = source_entries()
    plain = {s.name: SourceEntry(s.name, "upstream", "unknown") for s in SOURCES if s.name not in known}
    if plain:
        monkeypatch.setattr(public, "source_entries", lambda: {**known, **plain})


def read(source: PublicSource, split: str, folder: Path = FIXTURES) -> tuple[list[Sample], list[BadRow]]:
    """The samples and the bad rows of a small copy; every image opens and every id is its own."""
    rows = list(source.load(split, folder=folder))
    samples = [row for row in rows if isinstance(row, Sample)]
    for sample in samples:
        for image in sample.images:
            assert image.open().mode == "RGB"
    assert len({row.id for row in rows}) == len(rows)
    return samples, [row for row in rows if isinstance(row, BadRow)]


def reasons(bad: list[BadRow]) -> list[str]:
    return [row.reason for row in bad]


def test_llava_onevision_takes_the_first_pair_of_a_configuration() -> None:
    samples, bad = read(LLAVA_ONEVISION, "ai2d_internvl")
    assert [(s.question, s.answer, len(s.images)) for s in samples] == [
        ("Which label is the stem?\nA. X\nB. Y", "B", 1),
        ("How many arrows are there?", "3", 1),
        ("No tag here. What is shown?", "A food web", 1),
        ("Write a loop.", "```\nfor i in x:\n    print(i)\n```", 0),
        ("Is it a cell?", "Yes", 1),
    ]
    assert {(s.task, s.meta["kind"]) for s in samples} == {("text", "ai2d(internvl)")}
    assert question_text(samples[0]) == "<image>" + samples[0].question
    assert reasons(bad) == [
        "no turn is answered",
        "no answer",
        "no question",
        "it asks about an image it does not have",
    ]


def test_llava_onevision_finds_folders_with_odd_names_and_says_which_one_lacks() -> None:
    samples, bad = read(LLAVA_ONEVISION, "chartqa_cauldron")
    assert ([s.answer for s in samples], bad) == (["1998"], [])
    with pytest.raises(MissingFileError, match=r"magpie_pro\(l3_80b_mt\)/train-"):
        read(LLAVA_ONEVISION, "magpie_pro_l3_80b_mt")


def test_llava_onevision_offers_no_configuration_that_leaks_into_evaluation() -> None:
    assert not [name for name in CONFIGS.values() if "rad" in name.lower() or "pmc" in name.lower()]


@pytest.mark.parametrize("split", ["train", "cot", "response"])
def test_reasonmed_answers_with_the_whole_output_unless_an_answer_is_marked(split: str) -> None:
    samples, bad = read(REASONMED, split)
    assert [(s.answer, s.rationale) for s in samples] == [
        ("Step 1:\n  - B12.\nThe answer is B.", None),
        ("It is B.", None),
        ("B", "So it is B12."),
        ("B", "B12."),
        ("\\boxed{A} or \\boxed{B}", None),
    ]
    assert samples[0].question == samples[1].question
    assert samples[0].question.endswith("\nB. Vitamin B12")
    assert {(s.task, s.meta["kind"], s.meta["instruction"]) for s in samples} == {("text", split, "")}
    assert reasons(bad) == ["no answer", "no question"]


def test_medical_r1_distill_has_keys_with_parentheses() -> None:
    samples, bad = read(MEDICAL_R1_DISTILL, "train")
    assert len(samples) == 5
    assert (samples[0].answer, samples[0].rationale) == (
        "**Answer:** ECG\n  - within ten minutes",
        "Okay, so first an ECG.",
    )
    assert samples[1].rationale == "Aspirin helps."
    assert reasons(bad) == ["no answer", "no reasoning", "no question"]


def test_medical_o1_has_two_languages_and_mixed_files() -> None:
    samples, bad = read(MEDICAL_O1, "en")
    assert (len(samples), reasons(bad)) == (5, ["no reasoning", "no answer"])
    assert samples[0].rationale == "Okay, let's see.\n\nA stroke."
    assert samples[1].rationale == "CT first."
    assert samples[4].answer == "Haemorrhage:\n  1. brain\n  2. gut"
    assert [len(read(MEDICAL_O1, split)[0]) for split in ("en_mix", "zh", "zh_mix")] == [6, 2, 2]
    assert {split: read(MEDICAL_O1, split)[0][0].language for split in MEDICAL_O1.splits} == {
        "en": "en",
        "zh": "zh",
        "en_mix": "en",
        "zh_mix": "zh",
    }


def test_medical_o1_may_lie_below_a_folder(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    shutil.copy(FIXTURES / "medical_o1" / "medical_o1_sft_Chinese.json", tmp_path / "data")
    assert [s.answer for s in read(MEDICAL_O1, "zh", tmp_path)[0]] == ["脑卒中", "头颅CT"]


@pytest.mark.parametrize("unpacked", [False, True])
def test_iconqa_has_three_tasks_in_its_archive_or_unpacked(unpacked: bool, tmp_path: Path) -> None:
    folder = FIXTURES
    if unpacked:
        folder = tmp_path
        zipfile.ZipFile(FIXTURES / "iconqa" / "iconqa_data.zip").extractall(tmp_path)
    samples, bad = read(ICONQA, "train", folder)
    assert [(s.id, s.task, s.answer, s.options, len(s.images)) for s in samples] == [
        ("iconqa-train-10", "multiple_choice", "B", ("turn", "slide", "flip"), 1),
        ("iconqa-train-11", "multiple_choice", "A", ("yes", "no"), 1),
        ("iconqa-train-20", "multiple_choice", "C", ("image 2", "image 3", "image 4"), 4),
        ("iconqa-train-30", "math", "8", None, 1),
        ("iconqa-train-31", "text", "9:30 AM", None, 1),
    ]
    assert [s.meta["kind"] for s in samples[1:4]] == ["choose_txt", "choose_img", "fill_in_blank"]
    assert question_text(samples[2]).startswith("<image>" * 4 + "Which shape matches?\nA. image 2\n")
    assert len({image.sha256() for image in samples[2].images}) == 4
    assert [(row.id.rpartition("-")[2], row.reason) for row in bad] == [
        ("12", "the answer is none of the options"),
        ("99", "no such problem"),
        ("21", "its image is missing"),  # choice_1.png is not there
        ("22", "its image is missing"),  # a path that leaves the folder
    ]
    assert "choice_1.png" in bad[2].detail
    assert ("lies outside" in bad[3].detail) == unpacked


def test_iconqa_names_what_to_download_and_what_does_not_read(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"iconqa_data\.zip"):
        read(ICONQA, "train", tmp_path)
    (tmp_path / "problems.json").write_text("{", encoding="utf-8")
    (tmp_path / "pid_splits.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="no JSON"):
        read(ICONQA, "train", tmp_path)
    (tmp_path / "problems.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="choose_txt_train"):
        read(ICONQA, "train", tmp_path)


@pytest.mark.parametrize("split", ["val", "test"])
def test_iconqa_of_the_hub_joins_its_choices_and_answers_with_their_text(split: str) -> None:
    samples, bad = read(ICONQA_HUB, split)
    assert [(s.task, s.answer, s.options, len(s.images)) for s in samples] == [
        ("multiple_choice", "B", ("turn", "slide", "flip"), 1),
        ("multiple_choice", "B", ("image 2", "image 3"), 3),
        ("math", "1,200", None, 1),
        ("text", "circle", None, 1),
        ("multiple_choice", "A", ("yes", "no"), 1),
    ]
    assert reasons(bad) == ["more choices than pictures", "the answer is none of the options", "no answer"]


@pytest.mark.parametrize(
    ("choices", "answer", "options", "letter"),
    [
        ("a,b", "b", ("a", "b"), "B"),
        ("a,b", "1", ("a", "b"), "B"),
        ("3,1", "1", ("3", "1"), "B"),
        ("1,3", "1", ("1", "3"), "A"),  # the text of a choice goes before an index
        ("3,4,5", 2, ("3", "4", "5"), "C"),
        ("['a', 'b, c']", "b, c", ("a", "b, c"), "B"),
        ('["a", "b"]', "0", ("a", "b"), "A"),
        ("a,b", "2", None, "the answer is none of the options"),
        ("a,b", "-1", None, "the answer is none of the options"),
        ("a,a", "a", ("a", "a"), "A"),
        ("[__import__('os')]", "a", None, "a list cannot be read"),
        ("['a', None]", "a", None, "a choice is empty"),
    ],
)
def test_iconqa_of_the_hub_may_have_lists_and_indices(
    choices: str, answer: object, options: tuple[str, ...] | None, letter: str
) -> None:
    fields = {"question": "Which?", "choices": choices, "answer": answer, "ques_type": "choose_txt", "grade": ""}
    read = ICONQA_HUB.read(Row("0", {**fields, "picture": lambda _: ImageRef(data=b"x")}), "val")
    found = (read.options, read.answer) if isinstance(read, Sample) else (None, read.reason)
    assert found == (options, letter)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_scienceqa_may_lack_a_picture_and_puts_its_hint_in_front(split: str) -> None:
    samples, bad = read(SCIENCEQA, split)
    assert [(s.answer, len(s.images)) for s in samples] == [("A", 1), ("A", 0), ("D", 0), ("B", 1), ("A", 1)]
    assert samples[0].rationale == "To find the answer, look at the compass rose."
    assert samples[1].question == "The passage below says it all.\nWhat does it say?"
    assert (samples[2].rationale, samples[3].options) == (None, ("yes", "no"))
    assert samples[4].meta == {"kind": "natural science", "grade": "grade2"}
    assert reasons(bad) == [
        "the answer is none of the options",
        "no answer",
        "no question",
        "the answer is none of the options",
    ]


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_tabmwp_has_numbers_units_and_choices_by_their_text(split: str) -> None:
    samples, bad = read(TABMWP, split)
    assert [(s.task, s.answer, s.question.partition("? ")[2]) for s in samples] == [
        ("math", "8.20", "(Unit: $)"),
        ("math", "6,830", ""),
        ("math", "1/12", ""),
        ("math", "-3", "(Unit: degrees)"),
        ("multiple_choice", "A", ""),
        ("text", "2:15 P.M.", ""),
        ("multiple_choice", "A", ""),  # of two that are the same
    ]
    assert samples[0].id == f"tabmwp-{split}-3"
    assert samples[0].rationale == "Multiply $4.10 by 2.\nThat is $8.20."
    assert (samples[2].rationale, samples[4].options) == (None, ("Bow", "ribbon"))
    assert samples[0].meta == {"kind": "free_text", "ans_type": "decimal_number", "grade": 3}
    assert reasons(bad) == [
        "the answer is none of the options",
        "no choices",
        "no answer",
        "its image is missing",
    ]
    assert "tables/17.png" in bad[-1].detail


def test_tabmwp_may_lie_at_the_top_of_a_folder(tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / "tabmwp" / "data" / "tabmwp", tmp_path, dirs_exist_ok=True)
    assert len(read(TABMWP, "train", tmp_path)[0]) == 7


def test_tqa_distill_takes_the_answer_after_the_reasoning() -> None:
    samples, bad = read(TQA_DISTILL, "train")
    assert [(s.task, s.answer, s.rationale) for s in samples] == [
        ("text", "Boston", "The row says Boston."),
        ("text", "Boston", "The row says Boston."),
        ("math", "1,204", "1,204 of them."),
        ("text", "Boston", None),
        ("text", "Boston, New York", "Boston or New York."),
        ("text", "Boston, New York", "Boston or New York."),  # a shard whose responses are lists
    ]
    assert samples[0].question == "Year\tTeam\n1998\tBoston\nWhich team won in 1998?"
    assert samples[1].question == "Answer questions about tables.\n\n" + samples[0].question
    assert samples[0].meta == {"kind": "tqa-wtq", "instruction": ""}
    assert not any(s.images for s in samples)
    assert reasons(bad) == [
        "cut off",
        "the reasoning does not end",
        "no one answer after the reasoning",
        "no one answer after the reasoning",
        "no question",
        "cut off",
    ]


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("Boston", "Boston"),
        ("**Boston**", "Boston"),
        ("The answer is **Boston**.", "Boston"),
        ("**The answer is Boston.**", "Boston"),
        ("**Answer:** `Boston`", "Boston"),
        ("**Final Answer**: __Boston__", "Boston"),
        ("### Answer\nBoston", "Boston"),
        ("Row 3 says 1998. Therefore, the final answer is: **Boston** because it won.", "Boston"),
        ("The answer to the question is Boston, New York.", "Boston, New York"),
        ("The answers are **Boston** and **New York**.", "Boston and New York"),
        ("The answer is 2:15 P.M.", "2:15 P.M."),
        ("The answer is 8.20.", "8.20"),
        ("No answer is given", "No answer is given"),
        (" ".join(["word"] * 12), " ".join(["word"] * 12)),
        (" ".join(["word"] * 13), None),
        ("Looking at the table, the team that won the most games in the year 1998 was Boston.", None),
    ],
)
def test_tqa_distill_has_short_answers_only(said: str, answer: str | None) -> None:
    fields = {"prompt": [{"content": "Who won?", "role": "user"}], "info": None, "finish_reasons": "stop"}
    read = TQA_DISTILL.read(Row("0", {**fields, "response": f"<think>Hm.</think>\n\n{said}"}), "train")
    assert (read.answer if isinstance(read, Sample) else None) == answer
    assert isinstance(read, Sample) or read.reason == "the answer is a sentence"


def test_virft_coco_turns_thousandths_into_pixels_and_asks_a_plain_question() -> None:
    samples, bad = read(VIRFT_COCO, "train")
    assert [(s.meta["category"], s.answer) for s in samples] == [
        ("person", [[0.3, 87.8, 110.1, 157.7]]),
        ("teddy bear", [[0.0, 0.0, 160.0, 60.0], [160.3, 2.4, 320.0, 240.0]]),
        ("bus", []),
        ("cat", []),
        ("dog", [[3.2, 2.4, 6.6, 4.8]]),
    ]
    assert {s.task for s in samples} == {"detection"}
    assert samples[1].question == "Detect all objects of the category 'teddy bear' in the image."
    assert reasons(bad) == [
        "a box cannot be read",
        "a list cannot be read",
        "a list cannot be read",
        "a box is not in thousandths",
        "a box is empty",
        "a box cannot be read",
        "no category",
        "a field cannot be read",
    ]


@pytest.mark.parametrize("number", ["8", "6,830", "1/12", "8.20", "-3", "$8.20", "50%", "1 1/2", ".5"])
def test_numbers_are_math(number: str) -> None:
    assert text_or_math(number) == "math"


@pytest.mark.parametrize("text", ["2:15 P.M.", "three", "Boston", "3 cats", "1, 2", "x = 3", "-", ""])
def test_other_answers_are_text(text: str) -> None:
    assert text_or_math(text) == "text"
