"""The formats that a build is written in, one for each trainer, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from infimed_plugins.errors import DataError, known_name
from infimed_plugins.export import ExportRow, easyr1, hf_datasets, llamafactory, ms_swift, openrlhf, trl, verl
from infimed_plugins.export.jsonl import write_jsonl
from infimed_plugins.export.parquet import write_parquet
from infimed_plugins.rewards import parse_truth

# rows, the build folder, the root of the images, the recipe's name; returns the rows of each file
Write = Callable[[Iterable[ExportRow], Path, Path, str], dict[str, int]]


@dataclass(frozen=True)
class Format:
    """One format; ``hint`` is how a trainer is told of its rows.

    ``images_beside``: the images stay as files in the build; in the other formats they are in the rows.
    ``for_rewards``: a row whose truth no reward reads is refused. ``beside`` are further files, of each set's folder or
    of the build.
    """

    write: Write
    hint: str
    images_beside: bool = False
    for_rewards: bool = False
    beside: tuple[str, ...] = ()

    def refusal(self, row: ExportRow) -> tuple[str, str] | None:
        """Return why the format cannot carry a row, and what of it; None if it can."""
        try:
            if self.for_rewards:
                parse_truth(row.sample.ground_truth.to_json())
        except DataError as error:
            return "no reward reads its answer", str(error)
        return None

    def files_beside(self, sets: Iterable[str]) -> Iterator[str]:
        """Yield the paths of the further files of these sets."""
        return (
            str(folder / name) for folder in dict.fromkeys(Path(file).parent for file in sets) for name in self.beside
        )


_PARQUET = "data.train_files={folder}/train.parquet data.val_files={folder}/val.parquet; sets: {sets}"
FORMATS = {
    "llamafactory": Format(
        lambda rows, out, root, name: llamafactory.write(rows, out, name),
        "In LLaMA-Factory's YAML: dataset: {sets}, dataset_dir and media_dir: {folder}",
        images_beside=True,
        beside=(llamafactory.REGISTRY_FILE,),
    ),
    "easyr1": Format(partial(write_parquet, to_row=easyr1.parquet_row), _PARQUET),
    "verl": Format(partial(write_parquet, to_row=verl.verl_row), _PARQUET, for_rewards=True),
    "trl": Format(
        trl.write,
        "In the YAML of trl grpo: dataset_name: {folder}, dataset_test_split: validation",
        for_rewards=True,
        beside=(trl.CARD,),
    ),
    "ms-swift": Format(
        partial(write_jsonl, to_row=ms_swift.swift_row),
        "For swift: export ROOT_IMAGE_DIR={folder}, --dataset {folder}/train.jsonl; sets: {sets}",
        images_beside=True,
    ),
    "openrlhf": Format(
        partial(write_jsonl, to_row=openrlhf.prompt_row),
        "OpenRLHF: --data.prompt_dataset {folder}/train.jsonl --data.input_key prompt --data.label_key ground_truth "
        "--data.apply_chat_template --data.max_images_per_prompt 1; sets: {sets}",
        for_rewards=True,
    ),
    "datasets": Format(hf_datasets.write, 'datasets.load_from_disk("{folder}/train")', beside=hf_datasets.BESIDE),
}


def format_name(name: str) -> str:
    """Return the known spelling of a format (any case, ``_`` as ``-``). Raises ConfigError listing them."""
    return known_name(name, FORMATS, "format")
