r"""How MedEvalKit asks (utils/question_formats.py, utils/MMMU/data_utils.py:127 each set's construct_messages).

One user turn without a system message: the images, then this prompt. The short instructions are the benchmarks' format.

    >>> print(construct("VQA_RAD", {"question": "is there a fracture?", "answer": "No"}, reasoning=False).prompt)
    is there a fracture?
    Please output 'yes' or 'no'(no extra output).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infimed_plugins.errors import ConfigError, DataError

INSTRUCTIONS: Mapping[tuple[str, str, bool], str] = {
    ("mcq", "en", False): "Answer with the option's letter from the given choices directly.",
    ("mcq", "en", True): (
        'Answer with the option\'s letter from the given choices and put the letter in one "\\boxed{}".'
    ),
    ("mcq", "zh", False): "请直接使用给定选项中的选项字母来回答该问题。",
    ("mcq", "zh", True): '请直接使用给定选项中的选项字母来回答该问题,并将答案包裹在"\\boxed{}"里',
    ("judgement", "en", False): "Please output 'yes' or 'no'(no extra output).",
    ("judgement", "en", True): 'Please output "yes" or "no" and put the answer in one "\\boxed{}".',
    ("judgement", "zh", False): "请输出'是'或'否'(不要有任何其它输出)。",
    ("judgement", "zh", True): "请输出'是'或'否'，并将答案放在一个'\\boxed{}'中。",
    ("close", "en", False): "Answer the question using a single word or phrase.",
    ("close", "en", True): 'Answer the question using a single word or phrase and put the answer in one "\\boxed{}".',
    ("close", "zh", False): "请用一个单词或者短语回答该问题。",
    ("close", "zh", True): "请用一个单词或者短语回答该问题，并将答案放在一个'\\boxed{}'中。",
    ("open", "en", False): "Please answer the question concisely.",
    ("open", "en", True): 'Please answer the question concisely and put the answer in one "\\boxed{}".',
    ("open", "zh", False): "请简要回答该问题。",
    ("open", "zh", True): "请简要回答该问题，并将答案放在一个'\\boxed{}'中。",
}
_HEADS = {"en": ("Question: ", "Options: "), "zh": ("问题： ", "选项： ")}
_MMMU_INDENT = " " * 8
_YES_NO = ("yes", "no")


@dataclass(frozen=True)
class Asked:
    """A question as MedEvalKit puts it.

    ``kind``: mcq, judgement, close, open, mmmu_mc or mmmu_open. ``choices`` as the scorer gets them ("A. CT"), for
    MMMU the bare options; None for a question without any. ``answer`` is what the scorer compares with.
    """

    prompt: str
    choices: tuple[str, ...] | None
    answer: Any
    kind: str


def prompt(
    kind: str, question: str, reasoning: bool, language: str = "en", choices: Iterable[object] | None = None
) -> str:
    """The text of one question. Raises ConfigError for a kind or language that upstream has no words for."""
    form = "mcq" if kind == "mmmu_mc" else "close" if kind == "mmmu_open" else kind
    instruction = INSTRUCTIONS.get((form, language, reasoning))
    if instruction is None:
        raise ConfigError(f"MedEvalKit has no prompt of kind {kind!r} in language {language!r}; languages: en, zh")
    if kind == "mcq":
        head, options = _HEADS[language]
        listed = "\n".join(str(choice) for choice in choices or ())
        return f"\n{head}{question}\n{options}\n{listed}\n{instruction}"
    if kind == "mmmu_mc":
        listed = "".join(f"({letter}) {option}\n" for letter, option in lettered(list(choices or ())).items())
        return f"\n{question}\n\n{listed}\n\n{_MMMU_INDENT}{instruction}"
    if kind == "mmmu_open":
        return f"\n{question}\n\n{_MMMU_INDENT}{instruction}"
    return f"{question}\n{instruction}"


def lettered(options: Sequence[Any]) -> dict[str, Any]:
    """Options by their letters, A first."""
    return {chr(65 + place): option for place, option in enumerate(options)}


def construct(benchmark: str, row: Any, reasoning: bool) -> Asked:
    """Ask a raw row of the data set, as its own files give it (PMC_VQA: the CSV's cells in order, or by column name).

    Raises ConfigError for another benchmark, DataError for a row without the fields it needs.
    """
    build = _BUILD.get(benchmark)
    if build is None:
        raise ConfigError(f"MedEvalKit's prompts are here for {', '.join(_BUILD)}, not for {benchmark!r}")
    try:
        kind, question, choices, answer, language = build(row)
    except (KeyError, IndexError, TypeError) as error:
        raise DataError(f"a row of {benchmark} lacks what its prompt needs: {type(error).__name__}: {error}") from error
    text = prompt(kind, question, reasoning, language, choices)
    return Asked(text, None if choices is None else tuple(choices), answer, kind)


_Built = tuple[str, str, list[str] | None, Any, str]  # kind, question, choices, answer, language


def _vqa_rad(row: Mapping[str, Any]) -> _Built:
    kind = "judgement" if row["answer"].lower() in _YES_NO else "open"
    return kind, row["question"], None, row["answer"], "en"


def _path_vqa(row: Mapping[str, Any]) -> _Built:
    kind = "judgement" if row["answer"] in _YES_NO else "open"  # "Yes" is asked as an open question
    return kind, row["question"], None, row["answer"], "en"


def _slake(row: Mapping[str, Any]) -> _Built:
    kind = "open" if row["answer_type"] == "OPEN" else "close"
    return kind, row["question"], None, row["answer"], row["q_lang"] if "q_lang" in row else row["lang"]


def _pmc_vqa(row: Mapping[str, Any] | Sequence[str]) -> _Built:
    if isinstance(row, Mapping):
        return "mcq", row["Question"], [row[f"Choice {letter}"] for letter in "ABCD"], row["Answer"], "en"
    return "mcq", row[3], list(row[4:8]), row[8], "en"


def _omnimedvqa(row: Mapping[str, Any]) -> _Built:
    options = {letter: row[f"option_{letter}"] for letter in "ABCD" if f"option_{letter}" in row}
    letters = [letter for letter, option in options.items() if option == row["gt_answer"]]
    choices = [f"{letter}. {option}" for letter, option in options.items()]
    return "mcq", row["question"], choices, letters[-1] if letters else row["gt_answer"], "en"


def _medxpertqa(row: Mapping[str, Any]) -> _Built:
    choices = [f"{letter}. {option}" for letter, option in row["options"].items()]
    return "mcq", row["question"], choices, row["label"], "en"


def _medqa(row: Mapping[str, Any]) -> _Built:
    choices = [f"{letter}. {row['options'][letter]}" for letter in "ABCD"]
    return "mcq", row["question"], choices, row["answer_idx"], "en"


def _medframeqa(row: Mapping[str, Any]) -> _Built:
    choices = [f"{letter}.{option}" for letter, option in lettered(row["options"]).items()]
    return "mcq", row["question"], choices, row["correct_answer"], "en"


def _mmmu(row: Mapping[str, Any]) -> _Built:
    if row["question_type"] != "multiple-choice":
        return "mmmu_open", row["question"], None, row["answer"], "en"
    return "mmmu_mc", row["question"], mmmu_options(row), row["answer"], "en"


def mmmu_options(row: Mapping[str, Any]) -> list[str]:
    """The options, which MMMU writes as the text of a Python list. Raises DataError for any other text."""
    options = row["options"]
    if not isinstance(options, str):
        return list(options)
    try:
        return list(ast.literal_eval(options))
    except (ValueError, SyntaxError, TypeError) as error:
        raise DataError(f"MMMU's options are no Python list: {options[:80]!r}") from error


_BUILD: Mapping[str, Callable[[Any], _Built]] = {
    "MMMU-Medical-val": _mmmu,
    "VQA_RAD": _vqa_rad,
    "PATH_VQA": _path_vqa,
    "SLAKE": _slake,
    "PMC_VQA": _pmc_vqa,
    "OmniMedVQA": _omnimedvqa,
    "MedXpertQA-MM": _medxpertqa,
    "MedXpertQA-Text": _medxpertqa,
    "MedXpertQA": _medxpertqa,
    "MedQA_USMLE": _medqa,
    "MedFrameQA": _medframeqa,
}
