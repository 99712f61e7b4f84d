"""Each fault of a reinforcement-learning run is found before it starts, by EasyR1's own code where it has one."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infimed_plugins.errors import MissingExtraError, MissingFileError
from infimed_plugins.quickstart.tiny_model import BASE
from infimed_plugins.trainers import Checked
from infimed_plugins.trainers.easyr1 import check_rl

REPOSITORY = Path(__file__).resolve().parents[2]
QUICKSTART = REPOSITORY / "easyr1_configs" / "quickstart_grpo.yaml"
Row = dict[str, Any]
WriteParquet = Callable[[Path, list[Row]], Path]

# what the tests count on, whatever the quickstart is tuned to
SIZES = (
    "data.rollout_batch_size=32",
    "data.max_prompt_length=320",
    "data.max_response_length=96",
    "worker.actor.global_batch_size=32",
    "worker.actor.micro_batch_size_per_device_for_update=16",
    "worker.actor.micro_batch_size_per_device_for_experience=16",
    "worker.rollout.n=8",
)
KWARGS = "worker.reward.reward_function_kwargs"
needs_easyr1 = pytest.mark.easyr1


@pytest.fixture
def overrides(rl_folder: Path, tiny_vlm: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The quickstart's configuration, pointed at sound phantoms: 32 to train on, 8 to validate."""
    monkeypatch.setenv("INFIMED_ROOT", str(REPOSITORY))
    return [
        f"data.train_files={rl_folder / 'train.parquet'}",
        f"data.val_files={rl_folder / 'val.parquet'}",
        f"worker.actor.model.model_path={tiny_vlm}",
        f"trainer.save_checkpoint_path={rl_folder / 'rl'}",
        "trainer.max_steps=40",
        *SIZES,
    ]


def _lines(checked: Checked) -> list[str]:
    return [str(fault) for fault in checked.faults]


@needs_easyr1
def test_a_sound_configuration_has_no_faults_and_is_summed_up(overrides: list[str]) -> None:
    checked = check_rl(QUICKSTART, [*overrides, "data.rollout_batch_size=16", "worker.actor.global_batch_size=8"])
    assert _lines(checked) == []
    assert checked.summary is not None
    assert (checked.summary.rows, checked.summary.sequences_per_update, checked.summary.steps_per_epoch) == (32, 64, 2)
    assert checked.summary.max_tokens is not None
    assert 60 < checked.summary.max_tokens < 200


@needs_easyr1
def test_gold_answers_are_said_with_the_tags_the_reward_reads(overrides: list[str], tmp_path: Path) -> None:
    template = tmp_path / "own.jinja"
    template.write_text("{{ content }} Use <reasoning> </reasoning>, then <final> </final>.")
    tags = [f"{KWARGS}.think_tag=reasoning", f"{KWARGS}.answer_tag=final", f"data.format_prompt={template}"]
    assert check_rl(QUICKSTART, [*overrides, *tags]).faults == ()


@needs_easyr1
def test_a_frame_without_sizes_is_found_before_training(overrides: list[str]) -> None:
    checked = check_rl(QUICKSTART, [*overrides, "worker.reward.reward_function_kwargs.answer_frame=thousandths"])
    assert checked.faults
    assert any("need 'size': [width, height] in the ground truth" in str(fault) for fault in checked.faults)


@needs_easyr1
def test_the_stand_in_for_vllm_is_forgotten_after_the_check(overrides: list[str]) -> None:
    check_rl(QUICKSTART, overrides)
    assert "vllm" not in sys.modules
    assert not any("easyr1_cpu" in entry for entry in sys.path)


