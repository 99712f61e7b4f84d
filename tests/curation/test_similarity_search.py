"""Searches by hash, text and vector give what the naive comparison of every pair gives."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from infimed_plugins.curation.decontamination import image_match
from infimed_plugins.curation.decontamination.embeddings import nearest
from infimed_plugins.curation.decontamination.image_match import (
    ORIENTATIONS,
    ImageIndex,
    hash_image,
    hash_images,
    near,
    popcount,
)
from infimed_plugins.curation.decontamination.text_match import (
    MOST_LOST,
    Text,
    TextIndex,
    bands,
    jaccard,
    normalized,
    question_similarity,
    shingles,
)
from infimed_plugins.errors import DataError, MissingExtraError
from infimed_plugins.records import ImageRef
from infimed_plugins.sources.phantom import phantom_sample

RNG = np.random.default_rng(3)


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("distance", [0, 8, 20])
@pytest.mark.parametrize("block", [1, 64, 1 << 15])
def test_near_hashes_are_those_of_the_naive_search(distance: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_match, "_BLOCK", block)
    table = RNG.integers(0, 1 << 63, 300, dtype=np.uint64)
    queries = np.concatenate([table[:5], table[5:10] ^ np.uint64(0b1011), RNG.integers(0, 1 << 63, 5, dtype=np.uint64)])
    found = {(int(q), int(e), int(b)) for q, e, b in zip(*near(queries, table, distance), strict=True)}
    naive = {(q, e, (int(a) ^ int(b)).bit_count()) for q, a in enumerate(queries) for e, b in enumerate(table)}
    assert found == {one for one in naive if one[2] <= distance}


def test_bits_are_counted_without_numpy_2_too(monkeypatch: pytest.MonkeyPatch) -> None:
    values = RNG.integers(0, 1 << 63, (4, 5), dtype=np.uint64)
    expected = [[int(value).bit_count() for value in row] for row in values]
    assert popcount(values).tolist() == expected
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert popcount(values).tolist() == expected


def test_an_empty_index_and_empty_queries_find_nothing() -> None:
    image = hash_image(png(phantom_sample("test", 0).images[0].open()))
    assert ImageIndex().search([image], 6) == [[]]
    assert ImageIndex().search([], 6) == []
    assert TextIndex([], 0.5).nearest([Text("Who?")]) == [None]
    numbers, _ = nearest(np.ones((2, 3), np.float32), np.empty((0, 3), np.float32))
    assert numbers.tolist() == [-1, -1]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_second_look_turns_the_image_as_the_hash_did(orientation: str) -> None:
    image = phantom_sample("test", 1).images[0].open()
    turn = ORIENTATIONS[orientation]
    turned = image if turn is None else image.transpose(Image.Transpose[turn])
    index = ImageIndex()
    index.add(hash_image(png(image), ORIENTATIONS))
    (matches,) = index.search([hash_image(png(turned))], distance=4, correlation=0.999)
    assert [(match.image, match.orientation) for match in matches] == [(0, orientation)]
    assert matches[0].same_file == (orientation == "upright")


def test_the_second_look_tells_images_apart_whose_hashes_agree() -> None:
    index = ImageIndex()
    one = hash_image(png(phantom_sample("test", 1).images[0].open()), ORIENTATIONS)
    index.add(one)
    other = hash_image(png(phantom_sample("test", 2).images[0].open()))
    disguised = image_match.ImageHash("other", one.hashes[:1], other.small)
    assert index.search([disguised], 6) != [[]]
    assert index.search([disguised], 6, correlation=0.98) == [[]]


def test_hashes_are_kept_by_content_and_forgotten_when_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_match, "MOST_KNOWN", 2)
    images = [ImageRef(data=png(phantom_sample("test", n % 3).images[0].open())) for n in range(6)]
    known: dict[str, image_match.ImageHash] = {}
    with ThreadPoolExecutor(2) as pool:
        first = hash_images([*images, ImageRef(data=b"none"), ImageRef(path="nowhere.png")], pool, known)
        assert len(known) == 3
        again = hash_images(images[:1], pool, known)
    assert first[:3] == first[3:6]
    assert first[6:] == [None, None]
    assert again == first[:1]
    assert len(known) == 1


def test_a_cut_off_jpeg_is_said_so() -> None:
    buffer = io.BytesIO()
    phantom_sample("test", 0).images[0].open().save(buffer, format="JPEG")
    with pytest.raises(DataError, match="scan does not open"):
        hash_image(buffer.getvalue()[:300], name="scan")


def test_a_missing_library_is_said_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "rensa", None)
    with pytest.raises(MissingExtraError, match=r"infimed-plugins\[data\]"):
        TextIndex([], 0.5)


def test_questions_are_compared_by_the_words_that_carry_them() -> None:
    assert question_similarity("Is the liver healthy?", "is this liver HEALTHY") == 1.0
    assert question_similarity("Is the liver healthy?", "Is the lung healthy?") == pytest.approx(1 / 3)
    assert question_similarity("where is the mass?", "is there a mass?") == 0.5
    assert question_similarity("What is this?", "What is this image?") == 0.75  # stock words only: all words
    assert question_similarity("", "") == 1.0


def test_texts_are_equal_whatever_the_order_of_their_options() -> None:
    one, other = Text("Which one?", ("T-cell", "B cell")), Text("which ONE", ("b cell", "t cell"))
    assert normalized(one) == normalized(other)
    assert shingles(one) == shingles(other) == {"which one", "t cell", "b cell"}
    assert shingles(Text("Why?")) == {"why"}


def test_near_texts_are_those_of_the_naive_search() -> None:
    words = [f"w{n}" for n in range(400)]
    base = [[words[n] for n in RNG.integers(0, 400, 40)] for _ in range(60)]
    texts = [Text(" ".join(one)) for one in base]
    asked = []
    for one in base:
        changed = list(one)
        for place in RNG.integers(0, 40, 3):
            changed[place] = "other"
        asked.append(Text(" ".join(changed)))
    naive = [max((jaccard(shingles(a), shingles(b)), -n) for n, b in enumerate(texts)) for a in asked]
    expected = [(-n, similarity) if similarity >= 0.6 else None for similarity, n in naive]
    assert TextIndex(texts, 0.6).nearest(asked) == expected
    assert sum(one is not None for one in expected) > 50


@pytest.mark.parametrize("similarity", [0.1, 0.3, 0.5, 0.6, 0.8, 0.95, 1.0])
def test_bands_lose_few_pairs_at_the_threshold(similarity: float) -> None:
    count = bands(similarity)
    lost = (1 - similarity ** (128 // count)) ** count
    assert 128 % count == 0
    assert lost <= MOST_LOST or count == 128


@pytest.mark.parametrize("block", [1, 7, 64, 4096])
@pytest.mark.parametrize("threads", ["1", "3", "many"])
def test_the_nearest_vectors_are_those_of_the_whole_product(
    threads: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    queries, table = (RNG.standard_normal((rows, 24)).astype(np.float32) for rows in (33, 150))
    for vectors in (queries, table):
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    whole = queries @ table.T
    numbers, cosines = nearest(queries, table, block=block)
    assert numbers.tolist() == whole.argmax(axis=1).tolist()
    assert np.allclose(cosines, whole.max(axis=1), atol=1e-6)
    threshold = float(np.median(whole.max(axis=1)))
    above, _ = nearest(queries, table, above=threshold, block=block)
    assert (above >= 0).tolist() == (cosines > np.float32(threshold)).tolist()
