"""What the CPU layer changes in EasyR1 changes the time it takes, not what it computes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infimed_plugins.quickstart.easyr1_cpu.on_cpu import in_order, remember_images
from infimed_plugins.quickstart.easyr1_cpu.shared_prompts import pack, sharing_prompts
from infimed_plugins.records import Sample
from infimed_plugins.trainers.upstream_easyr1 import import_easyr1

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


@given(st.data())
def test_micro_batches_hold_every_row_once_in_order_and_are_even(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 60))
    parts = data.draw(st.integers(1, count))
    groups = in_order([7] * count, parts, equal_size=False)
    assert [index for group in groups for index in group] == list(range(count))
    assert len(groups) == parts
    assert max(map(len, groups)) - min(map(len, groups)) <= 1


PROMPT_ROOM, REPLY_ROOM = 40, 12
# for each row, which prompt it answers and how long the reply is
ROWS = [(0, 3), (0, 8), (0, 1), (1, 5), (2, 4), (2, 6)]


@pytest.fixture(scope="module")
def micro_batch(tiny_vlm: Path, phantoms: list[Sample]) -> dict[str, Any]:
    """Six replies to three prompts as EasyR1 hands them to its actor; prompt 1 has no image."""
    processor = transformers.AutoProcessor.from_pretrained(tiny_vlm)
    model = transformers.AutoModelForImageTextToText.from_pretrained(tiny_vlm)
    generator = torch.Generator().manual_seed(0)
    texts = ["<|vision_start|><|image_pad|><|vision_end|>Which organ?", "Which?", "<|vision_start|><|image_pad|>?"]
    pictures = [phantoms[0].images[0].open(), None, phantoms[1].images[0].open()]
    ids, masks, positions, inputs = [], [], [], []
    for prompt, length in ROWS:
        features = processor(images=pictures[prompt], text=texts[prompt], return_tensors="pt")
        read = features["input_ids"][0]
        reply = torch.randint(20, 400, (length,), generator=generator)
        row = torch.cat([read, reply])
        places, _ = model.model.get_rope_index(row[None], image_grid_thw=features.get("image_grid_thw"))
        four = torch.cat([torch.arange(len(row))[None], places[:, 0]])
        left, right = PROMPT_ROOM - len(read), REPLY_ROOM - length
        ids.append(torch.nn.functional.pad(row, (left, right)))
        masks.append(torch.nn.functional.pad(torch.ones_like(row), (left, right)))
        positions.append(torch.nn.functional.pad(four, (left, right)))
        inputs.append({key: features[key] for key in ("pixel_values", "image_grid_thw") if key in features})
    whole = torch.stack(ids)
    return {
        "input_ids": whole,
        "attention_mask": torch.stack(masks),
        "position_ids": torch.stack(positions),
        "responses": whole[:, PROMPT_ROOM:],
        "multi_modal_inputs": np.array(inputs, dtype=object),
    }


def forward_micro_batch(actor: Any, micro_batch: dict[str, Any], temperature: float) -> Any:
    """What DataParallelPPOActor._forward_micro_batch does without padding-free kernels."""
    images = [inputs for inputs in micro_batch["multi_modal_inputs"] if inputs]
    output = actor.actor_module(
        input_ids=micro_batch["input_ids"],
        attention_mask=micro_batch["attention_mask"],
        position_ids=micro_batch["position_ids"].transpose(0, 1),
        **{key: torch.cat([inputs[key] for inputs in images]) for key in images[0]},
        use_cache=False,
    )
    responses = micro_batch["responses"]
    logits = (output.logits / temperature)[:, -responses.size(1) - 1 : -1]
    return logits.log_softmax(-1).gather(-1, responses.unsqueeze(-1)).squeeze(-1)


def test_prompts_read_once_give_the_log_probabilities_and_gradients_of_replies_read_apart(
    tiny_vlm: Path, micro_batch: dict[str, Any]
) -> None:
    weights, results = [], []
    counts = micro_batch["attention_mask"][:, PROMPT_ROOM:].bool()
    for forward in (forward_micro_batch, sharing_prompts(forward_micro_batch)):
        module = transformers.AutoModelForImageTextToText.from_pretrained(tiny_vlm)
        actor = SimpleNamespace(actor_module=module)
        log_probs = forward(actor, micro_batch, 0.7)
        (log_probs * counts).pow(2).sum().backward()
        assert actor.actor_module is module
        results.append(log_probs.detach())
        weights.append({name: parameter.grad for name, parameter in module.named_parameters()})
    apart, shared = results
    assert shared.shape == apart.shape == (len(ROWS), REPLY_ROOM)
    assert torch.allclose(shared[counts], apart[counts], atol=1e-5)
    assert not shared[:, max(length for _, length in ROWS) :].any()
    for name, gradient in weights[0].items():
        assert (gradient is None) == (weights[1][name] is None)
        assert gradient is None or torch.allclose(gradient, weights[1][name], rtol=1e-3, atol=1e-4), name


@pytest.mark.easyr1
def test_prompts_read_once_give_what_easyr1s_own_actor_computes(tiny_vlm: Path, micro_batch: dict[str, Any]) -> None:
    import_easyr1()
    from verl.workers.actor import ActorConfig
    from verl.workers.actor.dp_actor import DataParallelPPOActor

    module = transformers.AutoModelForImageTextToText.from_pretrained(tiny_vlm)
    actor = DataParallelPPOActor(ActorConfig(padding_free=False, use_torch_compile=False), module)
    own = DataParallelPPOActor._forward_micro_batch
    with torch.no_grad():
        apart, shared = (forward(actor, micro_batch, 0.7) for forward in (own, sharing_prompts(own)))
    counts = micro_batch["attention_mask"][:, PROMPT_ROOM:].bool()
    assert torch.allclose(shared[counts], apart[counts], atol=1e-5)


def test_each_prompt_and_each_image_is_read_once(micro_batch: dict[str, Any]) -> None:
    packed = pack(micro_batch)
    prompts = [int(micro_batch["attention_mask"][row, :PROMPT_ROOM].sum()) for row in (0, 3, 4)]
    replies = [sum(length for prompt, length in ROWS if prompt == which) for which in range(3)]
    assert packed.first == [0, 3, 4]
    assert packed.input_ids.shape == (3, max(map(sum, zip(prompts, replies, strict=True))))
    assert packed.mask.diagonal(dim1=2, dim2=3).all()


def test_a_model_without_images_has_one_position_a_token(micro_batch: dict[str, Any]) -> None:
    flat = dict(micro_batch, position_ids=micro_batch["position_ids"][:, 0])
    assert torch.equal(pack(flat).position_ids, pack(micro_batch).position_ids[0])


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
