"""Pages of a build: random rows with their images and boxes drawn in, and the chains that reflective_cot made.

The page of chains shows how many questions had m right candidates, the share of each kind, what it took, and questions
with their images, candidates, what the judge said, and the chain.
"""

from __future__ import annotations

import random
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from infimed_plugins import pages
from infimed_plugins.curation import RIGHT_OF, reflective_cot
from infimed_plugins.engines import usage_keys
from infimed_plugins.errors import DataError, MissingFileError
from infimed_plugins.images import thumbnail
from infimed_plugins.limits import parse_json
from infimed_plugins.parsing.boxes import parse_boxes
from infimed_plugins.paths import below
from infimed_plugins.recipes.manifest import Manifest
from infimed_plugins.records import Json
from infimed_plugins.rewards import parse_truth

ROWS, CHAINS = 40, 60  # on a page
ROW_PIXELS, CHAIN_PIXELS = 360, 200  # the longer side of a thumbnail
_KINDS = (reflective_cot.REFLECTS, reflective_cot.AS_IT_IS)
_ASIDE = (reflective_cot.NO_RIGHT_CANDIDATE, reflective_cot.NO_USABLE_CANDIDATE)
_NOTES = (reflective_cot.WITHOUT_FORMAT, reflective_cot.NO_WRONG_CANDIDATE, reflective_cot.UNSCORED)
_COST = (*usage_keys(reflective_cot.CANDIDATES), *usage_keys(reflective_cot.JUDGE))


@dataclass(frozen=True)
class ShownRow:
    """One row: where it comes from, the turns, and its images as data URIs."""

    file: str
    id: str
    turns: tuple[tuple[str, str], ...]
    images: tuple[str, ...]


def write_review(folder: Path, manifest: Manifest, path: Path, *, rows: int = ROWS, seed: int = 0) -> None:
    """Write the page of random rows: one file, offline.

    Raises MissingExtraError without jinja2, DataError for a broken row.
    """
    template = Path(__file__).with_name("build_review.html.jinja")
    pages.write_page(path, template, manifest=manifest, rows=list(random_rows(folder, manifest, rows, seed)), seed=seed)


def random_rows(folder: Path, manifest: Manifest, count: int, seed: int) -> Iterator[ShownRow]:
    """Yield rows drawn at random over all files of a build, in the order of the files."""
    total = sum(output.rows for output in manifest.outputs)
    wanted = set(random.Random(seed).sample(range(total), min(count, total)))
    first = 0
    for output in manifest.outputs:
        inside = {index - first for index in wanted if first <= index < first + output.rows}
        first += output.rows
        if inside:
            path = below(folder, output.file)
            yield from (_shown(path, row) for row in _read(path, inside))


def _read(path: Path, wanted: set[int]) -> Iterator[dict[str, Any]]:
    """Yield rows of a file by their places, in its order."""
    if path.suffix == ".parquet":
        import pyarrow.dataset

        yield from pyarrow.dataset.dataset(path).take(sorted(wanted)).to_pylist()
    elif path.suffix == ".arrow":  # of the datasets library
        import pyarrow

        with pyarrow.memory_map(str(path)) as file:
            yield from pyarrow.ipc.open_stream(file).read_all().take(sorted(wanted)).to_pylist()
    else:
        with path.open(encoding="utf-8") as lines:
            yield from (parse_json(line, path) for index, line in enumerate(lines) if index in wanted)


def _shown(path: Path, row: dict[str, Any]) -> ShownRow:
    """Return a row of any format (export/): its turns, and the truth that a reward gets."""
    asked = next(row[name] for name in ("messages", "prompt", "problem", "question") if row.get(name) is not None)
    turns = [("user", asked)] if isinstance(asked, str) else [(turn["role"], turn["content"]) for turn in asked]
    truth = next((row[name] for name in ("ground_truth", "reward_model", "answer") if row.get(name) is not None), None)
    truth, boxes = truth["ground_truth"] if isinstance(truth, dict) else truth, None
    if truth is not None:
        turns.append(("ground truth", str(truth)))
        with suppress(DataError):
            given = parse_truth(truth)
            boxes = parse_boxes(given.answer) if given.task in ("grounding", "detection") else None
    id, drawn = str(row.get("id") or (row.get("extra_info") or {}).get("id", "")), boxes.boxes if boxes else ()
    images = (_thumbnail(_picture(path, image), id, boxes=drawn) for image in row.get("images") or ())
    return ShownRow(path.name, id, tuple(turns), tuple(images))


