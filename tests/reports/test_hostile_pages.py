"""All six pages with hostile text in every field, in a real Chromium: nothing runs, nothing is asked for, all is shown.

A page's own policy is its second wall: a script put into the file afterwards does not run either.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chromium import Page, needs_chromium

from infimed_plugins.benchmarks.judged import Judged, Run
from infimed_plugins.curation.decontamination import page as decontamination_page
from infimed_plugins.pages import MOST_CHARACTERS, MOST_NAME
from infimed_plugins.recipes.manifest import Manifest, Output, PartCount
from infimed_plugins.records import Score
from infimed_plugins.reports import build_pages, quickstart_page, reward_review
from infimed_plugins.reports.evaluation_page import write_evaluation_page
from infimed_plugins.reports.summary import summarize
from infimed_plugins.rewards.generations import Generation, Scored

RUN = "window.stolen = 1"
PAYLOADS = (
    *(f"<script>{RUN}</script>", f"</script><script>{RUN}</script>", f"</pre><script>{RUN}</script>"),
    *(f"<img src=x onerror='{RUN}'>", f"<svg onload='{RUN}'>", f"<svg/onload={RUN}>", f"<body onload={RUN}>"),
    *(f"'><script>{RUN}</script>", f'"><script>{RUN}</script>', f'" onmouseover="{RUN}" autofocus onfocus="{RUN}'),
    *(f"' autofocus onfocus='{RUN}", f"<input autofocus onfocus='{RUN}'>", f"<details open ontoggle='{RUN}'>"),
    *(f"<iframe srcdoc='<script>parent.{RUN}</script>'>", f"<iframe src='javascript:parent.{RUN}'>"),
    *(f"<a href='javascript:{RUN}'>x</a>", f"javascript:{RUN}", f"<video><source onerror='{RUN}'>"),
    *(f"<audio src=x onerror='{RUN}'>", f"<object data='javascript:{RUN}'>", f"<embed src='javascript:{RUN}'>"),
    *(f"<math><mi xlink:href='javascript:{RUN}'>", f"<marquee onstart='{RUN}'>", f"<select autofocus onfocus={RUN}>"),
    *(f"<textarea autofocus onfocus={RUN}>", f"<style onload='{RUN}'></style>", f"<!--><script>{RUN}</script>-->"),
    *(f"--><script>{RUN}</script>", f"]]><script>{RUN}</script>", f"</title><script>{RUN}</script>"),
    *(f"</style><script>{RUN}</script>", f"</textarea><script>{RUN}</script>", f"<noscript><script>{RUN}</script>"),
    *("<meta http-equiv=refresh content='0;url=http://127.0.0.1:9/'>", "<base href='http://127.0.0.1:9/'>"),
    *("<link rel=stylesheet href='http://127.0.0.1:9/x.css'>", "<img src='http://127.0.0.1:9/x.png'>"),
    *("<style>@import 'http://127.0.0.1:9/x.css';</style>", "<form action='http://127.0.0.1:9/'><input></form>"),
    *("{{ 7 * 7 }}", "{% include '/etc/passwd' %}", "{{ cycler.__init__.__globals__ }}", "${7 * 7}", "<%= 7 * 7 %>"),
    *(f"\u2028{RUN}//", f"\\u003cscript>{RUN}</script>", f"＜script＞{RUN}＜/script＞", "\ud800<b>half</b>", "\x00<b>"),
    *(f"&lt;script&gt;{RUN}&lt;/script&gt;", f"&#60;script&#62;{RUN}", f"<scr<script>ipt>{RUN}</script>", "\u202e<b>"),
)
HOSTILE = "\n".join(PAYLOADS)
LONG = "x" * 1_000_000


def evaluation(text: str, path: Path) -> None:
    row = Judged(text, text, text, text, text, text, text, 0.0, 0.0, True, text, question=text, options=(text, text))
    rows = [row, Judged("2", "", "", "", "", "A", None, 1.0, 0.0, False, "", meta={"kind": text, text: text})]
    rows.append(Judged("3", "", "", "", "", "A", None, 1.0, 0.0, False, "", meta={"kind": "other", "list": [text]}))
    runs = [Run(name, text, text, "robust", rows) for name in (text, "other")]
    write_evaluation_page(
        runs,
        path,
        images=lambda wanted: (),
        metadata={text: text},
        notes=[text],
        groupings={text: ["kind"]},
    )


def quickstart(text: str, path: Path) -> None:
    row = Judged("1", text, "1", "?", text, text, text, 1.0, 1.0, False, "")
    runs = [Run(name, text, text, "robust", [row]) for name in (text, "sft")]
    data = quickstart_page.ReportData(
        title=text,
        metadata={text: text},
        notes=[text],
        summary=summarize(runs, groupings={text: ["group"]}),
        sft_loss={text: [(1, 2.0), (2, 1.0)]},
        rewards={text: [(1, 0.2), (2, 0.4)]},
        right_of_ten={0: 3},
        chain=text,
        examples=[quickstart_page.Example(picture(), text, text, [(text, text, False)])],
    )
    quickstart_page.write_page(data, path)


def rewards(text: str, path: Path) -> None:
    review = reward_review.Review()
    score = Score(0.0, 0.0, 0.0, text, text)
    review.add(Scored(Generation(1, text, text, {text: [text]}, {}), text, score))
    reward_review.write_page(review, text, path)


def manifest(text: str, folder: Path, settings: dict[str, Any]) -> Manifest:
    part = PartCount("p", text, text, text, text, 1, 1, {text: 1}, {text: 2}, {text: 3}, right_of=((1, 10, 1),))
    (folder / "rows.jsonl").write_text(
        json.dumps({"messages": [{"role": text, "content": text}], "images": ["i.png"], "id": text}) + "\n"
    )
    (folder / "i.png").write_bytes(picture())
    return Manifest(text, text, "llamafactory", settings, {}, (part,), (Output("rows.jsonl", 1, 1, "0"),), images=1)


def build(text: str, path: Path) -> None:
    build_pages.write_review(path.parent, manifest(text, path.parent, {}), path)


def reflective(text: str, path: Path) -> None:
    said = {"text": text, "right": False, "well_formed": False, "score": text, "justification": text}
    judged = {"candidates": [said, {**said, "right": True}], "right": text, "judge": text, "reflects": True}
    row = {"id": text, "question": text, "options": [text], "answer": text, "rationale": text, "images": ["i.png"]}
    (path.parent / "samples").mkdir()
    for name in ("p.jsonl", "p.aside.jsonl"):
        (path.parent / "samples" / name).write_text(json.dumps({**row, "meta": {"reflective": judged}}) + "\n")
    settings = {"parts": [{"steps": [{"name": "reflective_cot"}]}]}
    build_pages.write_chains(path.parent, manifest(text, path.parent, settings), path)


def decontamination(text: str, path: Path) -> None:
    (path.parent / "i.jpg").write_bytes(picture("JPEG"))
    row = dict.fromkeys(("benchmark", "why", "sample", "sample_question", "item", "item_question", "orientation"), text)
    odd = {"dropped": True, "image_distance": 3, "question_similarity": 0.5, "similarity": 0.5}
    report = path.parent / "r.jsonl"
    report.write_text(json.dumps({**row, **odd, "sample_image": "i.jpg", "item_image": "i.jpg"}) + "\n")
    decontamination_page.write_page(report, path)


PAGES = (evaluation, quickstart, rewards, build, reflective, decontamination)
every_page = pytest.mark.parametrize("write", PAGES, ids=lambda write: write.__name__)


def picture(format: str = "PNG") -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.linear_gradient("L").save(buffer, format=format)
    return buffer.getvalue()


@needs_chromium
@every_page
def test_hostile_text_is_shown_and_neither_runs_nor_asks(
    browser: Page, tmp_path: Path, write: Callable[[str, Path], None]
) -> None:
    write(HOSTILE, tmp_path / "page.html")
    address = (tmp_path / "page.html").as_uri()
    browser.open(address)
    browser.js("new Promise(go => setTimeout(go, 200))")
    assert browser.js("typeof window.stolen") == "undefined"
    assert browser.js("location.href") == address
    assert [url for url in browser.requests if not url.startswith("data:image/")] == [address]
    assert browser.errors == []
    own = (
        "iframe, object, embed, base, form, link, math, video, audio, marquee, textarea, [onload], [onerror], [onfocus]"
    )
    assert browser.js(f"document.querySelectorAll({json.dumps(own)}).length") == 0
    shown = str(browser.js("document.documentElement.textContent"))
    missing = [one for one in PAYLOADS if one.isprintable() and one not in shown]
    assert missing == []


@needs_chromium
@every_page
def test_the_policy_of_a_page_stops_what_got_into_it_all_the_same(
    browser: Page, tmp_path: Path, write: Callable[[str, Path], None]
) -> None:
    path = tmp_path / "page.html"
    write("plain", path)
    got_in = f"<script>{RUN}</script><img src=x onerror='{RUN}'><img src='http://127.0.0.1:9/x.png'></body>"
    path.write_text(path.read_text(encoding="utf-8").replace("</body>", got_in), encoding="utf-8")
    browser.open(path.as_uri())
    browser.js("new Promise(go => setTimeout(go, 200))")
    assert browser.js("typeof window.stolen") == "undefined"
    refused = [error for error in browser.errors if "Content Security Policy" in error]
    assert any("127.0.0.1:9/x.png" in error for error in refused)
    assert any("inline script" in error for error in refused)
    assert any("inline event handler" in error for error in refused)


@every_page
def test_no_text_makes_a_page_large(tmp_path: Path, write: Callable[[str, Path], None]) -> None:
    (tmp_path / "small").mkdir()
    write("x", tmp_path / "small" / "page.html")
    write(LONG, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "1,000,000 characters in all" in text
    assert "x" * (MOST_CHARACTERS + 1) not in text
    assert len(text) - len((tmp_path / "small" / "page.html").read_text(encoding="utf-8")) < 60 * MOST_CHARACTERS


def test_ids_and_the_values_of_groupings_are_names_and_cut_as_such(tmp_path: Path) -> None:
    meta = {f"key{number}": LONG for number in range(500)}
    rows = [Judged(LONG + "y", "", "", "", "", "A", None, 1.0, 0.0, False, "", language=LONG, meta=meta)]
    path = tmp_path / "page.html"
    write_evaluation_page(
        [Run("m", "b", "direct", "robust", rows)],
        path,
        images=lambda wanted: (),
        metadata={},
        groupings={"b": ["key1"]},
    )
    text = path.read_text(encoding="utf-8")
    assert "x" * (MOST_NAME + 1) not in text
    assert len(text) < 100_000


def test_a_page_that_cannot_be_made_leaves_the_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    rewards("earlier", path)
    before = path.read_bytes()
    broken = reward_review.Review()
    broken.add(Scored(Generation(1, "", "", "", {}), "t", Score(0.0, 0.0, 0.0)))
    broken.kept[0] = None  # type: ignore[call-overload]
    with pytest.raises(Exception, match="generation"):
        reward_review.write_page(broken, "later", path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["page.html"]
