"""Tables keep the paper's order, carry the conditions of each figure, and let no name break their format."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pytest

from infimed_plugins import console
from infimed_plugins.benchmarks.judged import Judged, Run
from infimed_plugins.quoting import cell
from infimed_plugins.reports.evaluation_tables import (
    accuracy_text,
    csv_text,
    difference,
    grids,
    latex_escape,
    latex_rows,
    markdown,
    markdown_escape,
    whole,
    wide_rows,
)
from infimed_plugins.reports.statistics import SHARED_IMAGES
from infimed_plugins.reports.summary import Summary, summarize

PAPER = ["MMMU-H&M", "VQA-RAD", "SLAKE", "PathVQA", "PMC-VQA", "OMVQA", "MedXQA"]
NAMES = ("mmmu_health", "vqa_rad", "slake", "path_vqa", "pmc_vqa", "omnimedvqa", "medxpertqa_mm")


def right_of_100(right: int) -> list[Judged]:
    return [Judged(str(n), "", str(n), "?", "x", "x", "x", float(n < right), 1.0, False, "") for n in range(100)]


@pytest.fixture(scope="module")
def summary() -> Summary:
    """Two models on all seven and the phantoms, in no order; the second is better by ten questions, but on one."""
    shares = {name: 40 + number for number, name in enumerate(reversed((*NAMES, "phantom")))}
    runs = [Run("base_3B", name, "direct", "robust", right_of_100(right)) for name, right in shares.items()]
    shares["slake"] -= 20
    runs += [Run("R&D [bold]", name, "direct", "robust", right_of_100(n + 10)) for name, n in shares.items()]
    return summarize([*runs, Run("base_3B", "slake", "direct", "robust", right_of_100(99), variant="shuffle:1")])


def test_latex_rows_have_the_papers_columns(summary: Summary) -> None:
    lines = latex_rows(summary).splitlines()
    assert lines[0] == r"\toprule"
    assert lines[1] == r"Model & Prompt & " + " & ".join(PAPER).replace("H&M", r"H\&M") + r" & phantom & Avg. \\"
    rows = [line for line in lines if line.endswith(r"\\")][1:]
    assert [row.split(" & ")[0] for row in rows] == ["base_3B".replace("_", r"\_"), r"R\&D [bold]"]
    assert rows[0].split(" & ")[2:5] == ["47.0", "46.0", "45.0"]
    assert rows[1].split(" & ")[2:5] == ["57.0", "56.0", "35.0"]
    assert rows[1].split(" & ")[-1] == r"51.1 \\"
    assert "99.0" not in "".join(rows)  # a variant is no row of the paper's table


def test_latex_rows_carry_mode_judge_n_and_invalid_rate_in_a_comment(summary: Summary) -> None:
    comment = next(line for line in latex_rows(summary).splitlines() if line.startswith("% base_3B"))
    assert "direct, as is, robust, rules only" in comment
    assert "SLAKE n=100 invalid=0.0% 45.0 [35.6, 54.8]" in comment


def test_a_partial_average_does_not_stand_in_the_papers_column() -> None:
    partial = summarize([Run("base", "slake", "direct", "robust", right_of_100(50))])
    assert "-- \\\\" in latex_rows(partial)
    assert "(1 of 7)" in markdown(partial)


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("a_b & 5%", r"a\_b \& 5\%"),
        ("\\x{~^}", r"\textbackslash{}x\{\textasciitilde{}\textasciicircum{}\}"),
        ("#1$\n2", r"\#1\$ 2"),
        ("a<b>c", r"a\textless{}b\textgreater{}c"),
    ],
)
def test_latex_is_escaped(text: str, latex: str) -> None:
    assert latex_escape(text) == latex


def test_markdown_keeps_its_cells_whatever_a_model_is_called() -> None:
    assert markdown_escape("a|b\n<img>*") == r"a\|b \<img\>\*"
    table = markdown(summarize([Run("a|b\n|c", "slake", "direct", "robust", right_of_100(50))]))
    widths = {line.replace(r"\|", "").count("|") for line in table.splitlines() if line.startswith("|")}
    assert widths == {14, 12, 6}  # the paper's table, every figure, the baselines


def test_the_csv_has_a_line_for_every_figure_with_all_it_depends_on(summary: Summary) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text(summary))))
    kinds = [row["figure"] for row in rows]
    assert (kinds.count("accuracy"), kinds.count("average"), kinds.count("difference")) == (17, 3, 8)
    slake = next(row for row in rows if (row["benchmark"], row["model"]) == ("slake", "base_3B"))
    assert [slake[key] for key in ("prompt", "mode", "judge", "n", "right", "estimate", "interval", "invalid")] == [
        *("direct", "robust", "rules only", "100", "45", "0.45", "Wilson", "0.0")
    ]
    change = next(row for row in rows if row["figure"] == "difference")
    assert (change["model"], change["against"], change["estimate"]) == ("R&D [bold]", "base_3B", "0.1")
    assert float(change["p_holm"]) >= float(change["p"])
    change = next(row for row in rows if row["figure"] == "change")
    assert [change[key] for key in ("benchmark", "variant", "against", "n", "estimate")] == [
        *("slake", "shuffle:1", "as is", "100", "0.54")
    ]


def test_every_change_is_in_the_csv_and_the_markdown(synthetic_runs: list[Run]) -> None:
    summary = summarize(synthetic_runs)
    assert len(summary.changes) == 18
    rows = [row for row in csv.DictReader(io.StringIO(csv_text(summary))) if row["figure"] == "change"]
    assert [(row["model"], row["variant"]) for row in rows] == [(c.model, c.asked.variant) for c in summary.changes]
    assert all(float(row["low"]) <= float(row["estimate"]) <= float(row["high"]) for row in rows)
    table = markdown(summary).partition("Prompts and variants")[2].partition("Without a model")[0]
    assert [line.split(" | ")[3] for line in table.splitlines() if line.startswith("| phantom")] == [
        change.asked.variant for change in summary.changes
    ]


def test_a_figure_over_no_question_is_a_dash_everywhere_and_never_a_zero() -> None:
    unscored = [replace(row, accuracy=None) for row in right_of_100(50)]
    runs = [Run("m", "slake", "direct", "robust", unscored), Run("n", "slake", "direct", "robust", right_of_100(9))]
    summary = summarize([*runs, replace(runs[0], variant="shuffle:1"), replace(runs[0], benchmark="phantom")])
    assert r"m & direct & -- & -- & -- & -- & -- & -- & -- & -- & -- " in latex_rows(summary)
    figures = [line for line in markdown(summary).splitlines() if line.startswith("| SLAKE | m |")]
    assert figures[0].endswith("| 0 | – | – | – | 100 |")
    assert "| SLAKE | n − m | direct | as is | robust | rules only | – |" in markdown(summary)
    assert " 0.0 [0.0, 100.0]" not in _printed(summary, 240)
    for row in csv.DictReader(io.StringIO(csv_text(summary))):
        assert (row["n"] == "0") == (row["estimate"] == row["low"] == row["high"] == row["interval"] == "")


def test_breakdowns_are_in_the_csv(synthetic_runs: list[Run]) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text(summarize(synthetic_runs)))))
    assert {row["value"] for row in rows if row["grouping"] == "modality"} == {"CT", "MRI", "ultrasound"}


def test_the_terminal_shows_names_as_they_are_and_benchmarks_in_order(summary: Summary) -> None:
    text = _printed(summary, 240)
    assert "R&D [bold]" in text
    places = [text.index(f"\n {name}") for name in PAPER]
    assert places == sorted(places)
    assert "what the set can show" in text


def _printed(summary: Summary, width: int) -> str:
    """The tables as a terminal of that width shows them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(console, "console", console.PlainConsole(width=width, record=True, file=io.StringIO()))
        for grid in grids(summary):
            console.print_table(grid.title, *whole(grid, joined=True))
        return console.console.export_text()


