"""Write the small copies of the general and text sets, in their true layouts, with quirks and bad rows of upstream.

Run it from anywhere: ``python tests/data/sources/make_general.py``. The same bytes come out each time.
"""

from __future__ import annotations

import json
from typing import Any

from writers import HERE, picture, write_json, write_parquet, write_zip

Row = dict[str, Any]


def image(seed: str, mode: str = "RGB", size: tuple[int, int] = (64, 48)) -> Row:
    return {"bytes": picture(seed, size, mode), "path": None}


def turns(*texts: str | None) -> list[Row]:
    return [{"from": ("human", "gpt")[i % 2], "value": text} for i, text in enumerate(texts)]


def llava_onevision() -> None:
    config = "ai2d(internvl)"
    said = [
        (image("ai1"), turns("<image>\nWhich label is the stem?\nA. X\nB. Y", "B", "And the leaf?", "A")),  # two turns
        (image("ai2", "P"), turns("How many arrows are there?\n<image>", "3")),
        (image("ai3", "RGBA"), turns("No tag here. What is shown?", "A food web")),
        (None, turns("Write a loop.", "```\nfor i in x:\n    print(i)\n```")),  # its indentation stays
        (image("ai4"), [{"from": "system", "value": "Be brief."}, *turns("<image>\nIs it a cell?", "Yes")]),
        (image("ai5"), turns("<image>\nWho asks?")),  # bad: nobody answers
        (image("ai6"), turns("<image>\nWhat is it?", " ")),  # bad: an empty answer
        (image("ai7"), turns("<image>\n", "A picture")),  # bad: no question
        (None, turns("<image>\nWhere is it?", "Left")),  # bad: its picture is not there
    ]
    rows = [
        {"id": f"ai2d/{i // 2}.png", "image": shown, "conversations": said_of, "data_source": config}
        for i, (shown, said_of) in enumerate(said)
    ]
    folder = HERE / "llava_onevision"
    write_parquet(folder / config / "train-00000-of-00002.parquet", rows[:5])
    write_parquet(folder / config / "train-00001-of-00002.parquet", rows[5:])
    for config, question, answer in (
        ("chartqa(cauldron,llava_format)", "Which year?", "1998"),
        ("CLEVR-Math(MathV360K)", "How many cubes are left?", "3"),
        ("geo170k(qa)", "Find the angle x.\nChoices:\nA. 30\nB. 60", "The angles add up. Answer:B"),
        ("IconQA(MathV360K)", "How many stars are there?", "7"),
        ("infographic_vqa", "Which city is named?", "Oslo"),
        ("sharegpt4v(coco)", "What do you see?", "A dog runs over a lawn."),
        ("TabMWP(MathV360K)", "What is the mode?", "4"),
    ):
        shown = image(config)
        row = {"id": "x", "image": shown, "conversations": turns(question, answer), "data_source": config}
        write_parquet(folder / config / "train-00000-of-00001.parquet", [row])


def reasonmed() -> None:
    preamble = "Please read the question and choose one option."
    question = "Which vitamin comes only from animals?\nA. Vitamin C\nB. Vitamin B12"
    rows = [
        {"instruction": f"{preamble}\n{question}", "input": "", "output": "Step 1:\n  - B12.\nThe answer is B."},
        {"instruction": preamble, "input": question, "output": "It is B."},
        {"instruction": question, "input": None, "output": "So it is B12.\n<answer> B </answer>"},
        {"instruction": question, "input": "", "output": "<think>B12.</think> \\boxed{B}"},
        {"instruction": question, "input": "", "output": "\\boxed{A} or \\boxed{B}"},  # two answers: taken whole
        {"instruction": question, "input": "", "output": ""},  # bad: no answer
        {"instruction": " ", "input": "", "output": "B"},  # bad: no question
    ]
    for file in ("ReasonMed.json", "CoTMed.json", "ResponseMed.json"):
        write_json(HERE / "reasonmed" / file, rows)


def medical_r1_distill() -> None:
    said: list[tuple[str | None, str | None, str | None]] = [
        ("A man has chest pain. What next?", "Okay, so first an ECG.", "**Answer:** ECG\n  - within ten minutes"),
        ("Which drug?", "<think>\nAspirin helps.\n</think>", "Aspirin"),
        ("Which nerve?", "The wrist drops.", "Radial nerve"),
        ("Which vitamin?", "Night blindness.", "Vitamin A"),
        ("Which lobe?\tName it.", "Speech is lost.", "Frontal"),
        ("Which dose?", "Thinking.", None),  # bad: no answer
        ("Which side?", None, "Left"),  # bad: no reasoning
        (None, "Thinking.", "Left"),  # bad: no question
    ]
    keys = ("question", "reasoning (reasoning_content)", "response (content)")
    rows = [dict(zip(keys, one, strict=True)) for one in said]
    write_json(HERE / "medical_r1_distill" / "medical_r1_distill_sft.json", rows)


