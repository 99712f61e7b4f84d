"""Without the right picture: a model that looks falls to chance, one that reads the words only is found out."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from infimed_plugins import prompts
from infimed_plugins.benchmarks.questions import Question
from infimed_plugins.benchmarks.robustness.perturbations import parse, vary
from infimed_plugins.cli.main import app
from infimed_plugins.engines import ChatRequest, Reply, Sampling
from infimed_plugins.records import ImageRef, Sample
from infimed_plugins.sources.phantom import PHANTOM

RUNNER = CliRunner()
PICTURES = {"a": "A.png", "b": "B.png"}


def asked(id: str, *pictures: str, modality: str = "") -> Sample:
    images = tuple(ImageRef(path=name, reader=lambda: b"") for name in pictures)
    return Sample(id, "s", "test", "Which?", "text", "liver", images, meta={"modality": modality} if modality else {})


def pictures(samples: Iterable[Sample]) -> dict[str, list[str | None]]:
    return {sample.id: [image.path for image in sample.images] for sample in samples}


def test_blank_is_a_gray_picture_of_the_same_size() -> None:
    (sample,) = PHANTOM.load("test", limit=1)
    (changed,) = parse("blank")([sample])
    image = Image.open(io.BytesIO(changed.images[0].read()))
    assert image.size == sample.images[0].open().size
    assert image.getcolors() == [(image.width * image.height, (128, 128, 128))]
    assert (changed.id, changed.question, changed.answer) == (sample.id, sample.question, sample.answer)


def test_gray_pictures_still_cluster_by_their_originals() -> None:
    samples = list(PHANTOM.load("test", limit=3))
    digests = [changed.images[0].sha256() for changed in parse("blank")([*samples, samples[0]])]
    assert len(set(digests)) == 3
    assert digests[0] == digests[3]


def test_noimage_has_neither_a_picture_nor_a_tag_in_the_prompt() -> None:
    (sample,) = PHANTOM.load("test", limit=1)
    (changed,) = parse("noimage")([sample])
    assert changed.images == ()
    assert prompts.IMAGE_TAG not in prompts.render(changed, "direct")


def test_swap_takes_another_picture_of_the_same_modality() -> None:
    given = [
        *(asked("1", "a", modality="CT"), asked("2", "a", modality="CT"), asked("3", "m", modality="MR")),
        *(asked("4", "b", modality="CT"), asked("5", "b", modality="CT"), asked("6", "n", modality="MR")),
        asked("7", "c", modality="CT"),
    ]
    assert pictures(parse("swap")(given)) == {
        **{"1": ["b"], "2": ["b"], "4": ["a"], "5": ["a"], "3": ["n"], "6": ["m"], "7": ["b"]}
    }


def test_swap_takes_another_modality_where_a_modality_has_one_picture_and_leaves_out_what_has_none() -> None:
    given = [asked("1", "a", modality="CT"), asked("2", "m", modality="MR"), asked("3")]
    assert pictures(parse("swap")(given)) == {"1": ["m"], "2": ["a"]}
    assert pictures(parse("swap")([asked("1", "a")])) == {}


def test_swap_holds_no_more_than_the_pictures_it_may_still_need() -> None:
    """Each picture is dropped once two others have come: a thousand of them are never in memory together."""
    import gc
    import weakref

    alive: list[weakref.ref[Any]] = []

    class Counted:
        def __init__(self, name: str) -> None:
            self.name = name

        def __call__(self) -> bytes:
            return self.name.encode()

    def given() -> Iterator[Question]:
        for number in range(1000):
            reader = Counted(str(number))
            alive.append(weakref.ref(reader))
            yield Question(
                Sample(str(number), "s", "test", "Q", "text", "x", (ImageRef(path=str(number), reader=reader),))
            )

    most = 0
    for _ in vary("swap")(given()):
        most = max(
            most, sum(one() is not None for one in alive[-50:]) + (sum(one() is not None for one in alive[:-50]))
        )
    gc.collect()
    assert most <= 6


@dataclass
class Looker:
    """Says what is right for the picture it is shown; ``blind`` for the question's own, whatever it is shown."""

    model: str
    blind: bool = False
    concurrency: int = 1
    timeout: float = 1.0

    def __post_init__(self) -> None:
        samples = list(PHANTOM.load("test", limit=120))
        self.by_id = {sample.id: prompts.answer_text(sample) for sample in samples}
        self.by_picture = {sample.images[0].sha256(): sample.id for sample in samples}

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        for request in requests:
            shown = self.by_picture.get(request.images[0].sha256(), "") if request.images else ""
            id = request.id if self.blind else shown
            yield Reply(request.id, (self.by_id.get(id, "I cannot see a picture."),))


@pytest.mark.parametrize("blind", [False, True])
def test_a_model_that_reads_the_words_only_is_found_out(
    blind: bool, tmp_path: Path, plug_in: Callable[..., None]
) -> None:
    plug_in(engines={"looker": Looker})
    command = ["eval", "--model", "m", "--engine", "looker", "--limit", "120", "--prompt", "direct", "--json"]
    command += [
        "--engine-set",
        f"blind={str(blind).lower()}",
        "--out",
        str(tmp_path),
        "--html",
        str(tmp_path / "p.html"),
    ]
    done = RUNNER.invoke(app, [*command, "--variant", "blank", "--variant", "swap", "--variant", "noimage"])
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout)
    looks = {look["asked"]["variant"]: look for look in summary["looks"]}
    assert set(looks) == {"blank", "swap", "noimage"}
    (baseline,) = summary["baselines"]
    for how, look in looks.items():
        assert look["questions"] == 120
        assert look["right"]["value"] == 1
        if blind:
            assert look["kept"]["value"] == look["without"]["value"] == 1
            assert look["changed"]["value"] == 0
        else:
            assert look["kept"]["high"] < 0.5
            assert look["changed"]["low"] > 0.5
            assert how == "swap" or look["without"]["value"] == 0
    assert 0 < baseline["chance"] < baseline["constant"]["value"] < 0.6
    page = (tmp_path / "p.html").read_text()
    assert "Looking or guessing" in page
    assert "best constant answer" in page
    alone = page.partition("the question alone<small>")[2].partition("</tr>")[0]  # beside the accuracies
    assert f"<td>{100 * looks['noimage']['without']['value']:.1f}<small>" in alone


def test_a_benchmark_in_words_has_no_such_variant(tmp_path: Path, plug_in: Callable[..., None]) -> None:
    plug_in(engines={"looker": Looker})
    for variant in ("blank", "swap", "noimage", "blur:2"):
        command = ["eval", "--model", "m", "--engine", "looker", "--benchmarks", "medqa", "--variant", variant]
        done = RUNNER.invoke(app, [*command, "--out", str(tmp_path)])
        assert done.exit_code == 2
        assert f"medqa is in words only: it has no variant {variant}" in done.output