@needs_easyr1
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(
            ["data.max_promt_length=9"], "data.max_promt_length: .*did you mean 'max_prompt_length'", id="unknown key"
        ),
        pytest.param(["worker.actor.optim.learning_rate=1"], r"worker\.actor\.optim\.learning_rate: ", id="nested key"),
        pytest.param(["data.seed=abc"], "data.seed: EasyR1 refuses it: .*could not be converted", id="wrong type"),
        pytest.param(["worker.rollout.n=1"], "GRPO and RLOO algorithm need", id="one rollout"),
        pytest.param(
            ["worker.actor.global_batch_size=24"], "Rollout batch size must be divisible", id="batch not divisible"
        ),
        pytest.param(
            ["worker.actor.micro_batch_size_per_device_for_experience=7"],
            "must be divisible by actor micro batch size for experience",
            id="experience not divisible",
        ),
        pytest.param(
            ["worker.actor.micro_batch_size_per_device_for_update=7"],
            "global batch size per device must be divisible by the micro batch size",
            id="update not divisible",
        ),
        pytest.param(
            ["worker.rollout.tensor_parallel_size=2"],
            "tensor_parallel_size: 2 does not divide",
            id="GPUs do not divide",
        ),
        pytest.param(
            ["data.max_response_length=9000"], "max_num_batched_tokens: .*set it to 9320 or more", id="no room for both"
        ),
        pytest.param(["algorithm.adv_estimator=gpro"], "Unknown advantage estimator: gpro", id="unknown estimator"),
        pytest.param(["data.format_prompt=./none.jinja"], "would go on without a template", id="no template"),
        pytest.param(["data.image_dir=./none"], "data.image_dir: there is no ./none", id="no image folder"),
        pytest.param(["worker.actor.model.model_path=./none"], "model_path: there is no folder ./none", id="no model"),
        pytest.param(["data.train_files=./none.parquet"], "data.train_files: there is no ./none.parquet", id="no data"),
        pytest.param(["data.val_files=''"], "data.val_files: is not set", id="no validation data"),
        pytest.param(["data.train_files=a@b@c.parquet"], "more than one @", id="a path with @"),
        pytest.param(
            ["worker.reward.reward_function=./none.py:f"], r"reward_function: there is no none\.py", id="no reward"
        ),
        pytest.param(
            ["worker.reward.reward_function_kwargs.w_acc=0.5"], "w_format .* must sum to 1", id="weights at odds"
        ),
        pytest.param(["data.image_key=image"], "no column 'image'.*did you mean 'images'", id="misspelt column"),
        pytest.param(["data.answer_key=gold"], "no column 'gold'.*its columns are", id="no such column"),
        pytest.param(["data.max_prompt_length=80"], r"train\.parquet\[\d+\]: .*it would be cut", id="prompts cut"),
        pytest.param(
            ["data.max_prompt_length=80", "data.filter_overlong_prompts=true"], "it would be left out", id="filtered"
        ),
        pytest.param(["data.rollout_batch_size=64"], "32 rows do not fill one batch of 64", id="less than a batch"),
        pytest.param(["data.rollout_batch_size=0"], "rollout_batch_size: 0 is not 1 or more", id="no batch"),
        pytest.param(
            ["trainer.n_gpus_per_node=3"],
            "cannot be dealt out evenly to 1 × 3 GPUs: only support equal chunk",
            id="chunk",
        ),
        pytest.param(
            ["algorithm.online_filtering=true", "algorithm.filter_key=acc"], "gives no 'acc'", id="filter key"
        ),
        pytest.param(
            ["algorithm.filter_low=0.9", "algorithm.filter_high=0.1"], "filter_low: 0.9 is not below", id="filter range"
        ),
        pytest.param(
            ["algorithm.online_filtering=true", "algorithm.filter_low=1.0", "algorithm.filter_high=2.0"],
            "'overall' is 0.10 for a wrong reply and 1.00 for a right one, and no mean of them is kept",
            id="filter beyond what is paid",
        ),
        pytest.param(
            ["worker.rollout.max_model_len=400"], "max_model_len: 400 is less .*416 or more", id="model length"
        ),
        pytest.param(
            ["data.max_response_length=40000", "worker.rollout.max_num_batched_tokens=50000"],
            "40,320 tokens of prompt and response are more than the model's 32,768 positions",
            id="positions",
        ),
        pytest.param(["worker.rollout.temperature=0"], "0 is not more than 0 and at most 2: at 0 all", id="greedy"),
        pytest.param(["worker.rollout.top_k=1"], "top_k: 1 is not 2 or more or -1", id="greedy by top_k"),
        pytest.param(["worker.rollout.top_p=2"], "top_p: 2.0 is not more than 0 and at most 1: vLLM", id="top_p"),
        pytest.param(["trainer.max_steps=0"], "max_steps: 0 is not 1 or more: nothing would be learned", id="no steps"),
        pytest.param(["trainer.max_steps=null", "trainer.total_epochs=0"], "total_epochs: 0 is not", id="no epochs"),
        pytest.param(["trainer.critic_warmup=41"], "41 is more than the run's 40 steps", id="only a warm-up"),
        pytest.param(["worker.actor.optim.lr=0"], r"optim\.lr: 0\.0 is not more than 0", id="no learning rate"),
        pytest.param(["worker.actor.global_batch_size=0"], "global_batch_size: 0 is not 1 or more", id="no update"),
        pytest.param(["worker.actor.max_grad_norm=0"], "at 0 every gradient is 0", id="no gradient"),
        pytest.param(["worker.actor.optim.lr_scheduler_type=linear"], "'linear' is not one of constant", id="schedule"),
        pytest.param(["worker.actor.optim.betas=[0.9,1.5]"], "betas: 1.5 is not 0 or more and less than 1", id="betas"),
        pytest.param(["trainer.logger=[console,tensorbord]"], "'tensorbord'.* mean 'tensorboard'", id="logger"),
        pytest.param(["worker.rollout.dtype=fp8"], "'fp8' is not one of fp16", id="dtype"),
        pytest.param(["worker.rollout.gpu_memory_utilization=60"], "vLLM finds no memory", id="memory"),
        pytest.param(
            ["worker.rollout.val_override_config.temprature=0.5"], "no such sampling .*'temperature'", id="sampling key"
        ),
        pytest.param(["worker.rollout.val_override_config.top_p=3"], r"config\.top_p: 3 is not", id="sampling value"),
        pytest.param(["data.min_pixels=99999"], "min_pixels: 99,999 is above data.max_pixels", id="pixels"),
        pytest.param(["algorithm.adv_estimator=gae"], "the advantage estimator gae trains a critic", id="no critic"),
        pytest.param(["trainer.load_checkpoint_path=."], "does not end with global_step_", id="no checkpoint"),
        pytest.param(
            ["worker.actor.model.lora.rank=8", "worker.actor.model.lora.target_modules=q_proj,qq_proj"],
            "has no module 'qq_proj'; did you mean 'q_proj'",
            id="unknown module",
        ),
        pytest.param([f"{KWARGS}.think_prefiled=true"], "no such argument; did you mean 'think_prefilled'", id="kwarg"),
        pytest.param([f"{KWARGS}.reward=format"], r"the wrong answer .*zqxj.* earns 1\.00", id="pays the form alone"),
        pytest.param([f"{KWARGS}.w_acc=0", f"{KWARGS}.w_format=1"], "let right answers earn more", id="no weight"),
    ],
)
def test_a_fault_of_the_configuration_is_named(overrides: list[str], changes: list[str], expected: str) -> None:
    faults = _lines(check_rl(QUICKSTART, [*overrides, *changes]))
    assert any(re.search(expected, fault) for fault in faults), faults
    assert all("\n" not in fault for fault in faults)


