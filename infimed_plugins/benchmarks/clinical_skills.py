"""The five clinical skills of a chain of thought (second paper, 3.2.2 "Medical Knowledge Reasoning").

The paper names the skills and inspects chains by eye (4.3, figure 2); it gives no rule, prompt or figure. These rules
are ours: lexical, in English, and blind to whether what is said is true. ``judge_skills`` asks a model that.

    modality_recognition              a modality is named; where the question's own is known, that one
    anatomical_localization           a structure and a place (left, upper, lobe, adjacent …) in one sentence
    disease_feature_interpretation    a visible feature, and what it points to ("consistent with …"), in one sentence
                                      or in two that follow each other
    option_comparison                 two options are spoken of, and one is set against another; multiple choice only
    question_image_alignment          what the question asks about is tied to the image: a word of the question in a
                                      sentence about the image, the arrow, the highlighted region …

A reply without a chain (fewer than 8 words beside its answer), or one in Chinese, is not assessed.

For each skill the judge says ``sound``, ``flawed`` (tried, but mistaken) or ``absent``, as one JSON object; anything
else is asked for again and then left unscored. Question, options and reply are quoted as data.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from infimed_plugins.benchmarks.judged import Judged
from infimed_plugins.engines import ChatRequest, Engine
from infimed_plugins.engines.structured_reply import ParsedReply, RetryPolicy
from infimed_plugins.judge.verdict_form import VerdictForm
from infimed_plugins.parsing import parse_response, tokens
from infimed_plugins.records import OPTION_LETTERS, Json

SKILLS = (
    "modality_recognition",
    "anatomical_localization",
    "disease_feature_interpretation",
    "option_comparison",
    "question_image_alignment",
)
GRADES = ("sound", "flawed", "absent")
NO_CHAIN = "the reply has no chain of thought"

SKILL_PROMPT = """\
You grade the reasoning of a reply to a medical question about an image.

Grade five skills:

- modality_recognition: the reply says by which technique the image was made (CT, MRI, X-ray, ultrasound, microscopy …).
- anatomical_localization: it says in which structure, and where in it, the finding lies.
- disease_feature_interpretation: it names what is seen and says, from medical knowledge, what this points to.
- option_comparison: it weighs the options against each other and says why some are excluded. Without options: absent.
- question_image_alignment: it ties what the question asks about to what the image shows (an arrow, a region).

For each skill say "sound" if it is shown and correct, "flawed" if it is tried but mistaken or contradicts the image, \
"absent" if it is not shown. Whether the final answer is right does not matter.

Question: {QUESTION}

Reply: {REPLY}

