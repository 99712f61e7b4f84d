r"""What LaTeX and Markdown wrap around an answer: ``\text{B}``, ``$B$``, ``**B**``; and braces that pair."""

from __future__ import annotations

import re

_MAX_BRACES = 10_000  # closing braces within one box; more is no answer

_WRAPPER = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|normal)?|math(?:bf|it|rm|sf|tt|bb|cal)|boldsymbol|bm|emph|mbox|fbox|boxed|"
    r"operatorname|displaystyle|left|right|bf|rm|it|quad|qquad)(?![A-Za-z])"
)
_SPACING = re.compile(r"\\[,;:! ()\[\]]")
_ESCAPED = re.compile(r"\\([%&#_$.])")
_MARKUP = str.maketrans(dict.fromkeys("{}$`", " "))


def balanced(text: str) -> bool:
    r"""Whether every brace closes and none closes too early, escaped ones (``\{``) aside."""
    masked = mask_escapes(text) + "}"
    return closing_brace(masked, 0) == len(masked) - 1


def plain(text: str) -> str:
    r"""The text without wrappers: ``\textbf{B}.`` gives ``B .``. Commands that mean something (``\frac``) stay."""
    if "\\" in text:
        text = _ESCAPED.sub(r"\1", _SPACING.sub(" ", _WRAPPER.sub(" ", text)))
    return text.translate(_MARKUP).replace("**", " ").replace("__", " ").strip()


def mask_escapes(text: str) -> str:
    """The text with its escaped braces and backslashes out of the way, of the same length."""
    return text.replace("\\\\", "\0\0").replace("\\{", "\0\0").replace("\\}", "\0\0")


def closing_brace(masked: str, start: int) -> int:
    """Where the brace closes that opened just before ``start``; -1 where it never does."""
    depth, position = 1, start
    for _ in range(_MAX_BRACES):
        end = masked.find("}", position)
        if end < 0:
            return -1
        depth += masked.count("{", position, end) - 1
        if depth == 0:
            return end
        position = end + 1
    return -1
