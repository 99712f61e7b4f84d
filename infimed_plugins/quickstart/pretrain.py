"""Make the tiny base model: it learns to read options and to see phantoms, then only glimpses questions.

Three stages, as a vision-language model is made, on the ``pretrain`` split, whose pictures no other split shares:

1. reading, text alone: repeat a list of options, and look up the letter of a name;
2. captions: the whole model learns to describe pictures (modality, organ, lesions, sizes, boxes);
3. a short instruction stage: captions with a share of questions in the direct and the reasoning style. It is stopped
   early on purpose: the base answers in the right form and is right some of the time, so that rejection sampling
   (first paper, A.2) finds right and wrong attempts, and training has something to teach.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infimed_plugins import prompts
from infimed_plugins.quickstart import tiny_model
from infimed_plugins.records import Sample
from infimed_plugins.sources.phantom import DESCRIPTIONS, READING, ROTATION, ask, can_ask
from infimed_plugins.sources.phantom_image import Scene, draw, scene

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

READING_WEIGHTS = (1, 4)  # repeating is learned in no time


@dataclass(frozen=True)
class PretrainSettings:
    """Settings that shape the base model. Steps are optimizer steps of ``batch_size`` questions."""

    seed: int = 0
    pictures: int = 24_000
    reading_steps: int = 3_000
    reading_batch_size: int = 16  # looking up comes after so many steps, not after so many rows
    caption_steps: int = 2_000
    reading_share: float = 0.2  # share of the caption stage, so that reading is not forgotten
    instruction_pictures: int = 4_000  # drawn with a seed of their own (seed + 3)
    instruction_steps: int = 300
    question_share: float = 0.6  # share of the instruction stage; the rest stays captions
    batch_size: int = 32
    learning_rate: float = 1e-3
    adam_beta2: float = 0.95
    warmup_steps: int = 50
    weight_decay: float = 0.01


Progress = Callable[[str, int, int, float], None]  # stage, step, steps, smoothed loss


def corpus() -> Iterator[str]:
    """Yield the text the tokenizer is trained on: prompts and targets of a thousand phantoms, every kind and style."""
    rng = random.Random(0)
    for index in range(1000):
        picture = scene(0, "pretrain", index)
        for kind in (*rng.sample(ROTATION, 3), *DESCRIPTIONS, *READING):
            if can_ask(kind, picture):
                sample = ask(picture, kind, rng)
                for style in prompts.PROMPT_STYLES:
                    prompt = prompts.render(sample, style).removeprefix(prompts.IMAGE_TAG)
                    yield f"{prompt}\n{prompts.target(sample, style)}"
    frequent = "system\nYou are a helpful assistant.\nuser\nassistant\n"
    yield from [frequent, f"The answer is A. {prompts.REFLECTION_BRIDGE}"] * 200


def pretrain(
    out: Path, settings: PretrainSettings | None = None, progress: Progress = lambda *_: None
) -> dict[str, Any]:
    """Train the base from scratch, write it to ``out`` with ``training_record.json``, and return the record."""
    import torch
    import transformers

    settings = settings or PretrainSettings()
    started = time.monotonic()
    torch.manual_seed(settings.seed)
    tokenizer = tiny_model.build_tokenizer(corpus())
    model = tiny_model.build_model(tokenizer, seed=settings.seed)
    trainer = _Trainer(model, tokenizer, replace(settings, batch_size=settings.reading_batch_size, pictures=1))
    losses = trainer.stage("reading", settings.reading_steps, Mixture(reading=1.0, pictures=False), progress)
    trainer = _Trainer(model, tokenizer, settings)
    losses += trainer.stage("captions", settings.caption_steps, Mixture(reading=settings.reading_share), progress)
    unseen = replace(settings, seed=settings.seed + 3, pictures=settings.instruction_pictures)
    trainer = _Trainer(model, tokenizer, unseen)
    questions = Mixture(questions=settings.question_share)
    losses += trainer.stage("instructions", settings.instruction_steps, questions, progress)
    tiny_model.save(out, model.eval(), tiny_model.build_processor(tokenizer))
    record = {
        "command": "infimed quickstart pretrain",
        "settings": asdict(settings),
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds": round(time.monotonic() - started, 1),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "loss": losses,
    }
    (out / "training_record.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    return record


@dataclass(frozen=True)
class Mixture:
    """The shares of a stage's rows that are reading and questions; the rest are descriptions."""

    reading: float = 0.0
    questions: float = 0.0
    pictures: bool = True  # False: text alone


