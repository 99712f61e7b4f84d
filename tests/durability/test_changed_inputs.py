"""What a build or a run was made from is compared when it is taken up again: changed inputs are never mixed in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from infimed_plugins.benchmarks import runner
from infimed_plugins.benchmarks.catalogue.phantom import PHANTOM
from infimed_plugins.engines import ChatRequest, Reply, Sampling
from infimed_plugins.errors import ConfigError, DataError, RequestsFailedError, refuse_failures
from infimed_plugins.recipes import build, load_recipe
from infimed_plugins.recipes.recipe import Part, Recipe, Step
from infimed_plugins.records import ImageRef, Sample

PUBLIC = Path(__file__).parents[1] / "data" / "sources"


class Yes:
    """It says yes to all, and fails on ids that end in what it is told."""

    model = "yes"
    fails: tuple[str, ...] = ()

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        for request in requests:
            failed = request.id.endswith(self.fails) if self.fails else False
            text = "<think> I see it. </think>\n<answer> yes </answer>"
            yield Reply(request.id, (), "no room") if failed else Reply(request.id, (text,) * sampling.n)


def pairs(folder: Path, count: int = 6) -> Path:
    """Questions with a picture each, in a folder of a user's."""
    (folder / "pictures").mkdir(parents=True)
    for number in range(count):
        Image.new("RGB", (40, 40), (number * 20, 90, 90)).save(folder / "pictures" / f"{number}.png")
    rows = [{"question": f"Is it {n}?", "answer": "yes", "image": f"pictures/{n}.png"} for n in range(count)]
    (folder / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def recipe(*steps: Step) -> Recipe:
    return Recipe("demo", "llamafactory", (Part("own", "pairs", "own", order="first", steps=steps),), max_rejects=1.0)


def test_every_file_that_was_read_is_among_the_inputs(tmp_path: Path) -> None:
    here = pairs(tmp_path / "in")
    made = build(recipe(), tmp_path / "out", folder=here)
    assert list(made.parts[0].inputs) == ["own.jsonl"]
    listed = (tmp_path / "out" / "inputs.sha256").read_text().splitlines()
    assert [line[66:] for line in listed] == [f"pictures/{number}.png" for number in range(6)]
    assert "inputs.sha256" in [output.file for output in made.outputs]
    assert build(recipe(), tmp_path / "out", folder=here) == made
    shutil.rmtree(here)  # what is finished needs its inputs no more
    here.mkdir()
    assert build(recipe(), tmp_path / "out", folder=here) == made


def test_the_folder_that_one_stands_in_is_a_users_folder_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pairs(tmp_path / "in"))
    build(recipe(), tmp_path / "out", folder=".")
    Path("pictures/3.png").write_bytes(Path("pictures/4.png").read_bytes())
    with pytest.raises(ConfigError, match=r"from another pictures/3\.png"):
        build(recipe(), tmp_path / "out", folder=".")


@pytest.mark.parametrize("name", ["own.jsonl", "pictures/3.png"])
@pytest.mark.parametrize("finished", [True, False])
def test_a_build_on_changed_inputs_is_refused_by_their_name(name: str, finished: bool, tmp_path: Path) -> None:
    here = pairs(tmp_path / "in")
    if finished:
        build(recipe(), tmp_path / "out", folder=here)
    else:
        second = Part("second", "pairs", "missing", order="first")
        whole = recipe()
        whole = replace(whole, parts=(*whole.parts, second))
        (here / "missing.jsonl").write_text("{}\n")
        with pytest.raises(DataError):
            build(whole, tmp_path / "out", folder=here)
    (here / name).write_bytes((here / name).read_bytes().replace(b"yes", b"no!") + b"\n")
    with pytest.raises(ConfigError, match=f"from another {name}; use --fresh to build it anew"):
        build(recipe() if finished else whole, tmp_path / "out", folder=here)


def test_a_benchmark_that_changed_since_is_noticed(tmp_path: Path) -> None:
    here = pairs(tmp_path / "in")
    shutil.copytree(PUBLIC / "vqa_rad", here / "vqa_rad")
    step = Step("decontamination", {"benchmarks": ["vqa_rad/test"]})
    made = build(recipe(step), tmp_path / "out", folder=here)
    names = [name for name in made.parts[0].inputs if name.startswith("vqa_rad/")]
    assert names
    (here / names[0]).write_bytes((here / names[0]).read_bytes() + b"\0")
    with pytest.raises(ConfigError, match=f"from another {names[0]}"):
        build(recipe(step), tmp_path / "out", folder=here)


