"""Which of our sources a data set of MedEvalKit's or VLMEvalKit's is, and how its rows are told apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infimed_plugins.benchmarks import Benchmark, benchmarks
from infimed_plugins.errors import ConfigError
from infimed_plugins.records import Json


@dataclass(frozen=True)
class ImportedSet:
    """A split of ours. ``id_field`` holds the row's id; without one, rows are counted in ``digits`` digits.

    With neither (SLAKE's ids are not in MedEvalKit's files) an id is ``slake-test-row12``, which no Sample has.
    """

    source: str
    split: str = "test"
    id_field: str | None = None
    digits: int = 0

    def tells(self, row: Mapping[str, Json]) -> bool:
        """Whether ``sample_id`` is an id of our Samples, and not only a place."""
        return bool(self.digits) or (self.id_field is not None and row.get(self.id_field) not in (None, ""))

    def sample_id(self, row: Mapping[str, Json], position: int) -> str:
        """Our Sample's id for a row, as ``sources/<source>.py`` makes it."""
        if self.id_field and row.get(self.id_field) not in (None, ""):
            return f"{self.source}-{self.split}-{str(row[self.id_field]).removeprefix(f'{self.split}_')}"
        counted = f"{position:0{self.digits}d}" if self.digits else f"row{position}"
        return f"{self.source}-{self.split}-{counted}"


MEDEVALKIT_SETS = {  # by the folder's name, the --eval_datasets of eval.py
    one.name: ImportedSet(
        benchmark.source,
        benchmark.split,
        one.ids if isinstance(one.ids, str) else None,
        one.ids if isinstance(one.ids, int) else 0,
    )
    for benchmark in benchmarks()
    if (one := benchmark.medevalkit)
}
VLMEVALKIT_SETS = {  # by the end of the file's name
    name: ImportedSet(source, split, column)
    for (name, column), source, split in sorted(
        (one.vlmevalkit, one.source, one.split) for one in benchmarks() if one.vlmevalkit
    )
}


def set_of(name: str, sets: Mapping[str, ImportedSet], benchmark: str | None, path: Path) -> ImportedSet:
    """The set that a name or, before it, ``benchmark`` (our source) stands for. Raises ConfigError when none is."""
    if benchmark is not None:
        for imported in sets.values():
            if imported.source == benchmark:
                return imported
        known = ", ".join(asked_as(imported.source) for imported in sets.values())
        raise ConfigError(f"no replies of {asked_as(benchmark)!r} can be taken from there; one of {known}")
    if name not in sets:
        raise ConfigError(f"{path}: {name!r} is none of {', '.join(sets)}; rename it or name the benchmark")
    return sets[name]


def benchmark_of(source: str) -> Benchmark | None:
    """The benchmark that asks a source; None where none does."""
    return next((benchmark for benchmark in benchmarks() if benchmark.source == source), None)


def asked_as(source: str) -> str:
    """What ``--benchmark`` calls a source: pmc_vqa, where that is pmc_vqa_2."""
    benchmark = benchmark_of(source)
    return benchmark.name if benchmark else source


def set_of_file(path: Path, benchmark: str | None) -> ImportedSet:
    """The set that a VLMEvalKit file's name ends in (``Qwen2.5-VL-7B_MMMU_DEV_VAL.xlsx``), or ``benchmark``."""
    name = next((name for name in VLMEVALKIT_SETS if path.stem == name or path.stem.endswith(f"_{name}")), path.stem)
    return set_of(name, VLMEVALKIT_SETS, benchmark, path)
