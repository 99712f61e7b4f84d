"""Each fault of a fine-tuning run is found before it starts, by LLaMA-Factory's own code where it has one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from infimed_plugins.errors import ConfigError, MissingExtraError, MissingFileError
from infimed_plugins.trainers import Checked
from infimed_plugins.trainers.llamafactory import check_sft

pytest.importorskip("llamafactory")

QUICKSTART = Path(__file__).resolve().parents[2] / "llamafactory_configs" / "quickstart_sft.yaml"
Row = dict[str, Any]
AddDataset = Callable[[Path, str, list[Row]], None]


@pytest.fixture
def overrides(sft_folder: Path, tiny_vlm: Path) -> list[str]:
    """The quickstart's configuration, pointed at forty sound phantoms."""
    return [
        f"model_name_or_path={tiny_vlm}",
        "dataset=phantoms",
        f"dataset_dir={sft_folder}",
        f"media_dir={sft_folder}",
        f"output_dir={sft_folder / 'out'}",
        "per_device_train_batch_size=32",
        "cutoff_len=512",
    ]


def _lines(checked: Checked) -> list[str]:
    return [str(fault) for fault in checked.faults]


def test_a_sound_configuration_has_no_faults_and_is_summed_up(overrides: list[str]) -> None:
    checked = check_sft(QUICKSTART, [*overrides, "gradient_accumulation_steps=2"], devices=1)
    assert _lines(checked) == []
    assert checked.summary is not None
    assert (checked.summary.rows, checked.summary.sequences_per_update, checked.summary.steps_per_epoch) == (40, 64, 1)
    assert checked.summary.max_tokens is not None
    assert 60 < checked.summary.max_tokens < 300


