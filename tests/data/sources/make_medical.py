"""Write the small copies of VQA-RAD, SLAKE and PMC-VQA, in their true layouts, with quirks and bad rows of upstream.

Run it from anywhere: ``python tests/data/sources/make_medical.py``. The same bytes come out each time.
"""

from __future__ import annotations

from writers import HERE, picture, write_csv, write_json, write_parquet, write_zip


def vqa_rad() -> None:
    said = [
        ("is there a fracture\tof the ribs?", "No"),
        ("what organ is enlarged?", "heart"),
        ("is this a CT?", "yes"),
        ("where is the mass?", "right upper lobe"),
        ("what is this?", ""),  # bad: no answer
        ("which side?", "Left "),
    ]
    for split, rows in (("train", said), ("test", said[1:4])):
        made = [
            {"image": {"bytes": picture(f"{split}{i}", kind="JPEG"), "path": None}, "question": q, "answer": a}
            for i, (q, a) in enumerate(rows)
        ]
        write_parquet(HERE / "vqa_rad" / "data" / f"{split}-00000-of-00001-eb8844602202be60.parquet", made)


def vqa_rad_osf() -> None:
    folder = HERE / "vqa_rad_osf"
    names = ["synpic100.jpg", "synpic200.jpg"]
    for name in names:
        path = folder / "VQA_RAD Image Folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(name, kind="JPEG"))
    row = {"image_organ": "CHEST", "question_type": "PRES", "qid_linked_id": "x"}
    rows = [
        {
            "qid": "1",
            "phrase_type": "freeform",
            "image_name": names[0],
            "question": "Is the heart big?",
            "answer": "Yes",
        },
        {"qid": "2", "phrase_type": "para", "image_name": names[1], "question": "What plane?", "answer": "axial"},
        {
            "qid": "3",
            "phrase_type": "test_freeform",
            "image_name": names[0],
            "question": "Which organ?",
            "answer": "Lung",
        },
        {"qid": "4", "phrase_type": "test_para", "image_name": names[1], "question": "Any mass?\t", "answer": "no"},
        {"qid": "5", "phrase_type": "freeform", "image_name": "gone.jpg", "question": "What?", "answer": "x"},  # bad
        {"qid": "6", "phrase_type": "freeform", "image_name": names[0], "question": "How many?", "answer": 2},
    ]
    kinds = ["CLOSED", "OPEN", "OPEN", "CLOSED", "OPEN", "OPEN"]
    rows = [{**row, **one, "answer_type": kind} for one, kind in zip(rows, kinds, strict=True)]
    write_json(folder / "VQA_RAD Dataset Public.json", rows)


def slake() -> None:
    folder = HERE / "slake"
    said = [
        ("en", "What modality is used to take this image?", "MRI", "OPEN", "Modality"),
        ("en", "Is the liver healthy?", "Yes", "CLOSED", "Abnormality"),
        ("zh", "图像里包含肝脏吗?", "包含", "CLOSED", "Organ"),
        ("zh", "这是什么器官?", "左肺", "OPEN", "Organ"),
        ("en", "Which is bigger, lung or heart?", "Lung", "CLOSED", "Size"),
        ("de", "Was ist das?", "Leber", "OPEN", "Organ"),  # bad: no such language
        ("en", "What is not there?", "spleen", "OPEN", "Organ"),  # bad: its picture is missing
    ]
    rows = [
        {
            "img_id": i,
            "img_name": f"xmlab{i}/source.jpg",
            "question": question,
            "answer": answer,
            "q_lang": language,
            "location": "Abdomen",
            "modality": "MRI",
            "answer_type": kind,
            "base_type": "vqa",
            "content_type": content,
            "triple": ["vhead", "_", "_"],
            "qid": 100 + i,
        }
        for i, (language, question, answer, kind, content) in enumerate(said)
    ]
    for file in ("train.json", "validate.json", "test.json"):
        write_json(folder / file, rows)
    write_zip(folder / "imgs.zip", {f"imgs/xmlab{i}/source.jpg": picture(f"slake{i}", kind="JPEG") for i in range(6)})


def _pmc_row(**changed: str) -> dict[str, str]:
    row = {
        "Figure_path": "PMC1064097_F1.jpg",
        "Question": "What is the uptake pattern in the breast? ",
        "Answer": "Focal uptake pattern",
        "Choice A": " A:Diffuse uptake pattern ",
        "Choice B": " B:Focal uptake pattern",
        "Choice C": " C:No uptake pattern",
        "Choice D": " D: N: other",
        "Answer_label": "B",
    }
    return {**row, **changed}


def pmc_vqa() -> None:
    folder = HERE / "pmc_vqa"
    rows = [
        _pmc_row(),
        _pmc_row(**{"Choice B": " B\xa0:Focal uptake pattern"}),  # row 19862
        _pmc_row(Answer="'Focal uptake\u200apattern'", Figure_path="PMC1064097_F2.jpg"),
        _pmc_row(Question="What, exactly, is shown?", Answer="Diffuse uptake pattern", Answer_label="A"),
        _pmc_row(Answer_label="'"),  # bad, row 507
        _pmc_row(**{"Choice B": " C:Focal uptake pattern"}),  # bad, row 34584
        _pmc_row(Answer="N/A"),  # bad
        _pmc_row(Figure_path="PMC_missing.jpg"),  # bad
    ]
    for file in ("train.csv", "test_clean.csv"):
        write_csv(folder / file, rows)
    old = [{"Anwser" if key == "Answer" else key: value for key, value in row.items()} for row in rows[:3]]
    write_csv(folder / "test.csv", old)
    figures = ["PMC1064097_F1.jpg", "PMC1064097_F2.jpg"]
    write_zip(folder / "images.zip", {f"images/images/{name}": picture(name, kind="JPEG") for name in figures})


def pmc_vqa_2() -> None:
    rows = [
        {
            "index": str(35 + i),
            "Figure_path": f"PMC8253797_Fig4_{11 + i // 2}.jpg",
            "Caption": f"Golgi complexes (green), panel {i // 2}.",
            "Question": " What color is used to label the Golgi complexes in the image?",
            "Choice A": " A: Green ",
            "Choice B": " B: Red ",
            "Choice C": " C: Blue ",
            "Choice D": " D: Yellow ",
            "Answer": "A" if i < 5 else '"',  # the last is bad
            "split": "train",
        }
        for i in range(6)
    ]
    for name in ("pmc_vqa_2", "pmc_vqa_captions"):
        for file in ("train_2.csv", "test_2.csv"):
            write_csv(HERE / name / file, rows)
        members = {f"figures/PMC8253797_Fig4_{11 + i}.jpg": picture(f"fig{i}", kind="JPEG") for i in range(3)}
        write_zip(HERE / name / "images_2.zip", members)


if __name__ == "__main__":
    for make in (vqa_rad, vqa_rad_osf, slake, pmc_vqa, pmc_vqa_2):
        make()
