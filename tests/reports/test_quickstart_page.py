"""The report is one file that opens offline, shows the figures it was given, and escapes what models said."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from infimed_plugins.benchmarks.judged import Judged, Run
from infimed_plugins.reports.quickstart_page import Example, ReportData, write_page
from infimed_plugins.reports.summary import summarize
from infimed_plugins.sources.phantom import phantom_sample

SECTIONS = {"table", "paired", "kinds", "sft", "rl", "reflective", "examples", "facts"}


def rows(right: int) -> list[Judged]:
    return [
        Judged(str(i), "organ", str(i), "?", "lung", "lung", "lung", float(i < right), 1.0, False, "")
        for i in range(40)
    ]


def write(path: Path) -> str:
    runs = [Run(name, "phantom", "direct", "robust", rows(right)) for name, right in (("base", 10), ("sft", 30))]
    image = phantom_sample("test", 0).images[0].read()
    write_page(
        ReportData(
            title="A <run>",
            metadata={"seed": 3},
            notes=["Rollouts came from transformers."],
            summary=summarize(runs, groupings={"phantom": ["group"]}),
            sft_loss={"loss": [(1, 2.0), (2, 1.0)]},
            rewards={"overall": [(1, 0.2), (2, 0.4)], "format": [(1, 1.0), (2, 1.0)]},
            right_of_ten={0: 3, 1: 5},
            chain="one. Wait, two.",
            examples=[Example(image, "Which organ?", "lung", [("base", "<script>alert(1)</script>", False)])],
        ),
        path,
    )
    return path.read_text(encoding="utf-8")


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.references: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.add(str(value))
            if name in ("src", "href"):
                self.references.append(str(value))


def test_the_page_is_whole_and_refers_to_nothing_outside(tmp_path: Path) -> None:
    html = write(tmp_path / "report.html")
    reader = Reader()
    reader.feed(html)
    assert reader.ids == SECTIONS
    assert all(reference.startswith("data:image/png;base64,") for reference in reader.references)
    assert not re.search(r"url\(|@import|https?://", html)
    assert "script" not in reader.tags
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_the_page_shows_the_figures_it_was_given(tmp_path: Path) -> None:
    html = write(tmp_path / "report.html")
    assert "25.0 [14.2, 40.2]" in html
    assert "75.0 [59.8, 85.8]" in html
    assert "+50.0" in html


def test_what_a_model_said_is_escaped(tmp_path: Path) -> None:
    html = write(tmp_path / "report.html")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "A &lt;run&gt;" in html
