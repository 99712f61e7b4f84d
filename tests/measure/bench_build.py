"""Building data: ``python tests/measure/bench_build.py``. Prints two tables; it is not a test.

Images against a bare loop: the same JPEGs of 1,024 x 768 pixels through ``infimed data build`` (PathVQA's layout, every
image another one, resized to 262,144 pixels) and through a pool of as many processes that only decodes, resizes,
encodes and writes with Pillow. Rates in rows a second, one run, side by side.

Scale: time and peak memory (proportional set size of all processes, sampled) of builds of 5,000 to 20,000 rows. With
``--decontaminate`` the part goes through a step, which collects its rows; their images must not stay in memory.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from rich.console import Console
from rich.progress import track

from infimed_plugins.families import DEFAULT
from infimed_plugins.images import JPEG_QUALITY

SIZE, LIMIT = (1024, 768), 262_144
RECIPE = """name: scale
format: llamafactory
image_max_pixels: {limit}
parts:
  - {{name: rows, source: path_vqa, split: train, style: direct}}
"""
CHECKED = "decontaminate: {benchmarks: [vqa_rad/test]}\n"
SMALL_COPIES = Path(__file__).parents[1] / "data" / "sources"


def jpeg(seed: int) -> bytes:
    """A picture with some detail, about 150 kB."""
    rng = random.Random(seed)
    small = Image.frombytes("RGB", (64, 48), rng.randbytes(64 * 48 * 3))
    buffer = io.BytesIO()
    small.resize(SIZE, Image.Resampling.BICUBIC).save(buffer, format="JPEG", quality=92)
    return buffer.getvalue()


def write_rows(folder: Path, rows: int) -> None:
    """PathVQA's parquet layout, every picture another one."""
    schema = pa.schema(
        [("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), ("question", pa.string()),
         ("answer", pa.string())]
    )  # fmt: skip
    (folder / "path_vqa" / "data").mkdir(parents=True)
    path = folder / "path_vqa" / "data" / "train-00000-of-00001.parquet"
    with pq.ParquetWriter(path, schema) as writer, multiprocessing.get_context("spawn").Pool() as pool:
        pictures = pool.imap(jpeg, range(rows), chunksize=50)
        for first in track(range(0, rows, 100), "pictures", console=Console(stderr=True), transient=True):
            batch = [
                {
                    "image": {"bytes": next(pictures), "path": None},
                    "question": f"what is shown in picture {n}?",
                    "answer": "yes" if n % 2 else "a cell",
                }
                for n in range(first, min(rows, first + 100))
            ]
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))


def bare(work: tuple[bytes, str]) -> None:
    """What cannot be left out."""
    data, path = work
    image = Image.open(io.BytesIO(data)).convert("RGB")
    image = image.resize(DEFAULT.smart_resize(*image.size, LIMIT), Image.Resampling.BICUBIC)
    image.save(path, format="JPEG", quality=JPEG_QUALITY)


def bare_rate(folder: Path, out: Path, rows: int, workers: int) -> float:
    """Rows a second of the bare loop, reading the same parquet file."""
    out.mkdir()
    file = pq.ParquetFile(folder / "path_vqa" / "data" / "train-00000-of-00001.parquet")
    images = (
        (row["image"]["bytes"], str(out / f"{n}.jpg"))
        for n, row in enumerate(row for batch in file.iter_batches(64, columns=["image"]) for row in batch.to_pylist())
    )
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        pool.map(bare, [(jpeg(0), str(out / "first.jpg"))] * workers)  # imports are not counted
        started = time.perf_counter()
        for _ in pool.imap(bare, images, chunksize=8):
            pass
        return rows / (time.perf_counter() - started)


class Memory(threading.Thread):
    """The peak of a process tree's proportional set size, in MiB."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.peak, self.over = pid, 0.0, threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.2):
            total = 0
            try:
                root = psutil.Process(self.pid)
                for process in [root, *root.children(recursive=True)]:
                    total += process.memory_full_info().pss
            except psutil.Error:
                continue
            self.peak = max(self.peak, total / 2**20)


def build(folder: Path, recipe: Path, out: Path, workers: int, *more: str) -> tuple[float, float]:
    """Seconds and peak MiB of one build through the installed command."""
    command = [str(Path(sys.executable).with_name("infimed")), "data", "build", str(recipe), "--from", str(folder)]
    started = time.perf_counter()
    command += ["--out", str(out), "--workers", str(workers), *more]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        memory = Memory(run.pid)
        memory.start()
        code = run.wait()
        memory.over.set()
    if code:
        raise SystemExit(f"the build ended with {code}")
    return time.perf_counter() - started, memory.peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[5_000, 10_000, 20_000])
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--decontaminate", action="store_true", help="check the rows against a small benchmark")
    arguments = parser.parse_args()
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"{machine}, {arguments.workers} workers")
    print(f"{'rows':>7}{'seconds':>9}{'rows/s':>8}{'peak MiB':>10}{'bare rows/s':>13}{'share':>7}")
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_rows(folder, rows)
            recipe = folder / "scale.yaml"
            recipe.write_text(RECIPE.format(limit=LIMIT) + CHECKED * arguments.decontaminate)
            shutil.copytree(SMALL_COPIES / "vqa_rad", folder / "vqa_rad")
            seconds, peak = build(folder, recipe, folder / "out", arguments.workers)
            rate = bare_rate(folder, folder / "bare", rows, arguments.workers)
            print(
                f"{rows:7}{seconds:9.1f}{rows / seconds:8.0f}{peak:10.0f}{rate:13.0f}{rows / seconds / rate:7.0%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
