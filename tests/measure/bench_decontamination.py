"""Decontamination: ``python tests/measure/bench_decontamination.py``. Prints tables; it is not a test.

Rates: hashing against decoding the same images, hash search, MinHash, and the blocked search of vectors against the
bare matrix product. What is found: changed copies by the distance of their hashes, with and without the second look,
and pairs of different images that pass for the same. The pictures are phantoms (alike, as X-rays are) and blurred noise
(unlike); of real radiographs it says nothing. Questions: our own short list of rewordings and of other questions.
What it measures at the default thresholds stands in curation/decontamination/page.py, for users to read.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import random
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from infimed_plugins.curation.decontamination.embeddings import nearest
from infimed_plugins.curation.decontamination.image_match import ORIENTATIONS, ImageHash, ImageIndex, hash_image, near
from infimed_plugins.curation.decontamination.text_match import Text, TextIndex, jaccard, question_similarity
from infimed_plugins.images import decode_image
from infimed_plugins.parsing.normalize import tokens
from infimed_plugins.sources.phantom import phantom_sample

DISTANCES = (0, 2, 4, 6, 8, 10, 12)
CORRELATIONS = (0.0, 0.95, 0.97, 0.98, 0.99)
BLURRED = Image.Resampling.BICUBIC

REWORDED = (
    ("What modality is used to take this image?", "Which modality was used to take this image?"),
    ("is this a CT?", "Is this a CT scan?"),
    ("Is the liver healthy?", "Is the liver in this image healthy?"),
    ("What organ is enlarged?", "Which organ is enlarged?"),
    ("where is the mass?", "Where is the mass located?"),
    ("is there a pleural effusion?", "Is a pleural effusion present?"),
    ("is there evidence of a pneumothorax?", "Is there a pneumothorax?"),
    ("What imaging technique was used here?", "What imaging technique was employed here?"),
    ("Which part of the body does this image belong to?", "What part of the body does the image belong to?"),
    ("how are the histone subunits charged?", "How are histone subunits charged?"),
    ("what is present?", "What is present in this image?"),
    ("Does the picture contain lung?", "Does the image contain a lung?"),
    ("is the trachea midline?", "Is the trachea in the midline?"),
    ("What is the abnormality in the left lower lobe?", "What abnormality is seen in the left lower lobe?"),
    ("Are there abnormalities in this image?", "Is there any abnormality in this image?"),
    ("What color is used to label the Golgi complexes?", "What colour labels the Golgi complexes in the image?"),
    ("What is the uptake pattern in the breast?", "Which uptake pattern is seen in the breast?"),
    ("does this image show an infarct?", "Does the image show an infarct?"),
    ("Is the cardiac silhouette enlarged?", "Is the heart silhouette enlarged?"),
    ("In what plane is this image taken?", "Which plane is this image taken in?"),
    ("图像里包含肝脏吗?", "图像里有肝脏吗?"),
    ("这张图片的成像方式是什么?", "这张图片的成像模态是什么?"),
)
OTHERS = (
    ("What modality is used to take this image?", "What organ is shown in this image?"),
    ("Is the liver healthy?", "Is the lung healthy?"),
    ("is there a mass in the left lung?", "is there a mass in the right lung?"),
    ("is this a CT?", "is this an MRI?"),
    ("where is the mass?", "what is the mass?"),
    ("where is the mass?", "how large is the mass?"),
    ("is there a pleural effusion?", "is there a pneumothorax?"),
    ("what organ is enlarged?", "is the heart enlarged?"),
    ("Does the picture contain lung?", "Does the picture contain liver?"),
    ("Which organ is abnormal, heart or lung?", "Which organ is the biggest, heart or lung?"),
    ("how are the histone subunits charged?", "how are the viral particles charged?"),
    ("are the arrows pointing at bile ducts?", "are the arrows pointing at hepatocytes?"),
    ("What is the abnormality in the left lower lobe?", "What is the abnormality in the right upper lobe?"),
    ("is the trachea midline?", "is the trachea deviated to the left?"),
    ("What color is used to label the Golgi complexes?", "What color is used to label the nuclei?"),
    ("what is present?", "is cyst present?"),
    ("Is this an axial plane?", "Is this a coronal plane?"),
    ("What imaging technique was used here?", "What abnormality is shown here?"),
    ("how many kidneys are there in this image?", "how many lesions are there in this image?"),
    ("what does this image show?", "does this image show an infarct?"),
    ("图像里包含肝脏吗?", "图像里包含肺吗?"),
    ("这张图片的成像方式是什么?", "这张图片的成像平面是什么?"),
    ("Is the cardiac silhouette enlarged?", "Is the cardiac silhouette normal?"),
    ("Are the lungs normal?", "Are the bones normal?"),
)
VIGNETTE = (
    "A {age}-year-old {who} comes to the clinic with {sign} for {time}. On examination there is {finding}. "
    "Laboratory studies show {test}. Which of the following is the most likely diagnosis?"
)
FILLS = {
    "age": [str(age) for age in range(18, 90)],
    "who": ["man", "woman", "farmer", "teacher", "nurse", "smoker"],
    "sign": ["chest pain", "blurred vision", "a dry cough", "joint pain", "a rash on both arms", "weight loss"],
    "time": ["two days", "three weeks", "six months", "a year"],
    "finding": ["a swollen knee", "a heart murmur", "pale skin", "crackles over both lungs", "an enlarged spleen"],
    "test": ["a raised calcium", "low platelets", "a high creatinine", "blood in the urine", "a normal blood count"],
}

Bytes = Callable[[Image.Image], bytes]


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=form, **options)
    return buffer.getvalue()


def cropped(image: Image.Image, share: float) -> Image.Image:
    """Without ``share`` of the width and height, half of it at each side."""
    x, y = round(image.width * share / 2), round(image.height * share / 2)
    return image.crop((x, y, image.width - x, image.height - y))


def scaled(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)), BLURRED)


CHANGES: dict[str, Bytes] = {
    "resized 0.75": lambda image: encoded(scaled(image, 0.75)),
    "resized 0.5": lambda image: encoded(scaled(image, 0.5)),
    "JPEG 75": lambda image: encoded(image, "JPEG", quality=75),
    "JPEG 50": lambda image: encoded(image, "JPEG", quality=50),
    "0.5 and JPEG 75": lambda image: encoded(scaled(image, 0.5), "JPEG", quality=75),
    "mirrored": lambda image: encoded(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    "mirrored, JPEG 75": lambda image: encoded(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "JPEG", quality=75),
    "turned by 90": lambda image: encoded(image.transpose(Image.Transpose.ROTATE_90)),
    "turned by 5": lambda image: encoded(image.rotate(5)),
    "brightness 1.2": lambda image: encoded(ImageEnhance.Brightness(image).enhance(1.2)),
    "contrast 1.2": lambda image: encoded(ImageEnhance.Contrast(image).enhance(1.2)),
    "crop 2%": lambda image: encoded(cropped(image, 0.02)),
    "crop 5%": lambda image: encoded(cropped(image, 0.05)),
    "crop 10%": lambda image: encoded(cropped(image, 0.10)),
}


def blurred_noise(seed: int, size: tuple[int, int] = (224, 168)) -> Image.Image:
    small = Image.frombytes("RGB", (16, 12), random.Random(seed).randbytes(16 * 12 * 3))
    return small.resize(size, BLURRED)


def fastest(*works: Callable[[], object], runs: int = 5) -> list[float]:
    """The shortest time of each, the works taking turns so that what else runs slows them alike."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(runs):
        for spent, work in zip(times, works, strict=True):
            started = time.perf_counter()
            work()
            spent.append(time.perf_counter() - started)
    return [min(spent) for spent in times]


