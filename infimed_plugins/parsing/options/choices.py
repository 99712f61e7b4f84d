r"""The option letters an answer commits to.

    B   (B)   b)   \textbf{B}.        a letter by itself
    B. Pneumonia   (B) Pneumonia      a letter, a delimiter, the option's text
    The answer is B   Option B        a letter after a word that announces it
    B is correct
    Pneumonia                         an option's text, when the options are known
    A, C   A and C   AC               several letters: right only where the truth has the same several

Everything else commits to nothing: two letters with "or", a letter inside a word, the article "a", "not B", "A is
incorrect", "B?". Where a letter and the rest of the answer disagree, it commits to nothing. Without the options no
text can be told from a rival: ``B. Vitamin C`` is B, but ``B. Pneumonia C. Mass`` is nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from infimed_plugins.parsing.latex import plain
from infimed_plugins.parsing.normalize import nfkc, tokens
from infimed_plugins.records import OPTION_LETTERS

MAX_LENGTH = 4096  # characters; a longer answer commits to nothing
_LIKELY = OPTION_LETTERS[:10]  # what may rival the chosen letter when the options are not known

_OPEN, _CLOSE = r"[\s(\[<\"'“‘「]*", r"[\s)\]>\"'”’」]*"
_LEAD = re.compile(
    rf"{_OPEN}(?P<letter>[A-Za-z])"
    r"(?:\s*[)\]>]\s*[.:,;]?(?:\s*[-–—]\s)?|\s*[:;=、。]|\s?,|\s?\.(?![a-z])|\s[-–—]+\s|[–—]|[ \t]*\n|\s(?=\())"
    r"(?P<rest>.*)",
    re.DOTALL,
)
_IS_RIGHT = re.compile(
    rf"{_OPEN}(?P<letter>[A-Za-z]){_CLOSE}\s+is\s+(?:(?:the|most|likely|only|a|my)\s+)*"
    r"(?:correct|right|best|true|answer)(?![A-Za-z])(?P<rest>.*)",
    re.DOTALL | re.IGNORECASE,
)
_ANNOUNCED = re.compile(
    r"(?:(?<![A-Za-z])(?i:answer|ans|option|choice|choose|select|pick)(?i:s)?(?![A-Za-z])|答案|选项|选择|选)"
    r"(?:\s*(?:(?i:to (?:the|this|that) question|is|was|would be|should be|must be|will be|be|the|letter|option|choice|"
    r"answer|therefore|thus|clearly|definitely|most likely|likely|probably|correct|best)(?![A-Za-z])|[:=是为应项]|->))*"
    rf"{_OPEN}(?P<letter>[A-Z](?![A-Za-z0-9'’]|-\w)|[a-z](?=\s*(?:[)\]>.,;:!\"”]|$)))"
)
_STARTS_WITH = re.compile(rf"{_OPEN}(?P<letter>[A-Za-z]){_CLOSE}\s*(?:[?/|!&+]|(?:or|and|vs|nor)(?![A-Za-z]))")
_ANNOUNCEMENT = re.compile(
    r"\s*(?:(?:so|thus|therefore|hence)\W+)?(?:(?:(?:the|my)\s+)?(?:final\s+|correct\s+|best\s+|most\s+|likely\s+|probable\s+)*"
    r"(?:answer|option|choice|diagnosis)\s*(?:is\b|:)\s*:?|(?:it|this|that)\s+is\s|"
    r"(?:this|the)\s+(?:image|picture|scan|figure)\s+(?:shows|depicts|demonstrates)\s)",
    re.IGNORECASE,
)
_REASON = re.compile(r"\W{1,3}(?:because|since|as|given that|due to)(?![A-Za-z])", re.IGNORECASE)
_NAMED_BEFORE = re.compile(r"(?P<text>.*\S)\s{0,2}\((?P<letter>[A-Z])\)[.!;,\s]{0,3}", re.DOTALL)
_END_MARKS = ".!;, \n"
_EXPLAINED = re.compile(r"(?<![A-Za-z])(?:because|since|given that|due to)(?![A-Za-z])", re.IGNORECASE)
_SPECIES = re.compile(r"\.\s?[a-z]{4,}")
_SET_ASIDE = re.compile(r"(?<![A-Za-z])(?:not|unlike|rather than|instead of)\s[^.!?\n]*", re.IGNORECASE)
_REJECTED = re.compile(
    r"[\s)\]>\"'”’.,:;–—-]*(?:(?:is|was|are|were|seems?|looks?|appears?|can|could|would|should|must|does|do|did|may|has)"
    r"(?:\s+be)?\s*)?(?:(?:definitely|clearly|probably|obviously|also|been|to be)\s+)*"
    r"(?:not(?![A-Za-z])|n['’]t|(?:is|was|does|do|did|would|could|ca|wo)n['’]t|cannot|incorrect|wrong|ruled out|"
    r"excluded|eliminated|unlikely|impossible|never(?![A-Za-z])|不)|[\s)\]>\"'”’]*(?:is|was)\s+(?:\w+\s+)?false(?![A-Za-z])",
    re.IGNORECASE,
)
_HEDGED = re.compile(
    r"[\s)\]>\"'”’.,:;]*(?:\?|/|\||or(?![A-Za-z])|and/or|vs(?![A-Za-z])|nor(?![A-Za-z]))", re.IGNORECASE
)
_NEGATED = re.compile(
    r"(?<![A-Za-z])(?:not|no|never|cannot|neither|nor|wrong|incorrect|false|unlikely|unsure|doubt|except|excluding|"
    r"eliminate|exclude|if|anything but|rule out)(?![A-Za-z])|n['’]t(?![A-Za-z])|不|非|排除",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(
    r"[.,;:!?\n，。；]|(?<![A-Za-z])(?:but|so|thus|therefore|hence|then)(?![A-Za-z])", re.IGNORECASE
)
_STANDALONE = re.compile(r"(?<![A-Za-z0-9'’.])(?<!\w-)[A-Za-z](?![A-Za-z0-9'’])(?!-\w)")
_LAST_WORD = re.compile(r"([A-Za-z]+)[\s(]*$")
_NOUNS = (
    "vitamin hepatitis influenza type grade stage group class zone factor segment lead level phase part panel figure "
    "image point structure arrow label region area protein immunoglobulin troponin category pattern view lobe"
)
_LETTERED_NOUNS = frozenset(_NOUNS.split())
_BRACKETS = str.maketrans("【】「」『』《》", "[][][][]")
_LIST_PARTS = re.compile(r"[A-Za-z]+|\S")
_LIST_WORDS = frozenset(["and", "both", "options", "option"])
_LIST_MARKS = frozenset("()[]<>.,:;!、。\"'“”‘’「」&")


@dataclass(frozen=True)
class Choice:
    """The letters an answer commits to, upper case and sorted (``"B"``, ``"AC"``), "" for none, and why."""

    letters: str
    reason: str = ""


def option_letter(answer: str, options: Sequence[str] | None = None) -> str | None:
    """The one letter an answer commits to, or None."""
    letters = option_letters(answer, options).letters
    return letters if len(letters) == 1 else None


def option_letters(answer: str, options: Sequence[str] | None = None) -> Choice:
    """The letters an answer commits to; ``options`` are the texts of A, B, … when they are known."""
    if len(answer) > MAX_LENGTH:
        return Choice("", f"longer than {MAX_LENGTH} characters")
    text = nfkc(plain(answer)).translate(_BRACKETS).strip().lstrip("-*•> ✅✔☑✓👉➡→\ufe0f").strip()
    if not text or len(text) > MAX_LENGTH:
        return Choice("", "no option letter")
    if text[0] in "!~¬≠":
        return Choice("", "negated")
    choice = _read(text, options if isinstance(options, tuple) else tuple(options or ()))
    beyond = [letter for letter in choice.letters if options and letter not in OPTION_LETTERS[: len(options)]]
    return Choice("", f"there is no option {beyond[0]}") if beyond else choice


def _read(text: str, options: tuple[str, ...]) -> Choice:
    named = _text_of(text, options) if options and not (len(text) == 1 and text.isalpha()) else ""
    if named:
        return Choice(named, "the text of an option")
    led = _LEAD.match(text)
    if led and _is_text_of(led["letter"].upper(), led["rest"], options):
        return Choice(led["letter"].upper(), "a letter and its text")
    if text[1:2].isspace() and _is_text_of(text[0].upper(), text[2:], options):
        return Choice(text[0].upper(), "a letter and its text")
    listed = _listed(text)
    if listed is not None:
        return listed
    if led and not is_species(text, led.start("letter"), options):
        return _led(led["letter"].upper(), led["rest"], options)
    right = _IS_RIGHT.match(text)
    if right:
        letter = right["letter"].upper()
        rival = _HEDGED.match(right["rest"]) or has_rival(right["rest"], letter, options)
        return Choice("", "more than one option") if rival else Choice(letter, "a letter said to be right")
    return _announced(text, options)


def _listed(text: str) -> Choice | None:
    """Nothing but letters and what joins them; None when there is more."""
    if len(text) > 64:
        return None
    if 2 <= len(text) <= len(_LIKELY) and set(text) <= set(_LIKELY) and "".join(sorted(set(text))) == text:
        return Choice(text, "letters")
    parts = _LIST_PARTS.findall(text)
    words = [part for part in parts if part[0].isalpha() and part.isascii()]
    letters = {word.upper() for word in words if len(word) == 1}
    known = all(len(word) == 1 or word.lower() in _LIST_WORDS for word in words)
    if not letters or not known or not {part for part in parts if part not in words} <= _LIST_MARKS:
        return None
    if len(words) > len(letters) and words[0].lower() in ("option", "options") and len(letters) == 1:
        return None  # "Option B" is an announcement
    if len(letters) == 1 and any(word.lower() == "both" for word in words):
        return None  # "Both A and" is cut off
    return Choice("".join(sorted(letters)), "a letter" if len(letters) == 1 else "letters")


@lru_cache(maxsize=4096)
def _texts(options: tuple[str, ...]) -> tuple[tuple[tuple[str, ...], ...], dict[tuple[str, ...], str]]:
    """The tokens of each option, and the letter of each text; "" for a text that stands twice."""
    words = tuple(tuple(tokens(option)) for option in options)
    letters: dict[tuple[str, ...], str] = {}
    for letter, text in zip(OPTION_LETTERS, words, strict=False):
        letters[text] = "" if text in letters else letter
    return words, letters


def _named(text: str, options: tuple[str, ...]) -> str:
    """The letter of the one option whose text this is, or ""; an article before it is let pass."""
    words = tuple(tokens(text))
    if not words or not options:
        return ""
    letters = _texts(options)[1]
    return letters.get(words, "") or (letters.get(words[1:], "") if words[0] == "the" and len(words) > 1 else "")


def _text_of(text: str, options: tuple[str, ...]) -> str:
    """The letter whose text this says, also announced, with a reason after it, or with its letter after it."""
    named = _named(text, options)
    if named:
        return named
    announced = _ANNOUNCEMENT.match(text)
    said = text[announced.end() :] if announced else text
    reason = _REASON.search(said)
    before = _NAMED_BEFORE.fullmatch(said) if said.rstrip(_END_MARKS).endswith(")") else None
    if before and _is_text_of(before["letter"], before["text"], options):
        return before["letter"]
    return _named(said, options) or (_named(said[: reason.start()], options) if reason else "")


def _is_text_of(letter: str, text: str, options: tuple[str, ...]) -> bool:
    """Whether this is the text of that very option, even where another has the same."""
    place = OPTION_LETTERS.find(letter)
    return 0 <= place < len(options) and tuple(tokens(text)) == _texts(options)[0][place] != ()


def _starts_with_text_of(letter: str, text: str, options: tuple[str, ...]) -> int:
    """How many characters of the text are that option's own text, to the end of a word; 0 for none."""
    place = OPTION_LETTERS.find(letter)
    own = options[place].strip() if 0 <= place < len(options) else ""
    start = len(text) - len(text.lstrip(" ).:*]-–—"))
    end = start + len(own)
    same = own and text[start:end].lower() == own.lower() and not text[end : end + 1].isalnum()
    return end if same else 0