Reply with one JSON object and nothing else, its keys the five skills, each "sound", "flawed" or "absent"."""
FORM = VerdictForm(dict.fromkeys(SKILLS, GRADES))
MIN_CHAIN = 8  # words
MAX_CHAIN = 50_000  # characters; what comes after is not read

_MODALITIES: Mapping[str, str] = {  # family -> words
    "mri": r"mri|mr imag\w*|magnetic resonance|t[12][- ]?(?:weighted|wi)?|flair|dwi|diffusion[- ]weighted",
    "ct": r"ct|cta|cect|computed tomograph\w*|tomogra\w*|hounsfield",
    "x-ray": r"x[- ]?rays?|radiograph\w*|mammogra\w*|fluoroscop\w*",
    "ultrasound": r"ultrasound|ultrasonogra\w*|sonogra\w*|echocardiogra\w*|doppler|(?:hypo|hyper|an|iso)echoic",
    "nuclear": r"pet|spect|scintigra\w*|positron emission",
    "microscopy": r"histo(?:patho)?log\w*|h ?& ?e|microscop\w*|immunohistochem\w*|micrographs?|cytolog\w*|stain\w*",
    "endoscopy": r"endoscop\w*|colonoscop\w*|gastroscop\w*|bronchoscop\w*|laparoscop\w*|cystoscop\w*",
    "fundus": r"fundus|fundoscop\w*|retinal photo\w*|fluorescein angiogra\w*",
    "oct": r"oct|optical coherence",
    "dermoscopy": r"dermoscop\w*|dermatoscop\w*",
    "angiography": r"angiogra\w*|dsa",
}
_MODALITY = {family: re.compile(rf"\b(?:{words})\b", re.IGNORECASE) for family, words in _MODALITIES.items()}
_STRUCTURE = re.compile(
    r"\b(?:lungs?|lobes?|liver|hepatic|spleen|splenic|kidneys?|renal|pancrea\w*|gallbladder|stomach|gastric|bowel|colon\w*|"
    r"intestin\w*|duoden\w*|ilium|ileum|rect\w+|bladder|prostat\w*|uter\w+|ovar\w+|cervi\w+|breasts?|heart|cardiac|atri\w+|"
    r"ventric\w*|aort\w*|arter\w*|veins?|vascular|brain|cerebr\w*|cerebell\w*|hippocamp\w*|thalam\w*|pons|midbrain|"
    r"brainstem|cortex|cortical|cortices|lesions?|skull|orbit\w*|eyes?|retina\w*|optic|macula\w*|spin\w+|vertebra\w*|"
    r"discs?|ribs?|clavicles?|femur|femoral|tibia\w*|humer\w+|pelvi\w*|hips?|knees?|shoulders?|joints?|muscles?|bones?|"
    r"pleura\w*|mediastin\w*|hil\w{2,3}|trachea\w*|bronch\w*|diaphragm\w*|thora\w+|chest|abd\w+|thyroid|neck|esophag\w*|"
    r"lymph nodes?|skin|dermis|epiderm\w*|gland\w*|tissue|organ|nerves?)\b",
    re.IGNORECASE,
)
_PLACE = re.compile(
    r"\b(?:left|right|bilateral\w*|unilateral\w*|upper|lower|middle|mid|superior\w*|inferior\w*|anterior\w*|posterior\w*|"
    r"medial\w*|lateral\w*|central\w*|peripheral\w*|proximal\w*|distal\w*|adjacent|dorsal\w*|ventral\w*|basal|apical|"
    r"quadrant|segment|hemisphere|frontal|parietal|temporal|occipital|located|within|above|below|near|surround\w*)\b",
    re.IGNORECASE,
)
_FEATURE = re.compile(
    r"\b(?:hyper\w+|hypo\w+|opaci\w+|consolidat\w*|effusions?|mass(?:es)?|nodul\w+|lesions?|cysts?|cystic|calcifi\w*|"
    r"enlarge\w*|dilat\w*|thicken\w*|irregular\w*|asymmetr\w*|swelling|edema\w*|oedema\w*|hemorrhag\w*|bleed\w*|fractur\w*|"
    r"displace\w*|infiltrat\w*|necro\w+|enhanc\w+|bright\w*|dark\w*|dens\w+|lucen\w+|signal|shadow\w*|texture|margins?|"
    r"borders?|round\w*|oval|spicul\w*|fluid|air|gas|atroph\w*|stenos\w+|narrow\w*|obstruct\w*|fill\w* defect|"
    r"homogen\w*|heterogen\w*|ring|halo|abnormal\w*|stones?|cells?|nucle\w+|fibro\w+|inflamm\w*|exudat\w*|ulcer\w*|polyps?)\b",
    re.IGNORECASE,
)
_POINTS_TO = re.compile(
    r"\b(?:suggest\w*|indicat\w*|consistent with|compatible with|in keeping with|characteristic of|typical (?:of|for)|"
    r"diagnos\w+|point\w* (?:to|toward\w*)|represent\w*|due to|caused by|support\w*|sign of|signs of|hallmark\w*|"
    r"pathognomonic|associated with|impl(?:y|ies)|evidence of|favou?r\w*|confirm\w*|rules? out|lead\w* to)\b",
    re.IGNORECASE,
)
_SET_AGAINST = re.compile(
    r"\b(?:not|unlike|whereas|while|rather than|instead|however|but|less likely|more likely|unlikely|eliminat\w*|"
    r"exclud\w*|rul\w+ out|incorrect|wrong|does ?n['’]?t|is ?n['’]?t|contrast|in comparison|compared)\b|n['’]t\b",
    re.IGNORECASE,
)
_IMAGE = re.compile(
    r"\b(?:image|images|picture|figure|scans?|photograph|slide|panel|view|shown|visible|seen|depict\w*|appear\w*|"
    r"arrow\w*|highlight\w*|circled|marked|labell?ed|outlined|box|demonstrat\w*|radiograph|x[- ]?ray|ct|mri)\b",
    re.IGNORECASE,
)
_COMMON_WORDS = (
    "a an any are as at be been by can could did do does for from had has have how if in into is it its many may of on "
    "and or other shown show shows that the their there these this those to visible was were what when where which who "
    "why will with within you your image images picture figure scan photograph seen see following option options "
    "answer name would"
)
_COMMON = frozenset(_COMMON_WORDS.split())
MAX_SENTENCES = 128
_SENTENCE_ENDS = re.compile(r"(?<=[^.\s][^.\s])[.!?](?=\s|$)|[。！？\n]")
_HAN = re.compile("[\u4e00-\u9fff]")
_TAGS = re.compile(r"</?(?:think|thinking|answer)>|\\boxed\{[^{}]*\}", re.IGNORECASE)
_ANSWER = re.compile(r"<answer>.*?</answer>", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Finding:
    """True if a chain shows a skill, and the words it rests on; ``shown`` None: the skill does not apply."""

    shown: bool | None
    evidence: str = ""


@dataclass(frozen=True)
class SkillCounts:
    """``shown`` of ``assessed`` chains show a skill; ``chains`` of ``replies`` have one that the rules can read."""

    replies: int
    chains: int
    shown: Mapping[str, int]
    assessed: Mapping[str, int]


def chain_of(text: str) -> str:
    """Return the reasoning of a reply, in tags or not, without its final answer; "" without any to speak of."""
    parsed = parse_response(text[:MAX_CHAIN])
    chain = parsed.reasoning if parsed.format_ok else _TAGS.sub(" ", _ANSWER.sub(" ", text[:MAX_CHAIN]))
    return chain.strip() if len(tokens(chain)) >= MIN_CHAIN else ""


def skills_of(
    text: str, question: str, options: Sequence[str] | None = None, meta: Mapping[str, Json] | None = None
) -> dict[str, Finding] | None:
    """Return the skills that a reply shows; None where it has no chain that the rules can read."""
    chain = chain_of(text)
    if not chain or len(_HAN.findall(chain)) > len(chain) // 10:
        return None
    parts = [part for part in map(str.strip, _SENTENCE_ENDS.split(chain)[:MAX_SENTENCES]) if part]
    return {
        "modality_recognition": _modality(chain, str((meta or {}).get("modality", ""))),
        "anatomical_localization": _together(parts, _STRUCTURE, _PLACE),
        "disease_feature_interpretation": _interpretation(parts),
        "option_comparison": _comparison(chain, parts, options),
        "question_image_alignment": _alignment(parts, question),
    }


def count_skills(rows: Sequence[Judged]) -> SkillCounts:
    """Count the skills in a run's replies."""
    shown, assessed, chains = dict.fromkeys(SKILLS, 0), dict.fromkeys(SKILLS, 0), 0
    for row in rows:
        found = skills_of(row.text, row.question, row.options, row.meta)
        chains += found is not None
        for skill, finding in (found or {}).items():
            assessed[skill] += finding.shown is not None
            shown[skill] += bool(finding.shown)
    return SkillCounts(len(rows), chains, shown, assessed)


