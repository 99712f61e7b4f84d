r"""A data set of MedEvalKit: how it asks a row, judges replies and adds verdicts up, as one record.

Each stands in the file of the benchmark that it is (benchmarks/catalogue/); two that are no benchmark here, at the end.
Prompts are utils/question_formats.py's (MMMU: utils/MMMU/data_utils.py:127): one user turn without a system message,
the images, then the prompt. A set whose message says "images" gets ``<image_1>: `` before each, before a single one too
(models/*/ of upstream).

    >>> print(construct("VQA_RAD", {"question": "is there a fracture?", "answer": "No"}, reasoning=False).prompt)
    is there a fracture?
    Please output 'yes' or 'no'(no extra output).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple

from infimed_plugins.errors import ConfigError, DataError
from infimed_plugins.plugins import registry
from infimed_plugins.records import Json
from infimed_plugins.scoring.medevalkit.metrics import Metrics, UpstreamCrashError, parts_by, total_only
from infimed_plugins.scoring.medevalkit.rules import MedEvalKitVerdict, Rule, choice, tagged_choice

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


class MedEvalKitQuestion(NamedTuple):
    """A question as MedEvalKit puts it.

    ``kind``: mcq, judgement, close, open, mmmu_mc or mmmu_open. ``choices`` as the scorer gets them ("A. CT"), for
    MMMU the bare options; None for a question without any. ``answer`` is the scorer's gold. ``before``
    stands before upstream's usual prompt. ``construct`` adds ``prompt``, the whole text, and ``pictures``.
    """

    kind: str
    question: str
    choices: Sequence[str] | None
    answer: Any
    language: str = "en"
    before: str = ""
    prompt: str = ""
    pictures: str = ""


def prompt(
    kind: str, question: str, reasoning: bool, language: str = "en", choices: Iterable[object] | None = None
) -> str:
    """Return the text of one question. Raises ConfigError for a kind or language that upstream has no words for."""
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
    """Return the options by their letters, A first."""
    return {chr(65 + place): option for place, option in enumerate(options)}


Path = tuple[str | int, ...]  # keys and places, from the row inward


class Places(NamedTuple):
    """The places of the fields in a row that a variant of its question changes.

    ``options`` is the path of what holds them, under ``keys`` (its own in order, without any); ``gold`` that of the
    right one, as a ``letter``, an ``index`` or its ``text``. ``quirk``: a further change (robustness/).
    """

    question: Path = ("question",)
    options: Path = ("options",)
    keys: Sequence[str | int] = ()
    gold: Path = ("answer",)
    gold_is: Literal["letter", "index", "text"] = "letter"
    quirk: Literal["", "lettered options", "options repeated", "image tags", "context apart"] = ""


_PLACES = Places()


@dataclass(frozen=True)
class MedEvalKitSet:
    """One data set, by its name in ``--eval_datasets``.

    ``question_of`` takes a raw row apart, ``rule`` judges the replies to all rows, ``metrics`` adds the verdicts up.
    ``reads`` are the fields that upstream reads of every row, ``to_row`` makes its row of our source's fields, images
    apart. ``pictures``: where they stand in upstream's message, "image" (one), "images" (numbered) or "" (none).
    ``asks_judge``: which questions its judge, if any, is asked. ``first_image``: it shows no other.
    ``places``: where a row holds what variants change. ``ids``: the field of results.json that tells our id, or in how
    many digits rows are counted in it; "" where neither does (SLAKE's ids are not in MedEvalKit's files).
    """

    name: str
    question_of: Callable[[Any], MedEvalKitQuestion]
    rule: Rule = tagged_choice
    metrics: Metrics = total_only
    reads: tuple[str, ...] = ()
    to_row: Callable[[Mapping[str, Json]], Json] = dict
    pictures: str = "image"
    asks_judge: Literal["none", "open", "all"] = "none"
    first_image: bool = False
    places: Places = _PLACES
    ids: str | int = ""

    def row(self, fields: Mapping[str, Json]) -> Json:
        """Return a row as ``question_of`` takes it. Raises DataError without a field that upstream reads."""
        missing = [name for name in self.reads if name not in fields]
        if missing:
            raise DataError(
                f"a row of {self.name} has no field {missing[0]!r}, which MedEvalKit reads; take the rows anew"
            )
        return self.to_row(fields)

    def ask(self, row: Any) -> MedEvalKitQuestion:
        """Return the row taken apart. Raises DataError for a row without the fields it needs."""
        try:
            return self.question_of(row)
        except (KeyError, IndexError, TypeError) as error:
            why = f"{type(error).__name__}: {error}"
            raise DataError(f"a row of {self.name} lacks what its prompt needs: {why}") from error


@cache
def known_sets() -> dict[str, MedEvalKitSet]:
    """Return the data sets of all benchmarks, and those that are none here, by name."""
    benchmarks = [one.load() for one in registry() if one.kind == "benchmark"]
    of_ours: list[MedEvalKitSet] = [one.medevalkit for one in benchmarks if one.medevalkit is not None]
    return {one.name: one for one in (*of_ours, MEDXPERTQA, MEDFRAMEQA)}


def find_set(data_set: str | MedEvalKitSet, what: str = "rules") -> MedEvalKitSet:
    """Return the set of a name. Raises ConfigError, listing those that there are."""
    if isinstance(data_set, MedEvalKitSet):
        return data_set
    if data_set not in known_sets():
        raise ConfigError(f"MedEvalKit's {what} are here for {', '.join(known_sets())}, not for {data_set!r}")
    return known_sets()[data_set]


def construct(data_set: str | MedEvalKitSet, row: Any, reasoning: bool) -> MedEvalKitQuestion:
    """Ask a raw row of the data set, as its own files give it (PMC_VQA: the CSV's cells in order, or by column name).

    Raises ConfigError for an unknown set, DataError for a row without the fields it needs.
    """
    of = find_set(data_set, "prompts")
    made = of.ask(row)
    text = made.before + prompt(made.kind, made.question, reasoning, made.language, made.choices)
    choices = None if made.choices is None else tuple(made.choices)
    pictures = "images" if of is MEDXPERTQA and "images" in row else of.pictures
    return made._replace(prompt=text, choices=choices, pictures=pictures)


def score_rows(
    data_set: str | MedEvalKitSet, rows: Sequence[Mapping[str, Any]], replies: Sequence[str | None]
) -> list[MedEvalKitVerdict]:
    """Judge one data set's replies in the order of its rows (MMMU's draws follow it, subject after subject).

    Rows as the data set's files give them or as MedEvalKit writes them to results.json ("choices", "answer" …). Raises
    ConfigError for an unknown set, DataError when the rows and replies are not as many.
    """
    of = find_set(data_set)
    if len(rows) != len(replies):
        raise DataError(f"{len(rows)} rows of {of.name} and {len(replies)} replies: give one reply to each row")
    return list(of.rule(of, rows, replies))


def metrics(
    data_set: str | MedEvalKitSet,
    rows: Sequence[Mapping[str, Any]],
    replies: Sequence[str | None],
    judge_outputs: Sequence[str | None] | None = None,
    *,
    verdicts: Sequence[MedEvalKitVerdict] | None = None,
) -> dict[str, Any]:
    """Return upstream's metrics.json for these replies.

    ``judge_outputs``, for the three VQA sets, in the order upstream asks: the open questions in turn, for SLAKE every
    question; None for a failed call. ``verdicts`` are those of ``score_rows``, if they are at hand. Raises
    UpstreamCrashError where upstream ends, ConfigError for another benchmark.
    """
    of = find_set(data_set)
    verdicts = score_rows(of, rows, replies) if verdicts is None else verdicts
    for place, verdict in enumerate(verdicts):
        if verdict.error is not None:
            raise UpstreamCrashError(verdict.error, f"on reply {place}")
    return of.metrics(rows, verdicts, judge_outputs)


def asked_of_judge(data_set: str | MedEvalKitSet, verdicts: Sequence[MedEvalKitVerdict]) -> list[int]:
    """Return the places of the rows that upstream puts to its judge, in its order: of SLAKE all; of choices none."""
    kinds = {"none": (), "open": ("open",), "all": ("open", "close")}[find_set(data_set).asks_judge]
    return [place for place, verdict in enumerate(verdicts) if verdict.kind in kinds]


def _medxpertqa(row: Mapping[str, Any]) -> MedEvalKitQuestion:
    """Return a row of either part of MedXpertQA."""
    choices = [f"{letter}. {option}" for letter, option in row["options"].items()]
    return MedEvalKitQuestion("mcq", row["question"], choices, row["label"])


def _hubs_row(fields: Mapping[str, Json]) -> Json:
    """Return MedXpertQA's row with GitHub's lists of options and labels as the hub's mapping and letter."""
    options, label = fields["options"], fields["label"]
    if isinstance(options, list):
        options = {option["letter"]: option["content"] for option in options}
    if isinstance(label, list):
        label = label[0] if label else ""
    return {**fields, "options": options, "label": label}


def _medframeqa(row: Mapping[str, Any]) -> MedEvalKitQuestion:
    choices = [f"{letter}.{option}" for letter, option in lettered(row["options"]).items()]
    return MedEvalKitQuestion("mcq", row["question"], choices, row["correct_answer"])


MEDXPERTQA = MedEvalKitSet(  # either part, by its first name
    "MedXpertQA",
    _medxpertqa,
    metrics=parts_by({"question type metrics": "question_type", "task type metrics": "medical_task"}),
    reads=("question", "options", "label", "medical_task", "question_type"),
    to_row=_hubs_row,
    pictures="",
    places=Places(gold=("label",), quirk="options repeated"),
    ids="id",
)
MEDFRAMEQA = MedEvalKitSet("MedFrameQA", _medframeqa, choice, pictures="images")
