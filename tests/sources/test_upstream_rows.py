"""The upstream row beside a Sample is verbatim, holds what MedEvalKit reads, and carries no picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infimed_plugins.benchmarks import benchmarks
from infimed_plugins.errors import ConfigError, DataError
from infimed_plugins.plugins import registry
from infimed_plugins.records import BadRow, Json, Sample
from infimed_plugins.sources.public import PublicSource, json_fields

FIXTURES = Path(__file__).parents[1] / "data" / "sources"
SPLITS = {"mmmu_health": "validation", "medmcqa": "validation"}
PMC_CELLS = (" A: Green ", " B: Red ", " C: Blue ", " D: Yellow ")


READ = [one.source for one in benchmarks() if one.medevalkit or one.name == "mmlu_medical"]


def medevalkit_row(source: str, fields: dict[str, Json]) -> Json:
    """Upstream's row; of MMLU, which MedEvalKit has no prompt for, the fields themselves."""
    (benchmark,) = (one for one in benchmarks() if one.source == source)
    return fields if benchmark.medevalkit is None else benchmark.medevalkit.row(fields)


def read(name: str, **options: Any) -> list[tuple[dict[str, Json], Sample | BadRow]]:
    source: PublicSource = registry().get("source", name)
    return list(source.load_rows(SPLITS.get(name, "test"), folder=FIXTURES, **options))


@pytest.mark.parametrize("name", READ)
def test_rows_and_samples_are_those_of_load(name: str) -> None:
    source: PublicSource = registry().get("source", name)
    rows = read(name)
    loaded = list(source.load(SPLITS.get(name, "test"), folder=FIXTURES))
    assert [row.id for _, row in rows] == [row.id for row in loaded]
    assert [type(row) for _, row in rows] == [type(row) for row in loaded]
    assert len(read(name, limit=1)) == 1
    assert read(name, limit=0) == []


@pytest.mark.parametrize("name", READ)
def test_every_row_is_what_medevalkit_reads_and_json(name: str) -> None:
    rows = read(name)
    assert rows
    for fields, _ in rows:
        row = medevalkit_row(name, fields)
        assert json.loads(json.dumps(row)) == row
        assert "image" not in row


@pytest.mark.parametrize(
    ("name", "index", "expected"),
    [
        ("vqa_rad", 0, {"question": "what organ is enlarged?", "answer": "heart"}),
        ("path_vqa", 0, {"question": "how are the histone subunits charged?", "answer": "positively charged"}),
        ("slake", 0, {"q_lang": "en", "answer_type": "OPEN", "img_name": "xmlab0/source.jpg"}),
        ("omnimedvqa", 0, {"option_B": "Fundus photography ", "gt_answer": "Fundus photography"}),
        ("omnimedvqa", 1, {"modality_type": "MR (Mag-netic Resonance Imaging)"}),
        ("medxpertqa_mm", 3, {"label": "C", "id": "MM-3"}),
        ("medxpertqa_text", 1, {"label": "B"}),
        ("mmmu_health", 0, {"options": "['Target sign', \"Murphy's sign\", 'Neither']", "answer": "B"}),
        ("mmmu_health", 0, {"question": "<image 1> Which sign is shown?", "question_type": "multiple-choice"}),
        ("medmcqa", 0, {"cop": 2, "opc": "Vitamin B12"}),
        ("mmlu_medical", 0, {"answer": 3, "choices": ["one", "two", "three", "four"]}),
    ],
)
def test_cells_are_verbatim(name: str, index: int, expected: dict[str, Json]) -> None:
    row = medevalkit_row(name, read(name)[index][0])
    assert isinstance(row, dict)
    assert {key: row[key] for key in expected} == expected


def test_the_cells_of_pmc_vqa_stand_in_the_files_order_with_their_spaces() -> None:
    row = medevalkit_row("pmc_vqa_2", read("pmc_vqa_2")[0][0])
    assert isinstance(row, list)
    assert (row[1], tuple(row[4:8]), row[8], row[9]) == ("PMC8253797_Fig4_11.jpg", PMC_CELLS, "A", "train")


def test_pubmedqa_keeps_all_in_its_column() -> None:
    row = medevalkit_row("pubmedqa", read("pubmedqa")[0][0])
    assert isinstance(row, dict)
    assert (row["data"]["Correct Option"], row["data"]["Options"]["C"]) == ("A", "maybe")


def test_the_question_of_medxpertqa_keeps_its_options() -> None:
    fields, sample = read("medxpertqa_mm")[0]
    assert isinstance(sample, Sample)
    assert fields["question"].startswith(sample.question + "\nAnswer Choices: (A) Gout")


def test_options_of_githubs_copy_become_the_hubs() -> None:
    rows = [medevalkit_row("medxpertqa_mm", fields) for fields, _ in read("medxpertqa_mm")]
    assert isinstance(rows[0], dict)
    assert isinstance(rows[3], dict)
    assert rows[3]["options"] == rows[0]["options"]


def test_rows_that_cannot_be_used_have_their_fields_too() -> None:
    bad = [fields for fields, row in read("omnimedvqa") if isinstance(row, BadRow)]
    assert len(bad) == 4
    assert all("gt_answer" in fields for fields in bad)


def test_only_json_stays() -> None:
    fields = {
        "text": "a ",
        "none": None,
        "list": [1, {"x": 2.5}],
        "image": {"bytes": None, "path": None},
        "images": [{"bytes": b"\0", "path": "a.png"}],
        "bytes": b"\0",
        "nested": {"deep": [b"\0"]},
        "open": lambda: None,
    }
    assert json_fields(fields) == {"text": "a ", "none": None, "list": [1, {"x": 2.5}]}


def test_a_split_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="vqa_rad has no split 'dev'"):
        list(registry().get("source", "vqa_rad").load_rows("dev", folder=FIXTURES))


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("vqa_rad", {"question": "?"}, "a row of VQA_RAD has no field 'answer', which MedEvalKit reads"),
        ("medxpertqa_mm", {"question": "?"}, "no field 'options'"),
    ],
)
def test_what_medevalkit_cannot_read_is_said(name: str, fields: dict[str, Json], message: str) -> None:
    with pytest.raises(DataError, match=message):
        medevalkit_row(name, fields)