def test_a_check_leaves_nothing_in_the_environment_that_a_training_would_take_for_its_own(overrides: list[str]) -> None:
    before = dict(os.environ)
    assert check_sft(QUICKSTART, [*overrides, "bf16=true"], devices=1).summary
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(["learnin_rate=1"], "learnin_rate: .* did you mean 'learning_rate'?", id="unknown key"),
        pytest.param(["zzzz=1"], "zzzz: .* remove it", id="unknown key with no like"),
        pytest.param(["template=qwen2_5_vl"], "Template qwen2_5_vl does not exist", id="upstream refuses the template"),
        pytest.param(["cutoff_len=abc"], "cutoff_len: 'abc' is not an integer", id="a value of the wrong type"),
        pytest.param(["stage=stf"], "stage: 'stf' is not a choice; one of .*sft", id="a value outside the choices"),
        pytest.param(["save_strategy=no"], "save_strategy: False is not a choice", id="a bare no"),
        pytest.param(["do_predict=true"], "LLaMA-Factory refuses it: .*predict_with_generate", id="keys at odds"),
        pytest.param(["model_name_or_path=./nothing"], "model_name_or_path: there is no folder", id="no model folder"),
        pytest.param(
            ["model_name_or_path=Qwen/Qwen2.5-VL-3B-Instruct"], "not on this machine.*hf download", id="no hub model"
        ),
        pytest.param(["dataset=phantom"], "dataset: .* did you mean 'phantoms'", id="misspelt data set"),
        pytest.param(["dataset=phantoms,phantoms"], "named twice", id="a data set named twice"),
        pytest.param(["dataset_dir=./nothing"], "dataset_dir: there is no nothing/dataset_info.json", id="no registry"),
        pytest.param(["media_dir=./nothing"], "media_dir: there is no folder", id="no media folder"),
        pytest.param(["deepspeed=./ds.json"], "deepspeed: there is no file", id="no deepspeed file"),
        pytest.param(["tokenized_path=."], "tokenized_path: .* whatever dataset says", id="an old tokenised set"),
        pytest.param(["output_dir=${oc.env:HOME}/x"], "does not fill in", id="a variable that stays as it is"),
        pytest.param(["val_size=42"], "val_size: 42 of 40 rows cannot be held out", id="more held out than there is"),
        pytest.param(["val_size=40"], "val_size: 40 of 40 rows", id="all held out"),
        pytest.param(["val_size=-1"], "val_size: -1 is not 0 or more", id="less than none held out"),
        pytest.param(
            ["per_device_train_batch_size=0"], "per_device_train_batch_size: 0 is not 1 or more", id="no batch"
        ),
        pytest.param(["gradient_accumulation_steps=0"], "gradient_accumulation_steps: 0 is not", id="no accumulation"),
        pytest.param(["eval_dataset=phantom"], "eval_dataset: .* did you mean 'phantoms'", id="unknown evaluation set"),
        pytest.param(["eval_strategy=steps"], "make sure eval_dataset be provided", id="nothing to evaluate on"),
        pytest.param(["resume_from_checkpoint=./none"], "there is no folder ./none", id="no checkpoint"),
        pytest.param(["resume_from_checkpoint=true"], "there is no checkpoint in", id="nothing to go on from"),
        pytest.param(["bf16=true", "fp16=true"], "bf16 and fp16 are both set", id="two precisions"),
        pytest.param(["finetuning_type=lora", "lora_rank=0"], "lora_rank: 0 is not 1 or more", id="an empty adapter"),
        pytest.param(
            ["finetuning_type=lora", "lora_target=q_proj,qq_proj"], "no module 'qq_proj'; .*'q_proj'", id="module"
        ),
        pytest.param(
            ["finetuning_type=lora", "adapter_name_or_path=./none"], "there is no folder ./none", id="adapter"
        ),
        pytest.param(["num_train_epochs=0"], "num_train_epochs: 0 is not more than 0", id="no epoch"),
        pytest.param(["learning_rate=-0.001"], "learning_rate: -0.001 is not more than 0", id="a rate below 0"),
        pytest.param(["learning_rate=5"], "learning_rate: 5 is not more than 0 and at most 0.1", id="a rate too high"),
        pytest.param(["learning_rate=null"], "learning_rate: is null, and LLaMA-Factory needs", id="no rate"),
        pytest.param(["cutoff_len=0"], "cutoff_len: 0 is not 1 or more", id="no token"),
        pytest.param(["save_steps=0"], "save_steps: 0 is not more than 0", id="never saved"),
        pytest.param(["max_samples=0"], "max_samples: 0 is not 1 or more: no row", id="no sample"),
        pytest.param(["warmup_ratio=2"], "warmup_ratio: 2 is not 0 or more and less than 1", id="only a warm-up"),
        pytest.param(["lr_scheduler_type=cosin"], "lr_scheduler_type: 'cosin' is not a choice", id="schedule"),
        pytest.param(["report_to=wandbb"], "report_to: 'wandbb' .*did you mean 'wandb'", id="report"),
        pytest.param(["image_max_pixels=10"], "`image_max_pixels` cannot be smaller", id="pixels"),
        pytest.param(["freeze_language_model=true"], "are all frozen: nothing would be learned", id="all frozen"),
        pytest.param(["do_train=false"], "do_train: is not set, so nothing would be done", id="nothing to do"),
        pytest.param(
            ["dataloader_drop_last=true", "per_device_train_batch_size=64"],
            "40 rows do not fill one batch of 64, .*no step is left",
            id="no step",
        ),
    ],
)
def test_a_fault_of_the_configuration_is_named(overrides: list[str], changes: list[str], expected: str) -> None:
    faults = _lines(check_sft(QUICKSTART, [*overrides, *changes], devices=1))
    assert any(_matches(expected, fault) for fault in faults), faults
    assert all("\n" not in fault for fault in faults)


def _matches(pattern: str, text: str) -> bool:
    import re

    return re.search(pattern, text) is not None


def _change(row: Row, **message: str) -> Row:
    changed = deepcopy(row)
    for turn in changed["messages"]:
        turn["content"] = message.get(turn["role"], turn["content"])
    return changed


TOKENS = ("<|image_pad|>", "<|vision_start|>", "<|im_end|>", "<|endoftext|>", "<|video_pad|>")