def test_a_picture_of_a_benchmark_that_changed_since_is_noticed(tmp_path: Path) -> None:
    here = pairs(tmp_path / "in")
    (here / "slake").mkdir()
    asked = {"qid": 1, "img_name": "xmlab1/source.jpg", "question": "Is it odd?", "answer": "Yes"}
    (here / "slake" / "test.json").write_text(json.dumps([asked | {"q_lang": "en", "answer_type": "CLOSED"}]))
    picture = here / "slake" / "imgs" / "xmlab1" / "source.jpg"
    picture.parent.mkdir(parents=True)
    Image.new("RGB", (50, 50), "blue").save(picture)
    step = Step("decontamination", {"benchmarks": ["slake/test"]})
    made = build(recipe(step), tmp_path / "out", folder=here)
    assert build(recipe(step), tmp_path / "out", folder=here) == made
    assert "  slake/imgs/xmlab1/source.jpg\n" in (tmp_path / "out" / "inputs.sha256").read_text()
    Image.new("RGB", (50, 50), "green").save(picture)
    with pytest.raises(ConfigError, match=r"from another slake/imgs/xmlab1/source\.jpg"):
        build(recipe(step), tmp_path / "out", folder=here)


def test_a_prompt_file_counts_by_its_words(tmp_path: Path) -> None:
    here = pairs(tmp_path / "in")
    words = tmp_path / "prompt.txt"
    words.write_text("Shorter: {ORIGINAL CAPTION}")
    step = Step("captions", {"prompt": str(words), "kinds": ["none"]})
    build(recipe(step), tmp_path / "out", folder=here, engine=Yes(), allow_empty=True)
    words.write_text("Longer: {ORIGINAL CAPTION}")
    with pytest.raises(ConfigError, match=r"built with other settings \(parts\)"):
        build(recipe(step), tmp_path / "out", folder=here, engine=Yes(), allow_empty=True)


CHANGES: dict[str, Callable[[Sample], Sample]] = {
    "question": lambda sample: replace(sample, question=sample.question + " Now?"),
    "gold": lambda sample: replace(sample, answer="another", options=None, task="text"),
    "picture": lambda sample: replace(sample, images=(ImageRef(data=sample.images[0].read() + b"\0"),)),
}


@pytest.mark.parametrize("change", [*CHANGES, "gone"])
def test_a_kept_reply_is_to_the_question_of_today(change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner.run(PHANTOM, Yes(), tmp_path, limit=6)
    log = tmp_path / "responses.jsonl"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:4]))
    before = log.read_bytes()
    questions = runner.questions

    def changed(*args: Any, **options: Any) -> Iterator[Any]:
        for number, question in enumerate(questions(*args, **options)):
            if number == 2 and change in CHANGES:
                question = replace(question, sample=CHANGES[change](question.sample))
            if number != 2 or change in CHANGES:
                yield question

    monkeypatch.setattr(runner, "questions", changed)
    with pytest.raises(ConfigError, match=r"holds a reply to phantom-|replies to questions that the data set has no"):
        runner.run(PHANTOM, Yes(), tmp_path, limit=6)
    assert log.read_bytes() == before
    monkeypatch.undo()
    assert len(runner.run(PHANTOM, Yes(), tmp_path, limit=6)) == 6


@pytest.mark.parametrize(
    ("failed", "asked", "refused"), [(0, 0, False), (1, 1, True), (4, 30, False), (5, 100, False), (6, 100, True)]
)
def test_one_limit_of_failed_requests(failed: int, asked: int, refused: bool) -> None:
    if not refused:
        refuse_failures(failed, asked, "no room")
        return
    with pytest.raises(RequestsFailedError, match=f"{failed} of {asked} requests failed, the first: no room") as caught:
        refuse_failures(failed, asked, "no room")
    assert caught.value.exit_code == 3


def test_a_build_says_how_many_rows_lack_a_reply_and_keeps_the_others(tmp_path: Path) -> None:
    here = pairs(tmp_path / "in", 30)
    engine = Yes()
    engine.fails = tuple("01345689")
    step = Step("rationales", {"candidates": 1, "temperature": 0.0})
    made = build(recipe(step), tmp_path / "out", folder=here, engine=engine)
    assert (made.parts[0].asked, made.parts[0].failed, made.parts[0].kept) == (30, 24, 6)
    with pytest.raises(RequestsFailedError, match="24 of 30 rows of own lack a reply, the first: no room"):
        made.refuse_failures()
    engine.fails = ()
    whole = build(recipe(step), tmp_path / "out", folder=here, engine=engine)
    whole.refuse_failures()
    assert whole.parts[0].kept == 30


def test_a_shipped_recipe_is_unchanged_by_prompts_that_are_words() -> None:
    from infimed_plugins.recipes.step_engine import shaping

    settings = load_recipe("infimed_sft").settings()
    assert json.loads(json.dumps(shaping(settings)))["parts"] == json.loads(json.dumps(settings))["parts"]
