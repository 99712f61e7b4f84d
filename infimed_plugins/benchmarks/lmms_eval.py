"""The benchmarks as tasks of lmms-eval, added from outside: its tree is not touched.

    export INFIMED_DATA_DIR=DIR
    python -m lmms_eval --model … --tasks infimed --include_path "$(python -m infimed_plugins.benchmarks.lmms_eval)"

``--include_path`` is read by its TaskManager (lmms_eval/tasks/__init__.py:43, versions 0.7.2 and 0.7.3), which takes
every ``*.yaml`` below. The command writes one for each registered benchmark, called by its source, into a folder of the
cache (or the one that it is given) and prints where. ``infimed`` stands for the seven tasks of the paper,
``infimed_text`` for those in words; ``infimed_gmai_mmbench`` is asked by its name, and ``infimed_phantom`` needs no
download.

A task's doc is a row of a ``datasets.Dataset`` made of one of our Samples, which ``sample`` is as JSON, images apart::

    {"id": "slake-test-12", "benchmark": "slake", "question": …, "task": "text", "answer": "Lung", "sample": "{…}",
     "prompt_style": "direct"}

`infimed import` takes the sample logs that ``--log_samples`` writes.

Two environment variables stand for the options of ``infimed eval``: ``INFIMED_DATA_DIR`` (``--from``) and
``INFIMED_PROMPT_STYLE`` (direct or reasoning). lmms-eval makes a failed request an empty reply, which is invalid here.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infimed_plugins import prompts
from infimed_plugins.benchmarks import Benchmark, benchmarks
from infimed_plugins.errors import ConfigError, DataError, MissingFileError, optional_module
from infimed_plugins.plugins import registry
from infimed_plugins.records import ImageRef, Sample
from infimed_plugins.scoring.robust import score
from infimed_plugins.sources.download import cache_folder
from infimed_plugins.storage import write_whole

if TYPE_CHECKING:
    from datasets import Dataset
    from PIL.Image import Image

DATA_DIR = "INFIMED_DATA_DIR"
PROMPT_STYLE = "INFIMED_PROMPT_STYLE"
KEPT = ("id", "source", "split", "question", "task", "answer", "options", "language", "meta")
# The one row of seed.jsonl is replaced by process_docs, which reads the source that the split is named for: lmms-eval
# loads its data with `datasets` and has no other way in for a reader of one's own.
_TASK = """\
task: infimed_{name}
{tag}dataset_path: json
dataset_kwargs:
  data_files: {{{name}: {seed}}}
test_split: {name}
output_type: generate_until
process_docs: !function infimed_plugins.benchmarks.lmms_eval.docs
doc_to_visual: !function infimed_plugins.benchmarks.lmms_eval.doc_to_visual
doc_to_text: !function infimed_plugins.benchmarks.lmms_eval.doc_to_text
doc_to_target: answer
process_results: !function infimed_plugins.benchmarks.lmms_eval.process_results
generation_kwargs:
  max_new_tokens: 1024
  temperature: 0
  do_sample: false
  until: [] # else a reply ends at its first empty line
metric_list:
  - metric: infimed_accuracy
    aggregation: !function infimed_plugins.benchmarks.lmms_eval.mean_score
    higher_is_better: true
  - metric: infimed_invalid
    aggregation: !function infimed_plugins.benchmarks.lmms_eval.mean_score
    higher_is_better: false
score_key: score
cluster_key: image # standard errors clustered by picture
metadata:
  version: 1.0
