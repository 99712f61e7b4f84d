"""Rewards that ask something else (a process, a server): for a whole batch at once, each question once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence

from infimed_plugins.records import GroundTruth, Verdict

Question = tuple[str, ...]
Ask = Callable[..., str]  # what was said to a question, given by its parts


class Asking(ABC):
    """A reward; without ``ask``, which knows what was said to a batch's ``questions``, it asks by itself."""

    @abstractmethod
    def __call__(self, answer: str, truth: GroundTruth, ask: Ask | None = None) -> Verdict: ...
    @abstractmethod
    def questions(self, answer: str, truth: GroundTruth) -> Sequence[Question]: ...
    @abstractmethod
    def ask_all(self, questions: Iterable[Question]) -> Mapping[Question, str]: ...
