r"""How MedEvalKit asks (utils/question_formats.py, utils/MMMU/data_utils.py:127 each set's construct_messages).

One user turn without a system message: the images, then this prompt. The short instructions are the benchmarks' format.
A set whose message says "images" gets ``<image_1>: `` before each, before a single one too (models/*/ of upstream).

    >>> print(construct("VQA_RAD", {"question": "is there a fracture?", "answer": "No"}, reasoning=False).prompt)
    is there a fracture?
    Please output 'yes' or 'no'(no extra output).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

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
    MMMU the bare options; None for a question without any. ``answer`` is what the scorer compares with. ``pictures``:
    where they stand in upstream's message, "image" (one), "images" (numbered) or "" (a set without any).
    """

    prompt: str
    choices: tuple[str, ...] | None
    answer: Any
    kind: str
    pictures: str = ""

    @property
    def message_keys(self) -> list[str]:
        """The keys of upstream's message, sorted."""
        return sorted(["prompt", *([self.pictures] if self.pictures else [])])


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
        made = build(row)
    except (KeyError, IndexError, TypeError) as error:
        raise DataError(f"a row of {benchmark} lacks what its prompt needs: {type(error).__name__}: {error}") from error
    text = made.before + prompt(made.kind, made.question, reasoning, made.language, made.choices)
    choices = None if made.choices is None else tuple(made.choices)
    return Asked(text, choices, made.answer, made.kind, _pictures(benchmark, row))


def _pictures(benchmark: str, row: Any) -> str:
    if benchmark == "MedXpertQA" and "images" in row:  # either part, by its first name
        return "images"
    return _PICTURES.get(benchmark, "")


class _Built(NamedTuple):
    """``before`` stands before upstream's usual prompt."""

    kind: str
    question: str
    choices: list[str] | None
    answer: Any
    language: str = "en"
    before: str = ""


def _vqa_rad(row: Mapping[str, Any]) -> _Built:
    kind = "judgement" if row["answer"].lower() in _YES_NO else "open"
    return _Built(kind, row["question"], None, row["answer"])


def _path_vqa(row: Mapping[str, Any]) -> _Built:
    kind = "judgement" if row["answer"] in _YES_NO else "open"  # "Yes" is asked as an open question
    return _Built(kind, row["question"], None, row["answer"])


def _slake(row: Mapping[str, Any]) -> _Built:
    kind = "open" if row["answer_type"] == "OPEN" else "close"
    language = row["q_lang"] if "q_lang" in row else row["lang"]
    return _Built(kind, row["question"], None, row["answer"], language)


def _pmc_vqa(row: Mapping[str, Any] | Sequence[str]) -> _Built:
    if isinstance(row, Mapping):
        return _Built("mcq", row["Question"], [row[f"Choice {letter}"] for letter in "ABCD"], row["Answer"])
    return _Built("mcq", row[3], list(row[4:8]), row[8])


def _omnimedvqa(row: Mapping[str, Any]) -> _Built:
    options = {letter: row[f"option_{letter}"] for letter in "ABCD" if f"option_{letter}" in row}
    letters = [letter for letter, option in options.items() if option == row["gt_answer"]]
    choices = [f"{letter}. {option}" for letter, option in options.items()]
    return _Built("mcq", row["question"], choices, letters[-1] if letters else row["gt_answer"])


def _medxpertqa(row: Mapping[str, Any]) -> _Built:
    choices = [f"{letter}. {option}" for letter, option in row["options"].items()]
    return _Built("mcq", row["question"], choices, row["label"])


def _medqa(row: Mapping[str, Any]) -> _Built:
    choices = [f"{letter}. {row['options'][letter]}" for letter in "ABCD"]
    return _Built("mcq", row["question"], choices, row["answer_idx"])


def _medmcqa(row: Mapping[str, Any]) -> _Built:
    choices = [f"{letter}. {row[f'op{letter.lower()}']}" for letter in "ABCD"]
    return _Built("mcq", row["question"], choices, "ABCD"[row["cop"]])  # -1, of a test row, is D there too


def _pubmedqa(row: Mapping[str, Any]) -> _Built:
    data = row["data"]
    choices = [f"{letter}.{data['Options'][letter]}" for letter in "ABC"]
    context = "\n".join(data["Context"])
    return _Built("mcq", data["Question"], choices, data["Correct Option"], before=f"Context: {context}\n")


def _medframeqa(row: Mapping[str, Any]) -> _Built:
    choices = [f"{letter}.{option}" for letter, option in lettered(row["options"]).items()]
    return _Built("mcq", row["question"], choices, row["correct_answer"])


def _mmmu(row: Mapping[str, Any]) -> _Built:
    if row["question_type"] != "multiple-choice":
        return _Built("mmmu_open", row["question"], None, row["answer"])
    return _Built("mmmu_mc", row["question"], mmmu_options(row), row["answer"])


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
    "MedMCQA": _medmcqa,
    "PubMedQA": _pubmedqa,
    "MedFrameQA": _medframeqa,
}
_PICTURES: Mapping[str, str] = {
    **dict.fromkeys(("MMMU-Medical-val", "VQA_RAD", "PATH_VQA", "SLAKE", "PMC_VQA", "OmniMedVQA"), "image"),
    **dict.fromkeys(("MedXpertQA-MM", "MedFrameQA"), "images"),
}
