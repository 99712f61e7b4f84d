"""Whether a free reply gives a short text as its answer.

    gold "left lung"    Left lung.    The left lung    It is located in the left lung.    Answer: left lung
                        Left lung, as seen on the image. The lesion there is hypodense.
    but not             left lung or liver    not the left lung    Left lung. Liver.    the left lung is clear

The words of the answer must be those of the gold, no more and no fewer: as sets, in the singular, without articles and
prepositions, and without a phrase that only presents the answer. Numbers are one word each, so 1.5 is not 5.1,
and their signs count: 1.5 is neither <1.5 nor -1.5.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from infimed_plugins.parsing.latex import plain
from infimed_plugins.parsing.normalize import tokens
from infimed_plugins.parsing.statements import MAX_LENGTH, announcements, sentences, settled, tidy

_PICTURE = r"(?:the|this)\s+(?:image|picture|scan|figure|photograph|x-ray|slide|radiograph)"
_ASKED_FOR = (
    "lesion|finding|abnormality|organ|modality|plane|view|size|diagnosis|mass|tumou?r|opacity|structure|location|"
    "technique|sequence|number|color|colour|shape|stain|region"
)
_PRESENTS = re.compile(
    r"\s*(?:(?:(?:so|thus|therefore|hence|overall|in summary|in conclusion|based on [^,.]{1,40})\W+)?"
    r"(?:(?:i|we)(?:\s+would|['’]d)?\s+(?:think|believe|say|conclude|suspect)(?:\s+that)?\s+)?"
    rf"(?:(?:it|this|that|they|these|there|{_PICTURE}(?:\s+shown)?|(?:the\s+)?findings"
    rf"|the\s+(?:(?!differential|alternative|secondary)[a-z]+\s+)?(?:{_ASKED_FOR})(?:\s+(?:used|shown|seen|here))?)\s+|it(?=['’]s\s))"
    r"(?:['’]s|is|are|was|were|shows?|measures|depicts?|demonstrates?|reveals?|displays?|suggests?|indicates?|"
    r"looks?(?:\s+like)?|(?:appears?|seems?)(?:\s+to\s+be)?)\s+(?:of\s+)?(?:(?:taken|acquired|obtained)\s+)?"
    r"(?:(?:using|with)\s+)?"
    r"|(?:most\s+)?(?:likely|probably|approximately|about|consistent\s+with|compatible\s+with|suggestive\s+of)\s+"
    r"|(?:located|situated|seen|found|visible)\s+(?=in|on|at|within))+"
    r"|\s*(?:这|该图像?|图中|图像|(?:该|此)?病[变灶](?:主要)?)?(?:显示的?是?|是|为|位于|在)\s*",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"\W*(?:the|this|these|an?)\s+([a-z' -]{1,80}?)\s+"
    r"(?:is|are|was|were|belongs?\s+to|points?\s+to|indicates?)\s+(?!not\s|no\s)(?:pointing\s+to\s+)?",
    re.IGNORECASE,
)
_SHOWN = frozenset(["shown", "seen", "used", "indicated", "depicted", "here", "this", "image"])
_TRAILS = re.compile(
    r"(?:\s*,?\s*as)?\s+(?:(?:is|are|was|were)\s+)?(?:clearly\s+)?"
    r"(?:present|seen|shown|visible|noted|identified|depicted|demonstrated|involved)"
    rf"(?:\s+(?:in|on)\s+{_PICTURE})?\W*$|\s*,?\s+(?:in|on)\s+{_PICTURE}\W*$"
    r"|\s*,?\s+(?:because|since|given|due\s+to)\s.*$",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)+")
_UNIT = re.compile(r"(\d)(cm|mm)(?!\w)", re.IGNORECASE)
_SIGN = re.compile(r"(?<![\w.)])(?:([<>≤≥])\s?|([-−]))(?=\d)")
_SIGNS = {"<": " below ", "≤": " below ", ">": " above ", "≥": " above "}
_COUNTS = {
    name: str(place)
    for place, name in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    )
}
_KINDS = frozenset(["plane", "view", "image", "side", "study"])  # "axial plane" says no more than "axial"
_NUMBER_MARKS = str.maketrans({".": "d", ",": None})
_WEAK = frozenset(["the", "in", "on", "at", "of", "within", "and"])
_OPENING = _WEAK | {"a", "an"}
_NOT_PLURAL = ("ss", "us", "is", "as", "os")
_REMARK = re.compile(
    r"\s+\((?![^()]*\b(?:or|not|possibly|versus|vs|unlikely|less|more|ruled|absent|suspected|cannot|excluded|maybe)\b)"
    r"(?!and\b)[^()?]{1,60}\)\W*$",
    re.IGNORECASE,
)
_CONTESTED = re.compile(
    r"\W*(?:wait|actually|hmm+|no,|(?:i|we) (?:cannot|can['’]?t)|unable|"
    r"(?:however|but)\b.{0,200}\b(?:more likely|not the case|instead|rather))\b",
    re.IGNORECASE,
)
_COUNTED = re.compile(r"\W*(?:there (?:is|are) )?(\d+|[a-z]+) ([a-z]+)\W*", re.IGNORECASE)
_UNITS = frozenset(
    ["cm", "mm", "m", "ml", "mg", "kg", "g", "percent", "year", "month", "week", "day", "hour", "minute", "degree"]
)
_MODALITIES = {
    "mri": re.compile(
        r"(?<!\w)(?:magnetic\s+resonance(?:\s+imaging)?|mri?(?:\s+(?:scan|imaging))?)(?!\w)", re.IGNORECASE
    ),
    "ct": re.compile(r"(?<!\w)(?:computed\s+tomography|ct)(?:\s+(?:scan|imaging))?(?!\w)", re.IGNORECASE),
    "xray": re.compile(r"(?<!\w)(?:x[- ]?rays?|(?:radiograph|roentgenogram)s?)(?!\w)", re.IGNORECASE),
}
_SAME = {
    "rul": "right upper lobe",
    "rml": "right middle lobe",
    "rll": "right lower lobe",
    "lul": "left upper lobe",
    "lll": "left lower lobe",
    "inferior lobe": "lower lobe",
    "superior lobe": "upper lobe",
    "lobe of the right lung": "lobe right",
    "lobe of the left lung": "lobe left",
    "lobe of right lung": "lobe right",
    "lobe of left lung": "lobe left",
    "pe": "pulmonary embolism",
    "pulmonary thromboembolism": "pulmonary embolism",
    "dvt": "deep vein thrombosis",
    "deep venous thrombosis": "deep vein thrombosis",
    "ggo": "ground glass opacity",
    "cxr": "chest xray",
    "enlarged heart": "cardiomegaly",
    "enlarged cardiac silhouette": "cardiomegaly",
    "enlargement of the heart": "cardiomegaly",
    "cardiac enlargement": "cardiomegaly",
}  # two names of one thing, wherever they stand
_OTHER_NAMES = re.compile(rf"(?<!\w)(?:{'|'.join(sorted(_SAME, key=len, reverse=True))})(?!\w)", re.IGNORECASE)
_PARTS = frozenset(["plain", "chest", "head", "brain", "abdominal", "abdomen", "thoracic", "pelvic", "cranial", "knee"])
_ASIDE = re.compile(r"no\s+(?:other|further|additional)\s", re.IGNORECASE)
_MOST_AROUND = 200  # characters around a gold
_MAX_RIVAL = 3  # words of a sentence that would be another answer


def says(reply: str, golds: Sequence[str], question: str = "") -> str | None:
    """The stretch of the reply that gives one of the golds as its answer, or None.

    What the reply repeats of the question is passed over: "The color of the lesion is white." ``reply`` is what a tag
    or box holds, or a whole reply; no more than 100,000 characters of it are an answer.
    """
    if len(reply) > MAX_LENGTH:
        return None
    text = tidy(plain(reply))
    if text.endswith("?"):
        return None
    text = _past_question(text, question)
    return next((found for gold in golds if (found := _says(text, gold)) is not None), None)


def _past_question(text: str, question: str) -> str:
    """What follows a subject of the question's own words, and its verb."""
    repeated = _SUBJECT.match(text) if question else None
    if repeated is None or not _words(repeated[1]) - _SHOWN <= _words(question):
        return text
    return text[repeated.end() :]


