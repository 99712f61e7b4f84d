"""The evaluation page in a real Chromium: it opens, filters, deep-links, asks nothing of the network, runs no reply.

All figures are made up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from chromium import Page, needs_chromium

from infimed_plugins.benchmarks.judged import Judged, Run
from infimed_plugins.pages import MOST_CHARACTERS
from infimed_plugins.reports.evaluation_page import all_cases, draw_cases

EVIL = "</script><script>window.stolen = 1</script><img src=x onerror='window.stolen = 2'><!-- \u2028 {{ 7 * 7 }}"


@pytest.fixture(scope="module")
def address(
    tmp_path_factory: pytest.TempPathFactory, synthetic_runs: list[Run], write_synthetic: Callable[..., str]
) -> str:
    """Where the page of the synthetic runs lies."""
    path = tmp_path_factory.mktemp("page") / "evaluation.html"
    write_synthetic(synthetic_runs, path)
    return path.as_uri()


def by_id(runs: Sequence[Run], model: str, benchmark: str) -> dict[str, Judged]:
    found = next(run for run in runs if (run.model, run.benchmark, run.variant) == (model, benchmark, ""))
    return {row.id: row for row in found.rows}


@needs_chromium
def test_a_right_b_wrong_shows_such_cases_and_a_row_can_be_read(
    browser: Page, address: str, synthetic_runs: list[Run]
) -> None:
    browser.open(address)
    browser.choose("benchmark", "vqa_rad")
    browser.choose("right", "base")
    browser.choose("wrong", "sft")
    base, sft = by_id(synthetic_runs, "base", "vqa_rad"), by_id(synthetic_runs, "sft", "vqa_rad")
    shown = browser.shown()
    assert shown
    assert all(base[name].accuracy == 1.0 and sft[name].accuracy == 0.0 for name in shown)
    text = str(browser.js("document.querySelector('article').innerText"))
    first = base[shown[0]]
    assert first.question in text
    assert "✓ right — base" in text
    assert "✗ " in text
    assert f"gold {first.gold}" in text
    assert f"parsed {first.parsed}" in text
    assert first.text.split("\n")[1] in text


@needs_chromium
def test_the_page_asks_nothing_of_the_network_and_throws_nothing(browser: Page, address: str) -> None:
    browser.open(address)
    browser.choose("wrong", "rl")
    browser.js("new Promise(go => setTimeout(go, 100))")
    assert [url for url in browser.requests if not url.startswith("data:image/jpeg;base64,")] == [address]
    assert browser.errors == []
    html = Path(address.removeprefix("file://")).read_text(encoding="utf-8")
    assert not re.search(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//|url\(|@import|https?://""", html)


@needs_chromium
def test_the_policy_of_the_page_refuses_a_request_of_its_own(browser: Page, address: str) -> None:
    browser.open(address)
    refused = browser.js("fetch('http://127.0.0.1:9/').then(() => 'sent', error => error.name)")
    assert refused == "TypeError"
    assert any("Content Security Policy" in error for error in browser.errors)


@needs_chromium
def test_a_filtered_view_has_an_address_and_the_address_gives_the_view(browser: Page, address: str) -> None:
    browser.open(address)
    browser.choose("benchmark", "phantom")
    browser.choose("right", "sft")
    browser.choose("wrong", "base")
    there, shown = browser.js("location.href"), browser.shown()
    browser.open(there)
    assert browser.shown() == shown
    assert browser.js("document.getElementById('right').value") == "sft"
    browser.open(f"{there}&case={shown[2]}")
    assert browser.shown() == [shown[2]]
    browser.js("document.getElementById('all').click()")
    assert browser.js("document.getElementById('count').textContent").startswith("300 of 300 cases fit")


@needs_chromium
def test_a_link_to_a_section_keeps_the_filters(browser: Page, address: str) -> None:
    browser.open(f"{address}#benchmark=vqa_rad")
    browser.js("document.querySelector('nav a').click()")
    browser.until("location.hash === '#table'")
    assert browser.js("document.getElementById('benchmark').value") == "vqa_rad"


@needs_chromium
def test_invalid_only_and_the_search_narrow_the_list(browser: Page, address: str) -> None:
    browser.open(address)
    browser.js("document.getElementById('invalid').click()")
    assert browser.js("[...document.querySelectorAll('article')].every(a => a.querySelector('.invalid'))")
    assert browser.shown()
    browser.open(address)
    browser.js(
        "{ const q = document.getElementById('q'); q.value = 'Picture 12?'; q.dispatchEvent(new Event('input')); }"
    )
    assert browser.shown()
    assert all(name.endswith("-0012") for name in browser.shown())


