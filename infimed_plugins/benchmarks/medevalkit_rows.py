"""The row that MedEvalKit's loaders start from, out of what ``PublicSource.load_rows`` gives beside a Sample.

Ours are upstream's fields already but for these (MedEvalKit 9b12e3b, ``utils/<name>/<name>.py``)::

    PMC-VQA       ten cells in the order of test_2.csv, choices verbatim
    MedXpertQA    GitHub's lists of options and labels become the hub's mapping and letter

Images are left out everywhere: they belong to the Sample.
"""

from __future__ import annotations

from collections.abc import Mapping

from infimed_plugins.errors import DataError
from infimed_plugins.records import Json

PMC_VQA_CELLS = (
    "index",
    "Figure_path",
    "Caption",
    "Question",
    "Choice A",
    "Choice B",
    "Choice C",
    "Choice D",
    "Answer",
    "split",
)
VQA = ("question", "answer")
SLAKE = ("img_name", "question", "answer", "answer_type", "q_lang")
OMNIMEDVQA = ("question", "image_path", "gt_answer", "question_type", "option_A")
MMMU = ("id", "question", "options", "answer", "question_type")
MEDXPERTQA = ("question", "options", "label", "medical_task", "question_type")
READ: dict[str, tuple[str, ...]] = {  # source -> what upstream reads of every row
    "vqa_rad": VQA,
    "path_vqa": VQA,
    "slake": SLAKE,
    "pmc_vqa_2": PMC_VQA_CELLS,
    "omnimedvqa": OMNIMEDVQA,
    "medxpertqa_mm": MEDXPERTQA,
    "medxpertqa_text": MEDXPERTQA,
    "mmmu_health": MMMU,
    "medqa": ("question", "options", "answer_idx"),
    "medmcqa": ("question", "opa", "opb", "opc", "opd", "cop", "choice_type"),
    "pubmedqa": ("data",),
    "mmlu_medical": ("question", "choices", "answer"),
}


def medevalkit_row(source: str, fields: Mapping[str, Json]) -> dict[str, Json] | list[str]:
    """One row as MedEvalKit's ``construct_messages`` gets it (of PMC-VQA: as ``load_data`` unpacks it), images apart.

    Raises DataError for a source that MedEvalKit has no loader for, and where a field it reads is not there.
    """
    if source not in READ:
        raise DataError(f"MedEvalKit reads no rows of {source!r}; one of {', '.join(READ)}")
    missing = [name for name in READ[source] if name not in fields]
    if missing:
        raise DataError(f"a row of {source} has no field {missing[0]!r}, which MedEvalKit reads; take the rows anew")
    if source == "pmc_vqa_2":
        return [str(fields[name]) for name in PMC_VQA_CELLS]
    row = dict(fields)
    if source.startswith("medxpertqa"):
        if isinstance(row["options"], list):
            row["options"] = {option["letter"]: option["content"] for option in row["options"]}
        if isinstance(row["label"], list):
            row["label"] = row["label"][0] if row["label"] else ""
    return row