GENERATION = "<|im_start|>assistant\n"
OPENS, CLOSED = GENERATION + "<think>\n", GENERATION + "<think>\n\n</think>\n\n"
PICTURE = "<|vision_start|><|image_pad|><|vision_end|>"
DIRECT = REPOSITORY / "easyr1_configs" / "infimed_direct.jinja"
ASKS = "{{ content }} Reason in <think> </think>, "

# what differs from the quickstart: the chat template, the format prompt, settings; and the one fault
PROMPTS: dict[str, tuple[tuple[str, str] | None, str | None, list[str], str]] = {
    "template opens <think>": ((GENERATION, OPENS), None, [], f"set {KWARGS}.think_prefilled=true"),
    "opens it, and says so": ((GENERATION, OPENS), None, [f"{KWARGS}.think_prefilled=true"], ""),
    "opens <think>, and a word": ((GENERATION, OPENS + "Okay,"), None, [], f"set {KWARGS}.think_prefilled=true"),
    "opens <thinking>": (
        (GENERATION, GENERATION + "<thinking>"),
        None,
        [f"{KWARGS}.think_prefilled=true"],
        f"set {KWARGS}.think_prefilled=true and {KWARGS}.think_tag=thinking",
    ),
    "opened, another answer tag": (
        (GENERATION, OPENS),
        None,
        [f"{KWARGS}.think_prefilled=true", f"{KWARGS}.answer_tag=final"],
        f"set {KWARGS}.answer_tag=answer",
    ),
    "prefilled, not opened": (None, None, [f"{KWARGS}.think_prefilled=true"], "does not open <think>: replies without"),
    "tags at the end, no model": (
        None,
        "{{ content }} Use <answer> </answer> after <think> </think>",
        ["worker.actor.model.model_path=./none"],
        "worker.actor.model.model_path: there is no folder",
    ),
    "reasoning closed": ((GENERATION, CLOSED), None, [], "name a chat template that leaves the reasoning"),
    "think_tag": (None, None, [f"{KWARGS}.think_tag=thinking"], "(it does not start with <thinking>)"),
    "answer_tag": (None, None, [f"{KWARGS}.answer_tag=final"], f"set {KWARGS}.answer_tag=answer"),
    "direct": (None, DIRECT.read_text(), [], "earns 0.00 (it does not start with <think>)"),
    "no format prompt": (None, None, ["data.format_prompt=null"], "name easyr1_configs/infimed.jinja"),
    "no tags": (None, "{{ content }} Think step by step.", [], "name easyr1_configs/infimed.jinja"),
    "capitals": (None, "{{ content }} <THINK> </THINK> <answer> </answer>", [], f"{KWARGS}.think_tag=THINK"),
    "a box": (None, ASKS + r"then answer in \boxed{}.", [], ""),
    "a box alone": (None, r"{{ content }} Answer in \boxed{}.", [], "(it does not start with <think>)"),
    "system prompt asks": (
        ("You are a helpful assistant.", "Reply as <think> </think> <answer> </answer>."),
        None,
        ["data.format_prompt=null"],
        "",
    ),
    "no template of Jinja": (None, "{{ content", [], "cannot be read (TemplateSyntaxError"),
    "no question": (None, "<think> </think> <answer> </answer>", [], "the template leaves the question out"),
    "pictures dropped": ((PICTURE, ""), None, [], "the chat template drops pictures: 0 of 1"),
    "pictures twice": ((PICTURE, PICTURE * 2), None, [], "the chat template repeats pictures: 2 of 1"),
    "texts dropped": (("{{ part['text'] }}", ""), None, [], "does not write the question as it is"),
    "for texts only": (("{% if message['content'] is string %}", "{% if true %}"), None, [], "the question as it is"),
    "raises": (("You are", "{{ raise_exception('no') }}"), None, [], "cannot render a prompt (TemplateError: no)"),
}


