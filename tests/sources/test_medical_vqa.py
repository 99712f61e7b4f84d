"""VQA-RAD, SLAKE and PMC-VQA as upstream has them: every quirk is read, every bad row is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infimed_plugins.plugins import registry
from infimed_plugins.records import BadRow, ImageRef, Sample
from infimed_plugins.sources.pmc_vqa import PMC_VQA, PMC_VQA_2
from infimed_plugins.sources.public import Row

FIXTURES = Path(__file__).parents[1] / "data" / "sources"


def read(name: str, split: str, folder: Path = FIXTURES, **options: Any) -> tuple[list[Sample], list[BadRow]]:
    """The samples and the bad rows of a small copy; every image opens."""
    rows = list(registry().get("source", name).load(split, folder=folder, **options))
    samples = [row for row in rows if isinstance(row, Sample)]
    for sample in samples:
        for image in sample.images:
            assert image.open().size == (64, 48)
    assert len({row.id for row in rows}) == len(rows)
    return samples, [row for row in rows if isinstance(row, BadRow)]


def test_vqa_rad_from_the_hub_derives_closed_from_yes_and_no() -> None:
    samples, bad = read("vqa_rad", "train")
    assert [(s.answer, s.meta["kind"]) for s in samples] == [
        ("no", "closed"),
        ("heart", "open"),
        ("yes", "closed"),
        ("right upper lobe", "open"),
        ("Left", "open"),
    ]
    assert samples[0].question == "is there a fracture of the ribs?"
    assert [(row.id, row.reason) for row in bad] == [("vqa_rad-train-00004", "no answer")]


def test_vqa_rad_from_osf_takes_its_test_rows_by_phrase_type() -> None:
    train, bad = read("vqa_rad", "train", FIXTURES / "vqa_rad_osf")
    test, none_bad = read("vqa_rad", "test", FIXTURES / "vqa_rad_osf")
    assert [s.id for s in train] == ["vqa_rad-train-q1", "vqa_rad-train-q2", "vqa_rad-train-q6"]
    assert [(s.id, s.answer, s.meta["kind"]) for s in test] == [
        ("vqa_rad-test-q3", "Lung", "open"),
        ("vqa_rad-test-q4", "no", "closed"),
    ]
    assert train[0].meta["image_organ"] == "CHEST"
    assert (bad[0].id, none_bad) == ("vqa_rad-train-q5", [])
    assert "gone.jpg" in bad[0].detail


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_slake_has_two_languages_and_closed_answers_beyond_yes_and_no(split: str) -> None:
    samples, bad = read("slake", split)
    assert [(s.language, s.answer, s.meta["kind"]) for s in samples] == [
        ("en", "MRI", "open"),
        ("en", "yes", "closed"),
        ("zh", "包含", "closed"),
        ("zh", "左肺", "open"),
        ("en", "Lung", "closed"),
    ]
    assert [row.reason for row in bad] == ["another language", "its image is missing"]


def test_pmc_vqa_takes_odd_spaces_and_quotes_and_refuses_what_does_not_fit_together() -> None:
    samples, bad = read("pmc_vqa", "train")
    assert [(s.answer, s.options) for s in samples[:3]] == [
        ("B", ("Diffuse uptake pattern", "Focal uptake pattern", "No uptake pattern", "N: other"))
    ] * 3
    assert samples[3].answer == "A"
    assert [row.reason for row in bad] == [
        "the answer is none of the options",
        "a choice has another letter",
        "answer and label differ",
        "its image is missing",
    ]


E_COLI = (" A:E. coli ", " B:S. aureus", " C:C. difficile", " D:none")
SIDES = (" A:Left", " B: Right", "C:Both", "D: Neither")


@pytest.mark.parametrize(
    ("choices", "answer", "label", "found"),
    [
        (E_COLI, "E. coli", "A", ("E. coli", "S. aureus", "C. difficile", "none")),
        (E_COLI, "C. difficile", "C", ("E. coli", "S. aureus", "C. difficile", "none")),
        (
            ("E. coli", "S. aureus", "C. difficile", "none"),
            "S. aureus",
            "B",
            ("E. coli", "S. aureus", "C. difficile", "none"),
        ),
        (("a: x", "b: y", "c: z", "d: w"), "B: y", "b", ("x", "y", "z", "w")),
        ((' A:"Pre" treatment', *SIDES[1:]), '"Pre" treatment', "A", ('"Pre" treatment', "Right", "Both", "Neither")),
        ((' A:"Pre" treatment', *SIDES[1:]), 'Pre" treatment', "A", ('"Pre" treatment', "Right", "Both", "Neither")),
        ((*SIDES[:3], " D:3'"), "3'", "D", ("Left", "Right", "Both", "3'")),
        (('"A: Left"', "' B: Right'", "C: 'Both'", '"D: Neither'), "'both'", "C", ("Left", "Right", "Both", "Neither")),
        ((" A:same", " B:Same", *SIDES[2:]), "same", "A", ("same", "Same", "Both", "Neither")),
        ((" A:'", *SIDES[1:]), "'", "A", "a choice is empty"),
        ((" B:Left", *SIDES[1:]), "Left", "A", "a choice has another letter"),
        (SIDES, "Left", "B", "answer and label differ"),
        (SIDES, "Left", "", "the answer is none of the options"),
    ],
)
def test_pmc_vqa_compares_texts_whole_and_keeps_the_quotes_within_them(
    choices: tuple[str, ...], answer: str, label: str, found: tuple[str, ...] | str
) -> None:
    cells = {f"Choice {letter}": cell for letter, cell in zip("ABCD", choices, strict=True)}
    image = {"image": lambda: ImageRef(data=b"x")}
    read = PMC_VQA.read(Row("0", {**cells, **image, "Question": "?", "Answer": answer, "Answer_label": label}), "train")
    assert (read.options if isinstance(read, Sample) else read.reason) == found
    assert isinstance(read, BadRow) or read.answer == label.upper()
    second = PMC_VQA_2.read(Row("0", {**cells, **image, "Question": "?", "Answer": label}), "train")
    said = second.options if isinstance(second, Sample) else second.reason
    assert said == (found if found != "answer and label differ" else ("Left", "Right", "Both", "Neither"))


def test_pmc_vqa_before_may_2023_misspells_a_column() -> None:
    samples, bad = read("pmc_vqa", "test")
    assert (len(samples), bad) == (3, [])


def test_pmc_vqa_2_has_the_letter_as_its_answer_and_captions_once_for_each_figure() -> None:
    samples, bad = read("pmc_vqa_2", "train")
    assert {s.answer for s in samples} == {"A"}
    assert (len(samples), len(bad)) == (5, 1)
    captions, _ = read("pmc_vqa_captions", "train")
    assert [s.answer for s in captions] == [f"Golgi complexes (green), panel {i}." for i in range(3)]
    assert [s.id for s in captions] == [f"pmc_vqa_captions-train-PMC8253797_Fig4_{i}" for i in (11, 12, 13)]