def hash_rates(count: int) -> None:
    """One thread. The decoding that hashing is measured against is images.decode_image: whole, to RGB."""
    print(f"\nhashing against decoding, 1,024 x 768 pixels, {count} images, one thread, fastest of 5 runs")
    print(f"{'':28}{'decode/s':>10}{'hash/s':>9}{'x':>6}{'8 ways/s':>10}{'x':>6}")
    pictures = [blurred_noise(seed, (1024, 768)) for seed in range(count)]
    for name, form, options in (("JPEG 92", "JPEG", {"quality": 92}), ("PNG", "PNG", {})):
        data = [encoded(picture, form, **options) for picture in pictures]
        decode, once, eight = fastest(
            lambda data=data: [decode_image(one, "picture") for one in data],
            lambda data=data: [hash_image(one) for one in data],
            lambda data=data: [hash_image(one, ORIENTATIONS) for one in data],
        )
        rates = (
            f"{count / decode:10.0f}{count / once:9.0f}{once / decode:6.2f}{count / eight:10.0f}{eight / decode:6.2f}"
        )
        print(f"{name:28}{rates}", flush=True)


def found_table(name: str, pictures: list[Image.Image]) -> None:
    """What share of changed copies is found, by distance, and at distance 6 by the correlation of the second look."""
    index = ImageIndex()
    for picture in pictures:
        index.add(hash_image(encoded(picture), ORIENTATIONS))
    print(f"\nshare found of {len(pictures)} changed {name}, by distance; at 6 bits by correlation")
    head = "".join(f"{distance:6}" for distance in DISTANCES) + "   |" + "".join(f"{c:6}" for c in CORRELATIONS[1:])
    print(f"{'':20}{head}")
    for change, make in CHANGES.items():
        hashes = [hash_image(make(picture)) for picture in pictures]
        by_distance = "".join(f"{found(index, hashes, distance, 0.0):6.2f}" for distance in DISTANCES)
        by_look = "".join(f"{found(index, hashes, 6, c):6.2f}" for c in CORRELATIONS[1:])
        print(f"{change:20}{by_distance}   |{by_look}", flush=True)
    print("pairs of different images taken for the same, of a thousand")
    hashes = [hash_image(encoded(picture)) for picture in pictures]
    by_distance = "".join(f"{taken(index, hashes, distance, 0.0):6.2f}" for distance in DISTANCES)
    by_look = "".join(f"{taken(index, hashes, 6, c):6.2f}" for c in CORRELATIONS[1:])
    print(f"{'different':20}{by_distance}   |{by_look}", flush=True)


