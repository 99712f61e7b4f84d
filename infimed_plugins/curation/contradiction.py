"""The option that a chain of thought commits to, so that one that ends elsewhere than its answer is not trained on.

    It looks like a cyst.                          commits to cyst, with any answer behind it
    It looks like a cyst, but the shadow shows a stone.    to stone: the last commitment counts
    A cyst would throw none. It is not a cyst.     to nothing

Both of parsing/'s readings are used: what the whole text states, as a scorer would read it, and, behind words such as
"it is", "looks like" or "consistent with", what stands there as if it were an answer. Naming an option is not
committing to it: a chain is asked to go through all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from infimed_plugins.parsing.options.stated import stated_option

_SUBJECT = r"\b(?:it|this|that|(?:the|this)(?:\s+[\w-]+){1,3})"
_SURELY = r"(?:\s+(?:most|very|likely|probably|clearly|therefore|thus|indeed|best|seen\s+as|described\s+as))*"
_FRAME = re.compile(
    rf"{_SUBJECT}\s+(?:is|was|must\s+be){_SURELY}\s|\b(?:it|that)['’]s{_SURELY}\s"
    r"|\b(?:looks?|seems?|appears?)\s+(?:(?:very\s+)?(?:much\s+)?like|to\s+be|as)\s"
    r"|\b(?:shows?|depicts?|demonstrates?|suggests?|indicates?|represents?|reveals?|favou?rs?|supports?)\s"
    r"|\b(?:consistent|compatible|in\s+keeping)\s+with\s"
    r"|\b(?:typical|characteristic|suggestive|indicative|diagnostic)\s+(?:of|for)\s"
    r"|\bpoints?\s+(?:to|towards?)\s|\bmost\s+likely\s|\b(?:therefore|thus|hence|so),?\s"
    r"|(?:这是|考虑为?|诊断为|提示为?|符合|显示为?|看起来像|应为|因此是|所以是)",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(r"[.,;:!?\n。，；：！？]|\b(?:but|while|whereas)\b", re.IGNORECASE)
_ASIDE = re.compile(
    r"\s(?:because|since|as|given|due\s+to|with|in|on|at|which|rather\s+than|instead\s+of)\s", re.IGNORECASE
)
_ARTICLE = re.compile(r"^(?:an?|the|one)\s+")  # with it, "a stone" would be option A with the text of B
_DOUBT = re.compile(
    r"\b(?:not|no|if|unless|whether|would|could|might|may|unlike|never|cannot|neither|nor|excludes?|options?|choices?)\b"
    r"|n['’]t\b|[不非无]|如果|排除|选项",
    re.IGNORECASE,
)
_MAX_LENGTH, _MAX_CLAUSE = 20_000, 400  # characters; of what is longer the end is read


def committed_option(reasoning: str, options: tuple[str, ...]) -> str:
    """The letter that a chain of thought commits to last; "" for none, or for several at once."""
    text = reasoning[-_MAX_LENGTH:]
    stated = stated_option(text, options).letters
    letters = [stated] if len(stated) == 1 else []
    letters += _framed(text, options)
    return letters[-1] if letters else ""


def _framed(text: str, options: tuple[str, ...]) -> Iterator[str]:
    """The letters that stand behind words that commit, in their order."""
    for clause in _CLAUSE_END.split(text):
        clause = clause[-_MAX_CLAUSE:]
        for frame in _FRAME.finditer(clause):
            if not _DOUBT.search(clause[: frame.end()]):
                said = _ARTICLE.sub("", clause[frame.end() :].strip())
                letters = _letters(said, options) or _letters(_ASIDE.split(said, maxsplit=1)[0], options)
                if len(letters) == 1:
                    yield letters


def _letters(said: str, options: tuple[str, ...]) -> str:
    return stated_option(said, options).letters
