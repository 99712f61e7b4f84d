"""Read a step's settings into a frozen dataclass, with errors that say what to write, and ask a model by them.

``CaptionSettings.read("captions", {"repeats": "kepe"})`` raises::

    ConfigError: captions: repeats is 'kepe'; one of drop, keep

A prompt is a setting too: its words, or the path of a file that holds them. Each field names its rule::

    repeats: str = setting("keep", one_of(("drop", "keep")))
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple, Self

from infimed_plugins import prompts
from infimed_plugins.curation import StepContext
from infimed_plugins.engines import ChatRequest, Engine, Reply, Sampling
from infimed_plugins.errors import ConfigError, near
from infimed_plugins.records import Sample


class Rule(NamedTuple):
    """A condition on a value, the words that say how to meet it, and the ``known`` words of which the nearest is named.

    That is the nearest to the first unknown one where the value is a tuple of words.
    """

    holds: Callable[[Any], bool]
    fix: str
    known: Sequence[str] = ()

    def check(self, name: str, value: Any) -> None:
        """Raise ConfigError unless the rule holds."""
        if not self.holds(value):
            words = value if isinstance(value, tuple) else (value,)
            hint = near(next((word for word in words if word not in self.known), ""), self.known)
            raise ConfigError(f"{name} is {value!r:.200}; {self.fix}{hint}")


def is_number(value: object, least: float = -math.inf, most: float = math.inf) -> bool:
    """True if a value is a finite number within the bounds, and no bool."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value) and least <= value <= most


def one_of(allowed: Sequence[str]) -> Rule:
    return Rule(lambda value: value in allowed, f"one of {', '.join(allowed)}", allowed)


def whole(least: float = 1) -> Rule:
    fix = "give a whole number" + ("" if least == -math.inf else f" from {least}")
    return Rule(lambda value: isinstance(value, int) and is_number(value, least), fix)


def optional(rule: Rule) -> Rule:
    return Rule(lambda value: value is None or rule.holds(value), rule.fix)


FLAG = Rule(lambda value: isinstance(value, bool), "give true or false")
NAMES = Rule(
    lambda v: isinstance(v, Sequence) and not isinstance(v, str) and all(isinstance(one, str) for one in v),
    "give a list such as [caption], or [] for all",
)
PATH = optional(Rule(lambda v: isinstance(v, str | Path) and bool(str(v).strip()), "give a path, or leave it out"))
ENGINE = optional(
    Rule(
        lambda value: isinstance(value, Mapping) and {"name", "model"} <= value.keys(),
        "give {name: openai, model: …, settings: {…}}, or leave it out",
    )
)
SHARE = Rule(lambda value: is_number(value, 0, 1) and value > 0, "give a number above 0, at most 1")


def setting(default: Any, rule: Rule | None = None, **how: Any) -> Any:
    """Return a dataclass field for a setting whose value must keep a rule."""
    return field(default=default, metadata={"rule": rule}, **how)


def prompt_setting(default: str, *placeholders: str) -> Any:
    """Return a field for a prompt, or the path of its file, that holds each placeholder once."""
    return field(default=default, metadata={"placeholders": placeholders})


@dataclass(frozen=True)
class StepSettings:
    """The settings of a step. Raises ConfigError for a value that breaks its field's rule."""

    @classmethod
    def read(cls, step: str, given: Mapping[str, Any]) -> Self:
        """Return the settings. Raises ConfigError for a name that the dataclass lacks or a value it refuses."""
        names = inspect.signature(cls).parameters
        for name in given:
            if name not in names:  # in another spelling it would pass by trust.py, too
                hint = near(name, names)
                raise ConfigError(f"{step}: unknown setting {name!r:.100}; one of {', '.join(names)}{hint}")
        try:
            return cls(**given)
        except ConfigError as error:
            raise ConfigError(f"{step}: {error}") from error

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if rule := one.metadata.get("rule"):
                rule.check(one.name, value)
            if placeholders := one.metadata.get("placeholders"):
                object.__setattr__(self, one.name, _checked_prompt(one.name, value, placeholders))


TEMPERATURE = Rule(lambda value: is_number(value, 0), "give a number from 0, such as 1.0")


@dataclass(frozen=True, kw_only=True)
class DrawSettings(StepSettings):
    """The settings of a step that draws replies; one that draws several has ``candidates``, too."""

    temperature: float = setting(1.0, TEMPERATURE)
    top_p: float = setting(1.0, SHARE)
    max_tokens: int = setting(2048, whole())

    def __post_init__(self) -> None:
        super().__post_init__()
        candidates = getattr(self, "candidates", 1)
        if self.temperature == 0 and candidates != 1:  # greedy replies are all the same
            raise ConfigError(f"temperature is 0, so all {candidates} candidates would be one; give more than 0")

    def ask(
        self,
        engine: Engine,
        samples: Mapping[str, Sample],
        prompt: Callable[[Sample], str],
        context: StepContext,
        before: int = 0,
    ) -> Iterator[tuple[Sample, Reply]]:
        """Ask the engine about each sample, and yield it with the reply; failed requests are dropped and counted.

        ``before`` is the number of samples that were asked about in earlier calls, for the progress shown.
        """
        requests = (ChatRequest(sample.id, prompt(sample), sample.images) for sample in samples.values())
        count = getattr(self, "candidates", 1)
        sampling = Sampling(count, self.temperature, self.top_p, self.max_tokens, seed=context.seed)
        for done, reply in enumerate(engine.generate(requests, sampling), start=1):
            context.progress(before + done, before + len(samples))
            if reply.error is not None:
                context.engine_failed(reply.error)
            else:
                yield samples[reply.id], reply


def prompt_text(value: str) -> str:
    """Return the text of a prompt: the content of the file that a value without ``{`` names, else the value itself."""
    if "{" in value:
        return value
    try:
        path = Path(value)
        return path.read_text(encoding="utf-8") if path.is_file() else value
    except (OSError, ValueError) as error:
        raise ConfigError(f"{value[:200]} cannot be read as a prompt ({error}); write it as UTF-8 text") from error


def _checked_prompt(name: str, value: object, placeholders: Sequence[str]) -> str:
    """Return the text of a prompt. Raises ConfigError unless each placeholder stands there once.

    The images of a question come with it, so a prompt may have no media tags of its own.
    """
    words = prompt_text(value) if isinstance(value, str) else ""
    wrong = [placeholder for placeholder in placeholders if words.count(placeholder) != 1]
    if wrong:
        shown = value[:80] if isinstance(value, str) else value
        raise ConfigError(
            f"{name} is {shown!r}, which is no file and does not hold {wrong[0]} once; give the prompt with "
            f"{' and '.join(placeholders)} in it, or the path of a file that holds it"
        )
    if prompts.escape_media_tags(words) != words:
        raise ConfigError(f"{name} holds a media tag such as <image>; leave it out, images come with the question")
    return words
