"""Read the form that a rendered prompt asks for: its tags, those that the template opens itself, the frame of boxes.

The commonest complaint of all trackers, "the reward is always 0", is a reward that pays another form than this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from infimed_plugins.parsing.response import BOX, ResponseForm
from infimed_plugins.prompts import IMAGE_TAG
from infimed_plugins.trainers.faults import Fault, first_line

_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9_-]*)>")
_NO_TAGS = ("image", "img", "video", "audio", "box", "ref", "bos", "eos", "s", "start_of_turn", "end_of_turn")
_THOUSANDTHS = re.compile(r"\b0(?:\.0)?\s*(?:-|–|~|,|to|and|到|至)\s*(?:1,?000|999)\b|\bthousandth|千分", re.IGNORECASE)
_REGION = re.compile(r"<\|?(?:object_ref|box|quad|ref)_(?:start|end)\|?>|</?(?:ref|box|quad)>")
_PIXELS = re.compile(r"\bpixels?\b|\bpx\b|像素", re.IGNORECASE)


@dataclass(frozen=True)
class AskedForm:
    """The reply that a prompt asks for. Names of tags are as written, None where the prompt has none.

    ``opened`` and ``closed`` are tags of the reasoning that the chat template itself writes where the reply begins.
    """

    think: str | None = None
    answer: str | None = None
    boxed: bool = False
    opened: str | None = None
    closed: bool = False
    frame: str | None = None  # "thousandths" or "pixels"
    rendered: bool = False  # by the chat template; without a model only the format prompt is known

    def reply(self, reasoning: str, answer: str) -> str:
        """Return the reply of a model that does as it was asked."""
        lines = []
        if self.opened:
            lines.append(f"{reasoning} </{self.opened}>")
        elif self.think and not self.closed:
            lines.append(f"<{self.think}> {reasoning} </{self.think}>")
        answer = rf"{BOX}{answer}}}" if self.boxed and not self.answer else answer
        lines.append(f"<{self.answer}> {answer} </{self.answer}>" if self.answer else answer)
        return "\n".join(lines)


def read_prompt(question: str, asked: list[dict[str, Any]], images: int, rules: Any) -> tuple[AskedForm, list[Fault]]:
    """Return the reply that a prompt asks for, and its faults.

    ``asked`` are its messages as the trainer hands them to the chat template, ``rules`` the RowRules (rl_rows.py).
    """
    keys = rules.keys
    texts = [part["text"].strip() for part in asked[-1]["content"] if part.get("text", "").strip()]
    plain, words = IMAGE_TAG.join(texts), texts[-1] if texts else ""
    if any(text.strip() not in plain for text in question.split(IMAGE_TAG)):
        fix = "write {{ content }} where the question belongs"
        return AskedForm(), [Fault(keys.prompt, "the template leaves the question out", fix)]
    if rules.processor is None:
        return _asked(plain, words, rules.form, by_template=False), []
    where = rules.template_key
    try:
        prompt = rules.processor.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
    except Exception as error:  # noqa: BLE001  a template may raise anything
        what = f"the chat template cannot render a prompt ({first_line(error)})"
        return AskedForm(), [Fault(where, what, f"name a chat template of the model's family in {keys.template}")]
    faults = list(_template_faults(where, prompt, texts, images, rules.processor))
    return _asked(prompt, words, rules.form, by_template=True), faults


def _asked(prompt: str, words: str, form: ResponseForm, *, by_template: bool) -> AskedForm:
    """Read the form asked for; ``words`` are the last of the user. Tags named as in ``form``, the reward's, win."""
    place = prompt.rfind(words) if words else -1
    begun = prompt[place + len(words) :] if place >= 0 else ""
    head = prompt[: len(prompt) - len(begun)]
    think_like, answer_like = form.lenient_tags
    names = list(dict.fromkeys(name for _, name in _TAG.findall(head) if name.lower() not in _NO_TAGS))
    answer = _choose(names, form.answer_tag, answer_like)
    others = [name for name in names if name != answer and f"</{name}>" in head]
    think = _choose(names, form.think_tag, think_like) or (others[0] if answer and others else None)
    at_end = list(_TAG.finditer(begun))
    if by_template and not at_end:  # a format prompt that opens the reply under a bare template
        at_end = [found for found in _TAG.finditer(prompt) if not found[1] and not prompt[found.end() :].strip()]
    tags = [found for found in at_end if think_like.fullmatch(found[0]) or found[2] == think]
    return AskedForm(
        think,
        answer,
        BOX in head,
        opened=tags[-1][2] if tags and not tags[-1][1] else None,
        closed=bool(tags and tags[-1][1]),
        frame="thousandths" if asks_thousandths(head) else "pixels" if _PIXELS.search(head) else None,
        rendered=by_template,
    )


def asks_thousandths(text: str) -> bool:
    """True if coordinates of 0 to 1000 are asked for."""
    return _THOUSANDTHS.search(text) is not None


def _choose(names: list[str], wanted: str, like: re.Pattern[str]) -> str | None:
    return wanted if wanted in names else next((name for name in names if like.fullmatch(f"<{name}>")), None)


def _template_faults(where: str, prompt: str, texts: list[str], images: int, processor: Any) -> Iterator[Fault]:
    fix = "name the model's own chat template, or mend this one"
    if any(text not in prompt for text in texts) or "{'type':" in prompt:
        yield Fault(where, "the chat template does not write the question as it is", fix)
        return
    marks = [mark for mark in (getattr(processor, name, None) for name in ("boi_token", "image_token")) if mark]
    written = max((prompt.count(mark) for mark in marks), default=images)
    if written != images:
        what = f"the chat template {'drops pictures' if written < images else 'repeats pictures'}"
        yield Fault(where, f"{what}: {written} of {images} in a prompt", fix)


class SpecialTokens:
    """Finds a tokenizer's special tokens in a text, which would be read as tokens, not as text.

    Region tokens are allowed in texts: Qwen's grounding is written with them.
    """

    def __init__(self, tokenizer: Any) -> None:
        special = [] if tokenizer is None else list(tokenizer.all_special_tokens)
        if tokenizer is not None:
            special += [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
        names = [re.escape(name) for name in special if name != IMAGE_TAG and not _REGION.fullmatch(name)]
        self._special = re.compile("|".join(names)) if names else None

    def faults(self, where: str, text: str) -> Iterator[Fault]:
        """Yield a fault for the first special token that a text spells."""
        found = self._special.search(text) if self._special else None
        if found:
            what = f"the text spells the model's own token {found[0]}, which would be read as one"
            yield Fault(where, what, "write it with a space after its first sign, or take it out")
