"""The reward ``judge``: a model marks open answers right or wrong, in the place of the Jaccard similarity.

It is off unless the setting ``judge`` of compute_score names a model behind an OpenAI-compatible server::

    judge: {model: Qwen2.5-72B-Instruct, base_url: http://node1:8000/v1, cache: /data/judge, calibration: judge.json}

Rows of the task text are judged by it then (all rows with ``reward: judge``). It is not asked where the text reward can
tell: all tokens are right, the truth is yes or no, nothing is said, or what is said is long or itself spells a verdict.
It sees the question, the standard answer with its synonyms, and the answer alone, each on one line, without invisible
characters and control tokens, between marks that stand in none of them (open_judge.py). The question stands in the
ground truth of rows from ``infimed data build --for-judge`` (in a recipe: ``for_judge: true``).
Without a verdict that can be read in time it is None in TRL, elsewhere the text reward's value, counted as no_verdict.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import threading
import time
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from infimed_plugins.engines import ChatRequest, Reply, Sampling
from infimed_plugins.engines.cached_engine import CachedEngine
from infimed_plugins.engines.http_client import Servers
from infimed_plugins.engines.openai import OpenAIEngine
from infimed_plugins.engines.response_cache import ResponseCache
from infimed_plugins.errors import ConfigError, EngineError, InfimedError, known_name
from infimed_plugins.judge.open_judge import JudgeItem, JudgeSettings, judge_answers, spells_a_verdict
from infimed_plugins.parsing.normalize import nfkc, plain
from infimed_plugins.parsing.yes_no import polarity_of_gold
from infimed_plugins.records import Code, GroundTruth, Json, Verdict
from infimed_plugins.rewards.asking import Ask, Asking, Question
from infimed_plugins.rewards.scorer import JUDGE, is_for_judge
from infimed_plugins.rewards.settings import typed
from infimed_plugins.rewards.text_and_choice import jaccard

_KINDS = {"model": str, "api_key_env": str, "concurrency": int, "seconds": float, "cache": str, "calibration": str}
RIGHT, WRONG = "right", "wrong"
# letters and marks that show nothing, Default_Ignorable_Code_Point of Unicode; those of the categories C* go anyway
_UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
PROMPT = JudgeSettings(again=1)
MAX_LENGTH = 500  # characters of an open answer; the text reward has a longer one
REST_SECONDS = 30.0  # after requests without any reply, in which nothing is asked
TRIES = 3  # of a request
TOO_LATE = "no reply within the judge's seconds"
_caches: dict[tuple[int, str | None], ResponseCache] = {}  # by process: a forked one has its own
_loops: dict[int, asyncio.AbstractEventLoop] = {}  # by process, as the caches
_opening, _starting = threading.Lock(), threading.Lock()
_log = logging.getLogger(__name__)


@dataclass(eq=False)
class Judge(Asking):
    """A judge, and the Engine of its requests, which go over connections that stay open from one call to the next.

    A batch may take ``seconds``, and as many again for what could not be read, a request a third of them;
    ``api_key_env`` names the variable with the key, ``extra_body`` holds fields for each request, and ``cache`` is a
    folder that keeps replies for later runs.
    """

    model: str
    base_url: str | Sequence[str]
    api_key_env: str = "JUDGE_API_KEY"
    concurrency: int = 64
    seconds: float = 60.0
    extra_body: Mapping[str, Json] | None = None
    cache: str | None = None
    calibration: str | None = None

    own_seeds = True
    out = (0.0, "")  # until when (time.monotonic) nothing is asked, and why

    def __post_init__(self) -> None:
        given: dict[str, Any] = {name: getattr(self, name) for name in ("base_url", "api_key_env", "extra_body")}
        given |= {"concurrency": self.concurrency, "timeout": self.seconds / TRIES, "retries": TRIES - 1}
        self._engine = OpenAIEngine(self.model, **given)
        self.shaping = self._engine.shaping
        self._servers: tuple[int, Servers] | None = None  # with the process that they are connected in

    @classmethod
    def configured(cls, given: Mapping[str, Json]) -> Judge:
        """Return the judge of these settings. Raises ConfigError for a name or value that cannot be."""
        named = {known_name(name, cls.__match_args__, "setting of the judge"): value for name, value in given.items()}
        named |= {name: typed(f"judge.{name}", named[name], kind) for name, kind in _KINDS.items() if name in named}
        try:
            return cls(**named)
        except (TypeError, AttributeError) as error:
            such = "judge: {model: NAME, base_url: http://host:8000/v1}"
            raise ConfigError(f"the reward 'judge' needs settings such as {such} ({error})") from error

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        """Yield a reply to each request, with an error where the server gives none in time."""
        until, why, replied, lost = time.monotonic() + self.seconds, "", False, 0
        waiting, started = {request.id: request for request in requests}, list[Future[Reply]]()
        if not waiting:  # all replies are in the cache
            return
        try:
            servers, job = self._connected(), self._engine.task("draw", sampling)
            started += (asyncio.run_coroutine_threadsafe(job(one)(servers), _loop()) for one in waiting.values())
            for done in as_completed(started, max(0.0, until - time.monotonic())):
                reply = done.result()
                del waiting[reply.id]
                replied, why = replied or reply.error is None, reply.error or why
                yield reply
            lost = servers.lost
        except InfimedError as error:
            why = str(error)
        except TimeoutError:
            why = TOO_LATE
        finally:
            for late in started:
                late.cancel()
        if waiting or (lost and not replied):
            self._disconnect()
            if not replied:
                self._rest(why)
        yield from (Reply(id, error=why) for id in waiting)

    def _rest(self, why: str) -> None:
        """Ask nothing for REST_SECONDS from now, or from an earlier failure that they are not over since."""
        if time.monotonic() >= self.out[0]:
            self.out = time.monotonic() + REST_SECONDS, why

    def _connected(self) -> Servers:
        """Return the servers, connected anew in each process and after a failure. Raises EngineError."""
        with _opening:
            if time.monotonic() < self.out[0]:
                raise EngineError(self.out[1])
            if self._servers is None or self._servers[0] != os.getpid():
                servers = self._engine.session()
                try:
                    asyncio.run_coroutine_threadsafe(servers.__aenter__(), _loop()).result()
                except EngineError as error:
                    self._rest(str(error))  # before the next thread tries
                    raise
                self._servers = os.getpid(), servers
            return self._servers[1]

    def _disconnect(self) -> None:
        """Let the connections go, when other threads' batches over them have ended."""
        held, self._servers = self._servers, None

        async def close(servers: Servers) -> None:
            await asyncio.sleep(self.seconds)
            await servers.__aexit__()

        if held and held[0] == os.getpid():
            asyncio.run_coroutine_threadsafe(close(held[1]), _loop())

    def questions(self, answer: str, truth: GroundTruth) -> Sequence[Question]:
        """Return the question to the judge; none where the text reward can tell."""
        rule, gold = jaccard(answer, truth), "; or: ".join((str(truth.answer), *truth.synonyms))
        if rule.value == 1.0 or rule.code is not Code.JUDGED or not is_open(truth) or len(answer) > MAX_LENGTH:
            return ()
        if not truth.question:
            _warn_of_no_question()
        asked = (seen(truth.question) or "(it is not known)", seen(gold), seen(answer))
        return (asked,) if asked[2] and not spells_a_verdict(_item("", asked), PROMPT) else ()

    def ask_all(self, questions: Iterable[Question]) -> dict[Question, str]:
        """Return RIGHT, WRONG or why there is no verdict for each question."""
        said = dict.fromkeys(questions, "the judge was not asked")
        asked = list(said)
        try:
            items = (_item(str(number), question) for number, question in enumerate(asked))
            for one in judge_answers(CachedEngine(self, open_cache(self.cache)), items, PROMPT):
                said[asked[int(one.id)]] = one.reason if one.value is None else RIGHT if one.value else WRONG
        except (InfimedError, OSError) as error:  # such as a full disk
            said |= {question: str(error) for question in asked if said[question] not in (RIGHT, WRONG)}
        return said

    def __call__(self, answer: str, truth: GroundTruth, ask: Ask | None = None) -> Verdict:
        """Return 1.0 for right, 0.0 for wrong; else the text reward's verdict, UNSCORED where the judge gave none."""
        rule, questions = jaccard(answer, truth), self.questions(answer, truth)
        if not questions:
            return rule
        said = ask(*questions[0]) if ask else self.ask_all(questions)[questions[0]]
        if said in (RIGHT, WRONG):
            return Verdict(float(said == RIGHT), rule.parsed, f"the judge says {said}", code=Code.JUDGED_BY_MODEL)
        return replace(rule, reason=f"no verdict of the judge: {said}", code=Code.UNSCORED)


