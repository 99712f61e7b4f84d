"""The reward ``judge``: a model marks open answers right or wrong, in the place of the Jaccard similarity.

It is off unless the setting ``judge`` of compute_score names a model behind an OpenAI-compatible server::

    reward_function_kwargs:
      judge:
        model: Qwen/Qwen2.5-72B-Instruct
        base_url: http://node1:8000/v1  # one, or a list
        cache: /data/judge  # optional: replies, kept for the next run
        calibration: /data/judge.json  # of `infimed judge calibrate`

Rows of the task text are judged by it then (all rows with ``reward: judge``). It is not asked where the text reward can
tell: all of its tokens are right, the truth is yes or no, nothing is said, or what is said is long or itself spells a
verdict. The others of a batch are asked at once, each once. It sees the question, if the ground truth has one, the
standard answer with its synonyms, and the answer alone: each on one line, without invisible characters and control
tokens, between marks that stand in none of them (open_judge.py). Where it gives no verdict that can be read in time,
there is none: None in TRL, elsewhere the text reward's value, counted as ``no_verdict``.
"""

from __future__ import annotations

import os
import threading
import time
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from infimed_plugins.engines.cached_engine import CachedEngine
from infimed_plugins.engines.openai import OpenAIEngine
from infimed_plugins.engines.response_cache import ResponseCache
from infimed_plugins.engines.shared_session import SharedSession
from infimed_plugins.errors import ConfigError, InfimedError, known_name
from infimed_plugins.judge.open_judge import (
    JudgeIdentity,
    JudgeItem,
    JudgeSettings,
    judge_answers,
    settings_from_template,
    spells_a_verdict,
)
from infimed_plugins.parsing.normalize import nfkc
from infimed_plugins.records import Code, GroundTruth, Json, Verdict
from infimed_plugins.rewards.asking import Ask, Asking, Question
from infimed_plugins.rewards.text_and_choice import is_closed, jaccard

RIGHT, WRONG = "right", "wrong"
MAX_LENGTH = 500  # characters of an open answer; the text reward has a longer one
RETRIES = 2  # of a request that the server does not answer
_PROBE = JudgeItem("probe", "Which organ is shown?", "gallbladder", "the gall bladder")
_SPACE = ("Zs", "Zl", "Zp", "Cc")
_UNSEEN = ("Cf", "Cs", "Co", "Cn")
_KINDS: Mapping[str, tuple[type, ...]] = {
    **{"model": (str,), "base_url": (str, list), "api_key_env": (str,), "concurrency": (int,), "seconds": (int, float)},
    **{"extra_body": (dict,), "template": (str,), "cache": (str,), "calibration": (str,)},
}


