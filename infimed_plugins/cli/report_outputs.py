"""Outputs of ``infimed eval`` and ``infimed score``: the terminal, JSON, and the files asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infimed_plugins.console import print_json, print_table, say, tell
from infimed_plugins.errors import ConfigError
from infimed_plugins.storage import write_whole

if TYPE_CHECKING:
    from infimed_plugins.evaluation.runs import Evaluation

Dimensions = Annotated[
    bool, typer.Option("--dimensions", help="Add the forms of replies and the clinical skills of chains of thought.")
]
Html = Annotated[Path | None, typer.Option("--html", help="Write one page: table, intervals, curves, cases.")]
Csv = Annotated[Path | None, typer.Option("--csv", help="Write every figure as CSV.")]
Markdown = Annotated[Path | None, typer.Option("--markdown", help="Write the tables as Markdown.")]
Latex = Annotated[Path | None, typer.Option("--latex", help="Write rows of the paper's table as LaTeX.")]


@dataclass(frozen=True)
class Outputs:
    """Outputs of the figures besides the terminal."""

    html: Path | None = None
    csv: Path | None = None
    markdown: Path | None = None
    latex: Path | None = None
    as_json: bool = False
    dimensions: bool = False

    def check(self) -> None:
        """Raise ConfigError for a file that cannot be written, before anything is asked."""
        for path in (self.html, self.csv, self.markdown, self.latex):
            if path is not None:
                parent = next(one for one in path.absolute().parents if one.exists())
                if path.is_dir() or not parent.is_dir() or not os.access(parent, os.W_OK):
                    raise ConfigError(f"{path} cannot be written: {_why_not(path, parent)}; name another file")

    def write(self, made: Evaluation, extra: Mapping[str, Any]) -> None:
        """Print the tables or JSON, with ``extra`` keys, and write the files asked for."""
        from infimed_plugins.evaluation.dimensions import dimension_tables, dimensions, grade_table
        from infimed_plugins.reports import evaluation_tables as tables

        summary, comparison = made.summary(), made.comparison()
        texts = ((self.csv, tables.csv_text), (self.markdown, tables.markdown), (self.latex, tables.latex_rows))
        for path, text_of in texts:
            if path is not None:
                write_whole(path, text_of(summary, comparison))
                tell(f"wrote {path}")
        if self.html is not None:
            made.write_page(self.html)
            tell(f"wrote {self.html}")
        if self.as_json:
            shown: dict[str, Any] = {"notes": made.notes, **extra}
            shown |= {"agreement": made.agreement, "judge": made.judge, "skill_grades": made.skill_grades}
            shown |= {"dimensions": dimensions(made.runs) if self.dimensions else [], **asdict(summary)}
            print_json(shown | ({"against": asdict(comparison)} if comparison else {}))
            return
        for grid in tables.grids(summary, comparison):
            print_table(". ".join(filter(None, (grid.title, grid.warning))), *tables.whole(grid, joined=True))
        for title, columns, rows in dimension_tables(made.runs) if self.dimensions else ():
            print_table(title, columns, rows)
        print_agreement(made.agreement)
        if made.skill_grades:
            print_table(*grade_table(made.skill_grades))
        for note in (*made.notes, *(comparison.notes if comparison else ())):
            say(note)


def _why_not(path: Path, parent: Path) -> str:
    if path.is_dir():
        return "it is a folder"
    return f"{parent} is no folder" if not parent.is_dir() else f"{parent} lets nothing be written"


def print_agreement(found: Sequence[dict[str, Any]]) -> None:
    """Print a table of agreements."""
    if found:
        names = ("benchmark", "model", "prompt_style", "mode", "judge", "with", "n", "observed", "kappa", "low", "high")
        shown = [one | {"judge": one["judge"] or "rules"} for one in found]
        rows = [[f"{one[k]:.3f}" if isinstance(one[k], float) else one[k] for k in names] for one in shown]
        print_table("agreement of verdicts (Cohen's kappa, 95%)", list(names), rows)
