"""Families of vision-language models: all that differs between them for data, configurations and token counts.

    find_family("Qwen3_VL").image_factor        # 32
    family_of("google/medgemma-4b-it").name     # "medgemma"

Sources, where an entry names no other: transformers 4.57.6, ``models/TYPE/`` (image processors, model classes);
LLaMA-Factory 0.9.5, ``extras/constants.py`` (templates by model), ``data/template.py`` (stop words) and
``model/model_utils/visual.py`` (what its freeze keys reach); the models' preprocessor_config.json and chat templates.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from infimed_plugins.errors import ConfigError, installed_versions, known_name
from infimed_plugins.hookspecs import Register, hookimpl
from infimed_plugins.limits import read_json
from infimed_plugins.plugins import registry

KIND = "model family"
Size = tuple[int, int]  # width, height


@dataclass(frozen=True)
class Family:
    """One family of models.

    models: ids on the Hugging Face hub; the first stands for the family.
    model_types: ``model_type`` of their config.json. Where several families share one, the first has it.
    transformers: the least version that has the architecture.
    llamafactory_template: the ``template`` of LLaMA-Factory.
    image_factor: pixels a side of one image token; without ``tile`` sides are resized to multiples of it.
    min_pixels, max_pixels: what the model's own image processor resizes an image into.
    image_marks: an image as the prompt spells it, with one image token.
    stop_tokens: what ends a reply.
    freeze: modules of the vision tower and the projector, by the names of transformers 4.52 and later.
    opens_thought: True where the chat template itself writes ``<think>`` at the start of the reply.
    tile, max_tiles: pixels a side of the square tiles that an image is cut into, and how many at most; 0: no tiles.
    """

    name: str
    models: tuple[str, ...]
    model_types: tuple[str, ...]
    transformers: str
    llamafactory_template: str
    image_factor: int
    min_pixels: int
    max_pixels: int
    image_marks: str
    stop_tokens: tuple[str, ...]
    freeze: tuple[str, ...]
    opens_thought: bool = False
    tile: int = 0
    max_tiles: int = 1

    def seen_size(self, width: int, height: int, max_pixels: int | None = None) -> Size:
        """Return the size at which the model sees an image that was resized to at most ``max_pixels``."""
        if not self.tile:
            return self.smart_resize(width, height, max_pixels)
        if max_pixels is not None and width * height > max_pixels:
            width, height = self.smart_resize(width, height, max_pixels)
        columns, rows = tile_grid(width, height, self.tile, self.max_tiles)
        return columns * self.tile, rows * self.tile

    def image_tokens(self, width: int, height: int, max_pixels: int | None = None) -> int:
        """Return the number of tokens of an image between its marks; one of several tiles is seen whole, too."""
        wide, high = self.seen_size(width, height, max_pixels)
        whole = self.tile**2 if self.tile and wide * high > self.tile**2 else 0
        return (wide * high + whole) // self.image_factor**2

    def smart_resize(self, width: int, height: int, max_pixels: int | None = None) -> Size:
        """Resize by Qwen's rule: sides multiples of ``image_factor``, area within the limits, aspect ratio nearly kept.

        Source: transformers, models/qwen2_vl/image_processing_qwen2_vl.py, smart_resize.
        """
        factor, most = self.image_factor, min(max_pixels or self.max_pixels, self.max_pixels)
        wide, high = (round(side / factor) * factor for side in (width, height))
        if wide * high > most:
            scale = math.sqrt(width * height / most)
            wide, high = (max(factor, math.floor(side / scale / factor) * factor) for side in (width, height))
        elif wide * high < self.min_pixels:
            scale = math.sqrt(self.min_pixels / (width * height))
            wide, high = (math.ceil(side * scale / factor) * factor for side in (width, height))
        return wide, high


def tile_grid(width: int, height: int, tile: int, most: int) -> Size:
    """Return the columns and rows of the tiles an image is resized to: those nearest to its aspect ratio.

    Of equally near ones the larger, as long as the image fills over half of it. Source: transformers,
    models/got_ocr2/image_processing_got_ocr2.py, get_optimal_tiled_canvas.
    """
    best, least = (1, 1), math.inf
    for columns, rows in _grids(most):
        apart = abs(width / height - columns / rows)
        if apart < least or (apart == least and width * height > 0.5 * tile**2 * columns * rows):
            best, least = (columns, rows), apart
    return best


@cache
def _grids(most: int) -> list[Size]:
    sides = range(1, most + 1)
    return sorted(((w, h) for w in sides for h in sides if w * h <= most), key=lambda grid: grid[0] * grid[1])


def _hub(prefix: str, names: str) -> tuple[str, ...]:
    return tuple(prefix + name for name in names.split())


QWEN2_5_VL = Family(
    name="qwen2.5-vl",
    models=_hub("Qwen/Qwen2.5-VL-", "3B-Instruct 7B-Instruct 32B-Instruct 72B-Instruct"),
    model_types=("qwen2_5_vl",),
    transformers="4.49.0",
    llamafactory_template="qwen2_vl",
    image_factor=28,  # patches of 14, two by two merged
    min_pixels=4 * 28 * 28,
    max_pixels=16384 * 28 * 28,
    image_marks="<|vision_start|><|image_pad|><|vision_end|>",
    stop_tokens=("<|im_end|>", "<|endoftext|>"),  # generation_config.json
    freeze=("model.visual",),
)
QWEN3_VL = replace(
    QWEN2_5_VL,
    name="qwen3-vl",
    models=_hub("Qwen/Qwen3-VL-", "4B-Instruct 2B-Instruct 8B-Instruct 32B-Instruct 30B-A3B-Instruct"),
    model_types=("qwen3_vl", "qwen3_vl_moe"),
    transformers="4.57.0",
    llamafactory_template="qwen3_vl_nothink",  # qwen3_vl puts an empty <think></think> before a reply without one
    image_factor=32,  # patches of 16, two by two merged
    min_pixels=64 * 32 * 32,
    max_pixels=16384 * 32 * 32,
)
QWEN3_VL_THINKING = replace(  # a folder's config.json does not tell it from qwen3-vl: name it
    QWEN3_VL,
    name="qwen3-vl-thinking",
    models=tuple(model.replace("-Instruct", "-Thinking") for model in QWEN3_VL.models),
    llamafactory_template="qwen3_vl",
    opens_thought=True,
)
LINGSHU = replace(QWEN2_5_VL, name="lingshu", models=_hub("lingshu-medical-mllm/Lingshu-", "7B 32B"))
GEMMA3 = Family(
    name="gemma3",
    models=_hub("google/gemma-3-", "4b-it 12b-it 27b-it"),
    model_types=("gemma3",),
    transformers="4.50.0",
    llamafactory_template="gemma3",
    image_factor=56,  # patches of 14, four by four pooled: 256 tokens whatever the size, pan and scan off
    min_pixels=896 * 896,
    max_pixels=896 * 896,
    image_marks="\n\n<start_of_image><image_soft_token><end_of_image>\n\n",
    stop_tokens=("<end_of_turn>", "<eos>"),  # generation_config.json
    freeze=("model.vision_tower", "model.multi_modal_projector"),
    tile=896,
)
MEDGEMMA = replace(GEMMA3, name="medgemma", models=_hub("google/medgemma-", "4b-it 27b-it 1.5-4b-it"))
INTERNVL3_5 = Family(
    name="internvl3.5",
    models=_hub("OpenGVLab/InternVL3_5-", "4B-HF 1B-HF 2B-HF 8B-HF 14B-HF 38B-HF 30B-A3B-HF"),
    model_types=("internvl",),
    transformers="4.52.1",
    llamafactory_template="intern_vl",  # one tile an image there, unless crop_to_patches is true
    image_factor=28,  # patches of 14, two by two shuffled: 256 tokens a tile, and one tile more of the whole
    min_pixels=448 * 448,
    max_pixels=12 * 448 * 448,
    image_marks="<img><IMG_CONTEXT></img>",
    stop_tokens=("<|im_end|>",),
    freeze=("model.vision_tower", "model.multi_modal_projector"),
    tile=448,
    max_tiles=12,
)
DEFAULT = QWEN2_5_VL  # the paper's


@hookimpl
def register_families(register: Register) -> None:
    """Register the built-in families."""
    for family in (QWEN2_5_VL, QWEN3_VL, QWEN3_VL_THINKING, GEMMA3, MEDGEMMA, INTERNVL3_5, LINGSHU):
        register(family.name, family)


def find_family(name: str) -> Family:
    """Return a family by its name in any case, ``_`` as ``-``. Raises ConfigError, listing the known ones."""
    family: Family = registry().get(KIND, known_name(name, registry().names(KIND), KIND))
    return family


def family_of(model: str | Path) -> Family | None:
    """Return the family of a hub id, or of a model's folder by the ``model_type`` of its config.json; else None."""
    config, settings = Path(model) / "config.json", None
    with suppress(ValueError):
        settings = read_json(config) if config.is_file() else None
    kind = settings.get("model_type") if isinstance(settings, dict) else None
    known: list[Family] = [registry().get(KIND, name) for name in registry().names(KIND)]
    named = [family for family in known if str(model).lower() in map(str.lower, family.models)]
    return next(iter(named + [family for family in known if kind in family.model_types]), None)


def check_transformers(model: str | Path) -> None:
    """Raise ConfigError where the installed transformers is too old for a model's family; without one, let it pass."""
    family = family_of(model)
    installed = installed_versions("transformers").get("transformers")
    if family is not None and installed and _numbers(installed) < _numbers(family.transformers):
        raise ConfigError(
            f"{model} is of the family {family.name}, which transformers {installed} does not have; "
            f"run: pip install 'transformers>={family.transformers}'"
        )


def pixel_limit(model: str | Path, max_pixels: int | None) -> dict[str, int]:
    """Return the argument that limits a model's image processor; empty without a limit, and where there are tiles."""
    family = family_of(model)
    return {} if max_pixels is None or (family and family.tile) else {"max_pixels": max_pixels}


def _numbers(of_version: str) -> tuple[int, ...]:
    """Return the first two numbers of a version, which decide whether an architecture is there."""
    return tuple(int(part) for part in of_version.split(".")[:2])
