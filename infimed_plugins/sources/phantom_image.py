"""Procedural radiology-like images, 112 x 112 pixels: a modality, an organ, up to three lesions, distractors.

Every draw comes from a seed derived by SHA-256 from ``(seed, split, index)``: the same picture in every process.
"""

from __future__ import annotations

import hashlib
import io
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

SIZE = 112  # pixels; 4 x 4 image tokens of Qwen2.5-VL
MODALITIES = ("X-ray", "CT", "MRI", "ultrasound")
ORGANS = ("lung", "liver", "brain", "kidney")
LESIONS = ("nodule", "cyst", "stone", "band")
SIDES = ("left", "right")
PLACES = ("upper", "middle", "lower")
WIDTHS = (8, 12, 16, 20)  # pixels; one pixel is one millimeter
MAX_LESIONS = 3

_CENTER_X = {"left": 34, "right": 78}
_CENTER_Y = {"upper": 30, "middle": 56, "lower": 82}
_JITTER_X, _JITTER_Y = 6, 3  # pixels off the center of the cell; rows are 26 apart, so lesions never touch
_LESION_WEIGHTS = (3, 9, 4, 3)  # 0, 1, 2, 3 lesions


@dataclass(frozen=True)
class Lesion:
    """One lesion; ``box`` is its tight bounding box [x1, y1, x2, y2] in pixels."""

    kind: str
    side: str
    place: str
    width: int
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Scene:
    """Everything that is true of one picture. Lesions of a picture share their kind, read top left first."""

    modality: str
    organ: str
    lesions: tuple[Lesion, ...]
    noise_seed: int
    marker_corner: int  # corner of the bright side marker (0-3), a distractor
    scale_bar: bool  # a calibration bar at the edge, a distractor


def scene(seed: int, split: str, index: int) -> Scene:
    """Return picture number ``index`` of a split; another seed or split gives other pictures."""
    digest = hashlib.sha256(f"{seed}/{split}/{index}".encode()).digest()
    rng = random.Random(int.from_bytes(digest[:8], "big"))
    count = rng.choices(range(MAX_LESIONS + 1), weights=_LESION_WEIGHTS)[0]
    kind = rng.choice(LESIONS)
    cells = rng.sample([(place, side) for place in PLACES for side in SIDES], count)
    cells.sort(key=lambda cell: (PLACES.index(cell[0]), cell[1]))
    lesions = tuple(_lesion(rng, kind, side, place) for place, side in cells)
    return Scene(
        modality=rng.choice(MODALITIES),
        organ=rng.choice(ORGANS),
        lesions=lesions,
        noise_seed=rng.randrange(1 << 31),
        marker_corner=rng.randrange(4),
        scale_bar=rng.random() < 0.5,
    )


def _lesion(rng: random.Random, kind: str, side: str, place: str) -> Lesion:
    width = rng.choice(WIDTHS)
    height = max(4, width // 3) if kind == "band" else width
    x = _CENTER_X[side] + rng.randint(-_JITTER_X, _JITTER_X) - width // 2
    y = _CENTER_Y[place] + rng.randint(-_JITTER_Y, _JITTER_Y) - height // 2
    return Lesion(kind, side, place, width, (x, y, x + width, y + height))


def draw(picture: Scene) -> Image:
    """Draw the picture as an RGB image."""
    import numpy as np
    from PIL import Image, ImageDraw

    canvas = Image.new("L", (SIZE, SIZE), {"X-ray": 70, "CT": 6, "MRI": 6, "ultrasound": 0}[picture.modality])
    pen = ImageDraw.Draw(canvas)
    _draw_body(pen, picture.modality)
    _draw_organ(pen, picture.organ)
    for lesion in picture.lesions:
        _draw_lesion(pen, lesion)
    pixels = _texture(np.asarray(canvas, dtype=np.float32), picture)
    canvas = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    _draw_distractors(ImageDraw.Draw(canvas), picture)
    return canvas.convert("RGB")


def png(picture: Scene) -> bytes:
    """Draw the picture as PNG bytes."""
    buffer = io.BytesIO()
    draw(picture).save(buffer, format="PNG")
    return buffer.getvalue()


def _draw_body(pen: ImageDraw, modality: str) -> None:
    if modality == "CT":
        pen.ellipse((6, 10, 105, 101), fill=48, outline=190, width=3)
    elif modality == "MRI":
        pen.rounded_rectangle((9, 6, 102, 105), radius=26, fill=62)
    elif modality == "ultrasound":
        pen.polygon([(40, 4), (71, 4), (109, 84), (88, 100), (56, 107), (23, 100), (2, 84)], fill=46)
    else:
        for y in range(14, 110, 19):  # ribs
            pen.arc((4, y - 8, 107, y + 12), start=180, end=360, fill=104, width=2)


def _draw_organ(pen: ImageDraw, organ: str) -> None:
    if organ == "lung":
        for x in (17, 61):
            pen.ellipse((x, 16, x + 34, 97), fill=92, outline=122)
    elif organ == "liver":
        pen.polygon([(16, 34), (96, 24), (97, 58), (56, 92), (18, 90)], fill=104, outline=134)
    elif organ == "brain":
        pen.ellipse((15, 15, 96, 96), fill=88, outline=140, width=2)
        pen.line((56, 17, 56, 94), fill=136, width=2)
    else:
        for x in (20, 64):
            pen.ellipse((x, 24, x + 28, 88), fill=110, outline=140)
        pen.ellipse((42, 44, 70, 68), fill=60)


def _draw_lesion(pen: ImageDraw, lesion: Lesion) -> None:
    x1, y1, x2, y2 = lesion.box
    if lesion.kind == "nodule":
        pen.ellipse((x1, y1, x2 - 1, y2 - 1), fill=225)
    elif lesion.kind == "cyst":
        pen.ellipse((x1, y1, x2 - 1, y2 - 1), fill=24, outline=225, width=2)
    elif lesion.kind == "stone":
        middle_x, middle_y = (x1 + x2) // 2, (y1 + y2) // 2
        pen.polygon([(middle_x, y1), (x2 - 1, middle_y), (middle_x, y2 - 1), (x1, middle_y)], fill=250)
    else:
        pen.rectangle((x1, y1, x2 - 1, y2 - 1), fill=235)


def _draw_distractors(pen: ImageDraw, picture: Scene) -> None:
    x, y = (3 if picture.marker_corner % 2 == 0 else 101), (3 if picture.marker_corner < 2 else 101)
    pen.rectangle((x, y, x + 6, y + 6), outline=255)
    pen.line((x + 2, y + 2, x + 2, y + 5), fill=255)
    if picture.scale_bar:
        pen.line((109, 40, 109, 72), fill=230)
        for tick in range(40, 73, 8):
            pen.line((107, tick, 109, tick), fill=230)


def _texture(pixels: NDArray[np.float32], picture: Scene) -> NDArray[np.float32]:
    import numpy as np

    rng = np.random.RandomState(picture.noise_seed)
    noise = rng.standard_normal(pixels.shape).astype(np.float32)
    if picture.modality == "ultrasound":
        return np.asarray(pixels * (1 + 0.35 * noise), dtype=np.float32)
    if picture.modality == "MRI":
        shading = np.linspace(0.75, 1.2, SIZE, dtype=np.float32)
        return np.asarray(pixels * shading[None, :] + 4 * noise, dtype=np.float32)
    return np.asarray(pixels + (9 if picture.modality == "X-ray" else 6) * noise, dtype=np.float32)
