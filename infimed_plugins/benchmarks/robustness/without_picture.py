"""Variants that tell looking from guessing: a model that answers as well without the right picture did not look at it.

    blank      every pixel of the picture becomes the same gray; its size stays
    noimage    no picture, and no tag of one in the prompt
    swap       the picture of another question, of the same modality where that is known

The gold answer stays that of the question, so accuracy falls to what can be guessed from its words.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from infimed_plugins.images import decode_image
from infimed_plugins.records import ImageRef, Sample

GRAY = (128, 128, 128)
MODALITY = "modality"  # the meta entry


def blank(sample: Sample) -> Sample | None:
    """Gray every picture of the sample; None without any."""
    if not sample.images:
        return None
    return replace(
        sample, images=tuple(ImageRef(path=f"{_name(i)}~blank", reader=partial(_gray, i)) for i in sample.images)
    )


def no_image(sample: Sample) -> Sample | None:
    """Take the pictures away; None without any."""
    return replace(sample, images=()) if sample.images else None


@dataclass
class _Modality:
    """The two last different pictures of a modality, and the samples that came before there were two."""

    recent: list[tuple[ImageRef, ...]] = field(default_factory=list)
    waiting: list[Sample] = field(default_factory=list)


def swap(samples: Iterable[Sample]) -> Iterator[Sample]:
    """Give each sample the pictures of the last one before it that shows others; the first ones those that follow.

    Samples whose modality has one picture only get one of another modality, at the end; without any they are left out.
    No more than two samples' pictures of each modality are held.
    """
    seen: dict[str, _Modality] = {}
    for sample in samples:
        if not sample.images:
            continue
        of = seen.setdefault(str(sample.meta.get(MODALITY, "")), _Modality())
        if not of.recent or not _same(sample.images, of.recent[-1]):
            of.recent = [*of.recent[-1:], sample.images]
        of.waiting.append(sample)
        if len(of.recent) == 2:
            yield from (_swapped(one, of.recent) for one in of.waiting)
            of.waiting = []
    pictures = [images for of in seen.values() for images in of.recent]
    for of in seen.values():
        others = [images for images in pictures if of.waiting and not _same(images, of.waiting[0].images)]
        yield from (_swapped(one, others) for one in of.waiting if others)


def _swapped(sample: Sample, pictures: list[tuple[ImageRef, ...]]) -> Sample:
    return replace(sample, images=next(one for one in reversed(pictures) if not _same(one, sample.images)))


def _same(a: tuple[ImageRef, ...], b: tuple[ImageRef, ...]) -> bool:
    return list(map(_name, a)) == list(map(_name, b))


def _name(image: ImageRef) -> str:
    return image.sha256() if image.path is None else image.path


def _gray(image: ImageRef) -> bytes:
    """Return the gray picture; the digest of its original, in a comment, keeps questions clustered by image."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    data, buffer, comment = image.read(), io.BytesIO(), PngInfo()
    comment.add_text("original", hashlib.sha256(data).hexdigest())
    size = decode_image(data, _name(image)).size
    Image.new("RGB", size, GRAY).save(buffer, format="PNG", pnginfo=comment)
    return buffer.getvalue()