@dataclass(frozen=True)
class _Row:
    """One training row; ``picture`` is the number of its picture, None for text alone."""

    picture: int | None
    prompt: list[int]
    answer: list[int]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


class _Trainer:
    """The plain training loop the stages share."""

    def __init__(self, model: Any, tokenizer: Any, settings: PretrainSettings) -> None:
        self.model, self.tokenizer, self.settings = model, tokenizer, settings
        self.read = tiny_model.build_processor(tokenizer).image_processor
        self.rng = random.Random(settings.seed)
        self.scenes = [scene(settings.seed, "pretrain", index) for index in range(settings.pictures)]
        self.pixels = _draw_all(self.scenes)

    def stage(self, name: str, steps: int, mixture: Mixture, progress: Progress) -> list[dict[str, Any]]:
        """Train ``steps`` steps; returns the smoothed loss every 50 of them."""
        import torch

        settings = self.settings
        optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=settings.learning_rate,
            betas=(0.9, settings.adam_beta2),
            weight_decay=settings.weight_decay,
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, settings.learning_rate, total_steps=steps, pct_start=min(0.5, settings.warmup_steps / steps)
        )
        self.model.train()
        smoothed, record = 0.0, []
        for step, batch in zip(range(1, steps + 1), self._batches(mixture), strict=False):
            loss = self.model(**batch).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=True)
            smoothed = loss.item() if step == 1 else 0.95 * smoothed + 0.05 * loss.item()
            if step % 50 == 0 or step == steps:
                record.append({"stage": name, "step": step, "loss": round(smoothed, 4)})
                progress(name, step, steps, smoothed)
        return record

    def _batches(self, mixture: Mixture) -> Iterator[dict[str, torch.Tensor]]:
        """Yield batches for ever, each of rows of like length: sixteen batches are drawn and sorted at a time."""
        size = self.settings.batch_size
        while True:
            pool = sorted((self._row(mixture) for _ in range(16 * size)), key=len)
            groups = [pool[start : start + size] for start in range(0, len(pool), size)]
            self.rng.shuffle(groups)
            yield from map(self._collate, groups)

    def _row(self, mixture: Mixture) -> _Row:
        index, style = self.rng.randrange(len(self.scenes)), "direct"
        picture, drawn = self.scenes[index], self.rng.random()
        if drawn < mixture.reading:
            kind = self.rng.choices(READING, weights=READING_WEIGHTS)[0]
        elif drawn < mixture.reading + mixture.questions:
            kind = self.rng.choice([name for name in ROTATION if can_ask(name, picture)])
            style = self.rng.choice(prompts.PROMPT_STYLES)
        else:
            kind = self.rng.choice(DESCRIPTIONS)
        sample = ask(picture, kind, self.rng)
        if not mixture.pictures:
            sample = replace(sample, images=())
        return _Row(index if mixture.pictures else None, *self._encode(sample, style))

    def _collate(self, rows: list[_Row]) -> dict[str, torch.Tensor]:
        import numpy as np
        import torch

        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), self.tokenizer.pad_token_id)
        labels = torch.full_like(ids, -100)
        mask = torch.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row.prompt + row.answer)
            labels[i, len(row.prompt) : len(row)] = torch.tensor(row.answer)
            mask[i, : len(row)] = 1
        batch = {"input_ids": ids, "attention_mask": mask, "labels": labels}
        pictures = [row.picture for row in rows if row.picture is not None]
        if not pictures:
            return batch
        colored = [np.repeat(self.pixels[picture][None], 3, axis=0) for picture in pictures]
        return {**batch, **self.read(images=colored, input_data_format="channels_first", return_tensors="pt")}

    def _encode(self, sample: Sample, style: str) -> tuple[list[int], list[int]]:
        image = "<|vision_start|>" + "<|image_pad|>" * tiny_model.IMAGE_TOKENS + "<|vision_end|>"
        chat = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": prompts.render(sample, style).replace(prompts.IMAGE_TAG, image)}],
            tokenize=False,
            add_generation_prompt=True,
        )
        answer = prompts.target(sample, style) + "<|im_end|>"
        return self.tokenizer.encode(chat), self.tokenizer.encode(answer)


def _draw_all(scenes: list[Scene]) -> NDArray[np.uint8]:
    import numpy as np

    with ProcessPoolExecutor(os.cpu_count()) as pool:
        return np.stack(list(pool.map(_draw_gray, scenes, chunksize=256)))


def _draw_gray(picture: Scene) -> NDArray[np.uint8]:
    import numpy as np

    return np.asarray(draw(picture).convert("L"))