def _says(text: str, gold: str) -> str | None:
    wanted = _words(gold)
    if not wanted:
        return text if text == gold.strip() else None
    if _gives(text, wanted, gold) or _gives(_REMARK.sub("", text), wanted, gold):
        return text
    announced = [said for said in announcements(text) if not said.text.lstrip().lower().startswith("not ")]
    if any(said.unsure for said in announced):
        return None
    if announced:
        keyed = [(said.start, said.end, " ".join(sorted(_words(said.text)))) for said in announced]
        last = announced[-1].text
        if settled(keyed, text) is None:
            return None
        found = next((part for part in (last, _leading(last, gold)) if _gives(part, wanted, gold)), None)
        return found.strip() if found else None
    return _at_either_end(text, gold, wanted)


def _at_either_end(text: str, gold: str, wanted: frozenset[str]) -> str | None:
    """The first or the last sentence, or as many as the gold has, where no other is short enough to be a rival."""
    said = [part for _, part in sentences(text)]
    count = len(sentences(gold.strip()))
    for part, others in ((said[:count], said[count:]), (said[-count:], said[:-count])):
        given = " ".join(part)
        if _gives(given, wanted, gold) and not any(_is_rival(one, wanted) for one in others):
            return None if part == said[:count] and any(map(_CONTESTED.match, others)) else given
    return None


