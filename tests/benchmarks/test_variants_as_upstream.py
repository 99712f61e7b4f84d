"""A variant of a question is asked in MedEvalKit's words and judged by its rules, as the question itself is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from infimed_plugins.benchmarks import Benchmark, benchmarks
from infimed_plugins.benchmarks.questions import MEDEVALKIT_STYLES, Question, questions, request
from infimed_plugins.benchmarks.robustness.perturbations import reorder, vary
from infimed_plugins.benchmarks.robustness.upstream_rows import changed_row
from infimed_plugins.benchmarks.run_folder import RunFolder
from infimed_plugins.benchmarks.runner import RunOptions, ask
from infimed_plugins.benchmarks.scorers import scores
from infimed_plugins.engines import ChatRequest, Reply, Sampling
from infimed_plugins.errors import DataError
from infimed_plugins.parsing.options import option_key
from infimed_plugins.plugins import registry
from infimed_plugins.records import BadRow, Response, Sample
from infimed_plugins.scoring import medevalkit

DOWNLOADS = Path(__file__).parents[1] / "data" / "sources"
PAPER, TEXT = ([one.name for one in benchmarks(suite)] for suite in ("paper", "text"))
ROWS = tuple(name for name in (*PAPER, *TEXT) if name != "mmlu_medical")  # MedEvalKit's own; of MMLU it has none
CHOICES = ("mmmu_health", "pmc_vqa", "omnimedvqa", "medxpertqa_mm", "medqa", "medmcqa", "pubmedqa", "medxpertqa_text")


def choice(options: Sequence[str], answer: str, source: str) -> Sample:
    return Sample("q", source, "test", "Which?", "multiple_choice", answer, options=tuple(options))


def benchmark(name: str) -> Benchmark:
    found: Benchmark = registry().get("benchmark", name)
    return found


def asked_of(name: str, variant: str, wordings: Path | None = None) -> dict[str, Question]:
    """The questions of a variant, of the small copies, by id."""
    given = vary(variant, wordings=wordings)(questions(benchmark(name), folder=DOWNLOADS))
    return {one.sample.id: one for one in given if isinstance(one, Question)}


def verdict(name: str, mode: str, question: Question, reply: str) -> tuple[float | None, str]:
    s = question.sample
    fields = (s.id, s.question, s.options, s.task, s.answer, s.language, dict(s.meta))
    row = Response(0, *fields, images=[], prompt="", row=question.row, text=reply)
    (score,) = scores(mode, benchmark(name), [row], "medevalkit")
    return score.accuracy, score.reason


def as_upstream(name: str, question: Question) -> medevalkit.MedEvalKitQuestion:
    of = benchmark(name).medevalkit
    assert of is not None
    return medevalkit.construct(of, question.row, reasoning=False)


def texts(name: str, asked: medevalkit.MedEvalKitQuestion) -> list[str]:
    """Upstream's choices without their letters."""
    assert asked.choices is not None
    if name == "mmmu_health":
        return list(asked.choices)
    places = [text.find(next(mark for mark in ".:)" if mark in text)) + 1 for text in asked.choices]
    return [text[place:].strip() for text, place in zip(asked.choices, places, strict=True)]


