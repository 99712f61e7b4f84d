"""Write the small copies of PathVQA, GMAI-Reasoning10K and benchmarks, in their true layouts, quirks and all.

Run it from anywhere: ``python tests/data/sources/make_benchmarks.py``. The same bytes come out each time.
"""

from __future__ import annotations

import base64
import csv
import json
from pathlib import Path
from typing import Any

from writers import HERE, picture, write_json, write_parquet, write_zip

CONFIGS = (
    "Basic_Medical_Science",
    "Clinical_Medicine",
    "Diagnostics_and_Laboratory_Medicine",
    "Pharmacy",
    "Public_Health",
)


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def write_tsv(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def path_vqa() -> None:
    said = [
        ("how are the histone subunits charged?", "positively charged"),
        ("are the arrows pointing at bile ducts?", "yes"),
        ("is there\ta tumour?", "No"),
        ("what is present?", "gastrointestinal\xa0tract "),
        ("where is it?", "in the canals of Hering"),
        ("what is this?", ""),  # bad: no answer
        ("what else?", "liver"),  # bad: no picture
    ]
    for split in ("train", "validation", "test"):
        rows: list[dict[str, Any]] = []
        for i, (question, answer) in enumerate(said if split == "train" else said[:2]):
            data = picture(f"path{split}{i}", mode="CMYK" if i == 1 else "RGB", kind="JPEG") if i < 6 else None
            rows.append({"image": {"bytes": data, "path": None}, "question": question, "answer": answer})
        file = f"{split}-00000-of-00001-9d3ba9b1ccd1be3b.parquet"
        write_parquet(HERE / "path_vqa" / "data" / file, rows)


def _asked(image: str, question: str, answer: str) -> dict[str, Any]:
    turns = [{"from": "human", "value": f"<image>\n{question}"}, {"from": "gpt", "value": answer}]
    return {"image": image, "conversations": turns}


def gmai_reasoning() -> None:
    folder = HERE / "gmai_reasoning"
    names = [f"2d/cls/ct/{i:04d}.jpg" for i in range(3)]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(picture(name, kind="JPEG"))
    lines = "Which organ is shown?\nA. Liver\nB. Spleen\nC. Lung"
    rl = [
        _asked(names[0], lines, "B"),
        _asked(names[1], "Which organ?\nOptions:\nA: Liver\nB: Spleen\n\nAnswer with the letter.", "A"),
        _asked(names[2], "Is it hepatitis A. or B? Choices: (A) Yes, (B) No, (C) T. cruzi", "(C)"),
        _asked(names[0], "Which side? A. Left B. Right", "b"),
        _asked(names[1], "Which vitamin?\n(A) A\n(B) B. complex\n(C) C\n(D) D", "D"),
        _asked("2d/cls/ct/gone.jpg", lines, "A"),  # bad
        _asked("../slake/imgs.zip", lines, "A"),  # bad
        _asked(names[0], "Which organ is shown?", "A"),  # bad: no options
        _asked(names[0], lines, "D"),  # bad
        _asked(names[0], lines, ""),  # bad
        _asked(names[0], "Which?\nA. Liver\nB.\nC. Lung", "A"),  # bad
    ]
    write_lines(folder / "reasoning_mcq_rl.jsonl", rl)
    sft = [
        _asked(names[0], lines, "<think> It lies on the left. </think> <answer> B </answer>"),
        _asked(names[1], lines, "<think>Air is black.</think>\n<answer>C. Lung.</answer>"),
        _asked(names[2], lines, "It is large and on the right. So it is \\boxed{\\text{A}}."),
        _asked(names[0], lines, "It has air.\nTherefore, the answer is: **C**."),
        _asked(names[1], lines, "The picture shows the spleen. Answer: (B) Spleen"),
        _asked(names[2], lines, "<think>Brown.</think><answer>liver</answer>"),
        _asked(names[0], lines, "It may be the liver, but an answer is hard to give."),  # bad
        _asked(names[0], lines, "<think>…</think><answer>B. Lung</answer>"),  # bad
        _asked(names[0], lines, "<think>…</think><answer>kidney</answer>"),  # bad
    ]
    write_json(folder / "reasoning_mcq_sft" / "train.json", sft)


def _mmmu_row(split: str, config: str, number: int, images: tuple[int, ...] = (1,), **changed: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": f"{split}_{config}_{number}",
        "question": "<image 1> Which sign is shown?",
        "options": "['Target sign', \"Murphy's sign\", 'Neither']",
        "explanation": "",
        "img_type": "['Medical Images']",
        "answer": "B",
        "topic_difficulty": "Medium",
        "question_type": "multiple-choice",
        "subfield": "Clinical Radiology",
    }
    for i in range(1, 8):
        data = picture(f"{row['id']}-{i}")
        row[f"image_{i}"] = {"bytes": data, "path": f"{row['id']}_{i}.png"} if i in images else None
    return {**row, **changed}


def mmmu_health() -> None:
    asked: dict[str, list[dict[str, Any]]] = {
        "Basic_Medical_Science": [{"explanation": "The layers of <image 1> show it."}],
        "Clinical_Medicine": [
            {
                "images": (1, 2),
                "question": "Compare <image 1> and <image 2>. Which is malignant?",
                "options": "['<image 1>', '<image 2>', 'Both']",
            },
            {"images": (1, 3), "question": "Does <image 3> follow <image 1>?"},
            {"images": (1,), "question": "Does <image 2> follow <image 1>?"},  # bad
            {"options": "['Target sign', __import__('os')]"},  # bad
            {"answer": "F"},  # bad
        ],
        "Diagnostics_and_Laboratory_Medicine": [
            {"question_type": "open", "options": "[]", "answer": "24.32"},
            {"question_type": "open", "options": "[]", "answer": "['Left atrium', 'LA']"},
        ],
        "Pharmacy": [{"question_type": "open", "options": "[]", "answer": "['1,250', '1250 mL']"}],
        "Public_Health": [{"question_type": "open", "options": "[]", "answer": "[]"}],  # bad
    }
    for split in ("validation", "test"):
        for config in CONFIGS:
            rows = [_mmmu_row(split, config, number, **changed) for number, changed in enumerate(asked[config], 1)]
            if split == "test":
                rows = [{**row, "answer": "?"} for row in rows[:1]]
            images = tuple(f"image_{i}" for i in range(1, 8))
            write_parquet(HERE / "mmmu_health" / config / f"{split}-00000-of-00001.parquet", rows, images)


def _omni_row(dataset: str, number: int, **changed: Any) -> dict[str, Any]:
    row = {
        "dataset": dataset,
        "question_id": f"{dataset}_{number:04d}",
        "question_type": "Modality Recognition",
        "question": "What imaging technique was used here?",
        "gt_answer": "Fundus photography",
        "image_path": f"Images/{dataset}/{number % 2}.png",
        "option_A": "X-ray",
        "option_B": "Fundus photography ",
        "option_C": "MRI",
        "option_D": "CT",
        "modality_type": "Fundus Photography",
    }
    return {key: value for key, value in {**row, **changed}.items() if value is not None}


def omnimedvqa() -> None:
    other = "Chest CT Scan"
    lists = {
        "ACRIMA": [
            _omni_row("ACRIMA", 0),
            _omni_row("ACRIMA", 1, option_D=None, modality_type="MR (Mag-netic Resonance Imaging)"),
            _omni_row("ACRIMA", 2, option_C=None, option_D=None, modality_type="OCT (Optical Coherence Tomography"),
            _omni_row("ACRIMA", 3, gt_answer="fundus  photography"),
            _omni_row("ACRIMA", 4, option_C="Fundus photography"),  # bad
        ],
        other: [
            _omni_row(other, 0, gt_answer="CT", modality_type=None, modality="CT(Computed Tomography)"),
            _omni_row(other, 1, gt_answer="PET"),  # bad
            _omni_row(other, 2, gt_answer=""),  # bad
            _omni_row(other, 3, image_path="Images/gone.png"),  # bad
            _omni_row(other, 4, question=" "),  # bad
        ],
    }
    members = {f"QA_information/Open-access/{name}.json": json.dumps(rows).encode() for name, rows in lists.items()}
    members["QA_information/Restricted-access/AIDA.json"] = json.dumps([_omni_row("AIDA", 0)]).encode()
    for name in lists:
        members |= {f"Images/{name}/{i}.png": picture(f"{name}{i}") for i in range(2)}
    junk = {"__MACOSX/OmniMedVQA/QA_information/Open-access/._ACRIMA.json": b"\0"}
    packed = {f"OmniMedVQA/{name}": data for name, data in members.items()}
    write_zip(HERE / "omnimedvqa" / "OmniMedVQA.zip", packed | junk)


def _expert_row(number: int, images: int = 1, **changed: Any) -> dict[str, Any]:
    options = dict(zip("ABCDE", ("Gout", "Lupus", "Psoriasis", "Sarcoidosis", "None of these"), strict=True))
    repeated = " ".join(f"({letter}) {text}" for letter, text in options.items())
    row = {
        "id": f"MM-{number}",
        "question": f"A 45-year-old man has pain.\nWhat is seen?\nAnswer Choices: {repeated}",
        "options": options,
        "label": "B",
        "images": [f"MM-{number}-{letter}.jpeg" for letter in "abcdef"[:images]],
        "medical_task": "Diagnosis",
        "body_system": "Skeletal",
        "question_type": "Reasoning",
    }
    return {**row, **changed}


def medxpertqa_mm() -> None:
    folder = HERE / "medxpertqa_mm"
    options = _expert_row(0)["options"]
    rows = [
        _expert_row(0),
        _expert_row(1, images=6, label="E"),
        _expert_row(2, question="What is seen?"),
        _expert_row(3, options=[{"letter": letter, "content": text} for letter, text in options.items()], label=["C"]),
        _expert_row(4, question="Which\u2028one?", question_type="Understanding"),
        _expert_row(5, label="F"),  # bad
        _expert_row(6, images=0),  # bad
        _expert_row(7, images=2),  # bad: one is not in the archive
        _expert_row(8, options={**options, "C": ""}),  # bad
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "MM").mkdir(parents=True, exist_ok=True)
    (folder / "MM" / "test.jsonl").write_text(lines, encoding="utf-8")
    write_parquet(folder / "MM" / "dev-00000-of-00001.parquet", [_expert_row(i) for i in range(5)], ())
    names = [name for row in rows for name in row["images"] if name != "MM-7-b.jpeg"]
    write_zip(folder / "images.zip", {f"images/{name}": picture(name, kind="JPEG") for name in names})


def gmai_mmbench() -> None:
    folder = HERE / "gmai_mmbench"

    def row(index: int, **changed: str) -> dict[str, str]:
        made = {
            "index": str(index),
            "image": base64.b64encode(picture(f"mmbench{index}", kind="JPEG")).decode(),
            "question": "Which structure is marked?",
            "A": "Liver",
            "B": "Spleen",
            "C": "Kidney",
            "D": "Lung",
            "E": "",
            "answer": "B",
            "category": "Organ Recognition - Abdomen",
            "clinical VQA task": "Organ Recognition",
            "department": "General Surgery",
            "perceptual granularity": "Mask Level",
            "modality": "CT",
        }
        return {**made, **changed}

    rows = [
        row(0),
        row(1, E="Heart", answer="E"),
        row(2, E="nan", modality="nan"),
        row(3, E="None", question='The "marked" structure,\nbelow the line, is\twhich?'),
        row(4, B="None", answer="b"),
        row(5, image="1"),
        row(6, image="99"),  # bad
        row(7, image="not base64! " * 10),  # bad
        row(8, E="None", answer="E"),  # bad
        row(9, B=""),  # bad
        row(10, answer="nan"),  # bad
    ]
    write_tsv(folder / "GMAI_mm_bench_VAL.tsv", rows)
    local = [{key: value for key, value in row.items() if key != "image"} for row in rows]
    write_tsv(folder / "GMAI_mm_bench_VAL_local.tsv", local)  # VLMEvalKit leaves one there
    for part in (1, 2):
        lower = [{key.lower(): value for key, value in row(i).items() if key != "answer"} for i in range(2)]
        if part == 2:  # as in a copy with the answers
            lower = [{**one, "answer": "b"} for one in lower]
        write_tsv(folder / f"GMAI_mm_bench_TEST_part_{part}.tsv", lower)


if __name__ == "__main__":
    for make in (path_vqa, gmai_reasoning, mmmu_health, omnimedvqa, medxpertqa_mm, gmai_mmbench):
        make()