def found(index: ImageIndex, hashes: list[ImageHash], distance: int, correlation: float) -> float:
    matches = index.search(hashes, distance, correlation)
    return sum(any(match.image == number for match in one) for number, one in enumerate(matches)) / len(hashes)


def taken(index: ImageIndex, hashes: list[ImageHash], distance: int, correlation: float) -> float:
    matches = index.search(hashes, distance, correlation)
    wrong = sum(sum(match.image != number for match in one) for number, one in enumerate(matches))
    return 1000 * wrong / (len(hashes) * (len(hashes) - 1))


def question_table() -> None:
    """Of questions about one image."""
    print(f"\nquestions about one image: {len(REWORDED)} reworded, {len(OTHERS)} others, share taken as alike")
    print(f"{'threshold':12}{'content words':>24}{'all words':>24}")
    print(f"{'':12}" + f"{'reworded':>14}{'others':>10}" * 2)
    for threshold in (0.4, 0.5, 0.6, 0.7, 0.8):
        line = f"{threshold:<12}"
        for similarity in (question_similarity, by_all_words):
            for pairs, width in ((REWORDED, 14), (OTHERS, 10)):
                line += f"{sum(similarity(*pair) >= threshold for pair in pairs) / len(pairs):{width}.2f}"
        print(line)


def by_all_words(one: str, other: str) -> float:
    return jaccard(frozenset(tokens(one)), frozenset(tokens(other)))


