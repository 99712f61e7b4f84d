"""MMLU's nine medical subjects, in MedEvalKit's choice and order (Hendrycks et al. 2021). hub: cais/mmlu

    {"question": "A lesion of the facial nerve …?", "subject": "anatomy",
     "choices": ["paralysis of …", "…", "…", "…"], "answer": 0}

MedEvalKit names them in utils/MMLU/MMLU.py:16; its own loader ends with a NameError (line 54), so it has no figures.
"""

from __future__ import annotations

from collections.abc import Iterator

from infimed_plugins.records import Sample
from infimed_plugins.sources.files import Files
from infimed_plugins.sources.public import PublicSource, Row, UnusableRow, clean, letter_of_index
from infimed_plugins.sources.tables import parquet_rows

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


class MmluMedical(PublicSource):
    """The nine subjects, one behind the other; ids count the rows of each."""

    name = "mmlu_medical"
    splits = ("dev", "validation", "test")

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """A folder of parquet files for each subject."""
        for subject in SUBJECTS:
            for index, row in enumerate(parquet_rows(files.all(f"{subject}/{split}-*.parquet"), COLUMNS)):
                yield Row(f"{subject}-{index:04d}", row)

    def sample(self, row: Row, split: str) -> Sample:
        """A multiple choice; ``meta["kind"]`` is the subject."""
        fields = row.fields
        options = tuple(clean(choice) for choice in fields["choices"])
        if not all(options):
            raise UnusableRow("a choice is empty")
        letter = letter_of_index(fields["answer"], options)
        meta = {"kind": row.id.rpartition("-")[0]}
        return self.make(row, split, fields["question"], "multiple_choice", letter, options=options, meta=meta)


MMLU_MEDICAL = MmluMedical()
