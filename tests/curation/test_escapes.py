"""The figures shown beside what decontamination found are those that the benchmark measures."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from infimed_plugins.curation.decontamination import DecontaminationSettings, page
from infimed_plugins.curation.decontamination.image_match import ORIENTATIONS, ImageIndex, hash_image
from infimed_plugins.sources.phantom import phantom_sample

PICTURES = 30
SETTINGS = DecontaminationSettings()


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    path = Path(__file__).parents[2] / page.MEASURED_BY
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("change", "shown", "least", "most"),
    [
        ("0.5 and JPEG 75", "resized to a half, then JPEG of quality 75", 0.98, 1.0),
        ("mirrored", "mirrored, or turned by 90 degrees", 0.98, 1.0),
        ("turned by 90", "mirrored, or turned by 90 degrees", 0.98, 1.0),
        ("brightness 1.2", "brightness or contrast up by a fifth", 0.98, 1.0),
        ("crop 2%", "cropped by 2%", 0.4, 0.99),
        ("crop 5%", "cropped by 5% or more", 0.0, 0.01),
        ("crop 10%", "cropped by 5% or more", 0.0, 0.01),
        ("turned by 5", "turned by 5 degrees", 0.0, 0.01),
    ],
)
def test_what_is_said_of_changed_pictures_is_so(
    change: str, shown: str, least: float, most: float, bench: ModuleType
) -> None:
    said = {row.change: row.found for row in page.MEASURED}[shown]
    assert (said == "100%", said == "none") == (least >= 0.98, most <= 0.01)
    phantoms = [phantom_sample("test", number).images[0].open() for number in range(PICTURES)]
    noise = [bench.blurred_noise(seed) for seed in range(PICTURES)]
    rates = []
    for pictures in (phantoms, noise):
        index = ImageIndex()
        for picture in pictures:
            index.add(hash_image(bench.encoded(picture), ORIENTATIONS))
        hashes = [hash_image(bench.CHANGES[change](picture)) for picture in pictures]
        rates.append(bench.found(index, hashes, SETTINGS.image_distance, SETTINGS.image_correlation))
    assert least <= sum(rates) / 2 <= most


def test_what_is_said_of_questions_is_so(bench: ModuleType) -> None:
    said = {row.change: row.found for row in page.MEASURED}
    for pairs, shown in (
        (bench.REWORDED, "question about the same image, reworded"),
        (bench.OTHERS, "another question about the same image, taken for it"),
    ):
        alike = [bench.question_similarity(*pair) >= SETTINGS.question_similarity for pair in pairs]
        assert said[shown] == f"{sum(alike) / len(pairs):.0%}"
        assert f"{len(pairs)} questions" in {row.change: row.of for row in page.MEASURED}[shown]


def test_the_thresholds_of_a_run_are_said() -> None:
    said = page.thresholds(DecontaminationSettings(image_distance=4, least_tokens=9))
    assert "within 4 of 64 bits" in said
    assert "of 9 words or more" in said
    assert page.thresholds(DecontaminationSettings(tier="embeddings")) == (
        "image and question embedded together with a cosine above 0.95"
    )
