"""The records of the package; they flow one way: source, curation, export, trainer, response, score.

A sample of the phantom source, as JSON::

    {"id": "phantom-test-00017-side", "source": "phantom", "split": "test", "task": "multiple_choice",
     "question": "On which side is the lesion?", "options": ["right", "left"], "answer": "B", "images": [...]}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from infimed_plugins.errors import DataError
from infimed_plugins.images import decode_image
from infimed_plugins.limits import read_bytes

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

Frame = Literal["truth", "thousandths", "original", "resized"]
Size = tuple[float, float]
Task = Literal["multiple_choice", "text", "math", "grounding", "detection"]
TASKS: tuple[Task, ...] = get_args(Task)
Json = Any  # a JSON value: what json.loads returns

OPTION_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
BAD_IMAGE = "an image cannot be used"  # the reason for leaving a row out


def is_choice(answer: Json, count: int) -> bool:
    """True for a letter of ``count`` options, or several of them in order: ``"B"``, ``"AC"``."""
    letters = OPTION_LETTERS[:count]
    return isinstance(answer, str) and len(answer) > 0 and answer == "".join(one for one in letters if one in answer)


@dataclass(frozen=True)
class ImageRef:
    """One image: encoded bytes (PNG, JPEG …) in memory, or a file; decoded only where it is used.

    With a ``reader``, such as a member of an archive has, ``path`` is only its name.
    """

    path: str | None = None
    data: bytes | None = field(default=None, repr=False)
    reader: Callable[[], bytes] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if (self.path is None) == (self.data is None):
            raise DataError("an image needs either a path or its bytes, not both and not neither")

    @property
    def is_file(self) -> bool:
        """True if ``path`` is that of a file."""
        return self.path is not None and self.reader is None

    def read(self) -> bytes:
        """Return the encoded bytes. Raises DataError naming the file when it cannot be read."""
        if self.data is not None:
            return self.data
        if self.reader is not None:
            return self.reader()
        try:
            return read_bytes(Path(str(self.path)), "picture")
        except OSError as error:
            raise DataError(f"image {self.path} cannot be read ({error.strerror}); check the path") from error

    def open(self) -> PILImage:
        """Return the decoded image in RGB (images.py says how). Raises DataError naming it when it does not decode."""
        return decode_image(self.read(), self.path or "in memory")

    def sha256(self) -> str:
        """Return the hex digest of the encoded bytes: the name of the image in a content-addressed store."""
        return hashlib.sha256(self.read()).hexdigest()


@dataclass(frozen=True)
class GroundTruth:
    """The right answer, which a reward or scorer compares with.

    ``answer`` by task: an option letter such as ``"B"``, or several, ``"AC"`` (multiple_choice), a string (text), a
    LaTeX or plain number string (math), ``[x1, y1, x2, y2]`` (grounding), a list of such boxes (detection).
    ``options`` are the texts of options A, B, … when they are known; ``synonyms`` are texts as good as ``answer``.
    ``frame`` declares the coordinates that answers are in (rewards/box_iou.py); ``size`` and ``resized`` are (width,
    height) in pixels of the original picture and of what the model sees. ``question`` is for a judge of open answers.
    """

    task: Task
    answer: Json
    options: tuple[str, ...] | None = None
    synonyms: tuple[str, ...] = ()
    frame: Frame = "truth"
    size: Size | None = None
    resized: Size | None = None
    question: str = ""

    def to_json(self) -> str:
        """Return the one JSON string that travels through EasyR1's ``ground_truth`` column."""
        row: dict[str, Json] = {"task": self.task, "answer": self.answer}
        if self.options:
            row["options"] = list(self.options)
        if self.synonyms:
            row["synonyms"] = list(self.synonyms)
        if self.question:
            row["question"] = self.question
        if self.frame != "truth":
            row["frame"] = self.frame
        row |= {key: list(size) for key, size in (("size", self.size), ("resized", self.resized)) if size}
        return json.dumps(row, ensure_ascii=False)


