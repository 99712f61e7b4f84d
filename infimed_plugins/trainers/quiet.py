"""Keep upstream's chatter off the terminal while a check runs, so that faults stand alone."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing on stdout, no progress bars of datasets, no messages of transformers below an error."""
    import datasets
    import transformers

    level, bars = transformers.logging.get_verbosity(), datasets.is_progress_bar_enabled()
    transformers.logging.set_verbosity(logging.ERROR)
    datasets.disable_progress_bars()
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        transformers.logging.set_verbosity(level)
        if bars:
            datasets.enable_progress_bars()


@contextmanager
def quiet_llamafactory() -> Iterator[None]:
    """As quiet, and no messages of LLaMA-Factory, which would also turn those of transformers on."""
    import llamafactory.extras  # noqa: F401  its logger exists from here on

    upstream = logging.getLogger("llamafactory")
    level, wanted = upstream.level, os.environ.get("LLAMAFACTORY_VERBOSITY")
    os.environ["LLAMAFACTORY_VERBOSITY"] = "ERROR"
    upstream.setLevel(logging.ERROR)
    try:
        with quiet():
            yield
    finally:
        upstream.setLevel(level)
        os.environ.pop("LLAMAFACTORY_VERBOSITY")
        if wanted is not None:
            os.environ["LLAMAFACTORY_VERBOSITY"] = wanted
