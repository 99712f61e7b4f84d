"""PathVQA, GMAI-Reasoning10K and the benchmarks as upstream has them: every quirk is read, every bad row is named."""

from __future__ import annotations

import base64
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest

from infimed_plugins.errors import DataError, MissingFileError
from infimed_plugins.prompts import question_text
from infimed_plugins.records import BadRow, ImageRef, Sample
from infimed_plugins.sources import SourceEntry, public, source_entries
from infimed_plugins.sources.gmai_mmbench import GMAI_MMBENCH
from infimed_plugins.sources.gmai_reasoning import GMAI_REASONING, question_and_options, reasoning_and_answer
from infimed_plugins.sources.medxpertqa import MEDXPERTQA_MM
from infimed_plugins.sources.mmmu_health import MMMU_HEALTH
from infimed_plugins.sources.omnimedvqa import OMNIMEDVQA
from infimed_plugins.sources.path_vqa import PATH_VQA
from infimed_plugins.sources.public import PublicSource, Row, UnusableRow

FIXTURES = Path(__file__).parents[1] / "data" / "sources"
PICTURE = ImageRef(data=(FIXTURES / "gmai_reasoning" / "2d" / "cls" / "ct" / "0000.jpg").read_bytes())
SOURCES = (PATH_VQA, GMAI_REASONING, MMMU_HEALTH, OMNIMEDVQA, MEDXPERTQA_MM, GMAI_MMBENCH)


