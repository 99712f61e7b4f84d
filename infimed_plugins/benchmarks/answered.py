"""One line of a run's ``responses.jsonl``: a question as it was asked, with all that scoring needs, and the reply."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from infimed_plugins.records import Json, Sample


@dataclass(slots=True)
class Answered:
    """A question and what a model said to it. Not frozen, as that takes four times as long to make; none is changed.

    ``index`` is its place in the benchmark, ``images`` the sha256 of each image's bytes, ``row`` upstream's own row
    (scoring as another framework does starts from it), ``error`` why there is no reply: then it is unscored.
    ``cut`` says that the reply ended at the token limit, ``tokens`` how many were generated (0: it is not known).
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
    of: str = field(default="")  # the id of the question that a variant was made from, where that differs

    @property
    def sample(self) -> Sample:
        """The Sample, without its images. Raises DataError where it is none."""
        options = None if self.options is None else tuple(self.options)
        task: Json = self.task
        return Sample(
            self.id, "", "", self.question, task, self.gold, options=options, language=self.language, meta=self.meta
        )

    @property
    def digest(self) -> bytes:
        """What a reply is to: the sha256 of the prompt, the gold answer and the images' hashes."""
        asked = [self.prompt, self.gold, self.options, list(self.images)]
        return hashlib.sha256(json.dumps(asked, ensure_ascii=True, default=list).encode()).digest()

    @property
    def cluster(self) -> str:
        """What questions about one image share."""
        return self.images[0] if self.images else self.of or self.id
