"""The transformers engine says the same under two versions of transformers.

Run it in both environments with one file between them: the first writes what it was told, the second compares.

    INFIMED_REPLIES=/tmp/replies.json python -m pytest tests/engines/test_same_replies.py
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers")
pytest.importorskip("torch")

import transformers

from infimed_plugins import prompts
from infimed_plugins.engines import ChatRequest, Reply, Sampling
from infimed_plugins.engines.transformers import TransformersEngine
from infimed_plugins.paths import shipped
from infimed_plugins.sources.phantom import PHANTOM

SHARED = os.environ.get("INFIMED_REPLIES", "")
SAMPLES = list(PHANTOM.load("test", limit=40))
pytestmark = pytest.mark.skipif(not SHARED, reason="INFIMED_REPLIES names the file that two environments share")


def told(replies: Any) -> dict[str, list[Any]]:
    found: list[Reply] = list(replies)
    return {reply.id: [list(reply.texts), list(reply.cut), reply.usage.prompt] for reply in found}


def test_replies_and_scores_are_those_of_the_other_version() -> None:
    engine = TransformersEngine(str(shipped("infimed_plugins/quickstart/base")), batch_size=16)
    asked = [
        ChatRequest(f"{style} {s.id}", prompts.render(s, style), s.images)
        for s in SAMPLES
        for style in prompts.PROMPT_STYLES
    ]
    pairs = [(request, "The answer is B.") for request in asked[::8]]
    ours = {
        "greedy": told(engine.generate(asked, Sampling(max_tokens=64))),
        "drawn": told(engine.generate(asked[:16], Sampling(3, 1.0, 0.9, 48, 7))),
    }
    scores = {score.id: [score.log_probability, score.tokens] for score in engine.score_answers(pairs)}
    assert len(ours["greedy"]) == 80
    path = Path(SHARED)
    if not path.exists():
        path.write_text(json.dumps({"version": transformers.__version__, "replies": ours, "scores": scores}))
        return
    there = json.loads(path.read_text())
    print(f"transformers {there['version']} and {transformers.__version__}")
    assert ours == there["replies"]
    assert scores.keys() == there["scores"].keys()
    for id, (log_probability, tokens) in scores.items():
        assert there["scores"][id] == [pytest.approx(log_probability, abs=1e-3), tokens]
