"""Rewards that must ask something else (a process, a server): found for a whole batch first, and asked all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from infimed_plugins.records import GroundTruth, Verdict

Question = tuple[str, ...]
Ask = Callable[..., str]  # what is said to a question, given by its parts


class Asking:
    """A reward whose ``questions`` about the answers of a batch are asked together, each once."""

    def questions(self, answer: str, truth: GroundTruth) -> Sequence[Question]:
        """Return what must be asked about an answer; nothing where the reward itself can tell."""
        raise NotImplementedError

    def ask_all(self, questions: Iterable[Question]) -> Mapping[Question, str]:
        """Return what is said to each question, within a time of the reward's own."""
        raise NotImplementedError

    def __call__(self, answer: str, truth: GroundTruth, ask: Ask | None = None) -> Verdict:
        """Return the verdict; without ``ask``, which has what ``ask_all`` returned, it asks by itself."""
        raise NotImplementedError