@needs_easyr1
@pytest.mark.parametrize("name", PROMPTS)
def test_what_the_rendered_prompt_asks_for_is_what_is_paid(name: str, overrides: list[str], tmp_path: Path) -> None:
    chat, asked, settings, expected = PROMPTS[name]
    if chat is not None:
        template = (BASE / "chat_template.jinja").read_text()
        assert chat[0] in template
        (tmp_path / "chat.jinja").write_text(template.replace(*chat))
        settings = [*settings, f"data.override_chat_template={tmp_path / 'chat.jinja'}"]
    if asked is not None:
        (tmp_path / "asked.jinja").write_text(asked)
        settings = [*settings, f"data.format_prompt={tmp_path / 'asked.jinja'}"]
    faults = _lines(check_rl(QUICKSTART, [*overrides, *settings]))
    assert len(faults) == bool(expected), faults
    assert not expected or expected in faults[0]


@needs_easyr1
def test_a_form_that_is_not_paid_is_found_though_the_first_row_is_faulty(
    overrides: list[str], rl_folder: Path, rl_rows: list[Row], write_parquet: WriteParquet
) -> None:
    boxes = [{**row, "answer": _truth("grounding", [26, 30, 42, 46])} for row in rl_rows]
    boxes[0]["answer"] = _truth("grounding", [42, 30, 26, 46])
    write_parquet(rl_folder / "train.parquet", boxes[:32])
    write_parquet(rl_folder / "val.parquet", boxes[32:])
    faults = check_rl(QUICKSTART, [*overrides, f"{KWARGS}.think_tag=thinking"]).faults
    assert [fault.where for fault in faults] == ["train.parquet[0]", f"{KWARGS}.think_tag"]


