"""A model as the judge of open answers: right or wrong against the standard answer.

The contract is MedEvalKit's (9b12e3b): task, question, standard answer and the user's answer in one user turn, a
verdict out. The wording is ours; ``settings_from_template`` takes another from a file with the placeholders
``{question}``, ``{answer}`` and ``{reply}`` (``{language}`` if wanted; every other brace stays as it is). Two forms of
a verdict are read::

    {"verdict": "right"}                       json: asked for by structured output
    <think>…</think><judge>0</judge>           judge-tag: MedEvalKit's, where 0 means correct and 1 wrong

Upstream takes ``<judge>{0}</judge>``, a doubled tag or a failed call for a wrong answer. Here what cannot be read is
asked again and then left unscored: ``value`` is None, never False.

What is filled in is quoted between marks that occur in none of it, below a note that it is data, and what could be
taken for a verdict in it is broken by a space: an answer that says "reply with right", or a judge that only repeats
the answer, decides nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from infimed_plugins.engines import ChatRequest, Engine
from infimed_plugins.engines.structured_reply import (
    EMPTY_REPLY,
    ParsedReply,
    RetryPolicy,
    answer_part,
    ask_until_parsed,
    check_own_words,
)
from infimed_plugins.errors import ConfigError, DataError, MissingFileError
from infimed_plugins.judge.verdict_form import VerdictForm
from infimed_plugins.quoting import repeated
from infimed_plugins.records import Json

ReplyForm = Literal["json", "judge-tag"]
REPLY_FORMS: tuple[ReplyForm, ...] = get_args(ReplyForm)
PLACEHOLDERS = ("{question}", "{answer}", "{reply}")

JUDGE_PROMPT = """\
You mark one answer to a medical question. The question was asked about an image that you do not see.

Task: say whether the user's answer means the same as the standard answer. The standard answer is correct by \
definition: do not answer the question yourself, and do not doubt the standard answer.

- right: it names the same finding, structure, place, number or procedure. Synonyms, usual abbreviations, another word \
order or another language are the same; so is more detail that does not contradict the standard answer.
- wrong: it names something else, contradicts the standard answer, is so general that what was asked is lost, leaves \
out a part of what the standard answer lists, offers several answers to choose from, or gives no answer.
- Where the user reasons first, only the final answer counts.

The question is in {language}.

Question: {question}

Standard answer: {answer}

User's answer: {reply}
"""
REPLY_WITH: Mapping[ReplyForm, str] = {
    "json": 'Reply with this JSON object and nothing else: {"verdict": "right"} or {"verdict": "wrong"}.',
    "judge-tag": "Think inside <think> </think>. Then write your verdict once, as <judge>0</judge> if the user's "
    "answer is right or <judge>1</judge> if it is wrong.",
}
FORM = VerdictForm({"verdict": ("right", "wrong")})

_HASH_SHOWN = 8  # characters of a hash in names
_NAME_SHOWN = 40  # characters of the model's name in a file's name
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_LANGUAGES: Mapping[str, str] = {
    **{"ar": "Arabic", "de": "German", "en": "English", "es": "Spanish", "fa": "Persian", "fr": "French"},
    **{"hi": "Hindi", "it": "Italian", "ja": "Japanese", "ko": "Korean", "nl": "Dutch", "pl": "Polish"},
    **{"pt": "Portuguese", "ru": "Russian", "tr": "Turkish", "uk": "Ukrainian", "vi": "Vietnamese", "zh": "Chinese"},
}
_OTHER_LANGUAGE = "a language that the data does not name"
_MENTION: Mapping[ReplyForm, str] = {"json": "verdict", "judge-tag": "<judge>"}
_ONE: Mapping[ReplyForm, re.Pattern[str]] = {
    "json": re.compile(r"[^{}]*(\{[^{}]*\})[\s`.]*"),  # the only one, and nothing is said after it
    "judge-tag": re.compile(r"(?:(?!</?judge>).)*<judge>\s*([01])\s*</judge>(?:(?!</?judge>).)*", re.DOTALL),
}
_LIKE_A_TAG = re.compile(r"<(?=[^<>\s]{1,40}>)|\[(?=/?[A-Za-z_]{1,40}\])")  # that of a verdict or any chat template


@dataclass(frozen=True)
class JudgeItem:
    """One open answer to judge; ``answer`` is the standard one, ``reply`` the tested model's."""

    id: str
    question: str
    answer: str
    reply: str
    language: str = "en"


@dataclass(frozen=True)
class JudgeSettings:
    """Settings of a judge. Raises ConfigError for unusable ones.

    ``template`` "" is ours for the form. ``again``: how often after a reply that cannot be read.
    """

    template: str = ""
    reply_form: ReplyForm = "json"
    again: int = 2
    seed: int = 0
    max_tokens: int = 2048

    def __post_init__(self) -> None:
        if self.reply_form not in REPLY_FORMS:
            raise ConfigError(f"reply_form is {self.reply_form!r}; one of {', '.join(REPLY_FORMS)}")
        _ = self.patience
        missing = [name for name in PLACEHOLDERS if name not in self.text]
        if missing:
            raise ConfigError(f"the judge's template lacks {', '.join(missing)}; write it where the text should stand")
        if _MENTION[self.reply_form] not in self.text:
            raise ConfigError(
                f"the judge's template does not ask for {_MENTION[self.reply_form]!r}, which the reply form "
                f"{self.reply_form} reads; add it or choose another form ({', '.join(REPLY_FORMS)})"
            )

    @property
    def text(self) -> str:
        """The template with its placeholders."""
        return self.template or f"{JUDGE_PROMPT}\n{REPLY_WITH[self.reply_form]}"

    @property
    def patience(self) -> RetryPolicy:
        """The sampling of replies, and of further tries."""
        schema = FORM.schema if self.reply_form == "json" else None
        return RetryPolicy(self.again, self.seed, self.max_tokens, json_schema=schema)


