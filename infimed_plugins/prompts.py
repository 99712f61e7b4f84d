"""Render a question as a prompt, the same way for training data, rollouts and evaluation.

Two styles, as in the first paper's figure 4: ``direct`` asks for the final prediction only, ``reasoning`` for
thinking first. The paper does not print their wording; these are ours, except the multiple-choice instruction,
which is the second paper's (section 3.1). Evaluation has ``grounding`` besides (second paper, 3.2.2: an answer and a
box as its evidence; the wording is ours). Chinese rows get Chinese words, all ours, and the same tags.
"""

from __future__ import annotations

import re
from typing import Literal, get_args

from infimed_plugins.errors import ConfigError
from infimed_plugins.records import OPTION_LETTERS, Sample, Task

PromptStyle = Literal["direct", "reasoning"]
PROMPT_STYLES: tuple[PromptStyle, ...] = get_args(PromptStyle)
ASKED_STYLES = (*PROMPT_STYLES, "grounding")

IMAGE_TAG = "<image>"
TASK_INSTRUCTIONS: dict[Task, str] = {
    "multiple_choice": "Answer with the option's letter from the given choices.",
    "text": "Answer with a word or a short phrase.",
    "math": "Answer with a number.",
    "grounding": "Answer with one box [x1, y1, x2, y2] in pixels.",
    "detection": "Answer with a list of boxes [[x1, y1, x2, y2], ...] in pixels, or No Objects.",
}
REASONING_INSTRUCTION = "First think inside <think> </think>, then give the final answer inside <answer> </answer>."
GROUNDING_INSTRUCTION = (
    "Ground the answer in the image: inside <answer> </answer> give the answer, then inside <box> </box> give the one "
    "region it rests on as [x1, y1, x2, y2] in pixels."
)
CHINESE_TASK_INSTRUCTIONS: dict[Task, str] = {
    "multiple_choice": "请从给出的选项中选择，用选项字母作答。",
    "text": "请用一个词或短语作答。",
    "math": "请用一个数字作答。",
    "grounding": "请用一个以像素为单位的框 [x1, y1, x2, y2] 作答。",
    "detection": "请用框的列表 [[x1, y1, x2, y2], ...] 作答，单位为像素；若没有，回答 No Objects。",
}
STYLE_INSTRUCTIONS = {"reasoning": REASONING_INSTRUCTION, "grounding": GROUNDING_INSTRUCTION}
CHINESE_STYLE_INSTRUCTIONS = {
    "reasoning": "请先在 <think> </think> 中思考，再在 <answer> </answer> 中给出最终答案。",
    "grounding": (
        "请结合图像作答：在 <answer> </answer> 中给出答案，再在 <box> </box> 中以 [x1, y1, x2, y2]"
        "（单位为像素）给出答案所依据的一个区域。"
    ),
}
REFLECTION_BRIDGE = (
    "Wait, perhaps we could consider it from a different perspective. "
    "Let’s re-evaluate the problem step by step to ensure accuracy."
)  # first paper, A.2
CHINESE_REFLECTION_BRIDGE = "等等，也许可以换一个角度来考虑。让我们一步一步地重新评估这个问题，以确保准确。"
_CHINESE = {
    *("zh", "zho", "chi", "cmn", "cn", "chs", "cht", "chinese", "mandarin"),
    *("中文", "汉语", "简体中文", "繁体中文"),
}


def in_chinese(language: str) -> bool:
    """True if a language's code or name is one of Chinese: zh, zh-CN, zh_Hans, zho, Chinese, 中文 …"""
    return re.split(r"[^\w]|_", language.strip().casefold(), maxsplit=1)[0] in _CHINESE


def question_text(sample: Sample) -> str:
    """Return the question with its image tags, options and task instruction; no reasoning instruction.

    EasyR1's ``problem`` column holds this; its jinja template appends the reasoning instruction.
    A literal ``<image>`` in the text is escaped: trainers would count it as an image.
    """
    lines = [sample.question]
    if sample.options:
        lines += [f"{letter}. {text}" for letter, text in zip(OPTION_LETTERS, sample.options, strict=False)]
    own = CHINESE_TASK_INSTRUCTIONS if in_chinese(sample.language) else TASK_INSTRUCTIONS
    instruction = own[sample.task] if sample.instruction is None else sample.instruction
    text = "\n".join([*lines, instruction] if instruction else lines)
    return IMAGE_TAG * len(sample.images) + escape_media_tags(text)


def escape_media_tags(text: str) -> str:
    """Rewrite ``<image>``, ``<video>`` and ``<audio>`` in a text as ``<img>``, ``<vid>`` and ``<aud>``.

    LLaMA-Factory counts all three in every turn and ends the run when one has no file (data/mm_plugin.py).
    """
    return text.replace(IMAGE_TAG, "<img>").replace("<video>", "<vid>").replace("<audio>", "<aud>")


def render(sample: Sample, style: str) -> str:
    """Return the user turn in a style, image tags included. Raises ConfigError for an unknown style."""
    if style not in ASKED_STYLES:
        raise ConfigError(f"unknown prompt style {style!r}; one of {', '.join(ASKED_STYLES)}")
    own = CHINESE_STYLE_INSTRUCTIONS if in_chinese(sample.language) else STYLE_INSTRUCTIONS
    return "\n".join(part for part in (question_text(sample), own.get(style)) if part)


def answer_text(sample: Sample) -> str:
    """Return the gold answer as a model should write it: a letter, a phrase, a number, a box or boxes."""
    if sample.task in ("grounding", "detection"):
        return "No Objects" if sample.answer == [] else _numbers(sample.answer)
    return str(sample.answer)


def target(sample: Sample, style: str) -> str:
    """Return the assistant turn to train on: the bare answer (direct), or tagged reasoning and answer."""
    if style == "direct":
        return answer_text(sample)
    return tagged(sample.rationale or "", answer_text(sample))


def tagged(reasoning: str, answer: str) -> str:
    """Return one well-formed response: ``<think>…</think>`` and ``<answer>…</answer>``."""
    return f"<think> {reasoning.strip()} </think>\n<answer> {answer.strip()} </answer>"


def _numbers(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_numbers(item) for item in value) + "]"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