@needs_easyr1
@pytest.mark.parametrize(
    ("question", "frame", "expected"),
    [
        pytest.param("as coordinates from 0 to 1000", "thousandths", "", id="asked and read in thousandths"),
        pytest.param("in pixels", "thousandths", "asks for boxes in pixels, and the frame 'thousandths'", id="pixels"),
        pytest.param(
            "scaled to 0-999", "original", "asks for boxes in thousandths, and the frame 'original'", id="0-999"
        ),
        pytest.param("in pixels", "original", "", id="asked and read in pixels"),
    ],
)
def test_boxes_are_asked_for_in_the_frame_they_are_read_in(
    question: str,
    frame: str,
    expected: str,
    overrides: list[str],
    rl_folder: Path,
    rl_rows: list[Row],
    write_parquet: WriteParquet,
) -> None:
    answer = json.dumps({"task": "grounding", "answer": [26, 30, 42, 46], "size": [112, 112]})
    rows = [{**row, "problem": f"<image>Where? Answer {question}.", "answer": answer} for row in rl_rows]
    write_parquet(rl_folder / "train.parquet", rows[:32])
    write_parquet(rl_folder / "val.parquet", rows[32:])
    faults = _lines(check_rl(QUICKSTART, [*overrides, f"{KWARGS}.answer_frame={frame}"]))
    assert len(faults) == bool(expected), faults
    assert not expected or expected in faults[0]


def _png(mode: str, size: tuple[int, int]) -> dict[str, bytes]:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new(mode, size, 3000 if mode.startswith("I") else 3).save(buffer, format="PNG")
    return {"bytes": buffer.getvalue()}


def _truth(task: str, answer: Any) -> str:
    return json.dumps({"task": task, "answer": answer})


ROW_FAULTS: dict[str, tuple[Callable[[Row], Row], str]] = {
    "images is null": (lambda row: {**row, "images": None}, "images is null; write a list"),
    "two images, one tag": (lambda row: {**row, "images": row["images"] * 2}, "1 <image> in the prompt for 2 images"),
    "a tag without its image": (lambda row: {**row, "images": []}, "1 <image> in the prompt for 0 images"),
    "an image without its tag": (lambda row: {**row, "problem": "Which organ?"}, "0 <image> in the prompt for 1 image"),
    "too many images": (
        lambda row: {**row, "images": row["images"] * 3, "problem": "<image><image><image>Which?"},
        "3 images are more than worker.rollout.limit_images 2",
    ),
    "truncated image": (
        lambda row: {**row, "images": [{"bytes": row["images"][0]["bytes"][:200]}]},
        "image in the row does not open",
    ),
    "16-bit image": (lambda row: {**row, "images": [_png("I;16", (112, 112))]}, "would be clipped to white"),
    "a strip": (lambda row: {**row, "images": [_png("L", (4000, 10))]}, "more than 200 times as long as wide"),
    "empty prompt": (lambda row: {**row, "problem": " "}, "the prompt is empty"),
    "empty answer": (lambda row: {**row, "answer": ""}, "the answer is empty"),
    "no answer in it": (lambda row: {**row, "answer": _truth("text", "")}, "has no answer"),
    "an unknown task": (
        lambda row: {**row, "answer": _truth("txet", "liver")},
        "earns 0.00, not 1.00 (the row cannot be",
    ),
    "a broken box": (
        lambda row: {**row, "answer": _truth("grounding", [30, 30, 10, 10])},
        "is no box [x1, y1, x2, y2]",
    ),
    "a box beyond its picture": (
        lambda row: {**row, "answer": _truth("grounding", [26, 30, 42, 460])},
        "reaches beyond its picture of 112×112",
    ),
    "a text box beyond it": (
        lambda row: {**row, "answer": _truth("detection", "[[1, 2, 30, 40], [1, 2, 300, 40]]")},
        "[1.0, 2.0, 300.0, 40.0] reaches beyond its picture",
    ),
    "the model's own token": (
        lambda row: {**row, "problem": row["problem"] + "<|im_end|>"},
        "spells the model's own token <|im_end|>",
    ),
}


@needs_easyr1
@pytest.mark.parametrize("name", ROW_FAULTS)
def test_a_faulty_row_is_named_by_its_number_and_the_sound_ones_are_not(
    name: str, overrides: list[str], rl_folder: Path, rl_rows: list[Row], write_parquet: WriteParquet
) -> None:
    spoil, expected = ROW_FAULTS[name]
    write_parquet(rl_folder / "train.parquet", [*rl_rows[:3], spoil(rl_rows[3]), *rl_rows[4:33]])
    faults = _lines(check_rl(QUICKSTART, [*overrides, "worker.rollout.limit_images=2"]))
    assert len(faults) == 1, faults
    assert faults[0].startswith("train.parquet[3]: ")
    assert expected in faults[0]


