"""Caption refinement: a model rewrites a caption so that it says what the image shows.

Second paper, section 3.1 and appendix A ("Instruction for Medical Caption Refinement"). The new caption is the answer
to train on; the original stays in ``meta["caption"]``::

    "Axial T1WI w/ Gd: hyperintense ovoid lesion, L parietal."
    "An MRI of the brain from above. A bright oval spot is seen in the left parietal lobe."

Replies are refused if they are empty, too long, cut at the token limit, torn (half a tag of reasoning or an answer), or
no caption at all ("I cannot …"). A reply that only repeats the original is counted, and the original stays. The checks
are ours: the paper names none. Its prompt, a setting, is in English, and so are the captions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from infimed_plugins import prompts
from infimed_plugins.curation import StepContext
from infimed_plugins.curation.settings import NAMES, TEMPERATURE, DrawSettings, one_of, prompt_setting, setting, whole
from infimed_plugins.engines import Reply
from infimed_plugins.parsing import tokens
from infimed_plugins.quoting import data, fill
from infimed_plugins.records import Sample

# second paper, appendix A, word for word
REFINEMENT_PROMPT = """\
You are a medical image captioning assistant. Your task is to rephrase the following scientific image description into \
a clear, concise, and visually grounded caption that should help a small vision-language model understand what the \
image shows. Please ensure the caption:

1. Accurately reflects the key visual features shown in the image, such as structures, shapes, colors, and biological \
elements.
2. Maintains medical correctness, while simplifying overly complex or technical language where appropriate.

Original description:

{ORIGINAL CAPTION}

Now rewrite this as a simplified, image-grounded caption suitable for training a vision-language model."""

ORIGINAL = "{ORIGINAL CAPTION}"

EMPTY = "empty caption"
TORN = "half a tag in the caption"
CUT = "caption cut at the token limit"
REFUSAL = "refusal in the place of a caption"
TOO_LONG = "caption too long"
REPEATED = "caption repeats the original"
KEEP_OR_DROP = one_of(("drop", "keep"))

_SURE = r"(?:(?:sure|certainly|of course)\W+)?"
_HERE_IS = rf"{_SURE}here(?:['’]s|\s+is)\s[^:\n.]{{0,60}}(?:caption|description|version)[^:\n.]{{0,80}}"
_KINDS = r"(?:(?:simplified|refined|revised|rewritten|improved|image-grounded|new|final|medical|image),?\s+){0,4}"
_LABEL = re.compile(rf"[*#\s]*(?:{_HERE_IS}|{_KINDS}(?:caption|description)\s*\**\s*):[*\s]*", re.IGNORECASE)
_UNABLE = r"(?:(?:very|so|truly)\s+)?(?:sorry|afraid|unable|not able)"
_CANNOT = (
    r"(?:cannot|can\s+not|can['’]t|could not|couldn['’]t|won['’]t|will not|must decline|do not have|don['’]t have)"
)
_REFUSAL = re.compile(
    rf"\W*(?:unfortunately\W+)?(?:i(?:['’]m|\s+am)\s+{_UNABLE}|i\s+{_CANNOT}|i\s+apologi[sz]e|sorry\b|my apologies"
    r"|as an ai\b|as a (?:large )?language model"
    r"|(?:很|非常)?(?:抱歉|对不起)|我(?:无法|不能|没有办法)|作为(?:一个|一名)?(?:人工智能|AI|语言模型))",
    re.IGNORECASE,
)
_TAGS = re.compile(r"</?(?:answer|caption)>|</?(?:answer|caption)?$", re.IGNORECASE)  # whole ones, and half at the end
_HALF_TAG = re.compile(r"</|</?(?:think|answer|caption)\b|\b(?:think|answer|caption)>", re.IGNORECASE)
_QUOTES = (('"', '"'), ("“", "”"), ("'", "'"), ("‘", "’"), ("**", "**"))


@dataclass(frozen=True)
class CaptionSettings(DrawSettings):
    """Settings of caption refinement. Only the prompt is the paper's, which prints nothing else."""

    prompt: str = prompt_setting(REFINEMENT_PROMPT, ORIGINAL)
    kinds: Sequence[str] = setting(("caption",), NAMES)  # values of meta["kind"]; [] for every text answer
    most_tokens: int = setting(200, whole())  # words, and Han characters, of a caption
    rejected: str = setting("drop", KEEP_OR_DROP)  # a sample whose new caption is refused; keep: its original stays
    repeats: str = setting("keep", KEEP_OR_DROP)  # one whose new caption only repeats the original
    temperature: float = setting(0.0, TEMPERATURE, kw_only=True)
    max_tokens: int = setting(512, whole(), kw_only=True)


