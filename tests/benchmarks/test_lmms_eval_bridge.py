"""lmms-eval takes the benchmarks from outside its tree: same questions, pictures, prompts and verdicts as ours.

What is called with docs needs no lmms-eval; where it is installed, its own TaskManager and command line are used.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from infimed_plugins import prompts
from infimed_plugins.benchmarks import BUILT_IN, benchmarks
from infimed_plugins.benchmarks import lmms_eval as functions
from infimed_plugins.errors import ConfigError, MissingFileError
from infimed_plugins.plugins import registry
from infimed_plugins.records import Sample
from infimed_plugins.scoring.robust import score

FIXTURES = Path(__file__).parents[1] / "data" / "sources"
TASKS = {name: (one.source, one.split) for name, one in functions.tasks().items()}
MEDICAL = [name for name in TASKS if name != "phantom"]
TAGS = {
    "infimed": [one.name for one in benchmarks("paper")],
    "infimed_text": [one.name for one in benchmarks("text")],
}

needs_lmms_eval = pytest.mark.skipif(importlib.util.find_spec("lmms_eval") is None, reason="needs lmms-eval")


@pytest.fixture(autouse=True)
def _small_copies(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(functions.DATA_DIR, str(FIXTURES))
    monkeypatch.delenv(functions.PROMPT_STYLE, raising=False)
    functions._samples.cache_clear()
    yield
    functions._samples.cache_clear()


def samples(name: str, limit: int | None = None) -> list[Sample]:
    source, split = TASKS[name]
    rows = registry().get("source", source).load(split, folder=FIXTURES, limit=limit)
    return [row for row in rows if isinstance(row, Sample)]


def docs(name: str) -> Any:
    """What process_docs makes of the one row that lmms-eval loads."""
    datasets = pytest.importorskip("datasets")
    return functions.docs(datasets.Dataset.from_list([{"see": ""}], split=datasets.Split(name)))


@pytest.mark.parametrize("name", MEDICAL)
def test_every_sample_becomes_a_doc_and_comes_back_with_its_pictures(name: str) -> None:
    expected, made = samples(name), docs(name)
    assert [doc["id"] for doc in made] == [sample.id for sample in expected]
    for doc, sample in zip(made, expected, strict=True):
        back = functions.sample_of(doc)
        assert (back.question, back.options, back.answer, back.task, back.meta) == (
            sample.question,
            sample.options,
            sample.answer,
            sample.task,
            sample.meta,
        )
        assert [image.size for image in functions.doc_to_visual(doc)] == [(64, 48)] * len(sample.images)
        assert doc["answer"] == prompts.answer_text(sample)


@pytest.mark.parametrize("style", prompts.PROMPT_STYLES)
def test_the_prompt_is_ours_but_for_the_image_tags(style: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(functions.PROMPT_STYLE, style)
    for sample in samples("medxpertqa_mm"):
        text = functions.doc_to_text(functions.make_doc("medxpertqa_mm", sample), {})
        assert prompts.IMAGE_TAG * len(sample.images) + text == prompts.render(sample, style)
        assert prompts.IMAGE_TAG not in text


@pytest.mark.parametrize(
    ("style", "reply", "accuracy", "invalid"),
    [
        ("direct", "{gold}", 1.0, 0.0),
        ("direct", "The answer is {gold}.", 1.0, 0.0),
        ("direct", "", 0.0, 1.0),
        ("direct", None, 0.0, 1.0),
        ("reasoning", "<think> It shows. </think>\n<answer> {gold} </answer>", 1.0, 0.0),
        ("reasoning", "It shows {gold}, I think", 0.0, 1.0),
    ],
)
def test_verdicts_are_those_of_the_robust_rules(
    style: str, reply: str | None, accuracy: float, invalid: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(functions.PROMPT_STYLE, style)
    for sample in samples("pmc_vqa_2"):
        text = reply.format(gold=sample.answer) if reply is not None else None
        given = functions.process_results(functions.make_doc("pmc_vqa_2", sample), [text])
        ours = score(text or "", sample)
        assert given["infimed_accuracy"]["score"] == ours.accuracy == accuracy
        assert given["infimed_invalid"]["score"] == float(ours.invalid) == invalid


def test_questions_about_one_picture_share_its_digest() -> None:
    made = docs("pmc_vqa_2")
    items = [functions.process_results(doc, ["A"])["infimed_accuracy"] for doc in made]
    assert [item["image"] for item in items] == [sample.images[0].sha256() for sample in samples("pmc_vqa_2")]
    assert len({item["image"] for item in items}) < len(items)


def test_scores_are_averaged() -> None:
    items = [{"score": value} for value in (1.0, 0.0, 0.0, 1.0)]
    assert (functions.mean_score(items), functions.mean_score([])) == (0.5, 0.0)


def include_path() -> Path:
    return functions.write_tasks()


@pytest.fixture(autouse=True)
def _cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("INFIMED_CACHE", str(tmp_path / "cache of mine"))


def test_every_task_file_names_a_benchmark_and_functions_that_exist() -> None:
    class Names(yaml.SafeLoader):
        pass

    Names.add_constructor("!function", lambda loader, node: str(loader.construct_scalar(node)))  # type: ignore[arg-type, no-untyped-call]
    folder = include_path()
    tasks = [yaml.load(path.read_text(encoding="utf-8"), Names) for path in folder.glob("*.yaml")]
    assert {task["task"] for task in tasks} == {f"infimed_{name}" for name in TASKS}
    for task in tasks:
        named = [value for value in task.values() if str(value).startswith(functions.__name__)]
        named += [metric["aggregation"] for metric in task["metric_list"]]
        assert len(named) == 6
        assert all(callable(getattr(functions, name.removeprefix(f"{functions.__name__}."))) for name in named)
        assert task["task"] == f"infimed_{task['test_split']}"
        assert task["dataset_kwargs"]["data_files"] == {task["test_split"]: str(folder / "seed.jsonl")}
    assert (folder / "seed.jsonl").is_file()


def test_task_files_of_another_version_are_replaced(tmp_path: Path) -> None:
    folder = functions.write_tasks(tmp_path / "tasks")
    files = {path: path.read_bytes() for path in folder.iterdir()}
    (folder / "infimed_slake.yaml").write_text("task: old")
    (folder / "infimed_gone.yaml").write_text("task: infimed_gone")
    functions.write_tasks(tmp_path / "tasks")
    assert {path: path.read_bytes() for path in folder.iterdir()} == files


def test_what_cannot_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="no benchmark 'iconqa' for lmms-eval"):
        docs("iconqa")
    monkeypatch.delenv(functions.DATA_DIR, raising=False)
    with pytest.raises(MissingFileError, match=r"put it into DIR/slake, and export INFIMED_DATA_DIR=DIR$"):
        docs("slake")
    monkeypatch.setenv(functions.DATA_DIR, str(tmp_path))
    with pytest.raises(MissingFileError, match="vqa_rad: its files are not there"):
        docs("vqa_rad")
    monkeypatch.setenv(functions.PROMPT_STYLE, "loud")
    with pytest.raises(ConfigError, match="INFIMED_PROMPT_STYLE is 'loud'"):
        functions.make_doc("vqa_rad", samples("vqa_rad")[0])


def test_the_include_path_is_printed() -> None:
    command = [sys.executable, "-m", "infimed_plugins.benchmarks.lmms_eval"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert Path(done.stdout.strip()) == include_path()


def test_every_benchmark_is_a_task_and_its_tag_is_its_group() -> None:
    asked = {(one.source, one.split) for one in benchmarks() if one.name in BUILT_IN}
    assert {*TASKS.values()} == asked
    tagged = {
        tag: {task["test_split"] for path in include_path().glob("*.yaml") if (task := plain(path)).get("tag") == tag}
        for tag in TAGS
    }
    source_of = {one.name: one.source for one in benchmarks()}
    assert tagged == {tag: {source_of[name] for name in names} for tag, names in TAGS.items()}


def plain(path: Path) -> dict[str, Any]:
    lines = path.read_text(encoding="utf-8").splitlines()
    task: dict[str, Any] = yaml.safe_load("\n".join(line for line in lines if "!function" not in line))
    return task


def test_questions_without_pictures_are_text_only_and_cluster_by_themselves() -> None:
    for doc in docs("pubmedqa"):
        assert functions.doc_to_visual(doc) == []
        verdict = functions.process_results(doc, [doc["answer"]])["infimed_accuracy"]
        assert (verdict["score"], verdict["image"]) == (1.0, doc["id"])


@needs_lmms_eval
@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("task_type", ["simple", "chat"])
def test_the_task_manager_loads_the_medical_tasks_by_their_tag(
    task_type: str, tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    from lmms_eval.tasks import TaskManager

    manager = TaskManager("ERROR", include_path=str(include_path()), include_defaults=False)
    tasks = manager.load_task_or_group(tag, task_type=task_type)
    names = [name.replace("pmc_vqa", "pmc_vqa_2") for name in TAGS[tag]]  # tasks are called by their sources
    assert set(tasks) == {f"infimed_{name}" for name in names}
    for name in names:
        task, expected = tasks[f"infimed_{name}"], samples(name)
        task.build_all_requests(limit=None)
        assert len(task.instances) == len(expected)
        for doc, sample in zip(task.eval_docs, expected, strict=True):
            assert len(task.doc_to_visual(doc)) == len(sample.images)
            assert task.doc_to_text(doc) == prompts.render(sample, "direct").removeprefix(
                "<image>" * len(sample.images)
            )
            right = task.process_results(doc, [prompts.answer_text(sample)])
            assert right["infimed_accuracy"]["score"] == score(prompts.answer_text(sample), sample).accuracy
        messages = getattr(task, "doc_to_messages", None)
        if task_type == "chat":
            assert messages is not None
            kinds = [part["type"] for part in messages(task.eval_docs[0])[0]["content"]]
            assert kinds == ["image"] * len(expected[0].images) + ["text"]


@needs_lmms_eval
@pytest.mark.slow
def test_its_command_line_evaluates_the_phantoms(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lmms_eval", "--model", "dummy", "--model_args", "response=B", "--limit", "24"]
    command += ["--tasks", "infimed_phantom", "--include_path", str(include_path())]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [*command, "--log_samples", "--output_path", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        env=environment,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (path,) = (tmp_path / "out").rglob("*_results.json")
    results = json.loads(path.read_text(encoding="utf-8"))["results"]["infimed_phantom"]
    asked = samples("phantom", limit=24)
    verdicts = [score("B", sample) for sample in asked]
    assert results["infimed_accuracy,none"] == pytest.approx(sum(v.accuracy or 0 for v in verdicts) / len(asked))
    assert results["infimed_invalid,none"] == pytest.approx(sum(v.invalid for v in verdicts) / len(asked))
    assert isinstance(results["infimed_accuracy_stderr_clustered,none"], float)
