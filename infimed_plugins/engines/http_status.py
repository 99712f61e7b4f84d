"""What an HTTP status means for a request and for the run.

    200                            the reply
    408, 425, 429, 500 and above   asked again, of another server at once, or after the pause that Retry-After names
    401, 402, 403, 404, 405, 3xx   the server is left out; the run stops when it was the last
    other 4xx (400, 413, 422 …)    this request fails, the run goes on

Example::

    judge_status(422, {}, '{"error": {"message": "the prompt is too long"}}', url)  # raises Refused
"""

from __future__ import annotations

import email.utils
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from infimed_plugins.engines import whole_characters
from infimed_plugins.errors import EngineError
from infimed_plugins.limits import parse_json
from infimed_plugins.records import Json

RETRIED = (408, 425, 429)
LONGEST_MESSAGE = 300


class RequestFailed(Exception):
    """One request that will not be answered; the text is the error of its reply."""


class Refused(RequestFailed):
    """A request that the server finds wrong (4xx)."""


class Again(Exception):
    """A request that is worth another try, after ``wait`` seconds at least, ``most_retries`` times at most."""

    def __init__(self, text: str, *, wait: float = 0.0, most_retries: int = 1000) -> None:
        super().__init__(text)
        self.wait, self.most_retries = wait, most_retries


class Unreachable(Again):
    """No connection."""


class EmptyReply(Again):
    """A reply with nothing in it, which another server would hardly better; after some tries ``read_as`` is taken."""

    def __init__(self, text: str, *, most_retries: int, read_as: object = None) -> None:
        super().__init__(text, most_retries=most_retries)
        self.read_as = read_as


def judge_status(
    status: int,
    headers: Mapping[str, str],
    text: str,
    url: str,
    key_name: str = "",
    mask: Callable[[str], str] = lambda said: said,
) -> None:
    """Return for a good status; raise Again, Refused or EngineError as the table says.

    ``mask`` takes the key out of the server's words, after they are parsed: JSON can spell it in many ways.
    """
    if 200 <= status < 300:
        return
    said = f"{url} answers {status}: {_message(text, mask)}"
    if status == 429 and "insufficient_quota" in text:
        raise EngineError(f"{said}; the account has no quota left")
    if status in RETRIED or status >= 500:
        raise Again(said, wait=_retry_after(headers.get("retry-after", "")))
    if status in (401, 403):
        raise EngineError(f"{said}; put a key that is valid there into the environment variable {key_name or 'named'}")
    if status == 402:
        raise EngineError(f"{said}; the account must be paid first")
    if status in (404, 405) or status < 400:
        raise EngineError(f"{said}; check the model's name ({url}/models lists them) and base_url (it ends in /v1)")
    raise Refused(said)


def told_status(error: Json) -> int:
    """The status that an error in a body with status 200 names as its code; 400 if it names none."""
    code = str(error.get("code")) if isinstance(error, dict) else ""
    return int(code) if len(code) == 3 and code.isascii() and code.isdigit() and code >= "300" else 400


def _message(text: str, mask: Callable[[str], str]) -> str:
    """The words of an error body: OpenAI's, vLLM's or FastAPI's form, else its beginning."""
    try:
        body = parse_json(text)
        if isinstance(body, dict):
            inner = body.get("error", body)
            text = str(inner.get("message") or inner.get("detail") or inner) if isinstance(inner, dict) else str(inner)
    except ValueError:
        pass
    return shown(text, mask)


def shown(text: str, mask: Callable[[str], str]) -> str:
    """The beginning of a server's words on one line; the key is taken out first, which the cut might halve."""
    text = whole_characters(" ".join(mask(text[:100_000]).split()))
    return text if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + "…"


def _retry_after(value: str) -> float:
    """Seconds from a number or a date; 0 for neither."""
    with suppress(ValueError):
        seconds = float(value)
        return seconds if 0 < seconds < math.inf else 0.0
    with suppress(ValueError, OverflowError):
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    return 0.0
