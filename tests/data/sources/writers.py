"""What the make_*.py scripts beside share: pictures, and files in the forms upstreams use, the same bytes each time."""

from __future__ import annotations

import csv
import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

HERE = Path(__file__).parent


def picture(seed: str, size: tuple[int, int] = (64, 48), mode: str = "RGB", kind: str = "PNG") -> bytes:
    """A small picture, another for each seed."""
    rng = random.Random(seed)
    image = Image.new("RGB", size, tuple(rng.randrange(256) for _ in range(3)))
    for x in range(0, size[0], 8):
        image.paste(tuple(rng.randrange(256) for _ in range(3)), (x, 0, x + 4, size[1]))
    out = io.BytesIO()
    image.convert(mode).save(out, format=kind)
    return out.getvalue()


def write_parquet(path: Path, rows: list[dict[str, Any]], images: tuple[str, ...] = ("image",)) -> None:
    """A parquet file as `datasets` writes one: images are structs of bytes and path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows)
    for name in images:
        at = table.schema.get_field_index(name)
        values = [row[name] for row in rows]
        struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        table = table.set_column(at, name, pa.array(values, struct))
    pq.write_table(table, path)


def write_zip(path: Path, members: dict[str, bytes]) -> None:
    """A zip archive with fixed dates."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), data)


def write_csv(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
