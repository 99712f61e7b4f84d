r"""What LaTeX and Markdown wrap around an answer: ``\boxed{\text{B}}``, ``$B$``, ``**B**``.

A box is read with ``str.find`` and ``str.count`` only: a response of 1 MB of braces costs a few milliseconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

BOX = "\\boxed{"
_MAX_BRACES = 10_000  # closing braces within one box; more is no answer
_MAX_DIFFERENT = 16  # different boxes read before giving up on one answer

_WRAPPER = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|normal)?|math(?:bf|it|rm|sf|tt|bb|cal)|boldsymbol|bm|emph|mbox|fbox|boxed|"
    r"operatorname|displaystyle|left|right|bf|rm|it|quad|qquad)(?![A-Za-z])"
)
_SPACING = re.compile(r"\\[,;:! ()\[\]]")
_ESCAPED = re.compile(r"\\([%&#_$.])")
_MARKUP = str.maketrans(dict.fromkeys("{}$`", " "))


@dataclass(frozen=True)
class Boxes:
    r"""What the ``\boxed{}`` of a text say together: the one ``content``, and the ``rest`` of the text without them."""

    kind: Literal["none", "blank", "open", "one", "several"]
    content: str = ""
    rest: str = ""


def read_boxes(text: str) -> Boxes:
    """The box of a text: none, only blank ones, one that never closes, one (or the same again), or several."""
    kind: Literal["none", "blank", "one"] = "none"
    content = ""
    for _ in range(_MAX_DIFFERENT):
        start = text.find(BOX)
        if start < 0:
            return Boxes(kind, content, text)
        inner = start + len(BOX)
        end = _closing_brace(_mask_escapes(text), inner)
        if end < 0:
            return Boxes("open")
        inside = text[inner:end].strip()
        if inside and kind == "one" and inside != content:
            return Boxes("several")
        if inside:
            kind, content = "one", inside
        elif kind == "none":
            kind = "blank"
        text = text.replace(text[start : end + 1], " ")
    return Boxes("several")


def last_box(text: str) -> tuple[str, str]:
    r"""What the last ``\boxed{}`` holds, and the text between it and the one before; both "" where one never closes."""
    masked = _mask_escapes(text)
    start = content_start = before = 0
    end = -1
    for _ in range(_MAX_DIFFERENT):
        start = text.find(BOX, end + 1)
        if start < 0:
            return text[content_start:end].strip(), text[before : content_start - len(BOX)] if before else ""
        before, content_start = end + 1, start + len(BOX)
        end = _closing_brace(masked, content_start)
        if end < 0:
            break
    return "", ""


def balanced(text: str) -> bool:
    r"""Whether every brace closes and none closes too early, escaped ones (``\{``) aside."""
    masked = _mask_escapes(text) + "}"
    return _closing_brace(masked, 0) == len(masked) - 1


def plain(text: str) -> str:
    r"""The text without wrappers: ``\textbf{B}.`` gives ``B .``. Commands that mean something (``\frac``) stay."""
    if "\\" in text:
        text = _ESCAPED.sub(r"\1", _SPACING.sub(" ", _WRAPPER.sub(" ", text)))
    return text.translate(_MARKUP).replace("**", " ").replace("__", " ").strip()


def _mask_escapes(text: str) -> str:
    return text.replace("\\\\", "\0\0").replace("\\{", "\0\0").replace("\\}", "\0\0")


def _closing_brace(masked: str, start: int) -> int:
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
