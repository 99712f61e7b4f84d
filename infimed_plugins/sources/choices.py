"""Read the options of a user's row and the letter of the right one, in the forms in which files hold them.

Options, a list or object also as JSON or Python text in a cell::

    ["liver", "lung"]   {"A": "liver", "B": "lung"}   [{"key": "A", "value": "liver"}, …]
    columns A, B, …, also option_a, "Choice A", opt_a, opa; what is missing at the end is not there

Answers: a letter ("B", "(b)", "B."), the text of an option, both ("B. lung"), a 0-based index that is no option's text,
several letters ("A, C", "AC"), or true and false for Yes and No. An answer that could mean two of these is refused; of
two equal options the first letter is taken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from infimed_plugins.parsing.normalize import nfkc
from infimed_plugins.records import OPTION_LETTERS, is_choice
from infimed_plugins.sources.public import UnusableRow, as_text, clean
from infimed_plugins.tables.cells import blank, column_key, missing, pick, structured

OPTIONS = ("options", "choices")
COLUMNS = ("option", "choice", "opt", "op", "")  # prefixes of the letter in column names
_LETTER_KEYS = ("key", "label", "letter", "id")
_TEXT_KEYS = ("value", "text", "content", "option")
_LETTERS = re.compile(r"[A-Za-z](?:(?:[\s,;&+、]|and)+[A-Za-z])*|[A-Z]+")
_LETTERED = re.compile(r"^\s*[(（]?([A-Za-z])\s*[)）.．:：、]\s*(.*)$", re.DOTALL)
_INDEX = re.compile(r"(\d{1,3})(?:\.0)?")
NONE_OF_THEM = "the answer is none of the options"


def read_options(fields: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the options of a row without their letters; None for a row without options. Raises UnusableRow."""
    given = structured(pick(fields, OPTIONS))
    if isinstance(given, str) or (given is not None and not isinstance(given, (list, tuple, dict))):
        raise UnusableRow("the options are no list", repr(given)[:100])
    lettered = _lettered(given) if given else _columns(fields)
    texts = list(given or ()) if lettered is None else _in_order(lettered)
    if not texts:
        return None
    if not all(blank(text) or (isinstance(text, (str, int, float)) and not isinstance(text, bool)) for text in texts):
        raise UnusableRow("an option is no text", repr(texts)[:100])
    options = _without_letters([clean(plain(text)) for text in texts])
    if "" in options or any(blank(text) for text in texts):
        raise UnusableRow("a choice is empty", repr(texts)[:100])
    if not 2 <= len(options) <= len(OPTION_LETTERS):
        raise UnusableRow("fewer than two options, or more than letters", repr(texts)[:100])
    return tuple(options)


