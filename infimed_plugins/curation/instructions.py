"""Instruction augmentation: append the form of the answer to the question (second paper, section 3.1).

The paper appends clarifying templates by task and prints one of them, "Answer with the option's letter from the given
choices". The others are ours, in English and Chinese, by task and by what the answer looks like::

    "Is there a lesion?" -> "yes"    yes_no           Answer yes or no.
    "Which organ?" -> "liver"        short_text       Answer with a word or a short phrase.
    "How wide, in mm?" -> "16"       number           Answer with a number.
    "左肺正常吗？" -> "是"             yes_no           请回答“是”或“否”，或同类的词，如“有”“没有”。

A template never depends on which of the allowed answers is right, only on the form they share.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from infimed_plugins.curation import StepContext
from infimed_plugins.curation.settings import FLAG, StepSettings, one_of, setting
from infimed_plugins.parsing import parse_quantity, tokens
from infimed_plugins.parsing.quantities import clean_math
from infimed_plugins.prompts import CHINESE_TASK_INSTRUCTIONS, TASK_INSTRUCTIONS, in_chinese
from infimed_plugins.records import Sample

CAPTION_KINDS = ("caption", "report")  # values of meta["kind"]
SHORT_TOKENS = 12  # a text answer of more is no word or short phrase; a Han character is a token
YES_NO = frozenset(["yes", "no", "是", "否", "是的", "不是", "有", "没有", "无", "对", "错", "包含", "不包含"])
TABLES = ("paper", "varied")

# by kind of answer, then language; the first of each is what ``wordings: paper`` takes
TEMPLATES: dict[str, dict[str, tuple[str, ...]]] = {
    "multiple_choice": {
        "en": (
            TASK_INSTRUCTIONS["multiple_choice"],  # the paper's
            "Reply with the letter of the right option only.",
            "Choose one of the options and give its letter.",
            "Which option is right? Give its letter alone.",
        ),
        "zh": (
            CHINESE_TASK_INSTRUCTIONS["multiple_choice"],
            "请只回答正确选项的字母。",
            "请选出一项，并写出它的字母。",
        ),
    },
    "yes_no": {
        "en": ("Answer yes or no.", "Reply with yes or no only.", "Is it so? Say yes or no."),
        "zh": (
            "请回答“是”或“否”，或同类的词，如“有”“没有”。",
            "请只用一个表示肯定或否定的词作答。",
            "请直接判断，只写结论，如“是”“否”“有”“没有”。",
        ),
    },
    "short_text": {
        "en": (
            TASK_INSTRUCTIONS["text"],
            "Give the answer in a few words.",
            "Keep the answer to a word or a short phrase.",
        ),
        "zh": (CHINESE_TASK_INSTRUCTIONS["text"], "请用几个字简要回答。", "答案只需一个词或短语。"),
    },
    "long_text": {
        "en": (
            "Answer in full sentences.",
            "Give a complete answer in sentences.",
            "Explain your answer in sentences.",
        ),
        "zh": ("请用完整的句子作答。", "请用句子完整地回答。", "请用句子详细说明。"),
    },
    "number": {
        "en": (TASK_INSTRUCTIONS["math"], "Give the answer as a number.", "Reply with one number only."),
        "zh": (CHINESE_TASK_INSTRUCTIONS["math"], "答案请写成数字。", "请只回答一个数字。"),
    },
    "expression": {
        "en": (
            "Answer with a mathematical expression.",
            "Give the answer as one expression.",
            "Reply with the expression only.",
        ),
        "zh": ("请用数学表达式作答。", "答案请写成一个表达式。", "请只回答表达式。"),
    },
    "box": {
        "en": (
            TASK_INSTRUCTIONS["grounding"],
            "Give one bounding box [x1, y1, x2, y2] in pixels.",
            "Locate it with a single box, [x1, y1, x2, y2], in pixels.",
        ),
        "zh": (
            CHINESE_TASK_INSTRUCTIONS["grounding"],
            "请给出一个边界框 [x1, y1, x2, y2]，单位为像素。",
            "请用单个框 [x1, y1, x2, y2] 标出位置，单位为像素。",
        ),
    },
    "boxes": {
        "en": (
            TASK_INSTRUCTIONS["detection"],
            "Give every bounding box as [[x1, y1, x2, y2], ...] in pixels, or say No Objects.",
            "List the boxes [[x1, y1, x2, y2], ...] in pixels; if there is nothing, answer No Objects.",
        ),
        "zh": (
            CHINESE_TASK_INSTRUCTIONS["detection"],
            "请以像素为单位列出所有边界框 [[x1, y1, x2, y2], ...]，没有目标时回答 No Objects。",
        ),
    },
    "caption": {
        "en": (
            "Answer with a caption of the image.",
            "Write a caption that says what the image shows.",
            "Say in a few sentences what can be seen.",
        ),
        "zh": ("请为图像写一段说明。", "请用一段文字描述图像所示内容。", "请用几句话说明图中可见的内容。"),
    },
}


@dataclass(frozen=True)
class InstructionSettings(StepSettings):
    """``paper``: one template for a kind of answer, the first; ``varied``: several, which is ours."""

    wordings: str = setting("paper", one_of(TABLES))
    fill_empty: bool = setting(False, FLAG)  # ours: also where a source says that its questions need no answer form


def instructions(samples: Iterable[Sample], context: StepContext) -> Iterator[Sample]:
    """Yield every sample, with its template in ``meta["instruction"]``; prompts.py puts it behind the question.

    A sample that carries an instruction of its own is left alone and counted. Raises ConfigError for a setting.
    """
    settings = InstructionSettings.read("instructions", context.settings)
    for sample in samples:
        own = sample.instruction
        if own or (own is not None and not settings.fill_empty):
            context.counted["instruction of its own"] += 1
            yield sample
            continue
        context.counted[f"instruction for {answer_kind(sample)}"] += 1
        yield sample.with_meta(instruction=template(sample, settings.wordings, context.seed))


def template(sample: Sample, wordings: str = "paper", seed: int = 0) -> str:
    """Return the instruction for a sample, by its answer kind and language; a varied one is chosen by seed and id."""
    choices = TEMPLATES[answer_kind(sample)]["zh" if in_chinese(sample.language) else "en"]
    if wordings == "paper":
        return choices[0]
    return random.Random(f"{seed}/{sample.id}").choice(choices)


def answer_kind(sample: Sample) -> str:
    """Return the form of the answer: a key of TEMPLATES."""
    if sample.task == "multiple_choice":
        return "multiple_choice"
    if sample.task in ("grounding", "detection"):
        return "box" if sample.task == "grounding" else "boxes"
    answer = str(sample.answer)
    if sample.task == "math":
        return "expression" if parse_quantity(clean_math(answer)) is None else "number"
    if sample.kind in CAPTION_KINDS:
        return "caption"
    words = tokens(answer)
    if "".join(words) in YES_NO:
        return "yes_no"
    return "short_text" if len(words) <= SHORT_TOKENS else "long_text"