@pytest.mark.parametrize("role", ["user", "assistant"])
def test_texts_that_spell_the_models_own_tokens_are_faults_and_marks_of_regions_are_not(
    role: str, overrides: list[str], sft_folder: Path, sft_rows: list[Row], add_dataset: AddDataset
) -> None:
    def spelt(text: str) -> Row:
        said = next(turn["content"] for turn in sft_rows[0]["messages"] if turn["role"] == role)
        return _change(sft_rows[0], **{role: f"{said} {text}"})

    harmless = (
        "<|box_start|>(1,2),(3,4)<|box_end|>",
        "<|object_ref_start|>lung<|object_ref_end|>",
        "< |im_end|>",
        "<x>",
    )
    add_dataset(sft_folder, "phantoms", [spelt(text) for text in (*TOKENS, *harmless)])
    faults = check_sft(QUICKSTART, overrides).faults
    assert [fault.where for fault in faults] == [f"phantoms.jsonl[{index}]" for index in range(len(TOKENS))]
    assert [token in fault.what for token, fault in zip(TOKENS, faults, strict=True)] == [True] * len(TOKENS)


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        pytest.param("phantoms.jsonl", b"", "(it is empty)", id="empty"),
        pytest.param("phantoms.json", b"\xef\xbb\xbf[{}]", "byte order mark); save it as UTF-8 without", id="BOM"),
        pytest.param("phantoms.jsonl", '{"a": 1}'.encode("utf-16"), "(it is UTF-16); save it as UTF-8", id="UTF-16"),
        pytest.param("phantoms.json", '[{"a": "é"}]'.encode("latin-1"), "(it is not UTF-8, by line 1)", id="Latin-1"),
        pytest.param("phantoms.jsonl", b'{"a": 1}\n{"a": 2', "(it is not JSON: line 2)", id="a last line cut"),
        pytest.param("phantoms.json", b"[]", "(it holds no rows)", id="no rows"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_for_what_it_is(
    file: str, content: bytes, expected: str, overrides: list[str], sft_folder: Path
) -> None:
    registry = sft_folder / "dataset_info.json"
    registry.write_text(registry.read_text().replace("phantoms.jsonl", file))
    (sft_folder / file).write_bytes(content)
    faults = _lines(check_sft(QUICKSTART, overrides))
    assert len(faults) == 1
    assert faults[0].startswith(f"dataset {file}: cannot be loaded ")
    assert expected in faults[0]


def test_text_in_another_encoding_is_found_where_it_is_decoded(
    overrides: list[str], sft_folder: Path, sft_rows: list[Row]
) -> None:
    lines = [json.dumps(row, ensure_ascii=False) for row in (*sft_rows[:2], _change(sft_rows[2], user="<image>部位？"))]
    (sft_folder / "phantoms.jsonl").write_bytes("\n".join(lines).encode("gb18030"))
    assert ["(it is not UTF-8, by line 3)" in line for line in _lines(check_sft(QUICKSTART, overrides))] == [True]


def test_a_registry_with_a_byte_order_mark_is_named(overrides: list[str], sft_folder: Path) -> None:
    registry = sft_folder / "dataset_info.json"
    registry.write_bytes(b"\xef\xbb\xbf" + registry.read_bytes())
    faults = _lines(check_sft(QUICKSTART, overrides))
    assert len(faults) == 1
    assert "it starts with a byte order mark; save it as UTF-8 without one" in faults[0]


def test_rows_to_evaluate_on_are_checked_and_not_counted(
    overrides: list[str], sft_folder: Path, sft_rows: list[Row], add_dataset: AddDataset
) -> None:
    add_dataset(sft_folder, "held", [sft_rows[0], _change(sft_rows[1], assistant=" ")])
    checked = check_sft(QUICKSTART, [*overrides, "eval_dataset=held"])
    assert _lines(checked) == ["held.jsonl[1]: the answer is empty; drop the row or answer it"]
    assert checked.summary is not None
    assert checked.summary.rows == 40


@pytest.mark.parametrize(("val_size", "trained"), [("0.1", 36), ("39", 1), ("10", 30)])
def test_rows_held_out_are_not_trained_on(val_size: str, trained: int, overrides: list[str]) -> None:
    checked = check_sft(QUICKSTART, [*overrides, f"val_size={val_size}"])
    assert (_lines(checked), checked.summary and checked.summary.rows) == ([], trained)


@pytest.mark.parametrize(("step", "faults"), [(6, 1), (5, 0)])
def test_a_finished_run_in_the_way_is_a_fault_and_an_interrupted_one_is_not(
    step: int, faults: int, overrides: list[str], sft_folder: Path
) -> None:
    checkpoint = sft_folder / "out" / f"checkpoint-{step}"  # 40 rows, 32 at once, 3 epochs: 6 steps
    checkpoint.mkdir(parents=True)
    (checkpoint / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    found = _lines(check_sft(QUICKSTART, [*overrides, "overwrite_output_dir=false"], devices=1))
    assert ["is at step 6 already: nothing would be trained" in line for line in found] == [True] * faults


ROW_FAULTS: dict[str, tuple[Callable[[Row], Row], str]] = {
    "missing image": (lambda row: {**row, "images": ["images/none.png"]}, r"image images/none\.png cannot be read"),
    "more images than tags": (lambda row: {**row, "images": row["images"] * 2}, "1 <image> tag but 2 images"),
    "a literal tag in text": (lambda row: {**row, "images": []}, "1 <image> tag but 0 images; write it <img>"),
    "empty answer": (lambda row: _change(row, assistant="  "), "the answer is empty"),
    "no assistant turn": (lambda row: {**row, "messages": row["messages"][:1]}, "it would be dropped"),
    "an unknown role": (
        lambda row: {**row, "messages": [{"role": "doctor", "content": "<image>?"}, row["messages"][1]]},
        "it would be dropped",
    ),
    "too long": (lambda row: _change(row, assistant="lung " * 600), "tokens are cut to cutoff_len 512"),
    "images cut": (
        lambda row: _change(row, user="lung " * 600 + "<image>"),
        "16 of an image among them: training would fail there",
    ),
}


@pytest.mark.parametrize("name", ROW_FAULTS)
def test_a_faulty_row_is_named_by_its_number_and_the_sound_ones_are_not(
    name: str, overrides: list[str], sft_folder: Path, sft_rows: list[Row], add_dataset: AddDataset
) -> None:
    spoil, expected = ROW_FAULTS[name]
    rows = [*sft_rows[:3], spoil(sft_rows[3]), *sft_rows[4:6]]
    add_dataset(sft_folder, "phantoms", rows)
    faults = _lines(check_sft(QUICKSTART, overrides))
    assert len(faults) == 1
    assert faults[0].startswith("phantoms.jsonl[3]: ")
    assert expected in faults[0].replace("\\", "") or _matches(expected, faults[0])


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def _not_an_image(path: Path) -> None:
    path.write_text("<html>404</html>")


def _sixteen_bit(path: Path) -> None:
    from PIL import Image

    Image.new("I;16", (112, 112), 3000).save(path)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        pytest.param(_truncated, "does not open", id="truncated"),
        pytest.param(_not_an_image, "does not open", id="an error page"),
        pytest.param(_sixteen_bit, "more than 8 bits (mode I;16) would be clipped to white", id="16 bit"),
    ],
)
def test_an_image_that_cannot_be_read_as_it_is_meant_is_named(
    overrides: list[str], sft_folder: Path, sft_rows: list[Row], spoil: Callable[[Path], None], expected: str
) -> None:
    spoil(sft_folder / sft_rows[5]["images"][0])
    faults = _lines(check_sft(QUICKSTART, overrides))
    assert len(faults) == 1
    assert faults[0].startswith("phantoms.jsonl[5]: ")
    assert expected in faults[0]