def plain(value: Any) -> Any:
    """Return a float of a column with gaps as the whole number it was; anything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _lettered(given: Any) -> Mapping[Any, Any] | None:
    """Return options by their letters, in any of their forms; None for a list of bare ones."""
    if isinstance(given, dict):
        keys, texts = (next((name for name in names if name in given), None) for names in (_LETTER_KEYS, _TEXT_KEYS))
        if keys and texts and len(given) == 2 and isinstance(given[keys], list) and isinstance(given[texts], list):
            return dict(zip(given[keys], given[texts], strict=True))
        columns = _columns(given)
        return columns if len(columns) == len(given) else given
    if given and all(isinstance(item, dict) for item in given):
        found = {pick(item, _LETTER_KEYS): pick(item, _TEXT_KEYS) for item in given}
        if len(found) < len(given):
            raise UnusableRow("the options are objects without letters", repr(given)[:100])
        return found
    if given and all(isinstance(item, (list, tuple)) and len(item) == 2 for item in given):
        return dict(given)  # a parquet map
    return None


def _columns(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    by_name = {column_key(name): value for name, value in fields.items()}
    for prefix in COLUMNS:
        if not {f"{prefix}a", f"{prefix}b"} <= by_name.keys():
            continue
        found = {letter: by_name[name] for letter in OPTION_LETTERS if (name := prefix + letter.lower()) in by_name}
        if not all(map(blank, found.values())):
            return found
    return {}


def _in_order(lettered: Mapping[Any, Any]) -> list[Any]:
    """Return the texts in the order of their letters, without what is missing behind the last."""
    by_letter = {clean(key).strip("().:").upper(): text for key, text in lettered.items()}
    letters = sorted(by_letter)
    while letters and blank(by_letter[letters[-1]]):
        letters.pop()
    if len(by_letter) != len(lettered) or "".join(letters) != OPTION_LETTERS[: len(letters)]:
        raise UnusableRow("the options' letters are not A, B, C in a row", ", ".join(map(str, lettered))[:100])
    return [by_letter[letter] for letter in letters]


def _without_letters(options: list[str]) -> list[str]:
    """Return the texts of "A. liver", "B. lung" … where each has the right letter."""
    split = [split_letter(option) for option in options]
    all_right = "".join(letter for letter, _ in split) == OPTION_LETTERS[: len(options)]
    return [text for _, text in split] if all_right else options


def read_choice(answer: Any, options: Sequence[str]) -> str:
    """Return the letter of the right option, or the letters of all. Raises UnusableRow for none or an ambiguous one."""
    if isinstance(answer, list) and len(answer) != 1:
        if any(isinstance(item, (int, float)) for item in answer):
            raise UnusableRow("several answers that are neither letters nor texts", repr(answer)[:100])
        letters = {letter for item in answer for letter in read_choice(item, options)}
        return _checked("".join(sorted(letters)), options, answer)
    if isinstance(answer, list):
        return read_choice(answer[0], options)
    if isinstance(answer, bool):
        words = ("yes", "true") if answer else ("no", "false")
        return _checked("".join(letter for word in words for letter in _of_text(word, options)), options, answer)
    if blank(answer):
        raise UnusableRow("no answer")
    return _read_text(clean(nfkc(as_text(plain(answer)))), options)


def _read_text(text: str, options: Sequence[str]) -> str:
    of_text, of_letter = _of_text(text, options), _of_letters(text)
    if of_text and of_text != of_letter and len(of_letter) == 1 and is_choice(of_letter, len(options)):
        raise UnusableRow("the answer is a letter and the text of another option", text)
    if of_text or of_letter:
        return of_text or _checked(of_letter, options, text)
    letter, rest = split_letter(text)
    if letter and _key(rest):
        right = _checked(letter, options, text)
        if _key(options[OPTION_LETTERS.index(right)]) != _key(rest):
            raise UnusableRow("the answer's letter and text differ", text[:100])
        return right
    index = _INDEX.fullmatch(text)
    if index is None:
        raise UnusableRow(NONE_OF_THEM, text[:100])
    return letter_of_index(index[1], options)


def _of_text(text: str, options: Sequence[str]) -> str:
    found = [letter for letter, option in zip(OPTION_LETTERS, options, strict=False) if _key(option) == _key(text)]
    return found[0] if found else ""


def _of_letters(text: str) -> str:
    """Return the letters that make up a text, in order: of "(b)", "A, C" and "AC"; "" if it holds more."""
    word = re.sub(r"[()\[\].:]", "", text).strip(" 、")
    if not _LETTERS.fullmatch(word):
        return ""
    if word.isalpha() and word.isupper():
        return word  # out of order it is a word
    return "".join(sorted(set(re.sub("and|[^A-Za-z]", "", word).upper())))


def _checked(letters: str, options: Sequence[str], answer: Any) -> str:
    if not is_choice(letters, len(options)):
        raise UnusableRow(NONE_OF_THEM, repr(answer)[:100])
    return letters


def _key(text: str) -> str:
    """Return the form in which two texts of an option are compared."""
    return clean(nfkc(text)).casefold().rstrip(". ")


def letter_of_index(index: Any, options: Sequence[str]) -> str:
    """Return the letter of a 0-based index. Raises UnusableRow outside of the options."""
    if missing(index):
        raise UnusableRow("no answer")
    number = int(index)
    if not 0 <= number < len(options):
        raise UnusableRow(NONE_OF_THEM, f"index {number} of {len(options)}")
    return OPTION_LETTERS[number]


def letter_of_text(text: Any, options: Sequence[str]) -> str:
    """Return the letter of the option with this text, the first of equals. Raises UnusableRow when none has it."""
    wanted, texts = clean(text), [clean(option) for option in options]
    if not wanted:
        raise UnusableRow("no answer")
    for form in (str, str.casefold):
        found = [form(one) for one in texts]
        if form(wanted) in found:
            return OPTION_LETTERS[found.index(form(wanted))]
    raise UnusableRow(NONE_OF_THEM, wanted[:100])


def letter_among(letter: Any, options: Sequence[str]) -> str:
    """Return a letter that names one of the options. Raises UnusableRow otherwise."""
    if missing(letter):
        raise UnusableRow("no answer")
    word = clean(letter).strip("().:").upper()
    if len(word) != 1 or word not in OPTION_LETTERS[: len(options)]:
        raise UnusableRow(NONE_OF_THEM, repr(letter)[:100])
    return word


def split_letter(text: str) -> tuple[str, str]:
    """Return ``" A: Green "`` as ("A", "Green"); without a letter in front, ("", text)."""
    found = _LETTERED.match(text)
    return (found[1].upper(), clean(found[2])) if found else ("", clean(text))
