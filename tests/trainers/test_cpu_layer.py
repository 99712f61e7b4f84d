"""What the CPU layer changes in EasyR1 changes the time it takes, not what it computes."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infimed_plugins.quickstart.easyr1_cpu.on_cpu import by_length, remember_images, trimmed
from infimed_plugins.records import Sample

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


@given(st.data())
def test_micro_batches_hold_every_row_once_and_are_even_and_sorted(data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(1, 400), min_size=1, max_size=60))
    parts = data.draw(st.integers(1, len(lengths)))
    groups = by_length(lengths, parts, equal_size=False)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    assert len(groups) == parts
    assert max(map(len, groups)) - min(map(len, groups)) <= 1
    spans = [(min(lengths[i] for i in group), max(lengths[i] for i in group)) for group in groups]
    assert all(left[1] <= right[0] for left, right in pairwise(spans))


def _log_probs(model: Any, micro_batch: dict[str, Any], temperature: float) -> Any:
    """The log-probabilities of responses as EasyR1 computes them without padding-free kernels."""
    responses = micro_batch["responses"]
    positions = micro_batch["position_ids"].transpose(0, 1)
    with torch.no_grad():
        output = model(
            input_ids=micro_batch["input_ids"],
            attention_mask=micro_batch["attention_mask"],
            position_ids=positions,
            use_cache=False,
        )
    logits = (output.logits / temperature)[:, -responses.size(1) - 1 : -1]
    return logits.log_softmax(-1).gather(-1, responses.unsqueeze(-1)).squeeze(-1)


def test_trimmed_padding_leaves_the_log_probabilities_of_responses_as_they_were(tiny_vlm: Path) -> None:
    model = transformers.AutoModelForImageTextToText.from_pretrained(tiny_vlm).eval()
    generator = torch.Generator().manual_seed(0)
    prompt_room, response_room = 20, 12
    prompts, responses = [5, 9, 7], [3, 8, 1]
    width = prompt_room + response_room
    mask = torch.zeros(3, width, dtype=torch.long)
    for row, (prompt, response) in enumerate(zip(prompts, responses, strict=True)):
        mask[row, prompt_room - prompt : prompt_room + response] = 1
    ids = torch.randint(20, 400, (3, width), generator=generator) * mask
    positions = (mask.cumsum(1) - 1).clamp(min=0).unsqueeze(1).expand(-1, 4, -1)
    batch = {"input_ids": ids, "attention_mask": mask, "position_ids": positions, "responses": ids[:, prompt_room:]}

    widths: list[int] = []

    def forward(actor: Any, micro_batch: dict[str, Any], temperature: float) -> Any:
        widths.append(micro_batch["input_ids"].size(1))
        return _log_probs(actor, micro_batch, temperature)

    whole, cut = _log_probs(model, batch, 0.7), trimmed(forward)(model, batch, 0.7)
    counts = mask[:, prompt_room:].bool()
    assert widths == [max(prompts) + max(responses)]
    assert cut.shape == whole.shape
    assert torch.allclose(cut[counts], whole[counts], atol=1e-5)
    assert not cut[:, max(responses) :].any()


def test_a_frozen_tower_reads_each_picture_once_and_gives_the_same_features(
    tiny_vlm: Path, phantoms: list[Sample]
) -> None:
    processor = transformers.AutoProcessor.from_pretrained(tiny_vlm).image_processor
    model = transformers.AutoModelForImageTextToText.from_pretrained(tiny_vlm).eval()
    model.model.visual.requires_grad_(False)
    order = [0, 1, 0, 2, 1, 1]
    batch = processor(images=[phantoms[i].images[0].open() for i in order], return_tensors="pt")
    plain = model.model.visual(batch["pixel_values"], batch["image_grid_thw"])
    read = _counting(model.model.visual)
    remember_images(model)
    for _ in range(2):
        features = model.model.visual(batch["pixel_values"], batch["image_grid_thw"])
        assert torch.allclose(features, plain, atol=1e-5)
        assert not features.requires_grad
    assert read == [3]


def _counting(tower: Any) -> list[int]:
    """The number of images of each forward pass from now on."""
    read: list[int] = []
    original = tower.forward

    def forward(pixels: Any, grid_thw: Any, **options: Any) -> Any:
        read.append(len(grid_thw))
        return original(pixels, grid_thw, **options)

    tower.forward = forward
    return read


def test_a_tower_that_trains_is_left_alone(tiny_vlm: Path) -> None:
    model = transformers.AutoModelForImageTextToText.from_pretrained(tiny_vlm)
    before = model.model.visual.forward
    assert remember_images(model).model.visual.forward == before
    assert remember_images(SimpleNamespace(model=SimpleNamespace())) is not None


def test_the_folder_on_the_path_costs_a_plain_python_nothing_and_runs_the_sitecustomize_it_hides(
    tmp_path: Path,
) -> None:
    import infimed_plugins.quickstart.easyr1_cpu as layer

    site = Path(layer.__file__).parent / "site"
    (tmp_path / "sitecustomize.py").write_text("import builtins; builtins.hidden_one_ran = True")
    code = "import sys; print(hidden_one_ran, 'torch' in sys.modules, 'infimed_plugins' in sys.modules)"
    environment = {"PYTHONPATH": f"{site}:{tmp_path}"}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["True", "False", "False"]