@needs_easyr1
def test_an_image_file_that_is_not_there_is_named_with_its_folder(
    overrides: list[str], rl_folder: Path, rl_rows: list[Row]
) -> None:
    rows = [{**row, "images": ["one.png"]} for row in rl_rows[:32]]
    (rl_folder / "train.json").write_text(json.dumps(rows))
    (rl_folder / "pictures").mkdir()
    changes = [f"data.train_files={rl_folder / 'train.json'}", f"data.image_dir={rl_folder / 'pictures'}"]
    faults = _lines(check_rl(QUICKSTART, [*overrides, *changes]))
    assert len(faults) == 32
    assert f"image {rl_folder}/pictures/one.png cannot be read" in faults[0]
    (rl_folder / "pictures" / "one.png").write_bytes(rl_rows[0]["images"][0]["bytes"])
    assert _lines(check_rl(QUICKSTART, [*overrides, *changes])) == []


FILES: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {  # a name, what is done to its JSON lines, and the cause
    "byte order mark": ("one.json", lambda lines: b"\xef\xbb\xbf[" + lines.splitlines()[0] + b"]", "byte order mark"),
    "UTF-16": ("one.jsonl", lambda lines: lines.decode().encode("utf-16"), "(it is UTF-16); save it as UTF-8"),
    "GB18030": (
        "one.jsonl",
        lambda lines: lines + '{"problem": "部位"}\n'.encode("gb18030"),
        "(it is not UTF-8, by line 33)",
    ),
    "empty": ("one.jsonl", lambda lines: b"", "(it is empty)"),
    "no rows": ("one.json", lambda lines: b"[]", "(it holds no rows)"),
    "a last line cut": ("one.jsonl", lambda lines: lines[:-9], "(it is not JSON: line 32)"),
    "no parquet": ("one.parquet", lambda lines: b"not a parquet file", "(it is no parquet file)"),
    "a parquet file cut": ("one.parquet", lambda lines: b"PAR1 and so on", "(it was cut short)"),
    "a pointer": ("one.parquet", lambda lines: b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
    "an error page": ("one.parquet", lambda lines: b"<!DOCTYPE html>", "a page of HTML"),
}


@needs_easyr1
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_read_is_named_for_what_it_is(
    name: str, overrides: list[str], rl_folder: Path, rl_rows: list[Row]
) -> None:
    file, spoil, expected = FILES[name]
    lines = [json.dumps({**row, "problem": "Which?", "images": []}) + "\n" for row in rl_rows[:32]]
    (rl_folder / file).write_bytes(spoil("".join(lines).encode()))
    faults = _lines(check_rl(QUICKSTART, [*overrides, f"data.train_files={rl_folder / file}"]))
    assert len(faults) == 1, faults
    assert faults[0].startswith(f"data.train_files: {rl_folder / file} cannot be loaded ")
    assert expected in faults[0]


REWARDS = {
    "raises": ("def f(rows): raise KeyError('x')", "raises on gold answers (KeyError"),
    "too few scores": ("def f(rows): return [{'overall': 1.0}]", "gives 1 scores for 32 rows"),
    "NaN": ("def f(rows): return [{'overall': 1.0, 'format': float('nan')} for _ in rows]", "gives format = nan"),
    "None": ("def f(rows): return [{'overall': None} for _ in rows]", "gives overall = None"),
    "no overall": ("def f(rows): return [{'score': 1.0} for _ in rows]", "no dicts with 'overall'"),
    "ragged keys": (
        "def f(rows): return [{'overall': 1.0, **({'x': 1.0} if i else {})} for i, _ in enumerate(rows)]",
        "gives rows different keys",
    ),
    "constant": ("def f(rows): return [{'overall': 1.0} for _ in rows]", "earns 1.00, as the right one does"),
    "raises on wrong answers": (
        "def f(rows): return [{'overall': 1.0 if 'gold' in row['response'] else 1 / 0} for row in rows]",
        "raises on wrong answers (ZeroDivisionError",
    ),
    "half marks": ("def f(rows): return [{'overall': 0.5} for _ in rows]", "the gold answer itself earns 0.50"),
    "misspelt type": ("REWARD_TYPE = 'bacth'\ndef f(rows): return []", "REWARD_TYPE is 'bacth'"),
    "no such function": ("def g(rows): return []", "does not load (AttributeError"),
    "relative import": ("from .score import f", "does not load (RuntimeError"),
}


@needs_easyr1
@pytest.mark.parametrize("name", REWARDS)
def test_a_reward_function_that_breaks_easyr1s_contract_is_named(
    name: str, overrides: list[str], tmp_path: Path
) -> None:
    code, expected = REWARDS[name]
    faults = _lines(check_rl(_with_reward(tmp_path, code), overrides))
    assert any(expected in fault for fault in faults), faults


def _with_reward(folder: Path, code: str) -> Path:
    """The quickstart's configuration with a reward function ``f`` of one's own, without keyword arguments."""
    (folder / "reward.py").write_text(code)
    text = QUICKSTART.read_text(encoding="utf-8")
    start, end = text.index("    reward_function:"), text.index("\ntrainer:")
    changed = folder / "config.yaml"
    own = f"    reward_function: {folder / 'reward.py'}:f\n"
    changed.write_text(text[:start] + own + text[end:], encoding="utf-8")
    return changed


@needs_easyr1
def test_a_sequential_reward_of_ones_own_is_called_as_easyr1_calls_it(overrides: list[str], tmp_path: Path) -> None:
    code = "REWARD_TYPE = 'sequential'\ndef f(row): return {'overall': float('gold answer' in row['response'])}"
    assert _lines(check_rl(_with_reward(tmp_path, code), overrides)) == []


UPSTREAM_PROMPTS = {  # EasyR1's own rewards: the reply each is asked for, and one that asks for the other's
    "tags": (
        r"<think>.*</think>\s*<answer>(.*)</answer>",
        "<think> </think> <answer> </answer>",
        r"<think> </think> \boxed{}",
    ),
    "box": (r"<think>.*</think>.*\\boxed\{(.*)\}", r"<think> </think> \boxed{}", "<think> </think> <answer> </answer>"),
}


@needs_easyr1
@pytest.mark.parametrize("name", UPSTREAM_PROMPTS)
def test_a_reward_of_ones_own_is_judged_by_the_reply_its_prompt_asks_for(
    name: str, overrides: list[str], tmp_path: Path
) -> None:
    form, asked, other = UPSTREAM_PROMPTS[name]
    code = f"""import json, re
def f(rows):
    found = [re.fullmatch({form!r}, row['response'], re.DOTALL) for row in rows]
    gold = [json.loads(row['ground_truth'])['answer'] for row in rows]
    said = ['No Objects' if answer == [] else str(answer) for answer in gold]
    return [{{'overall': float(bool(one) and one[1].strip() == text)}} for one, text in zip(found, said)]
"""
    config, template = _with_reward(tmp_path, code), tmp_path / "asked.jinja"
    settings = [*overrides, f"data.format_prompt={template}"]
    template.write_text("{{ content }} " + asked)
    assert _lines(check_rl(config, settings)) == []
    template.write_text("{{ content }} " + other)
    faults = _lines(check_rl(config, settings))
    assert len(faults) == 40
    assert all("earns 0.00, not 1.00" in line and "let data.format_prompt ask" in line for line in faults)


@needs_easyr1
def test_a_finished_run_in_the_way_is_a_fault(overrides: list[str], rl_folder: Path) -> None:
    (rl_folder / "rl").mkdir()
    (rl_folder / "rl" / "checkpoint_tracker.json").write_text('{"last_global_step": 40}')
    faults = _lines(check_rl(QUICKSTART, overrides))
    assert len(faults) == 1
    assert "is at step 40 already: nothing would be trained" in faults[0]


@needs_easyr1
def test_without_the_model_rows_and_gold_answers_are_checked_all_the_same(
    overrides: list[str], rl_folder: Path, rl_rows: list[Row], write_parquet: WriteParquet
) -> None:
    write_parquet(rl_folder / "train.parquet", [{**rl_rows[0], "answer": ""}, *rl_rows[1:32]])
    checked = check_rl(QUICKSTART, [*overrides, "worker.actor.model.model_path=./none"])
    assert [fault.where for fault in checked.faults] == ["worker.actor.model.model_path", "train.parquet[0]"]
    assert checked.summary is not None
    assert checked.summary.max_tokens is None


def test_without_easyr1_the_commit_to_install_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infimed_plugins.trainers.upstream_easyr1.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"not on PyPI.*git\+https://github\.com/hiyouga/EasyR1@b44b311"):
        check_rl(QUICKSTART)


