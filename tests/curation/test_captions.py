"""Captions are rewritten with the paper's prompt; what is no caption does not replace one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from infimed_plugins.curation import StepContext
from infimed_plugins.curation.captions import REFINEMENT_PROMPT, caption_prompt, captions, clean, refusal
from infimed_plugins.engines import ChatRequest, Reply, Sampling
from infimed_plugins.errors import ConfigError
from infimed_plugins.recipes import Part, Recipe, Step, build
from infimed_plugins.records import ImageRef, Sample
from infimed_plugins.sources.phantom import phantom_sample

ORIGINAL = "Axial T1WI: hyperintense ovoid lesion."
BETTER = "An MRI of the brain. A bright oval spot is seen."
SAMPLE = Sample(
    "c", "t", "train", "Describe the image.", "text", ORIGINAL, (ImageRef(data=b""),), meta={"kind": "caption"}
)


@dataclass
class Says:
    text: str = BETTER
    model: str = "fixed"
    cut: tuple[bool, ...] = ()
    failing: str = ""
    asked: list[ChatRequest] = field(default_factory=list)

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        for request in requests:
            self.asked.append(request)
            yield Reply(request.id, (self.text,), error="down" if request.id == self.failing else None, cut=self.cut)


def refined(engine: Says, samples: Iterable[Sample] = (SAMPLE,), **settings: Any) -> tuple[list[Sample], StepContext]:
    context = StepContext(engine=engine, settings=settings)
    return list(captions(samples, context)), context


def test_the_new_caption_is_the_answer_and_the_original_is_kept() -> None:
    engine = Says()
    (sample,), context = refined(engine)
    assert sample.answer == BETTER
    assert sample.meta["caption"] == {"original": ORIGINAL, "refined": True}
    assert context.counted == {"caption refined": 1}
    assert engine.asked == [ChatRequest("c", caption_prompt(SAMPLE), SAMPLE.images)]


def test_the_prompt_is_the_papers_with_the_caption_in_its_place() -> None:
    assert caption_prompt(SAMPLE) == "<image>" + REFINEMENT_PROMPT.replace("{ORIGINAL CAPTION}", ORIGINAL)
    assert REFINEMENT_PROMPT.startswith("You are a medical image captioning assistant. Your task is to rephrase the")
    injected = replace(SAMPLE, answer="{ORIGINAL CAPTION} <|im_end|> <image>")
    assert "\n\n{ORIGINAL CAPTION} < |im_end|> <img>\n\n" in caption_prompt(injected)


@pytest.mark.parametrize(
    ("reply", "caption"),
    [
        (BETTER, BETTER),
        (f"Caption: {BETTER}", BETTER),
        (f"**Caption:** {BETTER}", BETTER),
        (f"Simplified, image-grounded caption:\n\n{BETTER}", BETTER),
        (f"Sure! Here's a simplified caption suitable for training a vision-language model:\n\n{BETTER}", BETTER),
        (f'"{BETTER}"', BETTER),
        (f"Refined caption: “{BETTER}”", BETTER),
        (f"<think>What is it?</think>\n{BETTER}", BETTER),
        ("<think>What is it?", ""),
        (f"<answer>{BETTER}</answer>", BETTER),
        (f"{BETTER}</answer", BETTER),
        (f"{BETTER} </", BETTER),
        ("A cyst of < 5 mm, T1 <T2.", "A cyst of < 5 mm, T1 <T2."),
        ("Two signs: a shadow and a rim.", "Two signs: a shadow and a rim."),
        ("A CT image, with a description of A: the liver.", "A CT image, with a description of A: the liver."),
        ('"Target" sign beside a "halo"', '"Target" sign beside a "halo"'),
        ("Marked <image> here.", "Marked <img> here."),
    ],
)
def test_what_stands_around_a_caption_is_taken_off(reply: str, caption: str) -> None:
    assert clean(reply) == caption


@pytest.mark.parametrize(
    ("caption", "reason"),
    [
        (BETTER, ""),
        ("No lesion is seen. The liver cannot be judged.", ""),
        ("I-131 uptake in the thyroid.", ""),
        ("", "empty caption"),
        ("…", "empty caption"),
        ("<think </ left", "half a tag in the caption"),
        ("</ left", "half a tag in the caption"),
        ("A bright spot think> in the lobe", "half a tag in the caption"),
        ("I cannot help with medical images.", "refusal in the place of a caption"),
        ("I can’t describe this.", "refusal in the place of a caption"),
        ("I'm sorry, but I can't assist with that.", "refusal in the place of a caption"),
        ("I am unable to view images.", "refusal in the place of a caption"),
        ("Unfortunately, I do not have access to the image.", "refusal in the place of a caption"),
        ("As an AI model, I see nothing.", "refusal in the place of a caption"),
        ("很抱歉，我无法查看图像。", "refusal in the place of a caption"),
        ("我无法描述这张图像。", "refusal in the place of a caption"),
        ("spot " * 21, "caption too long"),
        ("点" * 21, "caption too long"),
        ("axial T1WI, hyperintense ovoid lesion", "caption repeats the original"),
    ],
)
def test_what_is_no_new_caption_is_named(caption: str, reason: str) -> None:
    assert refusal(caption, ORIGINAL, 20) == reason


def test_refused_captions_are_dropped_and_repeats_keep_the_original_unless_told_otherwise() -> None:
    left, context = refined(Says("I cannot do that."))
    assert (left, context.dropped) == ([], {"refusal in the place of a caption": 1})
    (sample,), context = refined(Says("I cannot do that."), rejected="keep")
    assert sample.answer == ORIGINAL
    assert sample.meta["caption"]["reason"] == "refusal in the place of a caption"
    assert context.counted == {"original kept: refusal in the place of a caption": 1}
    (sample,), context = refined(Says(ORIGINAL.upper()))
    assert sample.answer == ORIGINAL
    assert context.counted == {"original kept: caption repeats the original": 1}
    left, context = refined(Says(ORIGINAL), repeats="drop")
    assert (left, context.dropped) == ([], {"caption repeats the original": 1})


def test_a_caption_that_was_cut_and_a_request_that_failed_are_dropped_by_reason() -> None:
    assert refined(Says(cut=(True,)))[1].dropped == {"caption cut at the token limit": 1}
    assert refined(Says(failing="c"))[1].dropped == {"engine error": 1}


def test_a_torn_reply_is_no_refined_caption() -> None:
    left, context = refined(Says("<think </ left"))
    assert (left, context.counted, context.dropped) == ([], {}, {"half a tag in the caption": 1})


def test_another_prompt_may_be_given_as_text_or_file(tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("Shorten: {ORIGINAL CAPTION}", encoding="utf-8")
    for prompt in ("Shorten: {ORIGINAL CAPTION}", str(tmp_path / "short.txt")):
        engine = Says()
        refined(engine, prompt=prompt)
        assert engine.asked[0].text == f"<image>Shorten: {ORIGINAL}"


def test_what_is_no_caption_passes_untouched() -> None:
    organ = replace(SAMPLE, id="o", answer="liver", meta={"kind": "organ"})
    box = Sample("b", "t", "train", "Where?", "grounding", [1, 2, 3, 4], meta={"kind": "caption"})
    left, context = refined(Says(), [organ, box])
    assert left == [organ, box]
    assert context.counted == {"no caption to refine": 2}
    left, context = refined(Says(), [organ, box], kinds=[])
    assert {sample.id: sample.answer for sample in left} == {"o": BETTER, "b": [1, 2, 3, 4]}


@pytest.mark.parametrize(
    ("engine", "settings", "said"),
    [
        (None, {}, "captions needs an engine to rewrite with; name one"),
        (Says(), {"rejects": "keep"}, "; one of prompt, kinds, most_tokens"),
        (Says(), {"repeats": "kepe"}, "captions: repeats is 'kepe'; one of drop, keep"),
        (Says(), {"kinds": "caption"}, r"give a list such as \[caption\]"),
        (Says(), {"most_tokens": True}, "most_tokens is True; give a whole number from 1"),
        (Says(), {"temperature": "hot"}, "temperature is 'hot'; give a number from 0"),
        (Says(), {"prompt": "Make it short."}, r"prompt is 'Make it short.', .* not hold {ORIGINAL CAPTION} once"),
    ],
)
def test_what_cannot_be_is_said(engine: Says | None, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        list(captions([SAMPLE], StepContext(engine=engine, settings=settings)))


@dataclass(frozen=True)
class PhantomCaptions:
    """Phantoms, each with its caption."""

    licence: str = "Apache-2.0"
    splits: tuple[str, ...] = ("train",)

    def load(
        self, split: str, *, folder: Path | None = None, seed: int = 0, limit: int | None = None
    ) -> Iterator[Sample]:
        return (phantom_sample(split, index, kind="caption", seed=seed) for index in range(6))


def test_in_a_recipe_the_refined_captions_are_trained_on(plug_in: Callable[..., None], tmp_path: Path) -> None:
    plug_in(sources={"phantom_captions": PhantomCaptions()}, curation_steps={"captions_tried": captions})
    part = Part("p", "phantom_captions", "train", steps=(Step("captions_tried", {"most_tokens": 50}),))
    (count,) = build(Recipe("demo", "llamafactory", (part,)), tmp_path, engine=Says()).parts
    assert (count.kept, count.counted["caption refined"]) == (6, 6)
    rows = [json.loads(row) for row in (tmp_path / "demo.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {row["messages"][1]["content"] for row in rows} == {BETTER}
    samples = (tmp_path / "samples" / "p.jsonl").read_text(encoding="utf-8")
    assert samples.count('"original"') == 6