def text_table(count: int) -> None:
    """Of texts that stand alone: vignettes with words replaced, and one template filled in twice."""
    rng = random.Random(0)
    vignettes = [VIGNETTE.format(**{key: rng.choice(values) for key, values in FILLS.items()}) for _ in range(count)]
    changed = {share: [reworded(text, share, rng) for text in vignettes] for share in (0.05, 0.1, 0.15)}
    print(f"\ntexts that stand alone: {count} vignettes of one template, share taken as alike")
    print(f"{'':12}" + "".join(f"{f'runs of {n} word(s)':>32}" for n in (1, 2, 3)))
    print(
        f"{'threshold':12}" + f"{'5%':>8}{'10%':>8}{'15%':>8}{'other':>8}" * 3 + "   (words replaced; another filling)"
    )
    for threshold in (0.4, 0.5, 0.6, 0.7, 0.8):
        line = f"{threshold:<12}"
        for n in (1, 2, 3):
            for texts in changed.values():
                line += f"{share_alike(zip(vignettes, texts, strict=True), n, threshold):8.2f}"
            others = [(one, other) for one, other in pairwise(vignettes) if one != other]
            line += f"{share_alike(others, n, threshold):8.2f}"
        print(line)


def reworded(text: str, share: float, rng: random.Random) -> str:
    words = text.split()
    for place in rng.sample(range(len(words)), round(share * len(words))):
        words[place] = f"other{rng.randrange(1000)}"
    return " ".join(words)


def share_alike(pairs: Any, n: int, threshold: float) -> float:
    alike = [jaccard(runs(one, n), runs(other, n)) >= threshold for one, other in pairs]
    return sum(alike) / len(alike)


def runs(text: str, n: int) -> frozenset[str]:
    words = tokens(text)
    return frozenset(" ".join(words[i : i + n]) for i in range(len(words) - n + 1))


def search_rates(rows: int) -> None:
    """Searches over tables of a realistic size."""
    rng = np.random.default_rng(0)
    table = rng.integers(0, 1 << 63, 800_000, dtype=np.uint64)
    queries = table[:64] ^ np.uint64(1)
    (took,) = fastest(lambda: near(queries, table, 6))
    print(
        f"\nhash search: 64 images against 100,000 in 8 orientations: {64 / took:,.0f} images/s, "
        f"{64 * len(table) / took / 1e9:.2f} G pairs/s"
    )
    vocabulary = [f"w{n}" for n in range(5000)]
    texts = [Text(" ".join(vocabulary[n] for n in rng.integers(0, 5000, 40))) for _ in range(10_000)]
    started = time.perf_counter()
    index = TextIndex(texts, 0.6)
    middle = time.perf_counter()
    index.nearest(texts)
    done = time.perf_counter()
    print(f"MinHash: {10_000 / (middle - started):,.0f} texts/s indexed, {10_000 / (done - middle):,.0f}/s looked up")
    print(f"\nsearch of vectors: 1,024 queries at a time against {rows:,}, float32, fastest of 5 runs")
    print(f"{'dimensions':12}{'product, queries/s':>20}{'search, queries/s':>20}{'share':>8}")
    for dimensions in (384, 1536):
        product_and_search(rng, rows, dimensions)


def product_and_search(rng: np.random.Generator, rows: int, dimensions: int) -> None:
    table, queries = unit(rng, rows, dimensions), unit(rng, 1024, dimensions)
    room = np.empty((1024, rows), dtype=np.float32)
    bare, ours = fastest(lambda: np.matmul(queries, table.T, out=room), lambda: nearest(queries, table, above=0.95))
    print(f"{dimensions:<12}{1024 / bare:20,.0f}{1024 / ours:20,.0f}{bare / ours:8.0%}", flush=True)


def unit(rng: np.random.Generator, rows: int, dimensions: int) -> NDArray[np.float32]:
    vectors = rng.standard_normal((rows, dimensions), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=400, help="pictures of each kind whose changed copies are sought")
    parser.add_argument("--timed", type=int, default=60, help="large pictures that are timed")
    parser.add_argument("--vectors", type=int, default=100_000)
    arguments = parser.parse_args()
    threads = os.environ.get("OMP_NUM_THREADS") or os.cpu_count()
    load = f"{threads} thread(s) for products, load {os.getloadavg()[0]:.1f}"
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {os.cpu_count()} cores, {load}")
    hash_rates(arguments.timed)
    search_rates(arguments.vectors)
    question_table()
    text_table(300)
    phantoms = [phantom_sample("test", number).images[0].open() for number in range(arguments.images)]
    found_table("phantoms", phantoms)
    found_table("pictures of blurred noise", [blurred_noise(seed) for seed in range(arguments.images)])
    print(f"\nload {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
