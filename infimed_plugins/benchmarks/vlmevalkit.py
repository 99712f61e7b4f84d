"""Write a benchmark as the TSV that VLMEvalKit's custom data sets load; its replies come back by `infimed import`.

    infimed export slake --out ~/LMUData
    python run.py --data infimed_slake_openended --model … --mode infer
    infimed import outputs/MODEL/MODEL_infimed_slake_openended.xlsx --model MODEL --out runs/eval/MODEL

VLMEvalKit (e8e78f0, vlmeval/dataset/__init__.py:399) takes a file below LMUData with columns A and B for choices
(CustomMCQDataset, or CustomTextMCQDataset without pictures) and any other for open questions (CustomVQADataset); it
keeps all columns but ``image`` beside the ``prediction``, so our ``id`` comes back. It renders the prompt itself. A set
without options ends in ``_openended``, by which its models know one (:370).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.benchmarks.questions import Question, questions
from infimed_plugins.engines.openai_format import data_uri
from infimed_plugins.errors import DataError
from infimed_plugins.records import OPTION_LETTERS, BadRow, Json, Sample
from infimed_plugins.storage import whole_file

COLUMNS = ("id", "question", "answer", "category")  # and the options by their letters
PREFIX, OPENENDED = "infimed_", "_openended"
_READ_AS_EMPTY = re.compile(r"#?n/?a|<na>|-?nan|null|none", re.IGNORECASE)  # by pandas, but for a blank behind


def columns(sample: Sample) -> dict[str, Json]:
    """Return what a file tells of a question beside its pictures: id, question, answer, category and options."""
    values = (sample.id, sample.question, sample.answer, sample.kind, *(sample.options or ()))
    return dict(zip((*COLUMNS, *OPTION_LETTERS), values, strict=False))


def write_tsv(
    benchmark: Benchmark, folder: Path, *, downloads: Path | None = None, limit: int | None = None
) -> tuple[Path, int, list[BadRow]]:
    """Write the questions into ``folder``; return the file, how many there are, and the rows that cannot be asked.

    Raises what ``questions`` raises, and DataError when there is no question.
    """
    given = questions(benchmark, folder=downloads, limit=limit)
    shapes = {(len(one.sample.options or ()), bool(one.sample.images)) for one in given if isinstance(one, Question)}
    if not shapes:
        raise DataError(f"{benchmark.name} has no question that can be used; look at the files of its data set")
    options = max(shapes)[0]
    pictures = any(shown for _, shown in shapes)
    names = ["index", *["image"] * pictures, *COLUMNS, *OPTION_LETTERS[:options]]
    path = folder / f"{PREFIX}{benchmark.source}{'' if options else OPENENDED}.tsv"
    folder.mkdir(parents=True, exist_ok=True)
    bad: list[BadRow] = []
    count = 0
    with whole_file(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore", delimiter="\t", lineterminator="\n")
        writer.writeheader()
        for count, row in enumerate(_rows(questions(benchmark, folder=downloads, limit=limit), bad), start=1):
            writer.writerow({"index": count - 1, **row})
    return path, count, bad


def _rows(given: Iterable[Question | BadRow], bad: list[BadRow]) -> Iterator[dict[str, Json]]:
    seen: set[str] = set()
    for question in given:
        if isinstance(question, BadRow):
            bad.append(question)
            continue
        sample = question.sample
        try:
            if sample.id in seen:
                raise DataError("its id is used twice")
            seen.add(sample.id)
            pictures = [data_uri(image).partition(",")[2] for image in sample.images]
        except DataError as error:
            bad.append(BadRow(sample.id, "it cannot be written", str(error)))
            continue
        row = {
            key: f"{cell} " if _READ_AS_EMPTY.fullmatch(str(cell)) else cell for key, cell in columns(sample).items()
        }
        yield {"image": pictures[0] if len(pictures) == 1 else pictures or "", **row}