def is_open(truth: GroundTruth) -> bool:
    """True unless the truth is yes or no."""
    return not polarity_of_gold(plain(str(truth.answer)))


def lacks_question(truth: GroundTruth, settings: Mapping[str, Any]) -> bool:
    """True for a ground truth without its question where, by settings of compute_score, a judge marks the answers."""
    name = settings.get("reward") or truth.task
    return bool(settings.get(JUDGE) and not truth.question and is_for_judge(name) and is_open(truth))


@cache
def _warn_of_no_question() -> None:
    _log.warning("a row has no question for the judge to see: infimed data build --for-judge writes them (said once)")


def seen(text: str) -> str:
    """Return a text on one line, in NFKC, without characters that show nothing."""
    kinds = ((one, unicodedata.category(one)) for one in _UNSEEN.sub("", nfkc(text)))
    shown = (" " if kind == "Cc" else one for one, kind in kinds if kind == "Cc" or kind[0] != "C")
    return " ".join("".join(shown).split())


def _item(id: str, asked: Question) -> JudgeItem:
    return JudgeItem(id, asked[0], asked[1], asked[2], language="")


def _loop() -> asyncio.AbstractEventLoop:
    """Return the event loop of this process's judges, in a thread of its own."""
    with _starting:
        if os.getpid() not in _loops:
            _loops[os.getpid()] = asyncio.new_event_loop()
            threading.Thread(target=_loops[os.getpid()].run_forever, name="judges", daemon=True).start()
        return _loops[os.getpid()]


def open_cache(folder: str | None) -> ResponseCache:
    """Return this process's cache: the first of a folder that no other process holds, or one in memory.

    Raises DataError or OSError where it cannot be made.
    """
    with _opening:
        key, number = (os.getpid(), folder), 1
        while key not in _caches:
            try:
                _caches[key] = ResponseCache(Path(folder) / f"judge-{number}.sqlite" if folder else ":memory:")
            except ConfigError:
                number += 1
        return _caches[key]
