"""The table of families says what transformers and LLaMA-Factory say, and is found by name, hub id and folder."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from infimed_plugins import families
from infimed_plugins.errors import ConfigError
from infimed_plugins.families import DEFAULT, GEMMA3, INTERNVL3_5, QWEN3_VL, Family, family_of, find_family
from infimed_plugins.plugins import registry

ALL = [find_family(name) for name in registry().names(families.KIND)]
SIZES = [(wide, high) for wide in (20, 112, 300, 448, 900, 1344, 2500) for high in (40, 112, 301, 500, 896, 4000)]
by_name = pytest.mark.parametrize("family", ALL, ids=lambda family: family.name)


@by_name
def test_a_family_has_the_name_it_is_registered_under_in_any_spelling(family: Family) -> None:
    assert find_family(family.name.upper().replace("-", "_")) is family


def test_an_unknown_family_lists_the_known_ones_and_the_closest() -> None:
    with pytest.raises(ConfigError, match=r"unknown model family 'qwen3vl'; one of qwen2.5-vl, qwen3-vl, .*'qwen3-vl'"):
        find_family("qwen3vl")


@by_name
def test_its_models_are_known_by_their_ids_on_the_hub(family: Family) -> None:
    assert {family_of(model.lower()) for model in family.models} == {family}


@pytest.mark.parametrize("config", ["{}", "[]", "no json", '{"model_type": ["qwen3_vl"]}', '{"model_type": "bert"}'])
def test_a_folder_of_no_known_model_has_no_family(config: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config)
    assert family_of(tmp_path) is None


def test_a_folder_has_the_family_of_its_model_type(tmp_path: Path) -> None:
    for family in (DEFAULT, QWEN3_VL, GEMMA3, INTERNVL3_5):
        for model_type in family.model_types:
            (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
            assert family_of(tmp_path) is family


@pytest.mark.parametrize("family", [DEFAULT, QWEN3_VL], ids=lambda family: family.name)
def test_images_are_resized_as_transformers_resizes_them(family: Family) -> None:
    upstream = pytest.importorskip("transformers.models.qwen2_vl.image_processing_qwen2_vl").smart_resize
    for wide, high in SIZES:
        limits = {"factor": family.image_factor, "min_pixels": family.min_pixels, "max_pixels": 262_144}
        if max(wide, high) < 200 * min(wide, high):
            assert family.seen_size(wide, high, 262_144) == upstream(high, wide, **limits)[::-1]


@by_name
def test_an_image_that_is_stored_as_it_is_seen_is_not_resized_again(family: Family) -> None:
    for size in SIZES:
        seen = family.seen_size(*size, 262_144)
        assert family.seen_size(*seen) == seen
        assert seen[0] % family.image_factor == seen[1] % family.image_factor == 0


def test_images_are_cut_into_the_tiles_that_transformers_cuts() -> None:
    upstream = pytest.importorskip("transformers.models.got_ocr2.image_processing_got_ocr2").get_optimal_tiled_canvas
    for wide, high in SIZES:
        columns, rows = upstream((high, wide), (448, 448), 1, 12)
        assert INTERNVL3_5.seen_size(wide, high) == (columns * 448, rows * 448)
        tiles = columns * rows
        assert INTERNVL3_5.image_tokens(wide, high) == 256 * (tiles + (tiles > 1))


def test_gemma_sees_every_image_as_256_tokens() -> None:
    assert {GEMMA3.image_tokens(*size, 262_144) for size in SIZES} == {256}
    assert {GEMMA3.seen_size(*size) for size in SIZES} == {(896, 896)}


def test_templates_and_stop_words_are_llamafactorys_for_these_models() -> None:
    constants = pytest.importorskip("llamafactory.extras.constants")
    templates = pytest.importorskip("llamafactory.data.template").TEMPLATES
    named = {
        paths[constants.DownloadSource.DEFAULT].lower(): constants.DEFAULT_TEMPLATE[name]
        for name, paths in constants.SUPPORTED_MODELS.items()
        if name in constants.DEFAULT_TEMPLATE
    }
    checked = {model: family for family in ALL for model in family.models if model.lower() in named}
    assert {family.name for family in checked.values()} == {family.name for family in ALL} - {"lingshu"}
    for model, family in checked.items():
        assert named[model.lower()] == family.llamafactory_template
    for family in ALL:
        assert set(templates[family.llamafactory_template].stop_words) <= set(family.stop_tokens)


def test_a_family_that_the_installed_transformers_lacks_says_the_version(
    plug_in: Callable[..., None], tmp_path: Path
) -> None:
    pytest.importorskip("transformers")
    from infimed_plugins.engines.transformers import TransformersEngine
    from infimed_plugins.trainers.data_check import model_fault

    future = replace(QWEN3_VL, name="future", models=("x/Future",), model_types=("future_vl",), transformers="99.1.0")
    plug_in(families={"future": future})
    for name in ("config.json", "tokenizer_config.json"):
        (tmp_path / name).write_text('{"model_type": "future_vl"}')
    said = r"is of the family future, which transformers \d.* does not have; .*pip install 'transformers>=99.1.0'"
    with pytest.raises(ConfigError, match=said):
        TransformersEngine(str(tmp_path))
    fault = str(model_fault("model_name_or_path", str(tmp_path), trust=False))
    assert fault.startswith("model_name_or_path: ")
    assert "run: pip install 'transformers>=99.1.0'" in fault


def test_the_factor_of_the_default_family_stands_nowhere_else() -> None:
    found = []
    for room in ("images", "export", "recipes", "trainers", "quickstart", "rewards", "curation"):
        for path in (Path(families.__file__).parent / room).rglob("*.py"):
            numbers = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Constant)]
            found += [f"{path}:{node.lineno}" for node in numbers if node.value in (28, 56)]
    assert found == []
