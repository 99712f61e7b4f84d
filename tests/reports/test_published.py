"""The published table is the paper's Table 1: its rows, its order, its averages."""

from __future__ import annotations

import pytest

from infimed_plugins.reports.published import header, in_paper_order, published_table

TABLE = published_table()


def test_it_has_every_row_and_column() -> None:
    assert list(TABLE.columns.values()) == [*("MMMU-H&M", "VQA-RAD", "SLAKE", "PathVQA", "PMC-VQA", "OMVQA", "MedXQA")]
    assert len(TABLE.rows) == 20
    assert {len(row.values) for row in TABLE.rows} == {7}
    assert TABLE.table == "Table 1"


@pytest.mark.parametrize("row", TABLE.rows, ids=lambda row: row.model)
def test_the_printed_average_is_the_mean_of_the_row(row: object) -> None:
    """A mistyped figure would not pass; the paper rounds up once (57.01 printed as 57.1)."""
    values, average = row.values, row.average  # type: ignore[attr-defined]
    slack = 0.1 if row.model == "InfiMed-SFT-3B" else 0.051  # type: ignore[attr-defined]
    assert sum(values) / 7 == pytest.approx(average, abs=slack)


def test_other_benchmarks_come_after_the_papers_by_name() -> None:
    names = ["phantom", "gmai_mmbench", "medxpertqa_mm", "mmmu_health", "vqa_rad"]
    assert in_paper_order(names) == ("mmmu_health", "vqa_rad", "medxpertqa_mm", "gmai_mmbench", "phantom")
    assert (header("omnimedvqa"), header("phantom")) == ("OMVQA", "phantom")


def test_the_model_card_prints_another_row_of_medgemma_and_both_are_held() -> None:
    paper = next(row for row in TABLE.rows if row.model == "MedGemma-4B-IT")
    (card,) = TABLE.other_rows
    assert (paper.values[1], paper.average) == (49.9, 51.5)
    assert (card.model, card.values[1], card.average) == ("MedGemma-4B-IT", 72.5, 54.8)
    assert sum(card.values) / 7 == pytest.approx(54.8, abs=0.051)
    assert "InfiX-ai/InfiMed-SFT-3B" in TABLE.other_source