def test_a_thousand_text_rows_before_the_first_image_are_a_fault_and_end_upstreams_own_reading(
    overrides: list[str], sft_folder: Path, sft_rows: list[Row], add_dataset: AddDataset, tiny_vlm: Path
) -> None:
    text = {**_change(sft_rows[0], user="Which organ has lobes?", assistant="The lung."), "images": []}
    add_dataset(sft_folder, "texts", [text] * 1000)
    faults = _lines(check_sft(QUICKSTART, [*overrides, "dataset=texts,phantoms"]))
    assert [fault.partition("; ")[2] for fault in faults] == ["list data sets with images first"]
    assert _lines(check_sft(QUICKSTART, [*overrides, "dataset=phantoms,texts"])) == []

    # the same two sets, read by LLaMA-Factory itself
    for order, readable in (("texts,phantoms", False), ("phantoms,texts", True)):
        assert _upstream_reads([*overrides, f"dataset={order}"]) is readable


def _upstream_reads(overrides: list[str]) -> bool:
    from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
    from llamafactory.hparams import get_train_args
    from llamafactory.model import load_tokenizer

    from infimed_plugins.trainers.launch import read_settings

    model, data, training, _, _ = get_train_args(read_settings(QUICKSTART, overrides))
    loaded = load_tokenizer(model)
    template = get_template_and_fix_tokenizer(loaded["tokenizer"], data)
    try:
        get_dataset(template, model, data, training, stage="sft", **loaded)
    except Exception as error:  # noqa: BLE001  upstream raises what datasets raises
        return "Couldn't cast array of type" not in str(error) + str(error.__cause__)
    return True


