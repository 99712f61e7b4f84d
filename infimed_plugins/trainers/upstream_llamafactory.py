"""Everything used of LLaMA-Factory 0.9.5 beyond its public names: begin an upgrade here."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

from infimed_plugins.trainers.data_check import quiet
from infimed_plugins.trainers.prompt_check import SpecialTokens

_NO_CUT = 1 << 30


def default_settings() -> dict[str, Any]:
    """Return upstream's keys with their defaults; None where a factory makes them (hparams/parser.py)."""
    from llamafactory.hparams import parser

    fields = [field for group in parser._TRAIN_ARGS for field in dataclasses.fields(group) if field.init]
    return {field.name: None if field.default is dataclasses.MISSING else field.default for field in fields}


def command_line_options() -> dict[str, argparse.Action]:
    """Return upstream's command line, ``--key`` -> type and choices, which it does not apply to YAML."""
    from llamafactory.hparams import parser
    from transformers import HfArgumentParser

    return dict(HfArgumentParser(parser._TRAIN_ARGS)._option_string_actions)


@contextmanager
def quiet_llamafactory() -> Iterator[None]:
    """Silence what ``quiet`` does and LLaMA-Factory, which would turn transformers' messages on again.

    The environment is put back: transformers' TrainingArguments writes ACCELERATE_MIXED_PRECISION into it, which a
    training that is started from here would take for its own.
    """
    import llamafactory.extras  # noqa: F401  its logger exists from here on

    upstream = logging.getLogger("llamafactory")
    level, before = upstream.level, dict(os.environ)
    os.environ["LLAMAFACTORY_VERBOSITY"] = "ERROR"
    upstream.setLevel(logging.ERROR)
    try:
        with quiet():
            yield
    finally:
        upstream.setLevel(level)
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)


class Encoder:
    """Upstream's own tokenization of a row, with and without its cut (data/processor/supervised.py)."""

    def __init__(self, arguments: Any) -> None:
        from llamafactory.data import get_template_and_fix_tokenizer
        from llamafactory.data.processor import SupervisedDatasetProcessor
        from llamafactory.model import load_tokenizer

        model, data, _, _, _ = arguments
        model.trust_remote_code = False  # a check runs no code of a model's folder
        loaded = load_tokenizer(model)
        tokenizer, whole = loaded["tokenizer"], copy(data)
        template = get_template_and_fix_tokenizer(tokenizer, data)
        whole.cutoff_len = _NO_CUT
        self._processors = {
            cut: SupervisedDatasetProcessor(template, tokenizer, loaded["processor"], data if cut else whole)
            for cut in (True, False)
        }
        self.special, self.cutoff = SpecialTokens(tokenizer), int(data.cutoff_len)
        self.image_token = tokenizer.convert_tokens_to_ids(template.mm_plugin.image_token or "")

    def encode(self, row: dict[str, Any], *, cut: bool) -> tuple[list[int], list[int]]:
        """Return the tokens and labels of a converted row."""
        names = ("prompt", "response", "system", "tools", "images", "videos", "audios")
        given = {name: row[f"_{name}"] for name in names}
        given |= {name: given[name] or [] for name in names[4:]}
        encoded: tuple[list[int], list[int]] = self._processors[cut]._encode_data_example(**given)
        return encoded


def join_data_sets(arguments: Any) -> None:
    """Load, convert and join the sets for real; raises what upstream raises (data/loader.py)."""
    from llamafactory.data.loader import _get_merged_dataset

    model, data, training, finetuning, _ = arguments
    _get_merged_dataset(data.dataset, model, data, training, finetuning.stage)