def test_a_file_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no configuration at"):
        check_rl(tmp_path / "none.yaml")


@needs_easyr1
def test_rows_for_the_direct_prompt_under_the_reasoning_template_are_named(
    overrides: list[str], write_parquet: WriteParquet, rl_folder: Path, tmp_path: Path
) -> None:
    import pyarrow.parquet

    rows: list[Row] = pyarrow.parquet.read_table(rl_folder / "train.parquet").to_pylist()
    direct = write_parquet(tmp_path / "direct.parquet", [{**row, "style": "direct"} for row in rows])
    more = [*overrides, f"data.train_files={direct}"]
    said = [line for line in _lines(check_rl(QUICKSTART, more)) if "prompt" in line]
    assert len(said) == 1
    assert "32 of 32 rows are for the direct prompt, and data.format_prompt is for reasoning" in said[0]
    assert "name easyr1_configs/infimed_direct.jinja" in said[0]
    template = f"data.format_prompt={REPOSITORY / 'easyr1_configs' / 'infimed_direct.jinja'}"
    assert not [line for line in _lines(check_rl(QUICKSTART, [*more, template])) if "rows are for the" in line]


def _with_code(model: Path, folder: Path, file: str, kind: str, unknown: bool = False) -> Path:
    """A copy of a model whose settings name a class in a module of its own folder, which leaves a trace."""
    shutil.copytree(model, folder)
    (folder / "evil.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\nclass Evil: pass\n")
    for name in (file, "config.json") if unknown else (file,):
        settings = json.loads((folder / name).read_text())
        settings["auto_map"] = {kind: "evil.Evil"} if kind != "AutoTokenizer" else {kind: ["evil.Evil", None]}
        settings |= {"model_type": "of_its_own"} if unknown and name == "config.json" else {}
        settings |= {"tokenizer_class": "Evil"} if unknown and "tokenizer" in name else {}
        (folder / name).write_text(json.dumps(settings))
    return folder