def test_columns_that_do_not_name_messages_are_a_fault(overrides: list[str], sft_folder: Path) -> None:
    registry = sft_folder / "dataset_info.json"
    known = json.loads(registry.read_text())
    known["phantoms"]["columns"] = {"images": "images"}
    registry.write_text(json.dumps(known))
    faults = _lines(check_sft(QUICKSTART, overrides))
    assert len(faults) == 1
    assert "do not name messages" in faults[0]


def test_rows_whose_types_differ_are_a_fault(overrides: list[str], sft_folder: Path, sft_rows: list[Row]) -> None:
    mixed = [sft_rows[0], {**sft_rows[1], "images": "images/one.png"}]
    (sft_folder / "phantoms.jsonl").write_text("\n".join(json.dumps(row) for row in mixed))
    faults = _lines(check_sft(QUICKSTART, overrides))
    assert len(faults) == 1
    assert "cannot be loaded" in faults[0]


def test_a_trained_model_in_the_way_is_a_fault_and_the_rows_are_checked_all_the_same(
    overrides: list[str], sft_folder: Path
) -> None:
    (sft_folder / "out").mkdir()
    (sft_folder / "out" / "model.safetensors").write_bytes(b"")
    checked = check_sft(QUICKSTART, [*overrides, "overwrite_output_dir=false"])
    assert [fault.where for fault in checked.faults] == ["output_dir"]
    assert checked.summary is not None


def test_without_the_model_images_and_answers_are_checked_all_the_same(
    overrides: list[str], sft_folder: Path, sft_rows: list[Row]
) -> None:
    (sft_folder / sft_rows[2]["images"][0]).unlink()
    checked = check_sft(QUICKSTART, [*overrides, "model_name_or_path=Qwen/Qwen2.5-VL-3B-Instruct"])
    assert [fault.where for fault in checked.faults] == ["model_name_or_path", "phantoms.jsonl[2]"]
    assert checked.summary is not None
    assert checked.summary.max_tokens is None


def test_all_faults_of_a_configuration_are_named_at_once(overrides: list[str]) -> None:
    faults = check_sft(QUICKSTART, [*overrides, "learnin_rate=1", "media_dir=./nothing", "tokenized_path=."]).faults
    assert [fault.where for fault in faults] == ["learnin_rate", "media_dir", "tokenized_path"]


def test_a_file_that_is_no_configuration_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"no configuration at .*none\.yaml"):
        check_sft(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match=r"is not \.yaml"):
        check_sft(tmp_path / "sft.json")
    (tmp_path / "broken.yaml").write_text("a: [1,\nb: 2")
    with pytest.raises(ConfigError, match="cannot be read as YAML"):
        check_sft(tmp_path / "broken.yaml")
    (tmp_path / "list.yaml").write_text("- a\n- b\n")
    with pytest.raises(ConfigError, match="holds a list; write key: value lines"):
        check_sft(tmp_path / "list.yaml")


def test_without_llamafactory_the_install_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "llamafactory", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'infimed-plugins\[sft\]'"):
        check_sft(QUICKSTART)


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_a_models_own_code_is_a_fault_and_is_not_run(
    file: str, overrides: list[str], tiny_vlm: Path, tmp_path: Path
) -> None:
    model = tmp_path / "theirs"
    shutil.copytree(tiny_vlm, model)
    (model / "evil.py").write_text(f"open({str(model / 'ran')!r}, 'w')\nclass Evil: pass\n")
    settings = json.loads((model / file).read_text())
    kinds = {"AutoConfig": "evil.Evil"} if file == "config.json" else {"AutoTokenizer": ["evil.Evil", None]}
    (model / file).write_text(json.dumps(settings | {"auto_map": kinds}))
    named = [*overrides, f"model_name_or_path={model}"]
    (fault,) = check_sft(QUICKSTART, [*named, "trust_remote_code=true"]).faults
    assert "brings code of its own" in fault.what
    assert check_sft(QUICKSTART, [*named, "trust_remote_code=false"]).faults == ()
    assert check_sft(QUICKSTART, [*overrides, "trust_remote_code=true"]).faults == ()
    assert not (model / "ran").exists()