@dataclass(frozen=True)
class Sample:
    """One question with its images and answer.

    ``question`` holds the bare question: no options, no image tag, no format instruction (prompts.py adds them).
    ``rationale`` is reasoning without tags; when set, export writes it inside ``<think>``.
    ``meta`` holds the values that reports group by (``modality`` …) and the evidence of curation; the keys that code
    reads have names of their own: ``kind``, ``synonyms``, ``instruction``, ``variant_of``, ``for_judge``.
    """

    id: str
    source: str
    split: str
    question: str
    task: Task
    answer: Json
    images: tuple[ImageRef, ...] = ()
    options: tuple[str, ...] | None = None
    rationale: str | None = None
    language: str = "en"
    meta: Mapping[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise DataError(f"sample {self.id}: unknown task {self.task!r}; one of {', '.join(TASKS)}")
        if self.answer is None or self.answer == "":
            raise DataError(f"sample {self.id} has no answer; drop the row or mend the source")
        if self.task == "multiple_choice" and not is_choice(self.answer, len(self.options or ())):
            raise DataError(f"sample {self.id}: answer {self.answer!r} is not a letter of its options")

    @property
    def ground_truth(self) -> GroundTruth:
        """Return the record that rewards and scorers compare with."""
        question = self.question if self.for_judge else ""
        return GroundTruth(self.task, self.answer, self.options, self.synonyms, question=question)

    @property
    def for_judge(self) -> bool:
        """True for a sample whose ground truth carries its question, for a judge (recipes: ``for_judge``)."""
        return bool(self.meta.get("for_judge"))

    @property
    def kind(self) -> str:
        """Return the kind of question or answer ("organ", "caption", "closed" …); "" where the source names none."""
        return str(self.meta.get("kind", ""))

    @property
    def synonyms(self) -> tuple[str, ...]:
        """Return the answers that are as good as ``answer``."""
        return tuple(self.meta.get("synonyms", ()))

    @property
    def instruction(self) -> str | None:
        """Return the format instruction behind the question; None for that of the task, "" for no instruction."""
        own = self.meta.get("instruction")
        return None if own is None else str(own)

    @property
    def variant_of(self) -> str:
        """Return the id of the question of which this is a variant; "" for a question as it stands in the source."""
        return str(self.meta.get("of", ""))

    def with_meta(self, **extra: Json) -> Sample:
        """Return a copy with these meta entries added."""
        return replace(self, meta={**self.meta, **extra})


@dataclass(frozen=True)
class BadRow:
    """A row of a source that cannot become a Sample. ``reason`` is one that many rows may share."""

    id: str
    reason: str
    detail: str = ""


class Code(StrEnum):
    """The outcome of a verdict, for programs to decide by; its ``reason`` says the same to people."""

    JUDGED = "judged"  # an answer was read and compared
    NO_ANSWER = "no_answer"  # nothing of the kind that is asked for is stated
    SEVERAL = "several"  # more than one answer, or two that differ
    REJECTED = "rejected"  # the only answer that is named is said not to be it
    UNSURE = "unsure"  # an answer is named as possible only
    UNREADABLE = "unreadable"  # something stands where the answer should, and is not understood
    MALFORMED = "malformed"  # the format gate does not pass, or reasoning never ends
    TOO_LONG = "too_long"
    TIMED_OUT = "timed_out"  # a limit of time or memory ended the comparison
    BAD_TRUTH = "bad_truth"  # the gold answer cannot be used
    BAD_ROW = "bad_row"  # the row cannot be scored at all
    UNSCORED = "unscored"  # the engine or the judging process failed, or no rule fits: neither right nor wrong
    JUDGED_BY_MODEL = "judged_by_model"  # a judge's verdict stands in the place of the rule's
    JUDGE_FAILED = "judge_failed"  # that judge gave none: neither right nor wrong


@dataclass(frozen=True)
class Verdict:
    """A reward's verdict on one answer: a value in [0, 1], the reading it rests on, and why.

    Where the code is UNSCORED, the value is paid where a trainer cannot leave the sample out. ``trace`` names the rules
    that led to the reading, in order. ``confidence``, in [0, 1], is a metric of detection:
    how right the stated confidences are (rewards/box_iou.py).
    """

    value: float
    parsed: str | None = None
    reason: str = ""
    confidence: float = 0.0
    code: Code = Code.JUDGED
    trace: tuple[str, ...] = ()


@dataclass(slots=True)
class Response:
    """A question as it was asked and a model's reply: one line of a run's ``responses.jsonl``.

    Not frozen, as that takes four times as long to make; none is changed. ``index`` is its place in the benchmark,
    ``images`` the sha256 of each image's bytes, ``row`` upstream's own row (scoring as another framework does starts
    from it), ``error`` why there is no reply: then it is unscored. ``cut`` says that the reply ended at the token
    limit, ``tokens`` how many were generated (0: it is not known), ``of`` from which question a variant was made.
    """

    index: int
    id: str
    question: str
    options: Sequence[str] | None
    task: str
    gold: Json
    language: str
    meta: Mapping[str, Json]
    images: Sequence[str]
    prompt: str
    row: Json = None
    text: str = ""
    error: str | None = None
    cut: bool = False
    tokens: int = 0
    of: str = ""

    @property
    def sample(self) -> Sample:
        """The Sample, without its images. Raises DataError where it is none."""
        options, task = None if self.options is None else tuple(self.options), cast(Task, self.task)
        more: dict[str, Any] = {"options": options, "language": self.language, "meta": self.meta}
        return Sample(self.id, "", "", self.question, task, self.gold, **more)

    @property
    def digest(self) -> bytes:
        """Return the sha256 of the prompt, the gold answer and the images' hashes."""
        asked = [self.prompt, self.gold, self.options, list(self.images)]
        return hashlib.sha256(json.dumps(asked, ensure_ascii=True, default=list).encode()).digest()

    @property
    def cluster(self) -> str:
        """The key that questions about one image share: its digest, else the question's id."""
        return self.images[0] if self.images else self.of or self.id


@dataclass(frozen=True)
class Score:
    """The verdict on one response. ``accuracy`` is None when it could not be scored (never counted as wrong).

    ``otherwise`` is then the accuracy that ``overall`` is paid by.
    """

    overall: float
    format: float
    accuracy: float | None
    parsed: str | None = None
    reason: str = ""
    invalid: bool = False
    confidence: float = 0.0
    code: Code = Code.JUDGED
    trace: tuple[str, ...] = ()
    otherwise: float = 0.0