def _gives(text: str, wanted: frozenset[str], gold: str) -> bool:
    """Whether these are the words of the gold; a text much longer than it cannot give it."""
    if len(text) > 2 * len(gold) + _MOST_AROUND:
        return False
    words = _words(text)
    counted = _COUNTED.fullmatch(text) if gold.strip().isdigit() else None
    if counted:  # "There are 3 lesions."
        return {_COUNTS.get(counted[1].lower(), counted[1])} == wanted and _singular(counted[2].lower()) not in _UNITS
    return words == wanted or (
        len(wanted) == 1 and wanted <= words and words - wanted <= (_PARTS if wanted <= _MODALITIES.keys() else _KINDS)
    )


def _leading(text: str, gold: str) -> str:
    count = len(sentences(gold.strip()))
    return " ".join(part for _, part in sentences(text)[:count])


def _is_rival(sentence: str, wanted: frozenset[str]) -> bool:
    words = _words(sentence[:_MOST_AROUND])
    if any(word.isdigit() for word in words) and not any(word.isdigit() for word in wanted):
        return False  # a size, where none was asked for
    return 0 < len(words) <= _MAX_RIVAL and words != wanted and not _ASIDE.match(sentence)


@lru_cache(maxsize=4096)
def _words(text: str) -> frozenset[str]:
    """The words that count, in the singular; all of them where only weak ones are left."""
    presented = _PRESENTS.match(text)
    bare = _TRAILS.sub("", text[presented.end() :] if presented else text)
    for name, names in _MODALITIES.items():
        bare = names.sub(name, bare)
    bare = _OTHER_NAMES.sub(lambda named: _SAME[named[0].lower()], bare)
    bare = _SIGN.sub(lambda sign: _SIGNS.get(sign[1], " minus "), bare)
    bare = _UNIT.sub(r"\1 \2", bare.replace("%", " percent "))
    words = tokens(_NUMBER.sub(lambda number: number[0].translate(_NUMBER_MARKS), bare)) or tokens(text)
    words = [_COUNTS.get(word, word) for word in _joined(words)]
    start = next((place for place, word in enumerate(words) if word not in _OPENING), 0)
    strong = frozenset(_singular(word) for word in words[start:] if word not in _WEAK)
    return strong or frozenset(words)


def _joined(words: Sequence[str]) -> Iterator[str]:
    """The words, one that is denied as one with the denial: "without atypia" is not "atypia, without …"."""
    denied = ""
    for word in words:
        if word == "without":
            denied = "without "
        else:
            yield denied + word
            denied = ""
    if denied:
        yield "without"


def _singular(word: str) -> str:
    if len(word) < 4 or not word.endswith("s") or word.endswith(_NOT_PLURAL):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("sses", "xes", "ches", "shes")) else word[:-1]