def is_species(text: str, place: int, options: tuple[str, ...]) -> bool:
    """``E. coli is common`` is no option E, unless the text after the letter is that of option E."""
    if not options or not text[place].isupper() or not _SPECIES.match(text, place + 1):
        return False
    return not _starts_with_text_of(text[place], text[place + 1 :], options)


def _led(letter: str, rest: str, options: tuple[str, ...]) -> Choice:
    named = _named(rest, options)
    if named:
        return Choice("", f"letter {letter}, text of {named}")
    if _HEDGED.match(rest) or has_rival(_beyond_text(letter, rest, options), letter, options):
        return Choice("", "more than one option")
    if _REJECTED.match(rest):
        return Choice("", f"option {letter} is rejected")
    return Choice(letter, "a letter and text")


def _beyond_text(letter: str, rest: str, options: tuple[str, ...]) -> str:
    """What follows a letter that may rival it: no reason, and after the option's own text no "not (B)"."""
    own = _starts_with_text_of(letter, rest, options)
    reason = _EXPLAINED.search(rest)
    rest = rest[own : reason.start() if reason and reason.start() > own else None]
    return _SET_ASIDE.sub(" ", rest) if own else rest


def _announced(text: str, options: tuple[str, ...]) -> Choice:
    """``The answer is B``: the last announcement decides; one that is negated does not count."""
    standing = []
    for found in _ANNOUNCED.finditer(text):
        clauses = _CLAUSE_END.split(text[max(0, found.start() - 200) : found.start()])
        article = found["letter"] == "A" and re.match(
            r"\s+(?!because|since|as|due|given|based|and|or)[a-z]", text[found.end() :]
        )
        if not article and not _NEGATED.search(clauses[-1]) and not _REJECTED.match(text, found.end()):
            standing.append(found)
    if not standing:
        return Choice("", "no option letter")
    letter, rest = standing[-1]["letter"].upper(), text[standing[-1].end() :]
    named = _named(rest, options)
    if named and named != letter and not _is_text_of(letter, rest, options):
        return Choice("", f"letter {letter}, text of {named}")
    several = any(found["letter"].upper() != letter for found in standing) or _set_against(text, standing[-1], options)
    if several or _HEDGED.match(rest) or has_rival(_beyond_text(letter, rest, options), letter, options):
        return Choice("", "more than one option")
    return Choice(letter, "an announced letter")


