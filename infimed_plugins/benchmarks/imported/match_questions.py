"""Match an imported reply with its question, or make the question out of the result file.

Rows are told by their places where a file has no ids, so another split, another order or another data set looks like
ours until what both say is compared: question, prompt, options and gold answer by their words, without case,
punctuation and tags of pictures; a prompt must hold the question.
"""

from __future__ import annotations

import re

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.benchmarks.imported.result_files import ImportedReply
from infimed_plugins.benchmarks.questions import Question
from infimed_plugins.errors import DataError, InfimedError
from infimed_plugins.records import OPTION_LETTERS, Json, Response, is_choice
from infimed_plugins.scoring import medevalkit
from infimed_plugins.sources.choices import letter_of_text, split_letter
from infimed_plugins.sources.public import clean

_IMAGE_TAG = re.compile(r"<image[ _]?\d*>")
_META = {  # the file's field -> ours
    "question_type": "kind",
    "answer_type": "kind",
    "clinical vqa task": "kind",
    "modality_type": "modality",
    "modality": "modality",
    "department": "department",
    "category": "category",
    "medical_task": "medical_task",
    "body_system": "body_system",
}


def is_of(reply: ImportedReply, question: Question, benchmark: Benchmark) -> bool:
    """True if nothing in the reply's row contradicts the question. A row that says nothing is of any."""
    row, upstream = reply.row, _as_upstream(question, benchmark)
    asked = {_bare(question.sample.question), *([_bare(upstream.question)] if upstream else [])}
    said = _first(row, "question", "Question")
    if said is not None and _bare(said) not in asked:
        return False
    prompt = f" {_bare(reply.prompt)} "
    if reply.prompt and not any(f" {words} " in prompt for words in asked):
        return False
    choices, by_letter = row.get("choices"), row.get("index2ans")
    options = (isinstance(choices, list) and choices) or (isinstance(by_letter, dict) and [*by_letter.values()])
    if options and upstream is not None and [*map(_bare, options)] != [*map(_bare, upstream.choices or ())]:
        return False
    gold = _first(row, "answer", "gt_answer")
    ours = question.row if isinstance(question.row, dict) else {}
    golds = [question.sample.answer, upstream and upstream.answer, ours.get("gt_answer")]
    return gold is None or _bare(gold) in {_bare(one) for one in golds if one is not None}


def from_file(reply: ImportedReply, id: str) -> Response | None:
    """Return the question with its reply, under this id; None for a row that lacks a gold answer to judge by."""
    row = reply.row
    gold = row.get("answer", row.get("gt_answer"))
    if gold in (None, ""):
        return None
    options = _options(row, gold)
    letter = _letter(gold, options)
    return Response(
        index=reply.position,
        id=id,
        question=_question(row, reply.prompt),
        options=options if letter else None,
        task="multiple_choice" if letter else "text",
        gold=letter or str(gold),
        language=str(row.get("q_lang") or row.get("lang") or "en"),
        meta=_meta(row),
        images=[str(row["image_path"])] if row.get("image_path") else [],  # the name under which questions share it
        prompt=reply.prompt,
        row=row if reply.of_medevalkit else None,
        text=reply.text,
        error=reply.error,
    )


def _question(row: dict[str, Json], prompt: str) -> str:
    """Return the question, of PubMedQA behind its abstract; "" if neither field nor prompt has it (MMMU)."""
    if row.get("question"):
        return str(row["question"])
    if row.get("Question"):
        context = row.get("Context")
        parts = context if isinstance(context, list) else [context] if context else []
        return "\n".join([*map(str, parts), str(row["Question"])])
    asked = prompt.partition("Question: ")[2].rpartition("\nOptions:")[0]
    return (asked or prompt).strip()


def _options(row: dict[str, Json], gold: Json) -> tuple[str, ...] | None:
    """Return the options of a row of MedEvalKit (a list of "A. CT", of MMMU by letter) or VLMEvalKit (columns A, B …).

    Letters keep their places: an empty cell before a filled one, or before the gold letter, is an empty option.
    """
    choices, by_letter = row.get("choices"), row.get("index2ans")
    if isinstance(choices, list) and choices:
        return tuple(_option(str(choice), letter) for choice, letter in zip(choices, OPTION_LETTERS, strict=False))
    found = by_letter if isinstance(by_letter, dict) else row
    texts = ["" if (cell := found.get(letter)) is None else str(cell).strip() for letter in OPTION_LETTERS]
    if not any(texts):
        return None
    right = str(gold).strip().upper()
    kept = {letter for letter, text in zip(OPTION_LETTERS, texts, strict=True) if text}
    last = max(kept | ({right} & found.keys() & set(OPTION_LETTERS)))
    return tuple(texts[: OPTION_LETTERS.index(last) + 1])


def _as_upstream(question: Question, benchmark: Benchmark) -> medevalkit.MedEvalKitQuestion | None:
    if benchmark.medevalkit is None or question.row is None:
        return None
    try:
        return medevalkit.construct(benchmark.medevalkit, question.row, reasoning=False)
    except InfimedError:
        return None


def _first(row: dict[str, Json], *names: str) -> Json:
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)


def _bare(text: Json) -> str:
    """Return the words of a text with single blanks between, or the text where it has none."""
    text = _IMAGE_TAG.sub(" ", str(text)).casefold()
    return " ".join(re.findall(r"\w+", text)) or text.strip()


def _option(choice: str, letter: str) -> str:
    """Return a choice without its own letter in front: the E of "E. coli" stays."""
    written, text = split_letter(choice)
    return text if written == letter else clean(choice)


def _letter(gold: Json, options: tuple[str, ...] | None) -> str:
    """Return the letter of the right option, or all of several ("A, C"); "" for an answer in words."""
    letters = "".join(sorted(re.sub(r"[\s,;、]", "", str(gold).upper())))
    if options is None or (len(letters) == 1 and is_choice(letters, len(options))):
        return letters if options else ""
    try:
        return letter_of_text(gold, options)
    except DataError:
        return letters if str(gold).isupper() and is_choice(letters, len(options)) else ""


def _meta(row: dict[str, Json]) -> dict[str, Json]:
    meta = {ours: str(row[name]) for name, ours in reversed(_META.items()) if row.get(name)}
    if "answer_type" in row and "kind" in meta:
        meta["kind"] = meta["kind"].lower()  # SLAKE's OPEN and CLOSED
    subject = str(row.get("id", "")).removeprefix("validation_").rpartition("_")[0]
    return meta | ({"subject": subject} if "index2ans" in row or "parsed_pred" in row else {})
