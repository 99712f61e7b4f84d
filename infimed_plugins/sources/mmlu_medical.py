"""MMLU's nine medical subjects, in MedEvalKit's choice and order (Hendrycks et al. 2021). hub: cais/mmlu

    {"question": "A lesion of the facial nerve …?", "subject": "anatomy",
     "choices": ["paralysis of …", "…", "…", "…"], "answer": 0}

The authors' own tables (hendrycks/test, ``data/test/anatomy_test.csv``) are read, too.

MedEvalKit names them in utils/MMLU/MMLU.py:16; its own loader ends with a NameError (line 54), so it has no figures.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infimed_plugins.records import Sample
from infimed_plugins.sources.choices import letter_among, letter_of_index
from infimed_plugins.sources.files import Files
from infimed_plugins.sources.public import PublicSource, Row, clean
from infimed_plugins.sources.tables import delimited_rows, parquet_rows

SUBJECTS = (
    "anatomy",
    "clinical_knowledge",
    "college_biology",
    "college_medicine",
    "medical_genetics",
    "professional_medicine",
    "nutrition",
    "virology",
    "high_school_biology",
)
COLUMNS = ("question", "subject", "choices", "answer")
TABLE = ("question", *"ABCD", "answer")


class MmluMedical(PublicSource):
    """The nine subjects, one behind the other; ids count the rows of each."""

    name = "mmlu_medical"
    splits = ("dev", "validation", "test")

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """Yield the rows of each subject's folder of parquet files."""
        for subject in SUBJECTS:
            part = "val" if split == "validation" else split
            table = f"{part}/{subject}_{part}.csv"
            paths = files.all(f"{subject}/{split}-*.parquet", table, f"data/{table}")
            is_table = paths[0].suffix == ".csv"
            for index, row in enumerate(_table_rows(paths[0]) if is_table else parquet_rows(paths, COLUMNS)):
                yield Row(f"{subject}-{index:04d}", row)

    def sample(self, row: Row, split: str) -> Sample:
        """Return a multiple choice; ``meta["kind"]`` is the subject."""
        fields, answer = row.fields, row.fields["answer"]
        options = [clean(choice) for choice in fields["choices"]]
        letter = (letter_among if isinstance(answer, str) else letter_of_index)(answer, options)
        meta = {"kind": row.id.rpartition("-")[0]}
        return self.choice(row, split, fields["question"], options, letter, meta=meta)


def _table_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of the authors' table, which has no header: question, four choices, letter of the answer."""
    for row in delimited_rows(path, TABLE, header=False):
        yield {"question": row["question"], "choices": [row[letter] for letter in "ABCD"], "answer": row["answer"]}


MMLU_MEDICAL = MmluMedical()
