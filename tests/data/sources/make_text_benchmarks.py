"""Write the small copies of the text benchmarks, in their true layouts, quirks and all.

Run it from anywhere: ``python tests/data/sources/make_text_benchmarks.py``. The same bytes come out each time.
"""

from __future__ import annotations

from typing import Any

from make_benchmarks import write_lines
from writers import HERE, write_parquet

SUBJECTS = (
    "anatomy",
    "clinical_knowledge",
    "college_biology",
    "college_medicine",
    "medical_genetics",
    "professional_medicine",
    "nutrition",
    "virology",
    "high_school_biology",
)


def medqa() -> None:
    row: dict[str, Any] = {
        "question": "A 23-year-old woman at 22 weeks\tgestation has pain. Which is the best treatment?",
        "answer": "Nitrofurantoin",
        "options": {"A": "Ampicillin", "B": "Ceftriaxone", "C": "Doxycycline", "D": "Nitrofurantoin"},
        "meta_info": "step2&3",
        "answer_idx": "D",
        "metamap_phrases": ["23 year old", "pain"],
    }
    rows = [
        row,
        {**row, "answer": "Ampicillin", "answer_idx": "A", "meta_info": "step1"},
        {**row, "answer_idx": "E"},  # bad
        {**row, "options": {**row["options"], "C": ""}},  # bad
        {**row, "question": " "},  # bad
    ]
    for split in ("train", "test"):
        write_lines(HERE / "medqa" / f"phrases_no_exclude_{split}.jsonl", rows)


def medmcqa() -> None:
    row: dict[str, Any] = {
        "id": "45258d3d-0",
        "question": "Which vitamin is supplied from only animal source:",
        "opa": "Vitamin C",
        "opb": "Vitamin B7",
        "opc": "Vitamin B12",
        "opd": "Vitamin D",
        "cop": 2,
        "choice_type": "single",
        "exp": "Ans. (c) Vitamin B12",
        "subject_name": "Biochemistry",
        "topic_name": "Vitamins",
    }
    rows = [
        row,
        {**row, "id": "45258d3d-1", "cop": 0, "choice_type": "multi", "exp": None, "topic_name": None},
        {**row, "id": "45258d3d-2", "opd": ""},  # bad
        {**row, "id": "45258d3d-3", "cop": 4},  # bad
    ]
    for split in ("train", "validation", "test"):
        made = [{**one, "cop": -1} for one in rows[:1]] if split == "test" else rows
        write_parquet(HERE / "medmcqa" / "data" / f"{split}-00000-of-00001.parquet", made, ())


def pubmedqa() -> None:
    data: dict[str, Any] = {
        "Question": "Is anorectal endosonography valuable in dyschesia?",
        "Options": {"A": "yes", "B": "no", "C": "maybe"},
        "Context": ["Dyschesia can be provoked by defecation.", "Consecutive patients were studied."],
        "Correct Option": "A",
        "Correct Answer": "yes",
        "Long Answer": "Linear anorectal endosonography showed it.",
    }
    changed: list[dict[str, Any]] = [
        {},
        {"Correct Option": "C", "Correct Answer": "maybe", "Context": [], "Long Answer": ""},
        {"Correct Option": "D"},  # bad
        {"Question": ""},  # bad
    ]
    rows = [{"id": f"{i:04d}", "data": {**data, **one}, "subject_name": None} for i, one in enumerate(changed)]
    for split in ("train", "validation", "test"):
        write_parquet(HERE / "pubmedqa" / "data" / f"{split}-00000-of-00001.parquet", rows, ())


def mmlu_medical() -> None:
    for subject in SUBJECTS:
        row: dict[str, Any] = {
            "question": f"Which belongs to {subject}?",
            "subject": subject,
            "choices": ["one", "two", "three", "four"],
            "answer": 3,
        }
        rows = [row, {**row, "answer": 4}] if subject == "virology" else [row]  # the second is bad
        for split in ("dev", "validation", "test"):
            write_parquet(HERE / "mmlu_medical" / subject / f"{split}-00000-of-00001.parquet", rows, ())
    other = {"question": "What is a tort?", "subject": "law", "choices": ["one", "two", "three", "four"], "answer": 0}
    write_parquet(HERE / "mmlu_medical" / "professional_law" / "test-00000-of-00001.parquet", [other], ())


def medxpertqa_text() -> None:
    texts = ("Gout", "Lupus", "Psoriasis", "Sarcoidosis", "Reactive", "Viral", "Lyme", "Septic", "Whipple", "None")
    options = dict(zip("ABCDEFGHIJ", texts, strict=True))
    repeated = " ".join(f"({letter}) {text}" for letter, text in options.items())
    row: dict[str, Any] = {
        "id": "Text-0",
        "question": f"A 45-year-old man has pain.\nWhat is the cause?\nAnswer Choices: {repeated}",
        "options": options,
        "label": "J",
        "medical_task": "Diagnosis",
        "body_system": "Skeletal",
        "question_type": "Reasoning",
    }
    lists = [{"letter": letter, "content": text} for letter, text in options.items()]
    rows = [
        row,
        {**row, "id": "Text-1", "options": lists, "label": ["B"], "question_type": "Understanding"},
        {**row, "id": "Text-2", "label": "K"},  # bad
        {**row, "id": "Text-3", "options": {**options, "C": ""}},  # bad
    ]
    write_lines(HERE / "medxpertqa_text" / "Text" / "test.jsonl", rows)
    write_parquet(HERE / "medxpertqa_text" / "Text" / "dev-00000-of-00001.parquet", [row], ())


if __name__ == "__main__":
    for make in (medqa, medmcqa, pubmedqa, mmlu_medical, medxpertqa_text):
        make()
