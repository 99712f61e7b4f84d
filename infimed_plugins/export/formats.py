"""The formats that a build is written in, one for each trainer, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from infimed_plugins.errors import DataError, known_name
from infimed_plugins.export import ExportRow, easyr1, hf_datasets, llamafactory, ms_swift, openrlhf, trl, verl
from infimed_plugins.export.jsonl import write_jsonl
from infimed_plugins.rewards import parse_truth

# rows, the build folder, the root of the images, the recipe's name; returns the rows of each file
Write = Callable[[Iterable[ExportRow], Path, Path, str], dict[str, int]]


@dataclass(frozen=True)
class Format:
    """One format. ``images_beside``: the images stay as files in the build; in the others they are in the rows.

    ``for_rewards``: rows are scored, so that a truth which no reward reads is no row. ``beside`` are further files, of
    the folder of each set or, without sets in folders, of the build.
    """

    write: Write
    hint: str  # how the trainer is told of them
    images_beside: bool = False
    for_rewards: bool = False
    beside: tuple[str, ...] = ()
    set_folders: bool = False

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
        folders = [f"{Path(file).parent}/" for file in sets] if self.set_folders else [""]
        return (f"{folder}{name}" for folder in folders for name in self.beside)


def _plain(write: Callable[[Iterable[ExportRow], Path, Path], dict[str, int]]) -> Write:
    return lambda rows, out, root, name: write(rows, out, root)


_PARQUET_HINT = "data.train_files={folder}/train.parquet data.val_files={folder}/val.parquet; sets: {sets}"
FORMATS = {
    "llamafactory": Format(
        lambda rows, out, root, name: llamafactory.write(rows, out, name),
        "In LLaMA-Factory's YAML: dataset: {sets}, dataset_dir and media_dir: {folder}",
        images_beside=True,
        beside=(llamafactory.REGISTRY_FILE,),
    ),
    "easyr1": Format(_plain(easyr1.write), _PARQUET_HINT),
    "datasets": Format(
        _plain(hf_datasets.write),
        'datasets.load_from_disk("{folder}/train")',
        beside=hf_datasets.BESIDE,
        set_folders=True,
    ),
    "verl": Format(_plain(verl.write), _PARQUET_HINT, for_rewards=True),
    "trl": Format(
        _plain(trl.write),
        "In the YAML of trl grpo: dataset_name: {folder}, dataset_test_split: validation",
        for_rewards=True,
        beside=(trl.CARD,),
    ),
    "ms-swift": Format(
        lambda rows, out, root, name: write_jsonl(rows, out, "", ms_swift.swift_row),
        "For swift: export ROOT_IMAGE_DIR={folder}, --dataset {folder}/train.jsonl; sets: {sets}",
        images_beside=True,
    ),
    "openrlhf": Format(
        lambda rows, out, root, name: write_jsonl(rows, out, "", partial(openrlhf.prompt_row, store_root=root)),
        "OpenRLHF: --data.prompt_dataset {folder}/train.jsonl --data.input_key prompt --data.label_key ground_truth "
        "--data.apply_chat_template --data.max_images_per_prompt 1; sets: {sets}",
        for_rewards=True,
    ),
}


def format_name(name: str) -> str:
    """Return the known spelling of a format (any case, ``_`` as ``-``). Raises ConfigError listing them."""
    return known_name(name, FORMATS, "format")