"""
_TAGS = {"paper": "tag: infimed\n", "text": "tag: infimed_text\n", "": ""}


def tasks() -> dict[str, Benchmark]:
    """Return the benchmark of each task, by the name of its source."""
    return {one.source: one for one in benchmarks()}


def write_tasks(folder: Path | None = None) -> Path:
    """Write the task files and return their folder (the cache's without one), for ``--include_path``."""
    folder = (folder or cache_folder("lmms_eval")).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    seed = folder / "seed.jsonl"
    made = {seed: '{"see": "process_docs"}\n'}
    for name, one in tasks().items():
        text = _TASK.format(name=name, tag=_TAGS[one.suite], seed=json.dumps(str(seed)))
        made[folder / f"infimed_{name}.yaml"] = text
    for path, text in made.items():
        write_whole(path, text)
    for old in {*folder.glob("infimed_*.yaml")} - made.keys():
        old.unlink()
    return folder


def docs(seed: Dataset) -> Dataset:
    """Return the docs of the benchmark that the split is named for; rows that cannot be used are left out.

    Raises ConfigError for another name or prompt style and MissingFileError naming what to download.
    """
    datasets = optional_module("datasets", "lmms-eval's tasks", "data")
    name = str(seed.split)
    made = [make_doc(name, sample) for sample in _samples(name, os.environ.get(DATA_DIR)).values()]
    if not made:
        raise DataError(f"{name} has no row that can be used; look at the files in {DATA_DIR}")
    return datasets.Dataset.from_list(made, split=seed.split)


def make_doc(benchmark: str, sample: Sample) -> dict[str, str]:
    """Return one doc, in the style that ``INFIMED_PROMPT_STYLE`` names. Raises ConfigError for another one."""
    style = os.environ.get(PROMPT_STYLE, "direct")
    if style not in prompts.PROMPT_STYLES:
        raise ConfigError(f"{PROMPT_STYLE} is {style!r}; set it to one of {', '.join(prompts.PROMPT_STYLES)}")
    kept = {name: getattr(sample, name) for name in KEPT}
    return {
        "id": sample.id,
        "benchmark": benchmark,
        "question": sample.question,
        "task": sample.task,
        "answer": prompts.answer_text(sample),
        "sample": json.dumps(kept, ensure_ascii=False),
        "prompt_style": style,
    }


def sample_of(doc: Mapping[str, Any]) -> Sample:
    """Return the Sample of a doc, without its images."""
    kept = json.loads(doc["sample"])
    return Sample(**{**kept, "options": None if kept["options"] is None else tuple(kept["options"])})


def doc_to_text(doc: Mapping[str, Any], kwargs: Mapping[str, Any] | None = None) -> str:
    """Return the prompt without image tags: lmms-eval's models put the images first. ``kwargs`` are ignored."""
    return prompts.render(sample_of(doc), doc["prompt_style"])


def doc_to_visual(doc: Mapping[str, Any]) -> list[Image]:
    """Return the images in RGB, in their order."""
    return [image.open() for image in _images(doc)]


def process_results(doc: Mapping[str, Any], results: Sequence[str | None]) -> dict[str, dict[str, Any]]:
    """Return the robust verdict on one reply: right or wrong, and whether it could not be read, a ``score`` of 1 or 0.

    ``image`` is the digest by which questions cluster. ``sample`` is the doc's, which lmms-eval leaves out of its
    sample logs; `infimed import` reads it there.
    """
    sample, images = sample_of(doc), _images(doc)
    verdict = score((results[0] if results else None) or "", sample)
    right = {
        "score": verdict.accuracy or 0.0,
        "image": images[0].sha256() if images else sample.id,
        "kind": sample.kind or sample.task,
        "reason": verdict.reason,
        "sample": doc["sample"],
    }
    return {"infimed_accuracy": right, "infimed_invalid": {**right, "score": float(verdict.invalid), "sample": ""}}


def mean_score(items: Sequence[Mapping[str, float]]) -> float:
    """Return the mean of the scores, 0 of none."""
    return sum(item["score"] for item in items) / max(1, len(items))


def _images(doc: Mapping[str, Any]) -> tuple[ImageRef, ...]:
    return _samples(doc["benchmark"], os.environ.get(DATA_DIR))[doc["id"]].images


@cache
def _samples(benchmark: str, folder: str | None) -> dict[str, Sample]:
    """Return a benchmark's samples by id, read once in a process; pictures stay in their files if the source allows."""
    found = tasks().get(benchmark)
    if found is None:
        raise ConfigError(f"no benchmark {benchmark!r} for lmms-eval; one of {', '.join(tasks())}")
    try:
        rows = registry().get("source", found.source).load(found.split, folder=Path(folder) if folder else None)
        return {row.id: row for row in rows if isinstance(row, Sample)}
    except MissingFileError as error:  # lmms-eval has no option --from
        raise type(error)(str(error).replace("add --from DIR", f"export {DATA_DIR}=DIR")) from error


if __name__ == "__main__":
    print(write_tasks(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
