"""What the CPU tier's default thresholds find and what escapes them, to be shown beside what was found.

The figures are from tests/benchmarks/bench_decontamination.py. Of real radiographs they say nothing: the pictures are
phantoms, which are as alike as radiographs of one view, and blurred noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from infimed_plugins.curation.decontamination.step import DecontaminationSettings

SOURCE = "tests/benchmarks/bench_decontamination.py"
PICTURES = "400 phantoms and 400 pictures of noise"


class Measured(NamedTuple):
    """What was done to a copy, what share of such copies is found, and of what."""

    change: str
    found: str
    of: str


COLUMNS = ("changed copy", "found", "of")
MEASURED = (
    Measured("resized to a half, then JPEG of quality 75", "100%", PICTURES),
    Measured("mirrored, or turned by 90 degrees", "100%", PICTURES),
    Measured("brightness or contrast up by a fifth", "100%", PICTURES),
    Measured("cropped by 2%", "58% and 99%", PICTURES),
    Measured("cropped by 5% or more", "none", PICTURES),
    Measured("turned by 5 degrees", "none", PICTURES),
    Measured("another picture, taken for a copy", "0.04% and 0.00%", PICTURES),
    Measured("question about the same image, reworded", "82%", "22 questions"),
    Measured("another question about the same image, taken for it", "12%", "24 questions"),
    Measured("text without an image, one word in ten replaced", "99%", "300 vignettes"),
    Measured("text without an image, one word in seven replaced", "34%", "300 vignettes"),
)


def thresholds(settings: DecontaminationSettings) -> str:
    """What a run took for the same, in words."""
    if settings.tier == "embeddings":
        return f"image and question embedded together with a cosine above {settings.similarity}"
    return (
        f"images within {settings.image_distance} of 64 bits, in any of 8 orientations, that correlate from "
        f"{settings.image_correlation}; questions about one image from {settings.question_similarity} of their content "
        f"words; texts that stand alone, of {settings.least_tokens} words or more, from {settings.text_similarity} of "
        "their pairs of words"
    )
