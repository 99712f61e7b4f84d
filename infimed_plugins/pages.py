"""Write HTML pages: one file each that opens offline and runs nothing that others wrote.

A page is a template that extends ``pages.html.jinja``; a script beside it (``NAME.js`` for ``NAME.html.jinja``) is the
only one that the page's policy lets run::

    write_page(Path("chains.html"), Path(__file__).with_name("chains.html.jinja"), chains=chains)
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from infimed_plugins.errors import optional_module
from infimed_plugins.storage import write_whole

MOST_CHARACTERS = 20_000  # in one text: a reply may be a megabyte
MOST_NAME = 200  # in an id or a grouping's value


def write_page(
    path: Path, template: Path, filters: Mapping[str, Callable[..., str]] | None = None, **values: Any
) -> None:
    """Render the template to ``path``; an earlier page stands until the new one is whole.

    Every text is escaped and cut at ``MOST_CHARACTERS``, but for what the template marks as safe; half a surrogate
    stands as its escape. Raises MissingExtraError without jinja2.
    """
    jinja2 = optional_module("jinja2", "the HTML page", "report")
    loader = jinja2.FileSystemLoader([template.parent, Path(__file__).parent])
    environment = jinja2.Environment(autoescape=True, finalize=shortened, loader=loader)
    environment.filters |= filters or {}
    beside = template.with_suffix("").with_suffix(".js")
    script = beside.read_text(encoding="utf-8") if beside.is_file() else ""
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = environment.get_template(template.name).render(values, script=script, script_hash=allowed)
    write_whole(path, page)


def data_uri(picture: bytes, kind: str = "jpeg") -> str:
    """Return a picture as text inside a page."""
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def shortened(value: object, most: int = MOST_CHARACTERS) -> str:
    """Return a value as text, cut at ``most`` characters with a word on the rest; safe markup as it is."""
    text = value if isinstance(value, str) else str(value)
    if hasattr(text, "__html__") or len(text) <= most:
        return text
    return f"{text[:most]} … (cut here, {len(text):,} characters in all)"


def escape(text: str) -> str:
    """Return a text for a drawing inside a page, escaped and cut as a template would."""
    return html.escape(shortened(text))