@dataclass(frozen=True)
class JudgeIdentity:
    """A judge as a run folder keeps it. ``engine_settings`` are those that shape replies."""

    model: str
    model_hash: str
    engine: str
    engine_settings: Mapping[str, Json]
    settings: JudgeSettings

    @property
    def name(self) -> str:
        """The model's last name."""
        return self.model.rstrip("/").rpartition("/")[2]

    @property
    def template_hash(self) -> str:
        """The sha256 of the template."""
        return hashlib.sha256(self.settings.text.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def label(self) -> str:
        """``Qwen2.5-72B-Instruct (template 1a2b3c4d)``, as reports call it."""
        return f"{self.name} (template {self.template_hash[:_HASH_SHOWN]})"

    @property
    def tag(self) -> str:
        """``Qwen2.5-72B-Instruct-5e6f7a8b``, for the names of its files: each way of judging has its own."""
        shaping = {key: value for key, value in self.to_json().items() if key != "model"}
        digest = hashlib.sha256(json.dumps(shaping, sort_keys=True, default=str).encode()).hexdigest()
        return f"{_UNSAFE.sub('_', self.name)[:_NAME_SHOWN]}-{digest[:_HASH_SHOWN]}"

    def to_json(self) -> dict[str, Json]:
        """Return all settings of the judge, with the template text."""
        return {
            "model": self.model,
            "model_hash": self.model_hash,
            "engine": self.engine,
            "engine_settings": dict(self.engine_settings),
            "template_sha256": self.template_hash,
            **asdict(self.settings),
            "template": self.settings.text,
        }


def settings_from_template(path: Path) -> JudgeSettings:
    """Return the settings with the user's template, and the form of reply that it asks for.

    Raises MissingFileError, DataError for a file that is no UTF-8 text, and ConfigError for a missing placeholder.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise MissingFileError(f"there is no judge template {path}; name a text file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the judge template {path} cannot be read ({error}); save it as UTF-8 text") from error
    if not text.strip():
        raise ConfigError(f"the judge template {path} is empty; it needs {', '.join(PLACEHOLDERS)}")
    try:
        return JudgeSettings(text, "judge-tag" if "<judge>" in text else "json")
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def judge_prompt(item: JudgeItem, settings: JudgeSettings) -> str:
    """Return the user turn for one answer."""
    texts = [_LIKE_A_TAG.sub(r"\g<0> ", text) for text in (item.question, item.answer, item.reply)]
    quoted, values = dict(zip(PLACEHOLDERS, texts, strict=True)), {"{language}": _language(item.language)}
    template = settings.text.replace("<image>", "the image")  # the judge is shown none
    return FORM.prompt(template, quoted, values)


def judge_answers(
    engine: Engine, items: Iterable[JudgeItem], settings: JudgeSettings | None = None
) -> Iterator[ParsedReply[bool]]:
    """Return a verdict (True: right) for every item, as the judge settles them; items are taken as they are needed.

    A blank reply is wrong without asking. Raises DataError for two items of one id, and EngineError when the judge
    cannot be reached at all: start it and run again.
    """
    settings = settings or JudgeSettings()
    requests: Iterator[ChatRequest | ParsedReply[bool]] = (
        ChatRequest(item.id, judge_prompt(item, settings))
        if item.reply.strip()
        else ParsedReply(item.id, False, reason=EMPTY_REPLY)
        for item in items
    )

    def read(request: ChatRequest, text: str) -> bool:
        right = read_verdict(text, settings.reply_form)
        check_own_words(request, text, _claim(right, settings))
        return right

    return ask_until_parsed(engine, requests, read, settings.patience)


def spells_a_verdict(item: JudgeItem, settings: JudgeSettings) -> bool:
    """True if a quoted text holds a verdict of the judge's form: a judge that gives the same may only repeat it."""
    prompt = judge_prompt(item, settings)
    return any(repeated(prompt, "", _claim(right, settings)) for right in (True, False))


def _claim(right: bool, settings: JudgeSettings) -> str:
    if settings.reply_form == "judge-tag":
        return "<judge>0</judge>" if right else "<judge>1</judge>"
    return FORM.claims({"verdict": "right" if right else "wrong"})[0]


def _language(code: str) -> str:
    """Return a language's English name, by that name or the ISO 639-1 code that a tag such as ``zh-CN`` begins with."""
    word = re.split("[-_]", code, maxsplit=1)[0].strip().lower()
    return _LANGUAGES.get(word) or next((name for name in _LANGUAGES.values() if name.lower() == word), _OTHER_LANGUAGE)


def read_verdict(text: str, form: ReplyForm = "json") -> bool:
    """True if a judge says right. Raises DataError for a reply that is not exactly one verdict of the form."""
    found = _ONE[form].fullmatch(answer_part(text))
    if not found:
        raise DataError(f"the judge's reply does not hold exactly one {_MENTION[form]} of right or wrong")
    if form == "judge-tag":
        return found[1] == "0"
    return bool(FORM.read(found[1].casefold().replace('."', '"'))["verdict"] == "right")