@dataclass(frozen=True, eq=False)
class Judge(Asking):
    """The reward. ``seconds`` bound a batch, of which ``concurrency`` requests are under way at once.

    ``api_key_env`` names the variable with the key, ``extra_body`` holds fields for each request, ``template`` is a
    file with another prompt, ``cache`` a folder that keeps replies for the next run, and ``calibration`` the file that
    `infimed judge calibrate` wrote (calibration.py). Raises ConfigError for settings that cannot be.
    """

    model: str
    base_url: str | Sequence[str]
    api_key_env: str = "JUDGE_API_KEY"
    concurrency: int = 64
    seconds: float = 120.0
    extra_body: Mapping[str, Json] | None = None
    template: str | None = None
    cache: str | None = None
    calibration: str | None = None
    settings: JudgeSettings = field(init=False)
    engine: OpenAIEngine = field(init=False)
    _opened: dict[int, tuple[SharedSession, ResponseCache]] = field(init=False, default_factory=dict)
    _opening: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise ConfigError(f"judge.seconds is {self.seconds!r}; it must be more than 0")
        settings = JudgeSettings(again=1)
        settings = settings_from_template(Path(self.template), base=settings) if self.template else settings
        named: dict[str, Any] = {name: getattr(self, name) for name in ("base_url", "api_key_env", "concurrency")}
        engine = OpenAIEngine(
            self.model, **named, timeout=self.seconds / (RETRIES + 1), retries=RETRIES, extra_body=self.extra_body
        )
        object.__setattr__(self, "settings", settings)
        object.__setattr__(self, "engine", engine)

    @classmethod
    def configured(cls, given: Mapping[str, Json]) -> Judge:
        """Return the judge of the setting's values. Raises ConfigError for a name or value that cannot be."""
        named = {known_name(name, _KINDS, "setting of the judge"): value for name, value in given.items()}
        for name, value in named.items():
            if isinstance(value, bool) or not isinstance(value, _KINDS[name]):
                kinds = " or ".join(kind.__name__ for kind in _KINDS[name])
                raise ConfigError(f"judge.{name} is {value!r}; it must be of the type {kinds}")
        if not (named.get("model") and named.get("base_url")):
            raise ConfigError(
                "the reward 'judge' needs the setting judge: {model: NAME, base_url: http://host:8000/v1}"
            )
        return cls(**named)

    @property
    def identity(self) -> JudgeIdentity:
        """What its verdicts depend on."""
        return JudgeIdentity(self.model, self.model, "openai", self.engine.shaping, self.settings)

    def questions(self, answer: str, truth: GroundTruth) -> Sequence[Question]:
        """Return the question to the judge; none where the text reward can tell."""
        rule = jaccard(answer, truth)
        if rule.value == 1.0 or rule.code is not Code.JUDGED or is_closed(truth) or len(answer) > MAX_LENGTH:
            return ()
        gold = "; or: ".join((str(truth.answer), *truth.synonyms))
        question = (seen(truth.question) or "(it is not known)", seen(gold), seen(answer))
        return () if spells_a_verdict(_item("", question), self.settings) or not question[2] else (question,)

    def ask_all(self, questions: Iterable[Question]) -> dict[Question, str]:
        """Return RIGHT, WRONG or why there is no verdict for each question, within ``seconds``."""
        asked = list(dict.fromkeys(questions))
        said = dict.fromkeys(asked, "the judge was not asked")
        deadline = time.monotonic() + self.seconds
        try:
            session, cache = self._session()
            engine = CachedEngine(session.within(deadline), cache)
            items = (_item(str(number), question) for number, question in enumerate(asked))
            for one in judge_answers(engine, items, self.settings):
                verdict = one.reason if one.value is None else RIGHT if one.value else WRONG
                said[asked[int(one.id)]] = verdict
        except InfimedError as error:  # such as a full disk
            said |= {question: str(error) for question in asked if said[question] not in (RIGHT, WRONG)}
        return said

    def __call__(self, answer: str, truth: GroundTruth, ask: Ask | None = None) -> Verdict:
        """Return 1.0 for right, 0.0 for wrong; else the text reward's verdict, UNSCORED where the judge gave none."""
        rule = jaccard(answer, truth)
        for question in self.questions(answer, truth):
            said = ask(*question) if ask else self.ask_all([question])[question]
            if said in (RIGHT, WRONG):
                return Verdict(float(said == RIGHT), rule.parsed, f"the judge says {said}", code=Code.JUDGED_BY_MODEL)
            return replace(rule, reason=f"no verdict of the judge: {said}", code=Code.UNSCORED)
        return rule

    def trouble(self) -> str:
        """Ask the server one plain thing, past the cache; return why it gave no verdict, or nothing."""
        engine = SharedSession(self.engine).within(time.monotonic() + self.seconds)
        (verdict,) = judge_answers(engine, [_PROBE], self.settings)
        return verdict.reason if verdict.value is None else ""

    def _session(self) -> tuple[SharedSession, ResponseCache]:
        """Return the connections and the cache of this process: a forked one has its own."""
        with self._opening:
            if os.getpid() not in self._opened:
                self._opened[os.getpid()] = SharedSession(self.engine), _cache(self.cache)
            return self._opened[os.getpid()]


def seen(text: str) -> str:
    """Return a text on one line, in NFKC, without characters that show nothing."""
    kinds = ((one, unicodedata.category(one)) for one in nfkc(text))
    return " ".join("".join(" " if kind in _SPACE else one for one, kind in kinds if kind not in _UNSEEN).split())


def _item(id: str, question: Question) -> JudgeItem:
    asked, gold, reply = question
    return JudgeItem(id, asked, gold, reply, language="")


def _cache(folder: str | None) -> ResponseCache:
    """Return the first cache of a folder that no other process holds; without a folder one for this process."""
    if folder is None:
        temporary = TemporaryDirectory(prefix="infimed-judge-")
        cache = ResponseCache(Path(temporary.name) / "replies.sqlite")
        cache.temporary = temporary  # type: ignore[attr-defined]  # removed with it
        return cache
    number = 1
    while True:
        try:
            return ResponseCache(Path(folder) / f"judge-{number}.sqlite")
        except ConfigError:
            number += 1