def medical_o1() -> None:
    english = [
        ("Given sudden weakness of one arm, what is likely?", "Okay, let's see.\n\nA stroke.", "A stroke."),
        ("Which test?", "<think>CT first.</think>", "CT of the head"),
        ("Which artery?", "The face is weak.", "Middle cerebral artery"),
        ("Which drug?", "Within hours.", "Alteplase"),
        ("Which risk?", "Bleeding.", "Haemorrhage:\n  1. brain\n  2. gut"),
        ("Which sign?", "", "Babinski"),  # bad: no reasoning
        ("Which sign?", "Babinski.", ""),  # bad: no answer
    ]
    chinese = [("最可能的诊断是什么？", "好的，我们来想一想。", "脑卒中"), ("首选检查？", "先排除出血。", "头颅CT")]
    files = {
        "medical_o1_sft.json": english,
        "medical_o1_sft_mix.json": [*english[:5], ("Write a haiku.", "Five, seven, five.", "Snow falls.")],
        "medical_o1_sft_Chinese.json": chinese,
        "medical_o1_sft_mix_Chinese.json": chinese,
    }
    for file, said in files.items():
        rows = [dict(zip(("Question", "Complex_CoT", "Response"), one, strict=True)) for one in said]
        write_json(HERE / "medical_o1" / file, rows)


def iconqa() -> None:
    text = {"ques_type": "choose_txt", "grade": "grade2", "label": "S2"}
    pictures = {"ques_type": "choose_img", "grade": "grade1", "label": "S1"}
    blank = {"ques_type": "fill_in_blank", "grade": "prek", "label": "S3"}
    names = [f"choice_{i}.png" for i in range(3)]
    problems = {
        "10": {"question": "What was done to this letter?", "choices": ["turn", "slide", "flip"], "answer": 1, **text},
        "11": {"question": "Is it more likely?", "choices": ["yes", "no"], "answer": "0", **text},
        "12": {"question": "Which comes next?", "choices": ["a", "b"], "answer": 2, **text},  # bad: beyond the choices
        "20": {"question": "Which shape matches?", "choices": names, "answer": 2, **pictures},
        "21": {"question": "Which is a cube?", "choices": names[:2], "answer": 0, **pictures},  # bad: a picture lacks
        "22": {"question": "Which is odd?", "choices": ["../../../../../outside.png"], "answer": 0, **pictures},
        "30": {"question": "How many dots are there?", "answer": "8", **blank},
        "31": {"question": "What time is it? Use AM or PM.", "answer": "9:30 AM", **blank},
    }
    splits = {
        f"{task}_{split}": [pid for pid, row in problems.items() if row["ques_type"] == task]
        for task in ("choose_txt", "choose_img", "fill_in_blank")
        for split in ("train", "val", "test")
    }
    splits["choose_txt_train"] = [*splits["choose_txt_train"], "99"]  # bad: no such problem
    splits |= {f"fill_in_blank_{split}": [] for split in ("val", "test")}
    members = {"iconqa_data/problems.json": json.dumps(problems).encode()}
    members["iconqa_data/pid_splits.json"] = json.dumps(splits).encode()
    shown = {"10": 0, "11": 0, "12": 0, "20": 3, "21": 1, "22": 0, "30": 0, "31": 0}
    for pid, count in shown.items():
        where = f"iconqa_data/iconqa/train/{problems[pid]['ques_type']}/{pid}"
        members[f"{where}/image.png"] = picture(f"icon{pid}", kind="PNG")
        members |= {f"{where}/choice_{i}.png": picture(f"icon{pid}-{i}") for i in range(count)}
    write_zip(HERE / "iconqa" / "iconqa_data.zip", members)