@pytest.mark.parametrize("name", PAPER)
@pytest.mark.parametrize("variant", ["noise:1", "blur:1", "jpeg:1", "contrast:1", "resolution:1"])
def test_worse_images_change_neither_upstreams_prompt_nor_its_verdict(name: str, variant: str) -> None:
    as_they_are, worse = asked_of(name, ""), asked_of(name, variant)
    assert as_they_are.keys() == worse.keys()
    for id, question in worse.items():
        before = as_they_are[id]
        for style in MEDEVALKIT_STYLES:
            assert request(benchmark(name), question, style).text == request(benchmark(name), before, style).text
        option = f"B. {before.sample.options[1]}" if before.sample.options else f"{before.sample.answer} "
        for reply in (option, str(before.sample.answer), "Yes, there is no sign of it"):
            assert verdict(name, "medevalkit", question, reply) == verdict(name, "medevalkit", before, reply)


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("variant", ["shuffle:1", "shuffle:2", "circular"])
def test_options_in_another_order_are_asked_and_judged_as_upstream_would(name: str, variant: str) -> None:
    as_they_are, moved = asked_of(name, ""), asked_of(name, variant)
    assert moved
    for id, question in moved.items():
        before, after = as_they_are[id.partition("~r")[0]], question
        asked, upstream = as_upstream(name, after), as_upstream(name, before)
        order = after.sample.meta["permutation"]
        assert texts(name, asked) == [texts(name, upstream)[old] for old in order]
        letter = str(after.sample.answer)
        if name != "omnimedvqa":  # where the gold may be a text that no option has to the last blank
            assert asked.answer == letter
        assert asked.prompt.count("Options:") == upstream.prompt.count("Options:")
        assert (
            verdict(name, "medevalkit", after, letter)[0]
            == verdict(name, "medevalkit", before, before.sample.answer)[0]
        )
        named = dict(zip("ABCD", map(option_key, after.sample.options or ()), strict=False))
        wrong = next(one for one in "ABCD" if named.get(one) != named.get(letter))  # upstream pays a twin's letter, too
        assert verdict(name, "medevalkit", after, wrong)[0] == 0.0
        assert request(benchmark(name), after, "medevalkit").text.endswith(asked.prompt.replace("<image>", "<img>"))


def test_letters_and_lists_within_upstreams_texts_are_those_of_the_new_places() -> None:
    of_pmc = asked_of("pmc_vqa", "circular")["pmc_vqa_2-test-000000~r1"]
    assert as_upstream("pmc_vqa", of_pmc).choices == (" A: Red ", " B: Blue ", " C: Yellow ", " D: Green ")
    assert as_upstream("pmc_vqa", of_pmc).answer == "D"
    of_expert = asked_of("medxpertqa_mm", "circular")["medxpertqa_mm-test-MM-0~r1"]
    listed = "\nAnswer Choices: (A) Lupus (B) Psoriasis (C) Sarcoidosis (D) Gout (E) None of these\nOptions: \nA. Lupus"
    assert listed in as_upstream("medxpertqa_mm", of_expert).prompt


def test_an_option_that_names_others_names_them_by_their_new_letters_in_upstreams_row() -> None:
    options = {"A": "cyst", "B": "stone", "C": "Both A and B ", "D": "mass"}
    before = choice(["cyst", "stone", "Both A and B", "mass"], "C", "medqa")
    row = {"question": "Which?", "options": options, "answer_idx": "C"}
    changed = changed_row(row, before, reorder(before, [3, 1, 0, 2]))
    assert changed["options"] == {"A": "mass", "B": "stone", "C": "cyst", "D": "Both B and C "}
    assert (changed["answer_idx"], row["options"]) == ("D", options)
    omni = {"gt_answer": "Both A and B ", **{f"option_{letter}": text for letter, text in options.items()}}
    before = replace(before, source="omnimedvqa")
    assert changed_row(omni, before, reorder(before, [3, 1, 0, 2]))["gt_answer"] == "Both B and C "


EXPERT = {"question": "?\nAnswer Choices: (A) z (B) y", "options": {"A": "x", "B": "y"}, "label": "A"}


@pytest.mark.parametrize(
    ("source", "row", "message"),
    [
        ("omnimedvqa", {"option_A": "x", "option_B": "", "option_C": "y", "gt_answer": "x"}, "the row has 3 options"),
        ("medqa", {"options": {"A": "x", "B": "y"}, "answer_idx": "C"}, "'C' is not the letter A"),
        ("medqa", {}, "KeyError: 'options'"),
        ("medxpertqa_mm", EXPERT, "in the row's question are not those"),
    ],
)
def test_a_row_that_cannot_be_changed_is_said(source: str, row: dict[str, object], message: str) -> None:
    before = choice(["x", "y"], "A", source)
    with pytest.raises(DataError, match=message):
        changed_row(row, before, reorder(before, [1, 0]))