def _long_names(runs: list[Run]) -> Summary:
    return summarize([replace(one, model=f"InfiMed/InfiMed-Foundation-RL-3B-{one.model}") for one in runs])


@pytest.mark.parametrize("width", [80, 120, 200])
def test_no_cell_is_cut_in_a_narrow_terminal_and_no_number_is_split(synthetic_runs: list[Run], width: int) -> None:
    summary = _long_names(synthetic_runs)
    text = _printed(summary, width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    for result in summary.results:
        for part in accuracy_text(result.figure).split():
            assert part in text
    letters = re.sub(r"[^A-Za-z0-9-]", "", "".join(line.split("│")[1] for line in text.splitlines() if "│" in line))
    assert "InfiMedInfiMed-Foundation-RL-3B-base" in letters


def test_figures_stay_whole_in_a_pipe(synthetic_runs: list[Run]) -> None:
    summary = _long_names(synthetic_runs)
    text = _printed(summary, 200)
    assert all(accuracy_text(result.figure) in text for result in summary.results)
    assert all(difference(change.paired) in text for change in (*summary.contrasts, *summary.changes))


def test_tables_say_where_p_takes_questions_of_one_image_as_independent(
    summary: Summary, synthetic_runs: list[Run]
) -> None:
    shared = summarize(synthetic_runs)  # two questions an image
    for made, told in ((shared, True), (summary, False)):
        rows = [row for row in csv.DictReader(io.StringIO(csv_text(made))) if row["figure"] in ("difference", "change")]
        assert {row["note"].endswith(SHARED_IMAGES) for row in rows} == {told}
        assert {int(row["images"]) < int(row["n"]) for row in rows} == {told}
        differences, _, changes = markdown(made).partition("Prompts and variants")
        assert (SHARED_IMAGES in differences) is (SHARED_IMAGES in changes) is told


def test_wide_rows_leave_out_what_was_not_run(summary: Summary) -> None:
    assert [(row.model, len(row.figures)) for row in wide_rows(summary)] == [("base_3B", 8), ("R&D [bold]", 8)]


FORMULAS = (
    *("=1+1", "+1+1", "-1+1", "@SUM(1)", "\t=1+1", "\r=1+1", "\n=1+1", " =1+1", "  @SUM(1)", "\u00a0=1+1"),
    *('=cmd|"/C calc"!A0', "+cmd|'/C calc'!A0", "-cmd|'/C calc'!A0", "@cmd|'/C calc'!A0", "-2+3+cmd|'/C calc'!A0"),
    *('=HYPERLINK("http://127.0.0.1:9/","x")', '=WEBSERVICE("http://127.0.0.1:9/")', "=IMPORTXML(A1,B1)"),
    *("=IMAGE(A1)", '=DDE("cmd";"/C calc";"x")', "=A1&B1", "==1", "=-1", "=+1", "=@1", "+-1", "-+1", "--1", "@@1"),
    *(
        "＝1+1",
        "＋1+1",
        "－1+1",
        "＠SUM(1)",
        "\v=1",
        "\f=1",
        "\u3000=1",
        "\0=1",
        "\ufeff=1",
        "\u200b=1",
        "\u2003+1",
        "-A1",
        "-(1)",
        "+A1",
        "-0.5*2",
    ),
    *("-0x1f", "-1e", "-.", "-1;=2", "-1,=2", "-1\n=2", "-１", "=", "+", "-", "@", "\t", "\r", "\n", "-٣", "+1"),
    *("\0=1", "\ufeff=1", "\u200b=1"),
)
HARMLESS = (
    "1+1",
    "a=b",
    "CT - chest",
    "m@home",
    "'=1",
    "-0.5",
    "-12",
    "-1e-05",
    "肺",
    "",
    "1\r=2",
    "a;=b",
    "x,=y",
    'a"=b',
)


@pytest.mark.parametrize("text", FORMULAS, ids=ascii)
def test_a_formula_is_a_text_in_every_cell_of_the_csv(text: str) -> None:
    row = Judged("1", "", "1", "?", "A", "A", "A", 1.0, 1.0, False, "", meta={"kind": text})
    other = replace(row, id="2", meta={"kind": "other"})
    runs = [Run(model, text, text, "robust", [row, other], judge=text) for model in (text, "other")]
    made = csv_text(summarize(runs, groupings={text: ["kind"]}))
    cells = {one for line in csv.reader(io.StringIO(made, newline="")) for one in line}
    assert f"'{text}" in cells
    assert text not in cells


@pytest.mark.parametrize("text", HARMLESS, ids=ascii)
def test_a_text_that_no_spreadsheet_computes_stays_as_it_is(text: str) -> None:
    assert cell(text) == text


def test_a_text_with_a_bare_line_end_is_one_cell_and_negative_numbers_stay_numbers(synthetic_runs: list[Run]) -> None:
    row = Judged("1", "", "1", "?", "A", "A", "A", 1.0, 1.0, False, "")
    made = csv_text(summarize([Run("x\r=1+1", "b", "direct", "robust", [row])]))
    assert '"x\r=1+1"' in made
    rows = csv.DictReader(io.StringIO(csv_text(summarize(synthetic_runs))))
    low = [one["low"] for one in rows if one["low"].startswith("-")]
    assert low
    assert all(float(one) < 0 for one in low)