@needs_easyr1
@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("config.json", "AutoConfig"),
        ("tokenizer_config.json", "AutoTokenizer"),
        ("preprocessor_config.json", "AutoProcessor"),
    ],
)
@pytest.mark.parametrize("asked", [["worker.actor.model.trust_remote_code=true"], []], ids=["asked for", "left out"])
def test_a_models_own_code_is_a_fault_and_is_not_run(
    file: str, kind: str, asked: list[str], overrides: list[str], tiny_vlm: Path, tmp_path: Path
) -> None:
    model = _with_code(tiny_vlm, tmp_path / "theirs", file, kind)
    checked = check_rl(QUICKSTART, [*overrides, f"worker.actor.model.model_path={model}", *asked])
    (fault,) = checked.faults
    assert fault.where == "worker.actor.model.model_path"
    assert "brings code of its own" in fault.what
    assert "trust_remote_code to false" in fault.mend
    assert not (model / "ran").exists()


@needs_easyr1
def test_a_model_that_needs_its_own_code_is_a_fault_where_it_is_not_trusted(
    overrides: list[str], tiny_vlm: Path, tmp_path: Path
) -> None:
    off = [*overrides, "worker.actor.model.trust_remote_code=false"]
    known = _with_code(tiny_vlm, tmp_path / "known", "config.json", "AutoConfig")
    assert _lines(check_rl(QUICKSTART, [*off, f"worker.actor.model.model_path={known}"])) == []
    needs = _with_code(tiny_vlm, tmp_path / "needs", "tokenizer_config.json", "AutoTokenizer", unknown=True)
    (fault,) = check_rl(QUICKSTART, [*off, f"worker.actor.model.model_path={needs}"]).faults
    assert (fault.where, "needs code of its own" in fault.what) == ("worker.actor.model.model_path", True)
    assert not (known / "ran").exists()
    assert not (needs / "ran").exists()


@needs_easyr1
def test_a_judge_that_is_not_there_is_a_fault_and_one_without_calibration_a_warning(overrides: list[str]) -> None:
    judge = [f"{KWARGS}.judge.model=m", f"{KWARGS}.judge.base_url=http://127.0.0.1:9/v1"]
    checked = check_rl(QUICKSTART, [*overrides, *judge])
    unreachable, *without_question = _lines(checked)
    assert "gives no verdict" in unreachable
    assert all("no question in their ground truth" in line for line in without_question)
    assert len(without_question) == 2  # the sets of training and of validation
    assert ["not calibrated" in line for line in checked.warnings] == [True]