REWORDED = {
    "mmmu_health": "In image 1, what can be seen? That is asked here",
    "": "What can be seen, and that is asked here",
}


def reworded(name: str, tmp_path: Path) -> dict[str, Question]:
    """Every question in other words, out of a file."""
    path = tmp_path / "wordings.jsonl"
    ids = [one.sample.id for one in questions(benchmark(name), folder=DOWNLOADS) if isinstance(one, Question)]
    wording = REWORDED.get(name, REWORDED[""])
    path.write_text("".join(json.dumps({"id": id, "question": wording}) + "\n" for id in ids), encoding="utf-8")
    return asked_of(name, "rephrase", path)


@pytest.mark.parametrize("name", ROWS)
def test_another_wording_is_put_in_upstreams_prompt_and_judged_by_its_rule(name: str, tmp_path: Path) -> None:
    as_they_are, changed = asked_of(name, ""), reworded(name, tmp_path)
    kept = {id: one for id, one in changed.items() if one.row is not None}
    assert kept
    for id, question in kept.items():
        before, after = as_upstream(name, as_they_are[id]), as_upstream(name, question)
        wording = question.sample.question.replace("image 1", "<image 1>")
        assert wording in after.prompt
        assert (after.choices, after.answer, after.kind) == (before.choices, before.answer, before.kind)
        assert after.prompt.splitlines()[-1] == before.prompt.splitlines()[-1]
        for reply in ("B", str(question.sample.answer), "I do not know."):
            assert verdict(name, "medevalkit", question, reply) == verdict(name, "medevalkit", as_they_are[id], reply)


class Silent:
    """An engine that says yes and keeps what it was asked."""

    model = "m"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        for one in requests:
            self.asked.append(one.text)
            yield Reply(one.id, ("yes",))


def test_where_upstreams_row_cannot_have_the_new_wording_its_style_is_refused_and_its_mode_is_silent(
    tmp_path: Path,
) -> None:
    changed = reworded("pubmedqa", tmp_path)  # an abstract that was put in other words with its question
    lost = changed["pubmedqa-test-0000"]
    assert lost.row is None
    for mode in ("medevalkit", "paper"):
        accuracy, reason = verdict("pubmedqa", mode, lost, "A")
        assert accuracy is None
        assert "row cannot be changed as the question was: the abstract and the question have one new wording" in reason
    assert verdict("pubmedqa", "robust", lost, "A")[0] == 1.0
    assert "that is asked here" in request(benchmark("pubmedqa"), lost, "direct").text
    with pytest.raises(DataError, match="ask it in the style direct or reasoning"):
        request(benchmark("pubmedqa"), lost, "medevalkit")

    def vary_so(given: Iterable[Question | BadRow]) -> Iterable[Question | BadRow]:
        return vary("rephrase", wordings=tmp_path / "wordings.jsonl")(given)

    folder, engine = RunFolder(tmp_path / "run"), Silent()
    how = RunOptions("medevalkit", downloads=DOWNLOADS, variant="rephrase", vary=vary_so)
    ask(benchmark("pubmedqa"), engine, folder, how)
    assert [row.id for row in folder.answered()] == ["pubmedqa-test-0001"]
    assert len(engine.asked) == 1
    assert "it cannot be asked in this style" in (tmp_path / "run" / "bad_rows.jsonl").read_text()


def test_rows_of_mmmu_that_name_other_pictures_are_not_reworded() -> None:
    before = Sample("q", "mmmu_health", "validation", "Compare image 1 and image 2.", "text", "x")
    row = {"question": "Compare <image 1> and <image 3>.", "question_type": "open", "answer": "x", "options": "[]"}
    good = replace(before, question="How does image 2 differ from Image 1?")
    assert changed_row(row, before, good)["question"] == "How does <image 3> differ from <image 1>?"
    for wording in ("How do they differ?", "How does image 1 differ from image 3?"):
        with pytest.raises(DataError, match="does not name the pictures of the old one"):
            changed_row(row, before, replace(before, question=wording))
