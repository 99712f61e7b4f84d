"""The evaluation page in a real Chromium: it opens, filters, deep-links, asks nothing of the network, runs no reply.

Chromium is driven over its DevTools pipe, so that neither a driver nor a port is needed. All figures are made up.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infimed_plugins.benchmarks.judged import Judged, Run
from infimed_plugins.pages import MOST_CHARACTERS
from infimed_plugins.reports.evaluation_cases import all_cases, draw_cases

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
needs_chromium = pytest.mark.skipif(
    not BROWSER and not os.environ.get("CI"), reason="no Chromium is on the PATH of this machine: make browser"
)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe"),
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
# Chromium reads commands from descriptor 3 and writes to 4
PIPED = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)
EVIL = "</script><script>window.stolen = 1</script><img src=x onerror='window.stolen = 2'><!-- \u2028 {{ 7 * 7 }}"


def high_pipe() -> tuple[int, int]:
    """A pipe with both ends above 100, out of the way of 3 and 4."""
    low = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 100) for end in low]
    for end in low:
        os.close(end)
    return high[0], high[1]


class Page:
    """One tab. ``requests`` are the addresses it asked for, ``errors`` what its script threw or its policy refused."""

    def __init__(self, folder: Path) -> None:
        to_browser, our_write = high_pipe()
        our_read, from_browser = high_pipe()
        command = [BROWSER, *FLAGS, f"--user-data-dir={folder}", "about:blank"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", PIPED, str(to_browser), str(from_browser), *command],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._write, self._read = os.fdopen(our_write, "wb"), os.fdopen(our_read, "rb")
        self._pending, self._number, self._session = b"", 0, ""
        self.requests: list[str] = []
        self.errors: list[str] = []
        target = next(t for t in self.send("Target.getTargets")["targetInfos"] if t["type"] == "page")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def close(self) -> None:
        self.send("Browser.close")
        self.process.wait(timeout=60)
        self._write.close()
        self._read.close()

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one command and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session and not method.startswith("Browser."):
            message["sessionId"] = self._session
        self._write.write(json.dumps(message).encode() + b"\0")
        self._write.flush()
        while (answer := self._next()).get("id") != self._number:
            self._note(answer)
        assert "error" not in answer, answer
        return dict(answer["result"])

    def open(self, address: str) -> None:
        """Load an address and wait until it is loaded."""
        self.send("Page.navigate", url="about:blank")
        self.requests, self.errors = [], []
        self.send("Page.navigate", url=address)
        self.until("document.readyState === 'complete'")

    def until(self, expression: str) -> None:
        """Wait until an expression is true."""
        self.js(f"new Promise(go => {{ const look = () => ({expression}) ? go(1) : setTimeout(look, 20); look(); }})")

    def js(self, expression: str) -> Any:
        """The value of an expression, promises awaited."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def choose(self, control: str, value: str) -> None:
        """Choose an option as a user does: with the change event."""
        self.js(
            f"{{ const c = document.getElementById({json.dumps(control)}); c.value = {json.dumps(value)};"
            " c.dispatchEvent(new Event('change')); }"
        )

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press a key on whatever has the focus."""
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, text=text)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def shown(self) -> list[str]:
        """The ids of the cases on the page."""
        return list(self.js("[...document.querySelectorAll('article')].map(a => a.dataset.id)"))

    def look_like(self, width: int, scheme: str) -> None:
        """Take the width of a device, in CSS pixels, and a colour scheme."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=844, deviceScaleFactor=1, mobile=width < 500
        )
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._pending:
            chunk = os.read(self._read.fileno(), 1 << 16)
            assert chunk, f"Chromium ended with {self.process.wait(timeout=60)}"
            self._pending += chunk
        message, _, self._pending = self._pending.partition(b"\0")
        return dict(json.loads(message))

    def _note(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        if event.get("method") == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        if event.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(params["exceptionDetails"]))
        if event.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    page = Page(tmp_path_factory.mktemp("chromium"))
    yield page
    page.close()


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
    assert "30 of 2,450 cases are in this page, drawn with seed 0" in html
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