@pytest.fixture(autouse=True)
def _entries(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain entry for each source that the shipped registry does not know."""
    plain = {source.name: SourceEntry(source.name, "upstream", "unknown") for source in SOURCES}
    entries = {**plain, **source_entries()}
    if entries != source_entries():
        monkeypatch.setattr(public, "source_entries", lambda: entries)


def read(
    source: PublicSource, split: str, folder: Path = FIXTURES, **options: Any
) -> tuple[list[Sample], list[tuple[str, str]]]:
    """The samples of a small copy, and the ids (behind the split) and reasons of its bad rows; every image opens."""
    rows = list(source.load(split, folder=folder, **options))
    start = f"{source.name}-{split}-"
    assert len({row.id for row in rows}) == len(rows)
    assert all(row.id.startswith(start) for row in rows)
    samples = [row for row in rows if isinstance(row, Sample)]
    for sample in samples:
        assert "<image" not in sample.question
        assert {image.open().size for image in sample.images} == {(64, 48)}
    return samples, [(row.id.removeprefix(start), row.reason) for row in rows if isinstance(row, BadRow)]


def test_path_vqa_derives_closed_from_yes_and_no_and_opens_cmyk() -> None:
    samples, bad = read(PATH_VQA, "train")
    assert [(s.answer, s.meta["kind"]) for s in samples] == [
        ("positively charged", "open"),
        ("yes", "closed"),
        ("no", "closed"),
        ("gastrointestinal tract", "open"),
        ("in the canals of Hering", "open"),
    ]
    assert samples[2].question == "is there a tumour?"
    assert samples[1].images[0].open().mode == "RGB"
    assert bad == [("00005", "no answer"), ("00006", "its image is missing")]


@pytest.mark.parametrize("split", ["validation", "test"])
def test_path_vqa_has_three_splits(split: str) -> None:
    samples, bad = read(PATH_VQA, split)
    assert ([s.answer for s in samples], bad) == (["positively charged", "yes"], [])


def test_gmai_reasoning_takes_options_out_of_the_question() -> None:
    samples, bad = read(GMAI_REASONING, "rl")
    assert [(s.question, s.options, s.answer) for s in samples] == [
        ("Which organ is shown?", ("Liver", "Spleen", "Lung"), "B"),
        ("Which organ?", ("Liver", "Spleen"), "A"),
        ("Is it hepatitis A. or B?", ("Yes", "No", "T. cruzi"), "C"),
        ("Which side?", ("Left", "Right"), "B"),
        ("Which vitamin?", ("A", "B. complex", "C", "D"), "D"),
    ]
    assert all(s.rationale is None for s in samples)
    assert bad == [
        ("00005", "its image is missing"),
        ("00006", "its image lies outside of the data set"),
        ("00007", "no options in the question"),
        ("00008", "the answer is none of the options"),
        ("00009", "no answer"),
        ("00010", "a choice is empty"),
    ]


def test_gmai_reasoning_keeps_the_reasoning_of_sft_rows_without_tags_and_answer() -> None:
    samples, bad = read(GMAI_REASONING, "sft")
    assert [(s.answer, s.rationale) for s in samples] == [
        ("B", "It lies on the left."),
        ("C", "Air is black."),
        ("A", "It is large and on the right."),
        ("C", "It has air."),
        ("B", "The picture shows the spleen."),
        ("A", "Brown."),
    ]
    assert bad == [
        ("00006", "no answer behind the reasoning"),
        ("00007", "answer and letter differ"),
        ("00008", "the answer is none of the options"),
    ]


def test_gmai_reasoning_reads_the_links_of_the_hubs_cache(tmp_path: Path) -> None:
    snapshot, blobs = tmp_path / "snapshots" / "revision", tmp_path / "blobs"
    (snapshot / "2d" / "cls" / "ct").mkdir(parents=True)
    blobs.mkdir()
    for number, name in enumerate(("reasoning_mcq_rl.jsonl", *(f"2d/cls/ct/{i:04d}.jpg" for i in range(3)))):
        (blobs / str(number)).write_bytes((FIXTURES / "gmai_reasoning" / name).read_bytes())
        (snapshot / name).symlink_to(blobs / str(number))
    samples, _ = read(GMAI_REASONING, "rl", snapshot)
    assert len(samples) == 5


def test_gmai_reasoning_reads_parquet_too(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    turns = [{"from": "human", "value": "<image>\nWhich?\nA. Liver\nB. Lung"}, {"from": "gpt", "value": "A"}]
    (tmp_path / "reasoning_mcq_rl").mkdir()
    (tmp_path / "ct.jpg").write_bytes((FIXTURES / "gmai_reasoning" / "2d" / "cls" / "ct" / "0000.jpg").read_bytes())
    table = pa.Table.from_pylist([{"image": "ct.jpg", "conversations": turns}])
    pq.write_table(table, tmp_path / "reasoning_mcq_rl" / "train-00000-of-00001.parquet")
    samples, bad = read(GMAI_REASONING, "rl", tmp_path)
    assert ([(s.question, s.answer) for s in samples], bad) == ([("Which?", "A")], [])


@pytest.mark.parametrize(
    ("text", "question", "options"),
    [
        ("What?\n(A) one\n(B) two\n(C) three", "What?", ("one", "two", "three")),
        ("What? (A) one (B) two", "What?", ("one", "two")),
        ("What?\nA: 0.5 mm, B: 1.5 mm, C: none", "What?", ("0.5 mm", "1.5 mm", "none")),
        ("What?\nAnswer choices:\nA) one\nB) two\n", "What?", ("one", "two")),
        ("Staph. A. is here.\nWhat?\nA. one\nB. two\nC. three D. four", None, ("one", "two", "three D. four")),
    ],
)
def test_options_are_parsed_in_every_form(text: str, question: str | None, options: tuple[str, ...]) -> None:
    found, choices = question_and_options(text)
    assert choices == options
    assert question is None or found.strip() == question


@pytest.mark.parametrize("text", ["", "What?", "What?\nA. one", "A or B?", "What?\nB. one\nC. two"])
def test_a_question_without_options_is_refused(text: str) -> None:
    with pytest.raises(UnusableRow, match="no options in the question"):
        question_and_options(text)


def test_the_last_answer_counts() -> None:
    assert reasoning_and_answer("<answer>A</answer> No. <answer>B</answer>") == ("A No.", "B")
    assert reasoning_and_answer("The answer is A. Wait.\nThe answer is B.") == ("The answer is A. Wait.", "B")


def test_mmmu_puts_words_for_image_tags_and_images_in_order() -> None:
    samples, bad = read(MMMU_HEALTH, "validation")
    found = {s.id.removeprefix("mmmu_health-validation-"): s for s in samples}
    compared = found["Clinical_Medicine_1"]
    assert compared.question == "Compare image 1 and image 2. Which is malignant?"
    assert (compared.options, compared.answer) == (("image 1", "image 2", "Both"), "B")
    assert question_text(compared).startswith("<image><image>Compare")
    follows = found["Clinical_Medicine_2"]
    assert follows.question == "Does image 2 follow image 1?"  # images 1 and 3 are the two there are
    assert len({image.sha256() for image in follows.images}) == 2
    basic = found["Basic_Medical_Science_1"]
    assert basic.options == ("Target sign", "Murphy's sign", "Neither")
    assert basic.rationale == "The layers of image 1 show it."
    assert basic.meta == {
        "kind": "multiple-choice",
        "subject": "Basic_Medical_Science",
        "subfield": "Clinical Radiology",
    }
    assert bad == [
        ("Clinical_Medicine_3", "its image is missing"),
        ("Clinical_Medicine_4", "a list cannot be read"),
        ("Clinical_Medicine_5", "the answer is none of the options"),
        ("Public_Health_1", "no answer"),
    ]


PIXEL = {"bytes": b"x", "path": None}


@pytest.mark.parametrize(
    ("question", "options", "explanation", "held", "asked", "sent", "rationale"),
    [
        ("Of A and B.<image 1>", ["a", "b"], "", [1], "Of A and B. image 1", 1, None),
        ("<image 1>Which?", ["a", "b"], "See <image 2>.", [1, 2], "image 1 Which?", 1, None),
        ("Which (<image 2>)?", ["a", "<image 1>"], "In <image 2>.", [1, 2, 3], "Which (image 2)?", 2, "In image 2."),
        ("<image 1><image 3>", ["a", "b"], "See <image 7>.", [1, 3], "image 1 image 2", 2, None),
        ("Which?", ["a", "b"], "As <image 1> shows.", [1], "Which?", 1, "As image 1 shows."),
    ],
)
def test_mmmu_sends_what_question_or_options_name(
    question: str, options: list[str], explanation: str, held: list[int], asked: str, sent: int, rationale: str | None
) -> None:
    pictures = {f"image_{number}": PIXEL if number in held else None for number in range(1, 8)}
    fields = {"question": question, "options": str(options), "explanation": explanation, "answer": "A", **pictures}
    more = {"question_type": "multiple-choice", "config": "Pharmacy", "subfield": "s"}
    sample = MMMU_HEALTH.read(Row("1", {**fields, **more}), "validation")
    assert isinstance(sample, Sample)
    assert (sample.question, len(sample.images), sample.rationale) == (asked, sent, rationale)


def test_mmmu_open_answers_are_texts_or_numbers_and_may_have_several_forms() -> None:
    samples, _ = read(MMMU_HEALTH, "validation")
    assert [(s.task, s.answer, s.meta.get("synonyms")) for s in samples if s.meta["kind"] == "open"] == [
        ("math", "24.32", None),
        ("text", "Left atrium", ["Left atrium", "LA"]),
        ("math", "1,250", ["1,250", "1250 mL"]),
    ]


def test_mmmu_test_rows_have_no_answers() -> None:
    samples, bad = read(MMMU_HEALTH, "test")
    assert (samples, len(bad), {reason for _, reason in bad}) == ([], 5, {"no answer"})


@pytest.mark.parametrize("packed", [True, False])
def test_omnimedvqa_is_read_in_its_archive_or_unpacked(packed: bool, tmp_path: Path) -> None:
    if not packed:
        with zipfile.ZipFile(FIXTURES / "omnimedvqa" / "OmniMedVQA.zip") as archive:
            archive.extractall(tmp_path)
    samples, bad = read(OMNIMEDVQA, "test", FIXTURES if packed else tmp_path)
    assert [(s.id.removeprefix("omnimedvqa-test-"), s.answer, len(s.options or ())) for s in samples] == [
        ("ACRIMA_0000", "B", 4),
        ("ACRIMA_0001", "B", 3),
        ("ACRIMA_0002", "B", 2),
        ("ACRIMA_0003", "B", 4),
        ("ACRIMA_0004", "B", 4),  # its answer is B and C: a twin is as right
        ("Chest CT Scan_0000", "D", 4),
    ]
    assert [s.meta["modality"] for s in samples[1:3] + samples[5:]] == [
        "MR (Magnetic Resonance Imaging)",
        "OCT (Optical Coherence Tomography)",
        "CT(Computed Tomography)",
    ]
    assert (samples[0].meta["kind"], samples[0].meta["dataset"]) == ("Modality Recognition", "ACRIMA")
    assert bad == [
        ("Chest CT Scan_0001", "the answer is none of the options"),
        ("Chest CT Scan_0002", "no answer"),
        ("Chest CT Scan_0003", "its image is missing"),
        ("Chest CT Scan_0004", "no question"),
    ]


def test_omnimedvqa_names_a_damaged_archive(tmp_path: Path) -> None:
    whole = (FIXTURES / "omnimedvqa" / "OmniMedVQA.zip").read_bytes()
    (tmp_path / "OmniMedVQA.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="no whole zip archive"):
        read(OMNIMEDVQA, "test", tmp_path)


def test_medxpertqa_cuts_the_repeated_options_off_and_has_up_to_six_images() -> None:
    samples, bad = read(MEDXPERTQA_MM, "test")
    assert [(s.id, s.answer, len(s.images)) for s in samples] == [
        ("medxpertqa_mm-test-MM-0", "B", 1),
        ("medxpertqa_mm-test-MM-1", "E", 6),
        ("medxpertqa_mm-test-MM-2", "B", 1),
        ("medxpertqa_mm-test-MM-3", "C", 1),
        ("medxpertqa_mm-test-MM-4", "B", 1),
    ]
    assert samples[0].question == "A 45-year-old man has pain.\nWhat is seen?"
    assert [s.question for s in samples[2:5:2]] == ["What is seen?", "Which one?"]
    assert {s.options for s in samples} == {("Gout", "Lupus", "Psoriasis", "Sarcoidosis", "None of these")}
    assert samples[0].meta == {"kind": "Reasoning", "medical_task": "Diagnosis", "body_system": "Skeletal"}
    assert bad == [
        ("MM-5", "the answer is none of the options"),
        ("MM-6", "its image is missing"),
        ("MM-7", "its image is missing"),
        ("MM-8", "a choice is empty"),
    ]


def test_medxpertqa_reads_parquet_too() -> None:
    samples, bad = read(MEDXPERTQA_MM, "dev")
    assert ({s.answer for s in samples}, len(samples), bad) == ({"B"}, 5, [])


def test_gmai_mmbench_takes_odd_options_and_images_of_earlier_rows() -> None:
    samples, bad = read(GMAI_MMBENCH, "val")
    assert [(s.id.removeprefix("gmai_mmbench-val-"), s.answer, len(s.options or ())) for s in samples] == [
        ("0", "B", 4),
        ("1", "E", 5),
        ("2", "B", 4),
        ("3", "B", 4),
        ("4", "B", 4),
        ("5", "B", 4),
    ]
    assert samples[3].question == 'The "marked" structure,\nbelow the line, is which?'
    assert samples[4].options == ("Liver", "None", "Kidney", "Lung")
    assert samples[5].images[0].sha256() == samples[1].images[0].sha256() != samples[0].images[0].sha256()
    assert samples[0].meta == {
        "kind": "Organ Recognition",
        "category": "Organ Recognition - Abdomen",
        "department": "General Surgery",
        "modality": "CT",
        "granularity": "Mask Level",
    }
    assert "modality" not in samples[2].meta
    assert bad == [
        ("6", "its image is missing"),
        ("7", "its image is no base64"),
        ("8", "the answer is none of the options"),
        ("9", "a choice is empty"),
        ("10", "no answer"),
    ]


def test_gmai_mmbench_test_has_parts_with_lower_case_columns_and_no_answers() -> None:
    samples, bad = read(GMAI_MMBENCH, "test")
    assert bad == [("1-0", "no answer"), ("1-1", "no answer")]
    assert [(s.id, s.answer) for s in samples] == [("gmai_mmbench-test-2-0", "B"), ("gmai_mmbench-test-2-1", "B")]


def test_gmai_mmbench_keeps_no_pictures_in_memory(tmp_path: Path) -> None:
    picture = base64.b64encode(bytes(3_000_000)).decode()
    head = "index\timage\tquestion\tA\tB\tC\tD\tE\tanswer"
    lines = [head, *(f"{i}\t{picture}\tWhich?\tLiver\tLung\t\t\t\tA" for i in range(5))]
    (tmp_path / "GMAI-MMBench_VAL.tsv").write_text("\n".join(lines), encoding="utf-8")
    samples = list(GMAI_MMBENCH.load("val", folder=tmp_path))
    images = [row.images[0] for row in samples if isinstance(row, Sample)]
    assert [image.data for image in images] == [None] * 5
    assert all(len(pickle.dumps(image)) < 1000 for image in images)  # nor do their readers
    assert all(image.read() == bytes(3_000_000) for image in images)


@pytest.mark.parametrize(
    ("written", "options"),
    [
        (("x", "y", "z", "None", ""), ("x", "y", "z", "None")),
        (("x", "y", "z", "None", "nan"), ("x", "y", "z", "None")),
        (("x", "y", "z", "w", "None"), ("x", "y", "z", "w")),
        (("x", "none", "nan", "", "None"), ("x", "none")),
        (("x", "None", "z", "w", "v"), ("x", "None", "z", "w", "v")),
        (("x", "nan", "z", "", ""), None),
        (("x", "y", "", "w", "v"), None),
    ],
)
def test_gmai_mmbench_takes_none_for_absent_in_e_alone(
    written: tuple[str, ...], options: tuple[str, ...] | None
) -> None:
    fields = dict(zip("abcde", written, strict=True))
    row = Row("0", {**fields, "question": "Which?", "answer": "A", "image": lambda: PICTURE})
    read = GMAI_MMBENCH.read(row, "val")
    assert (read.options if isinstance(read, Sample) else None) == options
    assert isinstance(read, Sample) or read.reason == "a choice is empty"


def test_gmai_mmbench_names_a_file_without_its_columns(tmp_path: Path) -> None:
    (tmp_path / "GMAI_mm_bench_VAL.tsv").write_text("index\tquestion\n1\tWhich?\n", encoding="utf-8")
    with pytest.raises(DataError, match="no column 'image'"):
        read(GMAI_MMBENCH, "val", tmp_path)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_missing_files_are_named_and_a_limit_is_kept(source: PublicSource, tmp_path: Path) -> None:
    split = "rl" if source is GMAI_REASONING else source.splits[-1]
    with pytest.raises(MissingFileError, match="its files are not there"):
        list(source.load(split, folder=tmp_path))
    assert len(list(source.load(split, folder=FIXTURES, limit=2))) == 2