def captions(samples: Iterable[Sample], context: StepContext) -> Iterator[Sample]:
    """Yield each sample with its refined caption as answer; what is no caption passes untouched and is counted.

    Raises ConfigError without an engine or for a setting. Failed requests are dropped and counted.
    """
    engine = context.need_engine("captions", "to rewrite with")
    settings = CaptionSettings.read("captions", context.settings)
    asked: dict[str, Sample] = {}
    for sample in samples:
        if is_caption(sample, settings.kinds):
            asked[sample.id] = sample
        else:
            context.counted["no caption to refine"] += 1
            yield sample
    for sample, reply in settings.ask(engine, asked, lambda one: caption_prompt(one, settings.prompt), context):
        refined = _refined(sample, reply, settings, context)
        if refined is not None:
            yield refined


def _refined(sample: Sample, reply: Reply, settings: CaptionSettings, context: StepContext) -> Sample | None:
    original = str(sample.answer)
    caption = clean(reply.texts[0] if reply.texts else "")
    reason = CUT if any(reply.cut) else refusal(caption, original, settings.most_tokens)
    if not reason:
        context.counted["caption refined"] += 1
        return replace(sample, answer=caption).with_meta(caption={"original": original, "refined": True})
    if (settings.repeats if reason == REPEATED else settings.rejected) == "drop":
        context.dropped[reason] += 1
        return None
    context.counted[f"original kept: {reason}"] += 1
    return sample.with_meta(caption={"original": original, "refined": False, "reason": reason})


def is_caption(sample: Sample, kinds: Sequence[str]) -> bool:
    """True if the answer is a caption: a text, of one of these kinds."""
    return sample.task == "text" and (not kinds or sample.kind in kinds)


def caption_prompt(sample: Sample, prompt: str = REFINEMENT_PROMPT) -> str:
    """Return the user turn: image tags, then the prompt with the caption filled in."""
    images = prompts.IMAGE_TAG * len(sample.images)
    return images + fill(prompt, {ORIGINAL: data(str(sample.answer))})


def clean(text: str) -> str:
    """Return the caption in a reply, without thinking, tags, quotation marks or a label such as ``Caption:``."""
    _, ended, after = text.rpartition("</think>")
    text = after if ended else text
    if "<think>" in text:
        return ""  # cut off before the caption
    text = _TAGS.sub("", prompts.escape_media_tags(text).strip()).strip()
    label = _LABEL.match(text)
    text = text[label.end() :].strip() if label else text
    for opened, closed in _QUOTES:
        inner = text.removeprefix(opened).removesuffix(closed)
        if len(inner) == len(text) - len(opened + closed) and opened not in inner and closed not in inner:
            text = inner.strip()
    return text


def refusal(caption: str, original: str, most_tokens: int) -> str:
    """Return the reason to refuse a new caption, or ""."""
    words = tokens(caption)
    if not words:
        return EMPTY
    if _HALF_TAG.search(caption):
        return TORN
    if _REFUSAL.match(caption):
        return REFUSAL
    if len(words) > most_tokens:
        return TOO_LONG
    return REPEATED if words == tokens(original) else ""
