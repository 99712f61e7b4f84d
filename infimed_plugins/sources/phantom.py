"""The embedded data set: questions about procedural phantoms, every task, no download.

A picture of split ``train`` gives questions such as::

    kind       task             question                                        answer
    finding    multiple_choice  What is the lesion?  A. band B. cyst ...        "B"
    presence   text             Is there a lesion in the upper left?            "yes"
    organ      text             Which organ is shown?                           "liver"
    count      math             How many lesions are there?                     "2"
    width      math             How wide is the lesion, in mm?                  "16"
    box        grounding        Where is the lesion?                            [26, 30, 42, 46]
    boxes      detection        Where are all lesions?                          [[…], […]] or []
    caption    text             Describe the image.                             "CT of the liver. One cyst: …"
    report     text             Describe the image with widths and boxes.       "… upper left, 12 mm, […]."
    copy       text             Repeat the options.  A. band B. cyst ...        "A. band, B. cyst, …"
    letter     text             Name the options.  A. band B. cyst ...          "Here cyst B, band A, …"

The last four are what a base model learns from. Left and right are sides of the image. One pixel is one millimeter.
Splits share no picture.

Rationales are of uneven worth, as in data of several hands: all name what is seen, and of those to a multiple choice
only NAMES_THE_OPTION go on to say which option that is. A model that imitates them learns both ways; one that is
rewarded for right answers can find out which of them works.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from infimed_plugins.errors import ConfigError
from infimed_plugins.records import OPTION_LETTERS, ImageRef, Json, Sample, Task
from infimed_plugins.sources.phantom_image import LESIONS, MODALITIES, ORGANS, PLACES, SIDES, Lesion, Scene, png, scene

SPLIT_PICTURES = {"pretrain": 60_000, "train": 20_000, "rlvr": 20_000, "val": 1_000, "test": 2_000}
NAMES_THE_OPTION = 0.4  # share of the rationales to a multiple choice
NUMBER_WORDS = ("No", "One", "Two", "Three")
_NAMES = (*MODALITIES, *ORGANS, *LESIONS, *SIDES)


class _Question(NamedTuple):
    """One question about one scene, before it becomes a Sample."""

    task: Task
    question: str
    answer: Json
    rationale: str = ""
    options: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Phantom:
    """The source. ``load`` yields one question for each picture, of kinds in a seeded rotation."""

    licence: str = "Apache-2.0"
    splits: tuple[str, ...] = tuple(SPLIT_PICTURES)

    def load(
        self, split: str, *, folder: Path | None = None, seed: int = 0, limit: int | None = None
    ) -> Iterator[Sample]:
        """Yield the samples of a split, one a picture. ``folder`` is unused: nothing is downloaded."""
        if split not in SPLIT_PICTURES:
            raise ConfigError(f"phantom has no split {split!r}; one of {', '.join(SPLIT_PICTURES)}")
        count = SPLIT_PICTURES[split] if limit is None else min(limit, SPLIT_PICTURES[split])
        for index in range(count):
            yield phantom_sample(split, index, seed=seed)


PHANTOM = Phantom()


def phantom_sample(split: str, index: int, *, kind: str | None = None, seed: int = 0) -> Sample:
    """Return the sample of picture ``index``, of ``kind`` or of a kind drawn from those that fit it."""
    picture = scene(seed, split, index)
    rng = random.Random(f"{seed}/{split}/{index}/question")
    if kind is None:
        kind = rng.choice([name for name in ROTATION if can_ask(name, picture)])
    sample = ask(picture, kind, rng)
    return replace(
        sample,
        id=f"phantom-{split}-{index:05d}-{kind}",
        split=split,
        images=(ImageRef(data=png(picture)),),
        meta={**sample.meta, "picture": index},
    )


def ask(picture: Scene, kind: str, rng: random.Random) -> Sample:
    """Return a question of ``kind`` about a scene, a blank ImageRef in place of the picture."""
    asked = ASKERS[kind](picture, rng)
    meta: dict[str, Json] = {"kind": kind, "modality": picture.modality, "organ": picture.organ}
    if kind in DESCRIPTIONS + READING:
        meta["instruction"] = ""  # these have no answer form
    blank = (ImageRef(data=b""),)
    return Sample(f"phantom-{kind}", "phantom", "", images=blank, meta=meta, **asked._asdict())


def caption(picture: Scene) -> str:
    """Describe a scene: modality, organ, lesions and where they lie."""
    return f"{picture.modality} of the {picture.organ}. {_seen(picture)}"


def report(picture: Scene) -> str:
    """Describe a picture completely: the caption with each lesion's width and box."""
    if not picture.lesions:
        return caption(picture)
    places = "; ".join(f"{_cell(lesion)}, {lesion.width} mm, {list(lesion.box)}" for lesion in picture.lesions)
    return f"{picture.modality} of the {picture.organ}. {_counted(picture)}: {places}."