def _modality(chain: str, known: str) -> Finding:
    named = {family: found[0] for family, words in _MODALITY.items() if (found := words.search(chain))}
    if not named:
        return Finding(False)
    right = {family for family, words in _MODALITY.items() if words.search(known)}
    if right and not right & set(named):
        return Finding(False, f"{', '.join(named.values())}; it is {known}")
    return Finding(True, ", ".join(text for family, text in named.items() if not right or family in right))


def _together(parts: Sequence[str], first: re.Pattern[str], second: re.Pattern[str]) -> Finding:
    for part in parts:
        one, other = first.search(part), second.search(part)
        if one and other:
            return Finding(True, f"{one[0]} … {other[0]}")
    return Finding(False)


def _interpretation(parts: Sequence[str]) -> Finding:
    for part, after in zip(parts, [*parts[1:], ""], strict=True):
        feature, points = _FEATURE.search(part), _POINTS_TO.search(part) or _POINTS_TO.search(after)
        if feature and points:
            return Finding(True, f"{feature[0]} … {points[0]}")
    return Finding(False)


def _comparison(chain: str, parts: Sequence[str], options: Sequence[str] | None) -> Finding:
    if not options or len(options) < 2:
        return Finding(None)
    words = f" {' '.join(tokens(chain))} "
    spoken = [
        letter
        for letter, text in zip(OPTION_LETTERS, options, strict=False)
        if re.search(rf"\b[Oo]ption\s+\(?{letter}\b|(?:^|\n)\W*{letter}[).:]", chain) or _says(words, text)
    ]
    against = next((found for part in parts if (found := _SET_AGAINST.search(part))), None)
    if len(spoken) < 2 or against is None:
        return Finding(False)
    return Finding(True, f"{', '.join(spoken)} … {against[0]}")


def _says(words: str, option: str) -> bool:
    text = " ".join(tokens(option))
    return len(text) > 2 and f" {text} " in words


def _alignment(parts: Sequence[str], question: str) -> Finding:
    asked = {word for word in tokens(question) if len(word) > 2 and word not in _COMMON}
    for part in parts:
        image = _IMAGE.search(part)
        shared = next((word for word in tokens(part) if word in asked and image and word != image[0].lower()), None)
        if image and shared:
            return Finding(True, f"{image[0]} … {shared}")
    return Finding(False)


def judge_skills(engine: Engine, rows: Iterable[Judged]) -> Iterator[ParsedReply[dict[str, Json]]]:
    """Return every reply's grade of each skill, by a judge that sees no image; one without a chain is not sent.

    Raises as ``judge_answers``.
    """
    requests: Iterator[ChatRequest | ParsedReply[dict[str, Json]]] = (
        ChatRequest(row.id, skill_prompt(row)) if chain_of(row.text) else ParsedReply(row.id, None, reason=NO_CHAIN)
        for row in rows
    )
    return FORM.ask(engine, requests, RetryPolicy())


def count_grades(verdicts: Iterable[ParsedReply[dict[str, Json]]]) -> dict[str, Counter[str]]:
    """Count how often each skill got each grade; unscored replies are under ``unscored``."""
    counts: dict[str, Counter[str]] = {skill: Counter() for skill in SKILLS}
    for verdict in verdicts:
        for skill in SKILLS:
            counts[skill][(verdict.value or {}).get(skill, "unscored")] += 1
    return counts


def skill_prompt(row: Judged) -> str:
    """Return the user turn for one reply."""
    question = "\n".join([row.question, *map(". ".join, zip(OPTION_LETTERS, row.options or (), strict=False))])
    return FORM.prompt(SKILL_PROMPT, {"{QUESTION}": question, "{REPLY}": row.text})