def iconqa_hub() -> None:
    said: list[tuple[str, str, str, str | None, int]] = [
        ("choose_txt", "What was done?", "turn, slide,flip", "slide", 0),
        ("choose_img", "Which matches?", "choice_0.png,choice_1.png", "choice_1.png", 2),
        ("fill_in_blank", "How many?", "", "1,200", 0),
        ("fill_in_blank", "What is it called?", "", "circle", 0),
        ("choose_txt", "Is it?", "yes,no", "yes", 0),
        ("choose_img", "Which of three?", "choice_0.png,choice_1.png,choice_2.png", "choice_2.png", 2),  # bad
        ("choose_txt", "Which number?", "1,000,2,000", "1,000", 0),  # bad: choices with commas
        ("fill_in_blank", "How many?", "", None, 0),  # bad: no answer
    ]
    rows = [
        {
            "question_id": str(500 + i),
            "question": question,
            "choices": choices,
            "answer": answer,
            "query_image": image(f"hub{i}"),
            "choice_image_0": image(f"hub{i}-0") if count else None,
            "choice_image_1": image(f"hub{i}-1") if count else None,
            "ques_type": task,
            "label": "S1",
            "grade": "grade1",
            "skills": "counting",
        }
        for i, (task, question, choices, answer, count) in enumerate(said)
    ]
    columns = ("query_image", "choice_image_0", "choice_image_1")
    for split in ("val", "test"):
        write_parquet(HERE / "iconqa_hub" / "data" / f"{split}-00000-of-00001.parquet", rows, columns)


def scienceqa() -> None:
    row = {
        "image": image("sqa"),
        "question": "Which of these states is farthest north?",
        "choices": ["West Virginia", "Louisiana", "Arizona", "Oklahoma"],
        "answer": 0,
        "hint": "",
        "task": "closed choice",
        "grade": "grade2",
        "subject": "social science",
        "topic": "geography",
        "category": "Geography",
        "skill": "Read a map: cardinal directions",
        "lecture": "Maps have four cardinal directions.",
        "solution": "To find the answer, look at the compass rose.",
    }
    rows = [
        row,
        {**row, "image": None, "hint": "The passage below\tsays it all.", "question": "What does it say?"},
        {**row, "image": {"bytes": None, "path": None}, "answer": 3, "solution": ""},  # an older export
        {**row, "image": image("sqa3", "RGBA"), "choices": ["yes", " no "], "answer": 1, "hint": None},
        {**row, "image": image("sqa4", "L"), "subject": "natural science", "topic": ""},
        {**row, "answer": 4},  # bad: beyond the choices
        {**row, "answer": None},  # bad: no answer
        {**row, "question": ""},  # bad: no question
        {**row, "choices": []},  # bad: no choices
    ]
    for split in ("train", "validation", "test"):
        write_parquet(HERE / "scienceqa" / "data" / f"{split}-00000-of-00001-abc.parquet", rows)


def tabmwp() -> None:
    row = {
        "question": "How much did Sasha spend?",
        "choices": None,
        "answer": "8.20",
        "unit": "$",
        "table_title": "Prices",
        "table": "bow | $4.10\nribbon | $2.05",
        "table_for_pd": {"item": ["bow", "ribbon"], "price": ["$4.10", "$2.05"]},
        "row_num": 2,
        "column_num": 2,
        "solution": "Multiply $4.10 by 2.\nThat is $8.20.",
        "ques_type": "free_text",
        "ans_type": "decimal_number",
        "grade": 3,
        "split": "train",
    }
    choice = {**row, "ques_type": "multi_choice", "ans_type": "extractive_text", "unit": None}
    rows = {
        "3": row,
        "5": {**row, "answer": "6,830", "unit": None, "ans_type": "integer_number"},
        "7": {**row, "answer": "1/12", "unit": None, "solution": None},
        "8": {**row, "answer": "-3", "unit": "degrees"},
        "11": {**choice, "question": "Which cost more?", "choices": ["Bow ", "ribbon"], "answer": "bow"},
        "12": {**row, "answer": "2:15 P.M.", "unit": None, "ans_type": "other_text"},
        "13": {**choice, "choices": ["a shortage", "a surplus"], "answer": "neither"},  # bad: no such choice
        "14": {**choice, "choices": ["7", "7"], "answer": "7"},  # bad: the same choice twice
        "15": {**choice, "choices": None, "answer": "7"},  # bad: no choices
        "16": {**row, "answer": ""},  # bad: no answer
        "17": row,  # bad: its picture is missing
    }
    folder = HERE / "tabmwp" / "data" / "tabmwp"
    for split in ("train", "dev", "test"):
        write_json(folder / f"problems_{split}.json", rows)
    for pid in list(rows)[:-1]:
        path = folder / "tables" / f"{pid}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(f"table{pid}"))