def _cell(lesion: Lesion) -> str:
    return f"{lesion.place} {lesion.side}"


def _boxes(picture: Scene) -> list[list[int]]:
    return [list(lesion.box) for lesion in picture.lesions]


def _counted(picture: Scene) -> str:
    count = len(picture.lesions)
    return f"{NUMBER_WORDS[count]} {picture.lesions[0].kind}{'s' if count > 1 else ''}"


def _seen(picture: Scene) -> str:
    """Return the evidence sentence that rationales share: the lesions and where they lie."""
    if not picture.lesions:
        return "There is no lesion."
    return f"{_counted(picture)}: {', '.join(_cell(lesion) for lesion in picture.lesions)}."


def _choice(question: str, right: str, pool: tuple[str, ...], evidence: str, rng: random.Random) -> _Question:
    options = tuple(rng.sample(pool, len(pool)))
    letter = OPTION_LETTERS[options.index(right)]
    rationale = f"{evidence} Choose {_lettered(right, options)}." if rng.random() < NAMES_THE_OPTION else evidence
    return _Question("multiple_choice", question, letter, rationale, options)


def _lettered(name: str, options: tuple[str, ...]) -> str:
    """``cyst B``: a model this small learns to look up a letter soonest when it stands right behind the name."""
    return f"{name} {OPTION_LETTERS[options.index(name)]}"


def _ask_presence(picture: Scene, rng: random.Random) -> _Question:
    cells = {_cell(lesion) for lesion in picture.lesions}
    other = [f"{place} {side}" for place, side in itertools.product(PLACES, SIDES) if f"{place} {side}" not in cells]
    cell = rng.choice(sorted(cells)) if cells and rng.random() < 0.5 else rng.choice(other)
    answer = "yes" if cell in cells else "no"
    return _Question("text", f"Is there a lesion in the {cell}?", answer, _seen(picture))


def _ask_copy(picture: Scene, rng: random.Random) -> _Question:
    options = tuple(rng.sample(_NAMES, 4))
    listed = ", ".join(f"{letter}. {name}" for letter, name in zip(OPTION_LETTERS, options, strict=False))
    return _Question("text", "Repeat the options.", f"{listed}.", options=options)


def _ask_letter(picture: Scene, rng: random.Random) -> _Question:
    """Name the options in random order, so that a letter can only be known by looking up its name."""
    options = tuple(rng.sample(_NAMES, 4))
    listed = ", ".join(_lettered(name, options) for name in rng.sample(options, 4))
    return _Question("text", "Name the options.", f"Here {listed}.", options=options)


_SIDE, _PLACE = "On which side of the image is the lesion?", "Where in the image is the lesion?"
ASKERS: dict[str, Callable[[Scene, random.Random], _Question]] = {
    "modality": lambda it, rng: _choice(
        "Which modality is this?", it.modality, MODALITIES, f"This is {it.modality}.", rng
    ),
    "finding": lambda it, rng: _choice("What is the lesion?", it.lesions[0].kind, LESIONS, _seen(it), rng),
    "side": lambda it, rng: _choice(_SIDE, it.lesions[0].side, SIDES, _seen(it), rng),
    "presence": _ask_presence,
    "organ": lambda it, _: _Question("text", "Which organ is shown?", it.organ, f"This is the {it.organ}."),
    "place": lambda it, _: _Question("text", _PLACE, _cell(it.lesions[0]), _seen(it)),
    "count": lambda it, _: _Question("math", "How many lesions are there?", str(len(it.lesions)), _seen(it)),
    "width": lambda it, _: _Question("math", "How wide is the lesion, in mm?", str(it.lesions[0].width), _seen(it)),
    "box": lambda it, _: _Question("grounding", "Where is the lesion?", list(it.lesions[0].box), _seen(it)),
    "boxes": lambda it, _: _Question("detection", "Where are all lesions?", _boxes(it), _seen(it)),
    "caption": lambda it, _: _Question("text", "Describe the image.", caption(it)),
    "report": lambda it, _: _Question("text", "Describe the image with widths and boxes.", report(it)),
    "copy": _ask_copy,
    "letter": _ask_letter,
}
DESCRIPTIONS = ("caption", "report")
READING = ("copy", "letter")  # about the options, whatever the picture
ROTATION = tuple(kind for kind in ASKERS if kind not in DESCRIPTIONS + READING)
_NEEDS_ONE_LESION = {"side", "place", "width", "box"}


def can_ask(kind: str, picture: Scene) -> bool:
    """True if a question of ``kind`` has one answer for this scene."""
    if kind in _NEEDS_ONE_LESION:
        return len(picture.lesions) == 1
    return bool(picture.lesions) if kind == "finding" else True