@needs_chromium
def test_the_keyboard_reaches_the_filters_and_moves_on_to_further_cases(browser: Page, address: str) -> None:
    browser.open(address)
    browser.js("document.getElementById('right').focus()")
    browser.press("Tab", 9)
    assert browser.js("document.activeElement.id") == "wrong"
    browser.js("document.getElementById('more').focus()")
    browser.press("Enter", 13, "\r")
    assert len(browser.shown()) == 40
    assert browser.js("document.activeElement.closest('article').dataset.id") == browser.shown()[20]


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390, 320])
def test_the_page_fits_its_window_in_both_colour_schemes(browser: Page, address: str, width: int, scheme: str) -> None:
    browser.look_like(width, scheme)
    browser.open(address)
    assert browser.js("document.documentElement.scrollWidth") <= width
    paper = browser.js("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 24, 31)")
    browser.look_like(1280, "light")


@needs_chromium
def test_what_a_model_says_stays_text(browser: Page, tmp_path: Path, write_synthetic: Callable[..., str]) -> None:
    row = Judged(EVIL, EVIL, EVIL + "-1", EVIL, EVIL, EVIL, EVIL, 0.0, 0.0, True, EVIL, question=EVIL)
    row = replace(row, options=[EVIL, "b"], meta={"kind": EVIL, "modality": EVIL})
    runs = [Run(name, EVIL, "direct", "robust", [row, replace(row, meta={"kind": "x"})]) for name in (EVIL, "sft")]
    runs += [replace(run, variant="blur:1") for run in runs]
    html = write_synthetic(runs, tmp_path / "evil.html")
    assert html.count("</script>") == 2  # the data's end and the program's
    assert "window.stolen = 1</script>" not in html
    browser.open((tmp_path / "evil.html").as_uri())
    assert browser.js("typeof window.stolen") == "undefined"
    assert browser.js("document.querySelectorAll('img:not([src^=\"data:image/jpeg\"]), iframe, object').length") == 0
    assert browser.js("document.querySelectorAll('script').length") == 2
    assert browser.js("document.querySelector('.replies pre').textContent") == EVIL
    assert browser.errors == []


@needs_chromium
def test_images_that_are_missing_or_broken_are_said_so(browser: Page, address: str) -> None:
    browser.open(address)
    said = set(browser.js("data.cases.filter(c => typeof c.image === 'string').map(c => c.image)"))
    assert {"no image", "no image: lost"} <= said
    assert any(text.startswith("the image cannot be shown: ") for text in said)
    assert browser.js("[...document.images].every(i => i.complete && i.naturalWidth > 0 && i.naturalWidth <= 320)")


def test_the_page_shows_the_published_rows_and_the_cap(
    tmp_path: Path, synthetic_runs: list[Run], write_synthetic: Callable[..., str]
) -> None:
    html = write_synthetic(synthetic_runs, tmp_path / "page.html", most_cases=30)
    assert html.count('<tr class="published">') == 20
    assert "published, not measured here" in html
    assert "30 of 2,450 cases are in this page, drawn at random" in html
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_telling_cases_come_first_and_every_benchmark_has_some(synthetic_runs: list[Run]) -> None:
    cases = all_cases([run for run in synthetic_runs if not run.variant])
    drawn = draw_cases(cases, 60, seed=0)
    assert all(case.telling for case in drawn)
    assert {case.replies[0][0].benchmark: None for case in drawn}.keys() == {"phantom", "vqa_rad", "mmmu_health"}
    assert [case.id for case in draw_cases(cases, 60, seed=0)] == [case.id for case in drawn]
    assert [case.id for case in draw_cases(cases, 60, seed=1)] != [case.id for case in drawn]
    assert len(draw_cases(cases, 10_000, seed=0)) == 650


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("x" * 1_000_000, f"{'x' * MOST_CHARACTERS} … (cut here, 1,000,000 characters in all)", id="1-MB"),
        pytest.param("", "", id="empty"),
        pytest.param("右肺 \x00 \u2028", "右肺 \x00 \u2028", id="chinese-and-control"),
        pytest.param("\ud800", "\ud800", id="half-a-surrogate"),
    ],
)
def test_any_reply_can_be_shown(tmp_path: Path, text: str, shown: str, write_synthetic: Callable[..., str]) -> None:
    row = Judged("1", "", "1-1", "?", text, "A", None, 0.0, 0.0, True, text[:50])
    html = write_synthetic([Run("base", "phantom", "direct", "robust", [row])], tmp_path / "page.html")
    found = re.search(r'<script type="application/json" id="cases-json">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    assert json.loads(found[1])["cases"][0]["replies"][0]["text"] == shown


def test_what_was_not_scored_is_a_dash_on_the_page(tmp_path: Path, write_synthetic: Callable[..., str]) -> None:
    row = Judged("1", "", "1-1", "?", "", "A", None, None, 0.0, False, "gone", meta={"kind": "organ"})
    run = Run("base", "phantom", "direct", "robust", [row])
    html = write_synthetic([run, replace(run, variant="blur:1")], tmp_path / "page.html")
    assert "<td>–<small>n 0</small></td>" in html
    assert "0.0 [0.0, 100.0]" not in html
    assert "<svg" not in html
    assert '"unscored: gone"' in html


def test_a_page_of_no_runs_opens_too(tmp_path: Path, write_synthetic: Callable[..., str]) -> None:
    assert "All 0 cases are in this page" in write_synthetic([], tmp_path / "page.html")