def _picture(path: Path, image: str | dict[str, bytes]) -> bytes:
    """Return a picture that stands in a row, or beside the file."""
    if isinstance(image, dict):
        return image["bytes"]
    head, data, encoded = image.partition(";base64,")
    return b64decode(encoded) if data and head.startswith("data:") else below(path.parent, image).read_bytes()


def _thumbnail(data: bytes, name: str, pixels: int = ROW_PIXELS, boxes: Sequence[tuple[float, ...]] = ()) -> str:
    try:
        return pages.data_uri(thumbnail(data, name, pixels, tuple(boxes)))
    except DataError as error:
        raise DataError(f"{error}; build again with --fresh") from error


@dataclass(frozen=True)
class ChainCounts:
    """The figures of a reflective build: ``right`` by m, ``kinds`` by outcome of questions, ``cost`` of asking."""

    read: int = 0
    kept: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    right: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    cost: dict[str, int] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, manifest: Manifest) -> ChainCounts:
        """Sum over all parts."""
        right: Counter[tuple[int, int]] = Counter()
        counted, dropped, rejected = Counter[str](), Counter[str](), Counter[str]()
        for part in manifest.parts:
            right.update({(m, candidates): count for m, candidates, count in part.right_of})
            counted.update(part.counted)
            dropped.update(part.dropped)
            rejected.update(part.rejected)
        kinds = {key: counted[key] for key in _KINDS} | {key: dropped[key] for key in _ASIDE}
        return cls(
            read=sum(part.read for part in manifest.parts),
            kept=sum(part.kept for part in manifest.parts),
            right={RIGHT_OF.format(*key): count for key, count in sorted(right.items())},
            kinds={key: count for key, count in kinds.items() if count},
            cost={key: count for key, count in counted.items() if key in _COST},
            notes={key: counted[key] for key in _NOTES if counted[key]},
            dropped=dict(dropped),
            rejected=dict(rejected),
        )

    @property
    def asked(self) -> int:
        """The questions that were answered."""
        return sum(self.right.values())

    def shares(self, counts: dict[str, int]) -> dict[str, float]:
        """Return each count as a share of the questions that were answered."""
        return {key: count / self.asked for key, count in counts.items()} if self.asked else {}

    def to_json(self) -> dict[str, Json]:
        """Counts and shares."""
        shares = {key: round(share, 4) for key, share in self.shares(self.kinds).items()}
        return asdict(self) | {"shares": shares, "unscored": self.notes.get(reflective_cot.UNSCORED, 0)}


def write_chains(folder: Path, manifest: Manifest, path: Path, rows: int = CHAINS) -> None:
    """Write the page of a build that went through reflective_cot: one file, offline.

    Raises MissingExtraError without jinja2, MissingFileError when no part of the build went through the step.
    """
    steps = {step["name"] for part in manifest.settings.get("parts", ()) for step in part["steps"]}
    if "reflective_cot" not in steps:
        raise MissingFileError(f"{folder} holds no reflective chains; make them with: infimed reflect")
    chains, hard = [], []
    for count in manifest.parts:
        chains += _chains(below(folder, f"samples/{count.part}.jsonl"), rows)
        hard += _chains(below(folder, f"samples/{count.part}.aside.jsonl"), rows // 3)
    images = _images(folder, chains)
    template = Path(__file__).with_name("chains.html.jinja")
    pages.write_page(path, template, counts=ChainCounts.of(manifest), chains=chains, hard=hard, images=images)


def _chains(path: Path, limit: int) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8") as file:
        rows = (parse_json(line, path) for line in file)
        return list(islice((row for row in rows if "reflective" in row["meta"]), limit))


def _images(folder: Path, rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the images of the rows by their ids, small, as data URIs; EasyR1's parquet files hold them themselves."""
    shown: dict[str, list[str]] = {}
    for row in rows:
        paths = [below(folder, name) for name in row["images"]]
        shown[row["id"]] = [_thumbnail(path.read_bytes(), path.name, CHAIN_PIXELS) for path in paths if path.is_file()]
    for path in sorted(folder.glob("*.parquet")):
        import pyarrow.parquet

        with pyarrow.parquet.ParquetFile(below(folder, path.name)) as file:
            for batch in file.iter_batches(batch_size=64, columns=["id", "images"]):
                for row in batch.to_pylist():
                    if row["id"] in shown:
                        pictures = (image["bytes"] for image in row["images"])
                        shown[row["id"]] = [_thumbnail(picture, row["id"], CHAIN_PIXELS) for picture in pictures]
    return shown