def _set_against(text: str, announced: re.Match[str], options: tuple[str, ...]) -> bool:
    """Whether the text before an announcement offers another letter; "the answer is C" may follow a discussion."""
    before, letter = text[: announced.start()], announced["letter"].upper()
    start = _STARTS_WITH.match(before)
    if start and start["letter"].upper() != letter:
        return True
    weak = announced[0][:6].lower() in ("option", "choice")
    return has_rival(before if weak else _CLAUSE_END.split(before)[-1], letter, options)


def has_rival(rest: str, chosen: str, options: tuple[str, ...]) -> bool:
    """Whether another letter stands in the text as an option of its own."""
    likely = OPTION_LETTERS[: len(options)] if options else _LIKELY
    for found in _STANDALONE.finditer(rest):
        letter, after = found[0], rest[found.end() : found.end() + 8]
        if letter.upper() == chosen or letter.upper() not in likely or is_species(rest, found.start(), options):
            continue
        before = _LAST_WORD.search(rest, max(0, found.start() - 24), found.start())
        word = before[1].lower() if before else ""
        if letter.islower():
            if re.match(r"\)|[.:]\s", after) or (word in ("or", "option", "answer") and not after[:1].isspace()):
                return True
            continue
        noun = word in _LETTERED_NOUNS and not after.startswith((")", ":"))
        article = letter == "A" and re.match(r"\s(?!or\b|and\b|is\b|was\b|are\b|but\b|nor\b|vs\b)[a-z]", after)
        pronoun = letter == "I" and after[:1].isspace()
        if not (noun or article or pronoun):
            return True
    return False