def tqa_distill() -> None:
    table = "Year\tTeam\n1998\tBoston"
    question = [{"content": f"{table}\nWhich team won in 1998?", "role": "user"}]
    system = [{"content": "Answer questions about tables.", "role": "system"}, *question]
    said = [
        (question, "<think>\nThe row says Boston.\n</think>\n\nBoston", "stop"),
        (system, "The row says Boston.\n</think>\n\n<answer>Boston</answer>", "stop"),  # the prompt opened the tag
        (question, "<think>1,204 of them.</think>\nThere are \\boxed{1,204}.", "stop"),
        (question, "<think>\n\n</think>\n\n**Boston**", "stop"),  # an empty thought
        (question, "<think>Boston or New York.</think>Boston, New York", "stop"),
        (question, "<think>The row says", "length"),  # bad: cut off
        (question, "Boston", "stop"),  # bad: no reasoning
        (question, "<think>Boston.</think>\n", "stop"),  # bad: no answer
        (question, "<think>Hm.</think> \\boxed{1} or \\boxed{2}", "stop"),  # bad: two answers
        ([], "<think>Hm.</think> 1", "stop"),  # bad: no question
    ]
    rows: list[Row] = [
        {
            "prompt": prompt,
            "info": {"id": f"wtq-{i // 2}", "task_type": "tqa-wtq"},
            "response": response,
            "finish_reasons": reason,
            "api_metadata": {"prompt_tokens": 9, "total_tokens": 20, "completion_tokens": 11},
            "task_generator": "tqa",
        }
        for i, (prompt, response, reason) in enumerate(said)
    ]
    write_parquet(HERE / "tqa_distill" / "data" / "train-00000-of-00002.parquet", rows, ())
    listed = [{**row, "response": [row["response"]], "finish_reasons": [row["finish_reasons"]]} for row in rows[4:6]]
    write_parquet(HERE / "tqa_distill" / "data" / "train-00001-of-00002.parquet", listed, ())


def virft_coco() -> None:
    problem = (
        "Detect all objects belonging to the category '{0}' in the image, and provide the bounding boxes (between 0 "
        "and 1000, integer) and confidence (between 0 and 1, with two decimal places).\n"
        "If no object belonging to the category '{0}' in the image, return 'No Objects'.\n"
        "Output the thinking process in <think> </think> and final answer in <answer> </answer> tags."
        "The output answer format should be as follows:\n"
        "<think> ... </think> <answer>[{{'Position': [x1, y1, x2, y2], 'Confidence': number}}, ...]</answer>\n"
        "Please strictly follow the format."
    )
    two = "{'Position': [0, 0, 500, 250], 'Confidence': 1}, {'Position': [501, 10, 1000, 1000], 'Confidence': 1}"
    said = [
        ("person", "<answer>[{'Position': [1, 366, 344, 657], 'Confidence': 1}]</answer>"),
        ("teddy bear", f"<answer>[{two}]</answer>"),
        ("bus", "<answer>No Objects</answer>"),
        ("cat", "<answer>[]</answer>"),
        ("dog", "[{'Position': [10, 10, 20.5, 20], 'Confidence': 0.50}]"),  # no tags
        ("cup", "<answer>[{'Position': [1, 2, 3], 'Confidence': 1}]</answer>"),  # bad: three numbers
        ("cup", "<answer>[{'Position': [1, 2, 3, 4]</answer>"),  # bad: cut off
        ("cup", "<answer>[__import__('os').getcwd()]</answer>"),  # bad: not a literal
        ("cup", "<answer>[{'Position': [10, 10, 640, 1280], 'Confidence': 1}]</answer>"),  # bad: pixels
        ("cup", "<answer>[{'Position': [500, 10, 400, 20], 'Confidence': 1}]</answer>"),  # bad: swapped corners
        ("cup", "<answer>[{'Box': [1, 2, 3, 4]}]</answer>"),  # bad: another key
        ("", "<answer>[]</answer>"),  # bad: no category
    ]
    rows = [
        {"image": image(f"coco{i}", "RGBA", (320, 240)), "problem": problem.format(what), "solution": solution}
        for i, (what, solution) in enumerate(said)
    ]
    rows.append({**rows[0], "image": {"bytes": b"not an image", "path": None}})  # bad
    write_parquet(HERE / "virft_coco" / "data" / "train-00000-of-00007.parquet", rows)


if __name__ == "__main__":
    makers = (llava_onevision, reasonmed, medical_r1_distill, medical_o1, iconqa, iconqa_hub, scienceqa, tabmwp)
    for make in (*makers, tqa_distill, virft_coco):
        make()
