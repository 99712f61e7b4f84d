"""What a check finds: faults, one line each with its mend, and the figures of the run that would start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True)
class Fault:
    """One thing that would stop or silently spoil a run. ``where`` is a key, a file, or ``file[row]`` from row 0."""

    where: str
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.mend}"

    @property
    def kind(self) -> tuple[str, str]:
        """What faults of one kind share: the key or file, and the mend."""
        return self.where.partition("[")[0], self.mend


_SHOWN = 3  # faults of one kind


def grouped(faults: Sequence[Fault]) -> Iterator[str]:
    """The faults for people, kind by kind: the first three of each, one a line, and how many more there are."""
    kinds: dict[tuple[str, str], list[Fault]] = {}
    for fault in faults:
        kinds.setdefault(fault.kind, []).append(fault)
    for (where, _), alike in kinds.items():
        yield from map(str, alike[:_SHOWN])
        if len(alike) > _SHOWN:
            yield f"{where}: … and {len(alike) - _SHOWN:,} more like these"


@dataclass(frozen=True)
class Summary:
    """The run in figures. ``max_tokens`` is the longest row (SFT) or prompt (RL), None when it could not be counted.

    ``sequences_per_update`` are those of one optimiser step on all devices.
    """

    rows: int
    max_tokens: int | None
    sequences_per_update: int
    steps_per_epoch: int

    def __str__(self) -> str:
        longest = "not counted" if self.max_tokens is None else f"{self.max_tokens:,} tokens"
        return (
            f"{self.rows:,} rows, longest {longest}; {self.sequences_per_update:,} sequences per update, "
            f"{self.steps_per_epoch:,} steps per epoch"
        )


@dataclass(frozen=True)
class Checked:
    """The faults of a configuration, none when it is fit to run; ``summary`` is None when rows could not be read."""

    faults: tuple[Fault, ...]
    summary: Summary | None


def nearest(name: str, known: Iterable[str], *, otherwise: str = "remove it") -> str:
    """The mend for a name that is not known: the nearest one that is, or ``otherwise``."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else otherwise


def first_line(error: BaseException) -> str:
    """An exception on one line: its type and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].strip()}" if lines else type(error).__name__
