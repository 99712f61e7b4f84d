"""What steps share: settings read into a frozen dataclass, with errors that say what to write, and asking a model.

``read_settings(CaptionSettings, "captions", {"repeats": "kepe"})`` raises::

    ConfigError: captions: repeats is 'kepe'; one of drop, keep

A prompt is a setting too: its words, or the path of a file that holds them.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeGuard, TypeVar

from infimed_plugins import prompts
from infimed_plugins.curation import StepContext
from infimed_plugins.engines import ChatRequest, Engine, Reply, Sampling
from infimed_plugins.errors import ConfigError
from infimed_plugins.records import Sample

S = TypeVar("S")


class Drawing(Protocol):
    """The settings of a step that draws replies; one that draws several has ``candidates``, too."""

    @property
    def temperature(self) -> float: ...
    @property
    def top_p(self) -> float: ...
    @property
    def max_tokens(self) -> int: ...


def ask(
    engine: Engine,
    samples: Mapping[str, Sample],
    prompt: Callable[[Sample], str],
    settings: Drawing,
    context: StepContext,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[Sample, Reply]]:
    """Ask the engine about each sample, and yield it with the reply; failed requests are dropped and counted."""
    requests = (ChatRequest(sample.id, prompt(sample), sample.images) for sample in samples.values())
    count = getattr(settings, "candidates", 1)
    sampling = Sampling(count, settings.temperature, settings.top_p, settings.max_tokens, seed=context.seed)
    for done, reply in enumerate(engine.generate(requests, sampling), start=1):
        (progress or context.progress)(done, len(samples))
        if reply.error is not None:
            context.engine_failed(reply.error)
        else:
            yield samples[reply.id], reply


def read_settings(kind: type[S], step: str, given: Mapping[str, Any]) -> S:
    """The settings of a step. Raises ConfigError for a name that the dataclass lacks or a value it refuses."""
    try:
        return kind(**given)
    except TypeError as error:
        raise ConfigError(f"{step}: {error}; settings are {', '.join(inspect.signature(kind).parameters)}") from error
    except ConfigError as error:
        raise ConfigError(f"{step}: {error}") from error


def need_engine(context: StepContext, step: str, purpose: str) -> Engine:
    """The engine of a step that cannot do without. Raises ConfigError when the recipe names none."""
    if context.engine is None:
        raise ConfigError(f"{step} needs an engine {purpose}; name one in the recipe")
    return context.engine


def check_one_of(name: str, value: object, allowed: Sequence[str]) -> None:
    """Raise ConfigError unless the value is one of those allowed."""
    if value not in allowed:
        raise ConfigError(f"{name} is {value!r}; one of {', '.join(allowed)}")


def check_whole(name: str, value: object, least: int = 1) -> None:
    """Raise ConfigError unless the value is a whole number, ``least`` or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{name} is {value!r}; give a whole number from {least}")


def check_flag(name: str, value: object) -> None:
    """Raise ConfigError unless the value is true or false."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} is {value!r}; give true or false")


def check_names(name: str, value: object) -> None:
    """Raise ConfigError unless the value is a list of strings."""
    if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(one, str) for one in value):
        raise ConfigError(f"{name} is {value!r}; give a list such as [caption], or [] for all")


def check_path(name: str, value: object) -> None:
    """Raise ConfigError unless the value is a path, or None."""
    if value is not None and not (isinstance(value, str | Path) and str(value).strip()):
        raise ConfigError(f"{name} is {value!r}; give a path, or leave it out")


def check_engine(name: str, value: object) -> None:
    """Raise ConfigError unless the value is None or names an engine and its model."""
    if value is not None and not (isinstance(value, Mapping) and {"name", "model"} <= value.keys()):
        raise ConfigError(f"{name} is {value!r}; give {{name: openai, model: …, settings: {{…}}}}, or leave it out")


def check_sampling(settings: Drawing) -> None:
    """Raise ConfigError for values that no engine can draw with; of several greedy replies each is the same."""
    temperature, top_p, candidates = settings.temperature, settings.top_p, getattr(settings, "candidates", 1)
    check_whole("candidates", candidates)
    check_whole("max_tokens", settings.max_tokens)
    if not is_number(temperature) or temperature < 0:
        raise ConfigError(f"temperature is {temperature!r}; give a number from 0, such as 1.0")
    if not is_number(top_p) or not 0 < top_p <= 1:
        raise ConfigError(f"top_p is {top_p!r}; give a number above 0, at most 1")
    if temperature == 0 and candidates != 1:
        raise ConfigError(f"temperature is 0, so all {candidates} candidates would be one; give more than 0")


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is a finite number, and no flag."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def words_of(value: str) -> str:
    """The words of a prompt, out of the file that a value without ``{`` names; otherwise the value itself."""
    if "{" in value:
        return value
    try:
        path = Path(value)
        return path.read_text(encoding="utf-8") if path.is_file() else value
    except (OSError, ValueError) as error:
        raise ConfigError(f"{value[:200]} cannot be read as a prompt ({error}); write it as UTF-8 text") from error


def set_prompt(settings: object, name: str, *placeholders: str) -> None:
    """Put the words of a prompt into a frozen dataclass. Raises ConfigError unless each placeholder stands there once.

    The images of a question come with it, so a prompt may have no media tags of its own.
    """
    value = getattr(settings, name)
    words = words_of(value) if isinstance(value, str) else ""
    wrong = [placeholder for placeholder in placeholders if words.count(placeholder) != 1]
    if wrong:
        shown = value[:80] if isinstance(value, str) else value
        raise ConfigError(
            f"{name} is {shown!r}, which is no file and does not hold {wrong[0]} once; give the prompt with "
            f"{' and '.join(placeholders)} in it, or the path of a file that holds it"
        )
    if prompts.escape_media_tags(words) != words:
        raise ConfigError(f"{name} holds a media tag such as <image>; leave it out, images come with the question")
    object.__setattr__(settings, name, words)
