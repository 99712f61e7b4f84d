"""What a run of reflective_cot made: figures, and a page to read.

The page shows how many questions had m right candidates, the share of each kind, what it took, and questions with their
images, candidates, what the judge said, and the chain.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infimed_plugins import pages
from infimed_plugins.curation import RIGHT_OF, reflective_cot
from infimed_plugins.engines import usage_keys
from infimed_plugins.errors import DataError, MissingFileError
from infimed_plugins.images import thumbnail
from infimed_plugins.limits import parse_json
from infimed_plugins.paths import below
from infimed_plugins.recipes.manifest import Manifest
from infimed_plugins.records import Json

ROWS = 60
THUMBNAIL = 200  # pixels of the longer side
_KINDS = (reflective_cot.REFLECTS, reflective_cot.AS_IT_IS)
_ASIDE = (reflective_cot.NO_RIGHT_CANDIDATE, reflective_cot.NO_USABLE_CANDIDATE)
_NOTES = (reflective_cot.WITHOUT_FORMAT, reflective_cot.NO_WRONG_CANDIDATE, reflective_cot.UNSCORED)
_COST = (*usage_keys(reflective_cot.CANDIDATES), *usage_keys(reflective_cot.JUDGE))


@dataclass(frozen=True)
class ChainCounts:
    """The figures of a build: ``right`` by m, ``kinds`` of what became of the questions, ``cost`` of asking."""

    read: int = 0
    kept: int = 0
    right: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    cost: dict[str, int] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, manifest: Manifest) -> ChainCounts:
        """Over all parts."""
        right: Counter[tuple[int, int]] = Counter()
        counted: Counter[str] = Counter()
        dropped: Counter[str] = Counter()
        rejected: Counter[str] = Counter()
        for part in manifest.parts:
            right.update({(m, candidates): count for m, candidates, count in part.right_of})
            counted.update(part.counted)
            dropped.update(part.dropped)
            rejected.update(part.rejected)
        kinds = {key: counted[key] for key in _KINDS if counted[key]} | {key: dropped[key] for key in _ASIDE}
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
        """Of the questions that were answered."""
        return {key: count / self.asked for key, count in counts.items()} if self.asked else {}

    def to_json(self) -> dict[str, Json]:
        """Counts and shares."""
        return {
            "read": self.read,
            "kept": self.kept,
            "dropped": self.dropped,
            "rejected": self.rejected,
            "right": self.right,
            "kinds": self.kinds,
            "shares": {key: round(share, 4) for key, share in self.shares(self.kinds).items()},
            "cost": self.cost,
            "notes": self.notes,
            "unscored": self.notes.get(reflective_cot.UNSCORED, 0),
        }


def write_page(folder: Path, manifest: Manifest, path: Path, rows: int = ROWS) -> None:
    """Write the page from a build whose part went through reflective_cot: one file, offline.

    Raises MissingExtraError without jinja2, MissingFileError when no part of the build went through the step.
    """
    if "reflective_cot" not in _steps(manifest):
        raise MissingFileError(f"{folder} holds no reflective chains; make them with: infimed reflect")
    chains, hard = [], []
    for count in manifest.parts:
        chains += _read(below(folder, f"samples/{count.part}.jsonl"), rows)
        hard += _read(below(folder, f"samples/{count.part}.aside.jsonl"), rows // 3)
    images = _images(folder, chains)
    template = Path(__file__).with_name("chains.html.jinja")
    pages.write_page(path, template, counts=ChainCounts.of(manifest), chains=chains, hard=hard, images=images)


def _steps(manifest: Manifest) -> list[str]:
    return [step["name"] for part in manifest.settings.get("parts", ()) for step in part["steps"]]


def _read(path: Path, limit: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    if path.is_file():
        with path.open(encoding="utf-8") as file:
            for line in file:
                row = parse_json(line, path)
                if "reflective" in row["meta"]:
                    rows.append(row)
                if len(rows) == limit:
                    break
    return rows


def _images(folder: Path, rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The images of the rows by their ids, small, as data URIs; EasyR1's parquet files hold them themselves."""
    wanted = {row["id"]: row["images"] for row in rows}
    shown: dict[str, list[str]] = {}
    for id, names in wanted.items():
        paths = [below(folder, name) for name in names]
        shown[id] = [_data_uri(path.read_bytes(), path.name) for path in paths if path.is_file()]
    for path in sorted(folder.glob("*.parquet")):
        import pyarrow.parquet

        with pyarrow.parquet.ParquetFile(below(folder, path.name)) as file:
            for batch in file.iter_batches(batch_size=64, columns=["id", "images"]):
                for row in batch.to_pylist():
                    if row["id"] in wanted:
                        shown[row["id"]] = [_data_uri(image["bytes"], row["id"]) for image in row["images"]]
    return shown


def _data_uri(data: bytes, name: str) -> str:
    try:
        return pages.data_uri(thumbnail(data, name, THUMBNAIL))
    except DataError as error:
        raise DataError(f"{error}; build again with --fresh") from error
