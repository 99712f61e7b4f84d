"""Which judge gave a verdict: its model, its template, and all else that shapes what it says."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from infimed_plugins.benchmarks.judges.open_judge import JudgeSettings
from infimed_plugins.records import Json

_SHOWN = 8  # characters of a hash in names
_MOST = 40  # characters of the model's name in a file's name
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class JudgeIdentity:
    """A judge as a run folder keeps it. ``engine_settings`` are those that shape replies."""

    model: str
    model_hash: str
    engine: str
    engine_settings: Mapping[str, Json]
    settings: JudgeSettings

    @property
    def name(self) -> str:
        """The model's last name."""
        return self.model.rstrip("/").rpartition("/")[2]

    @property
    def template_hash(self) -> str:
        """The sha256 of the template."""
        return hashlib.sha256(self.settings.text.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def label(self) -> str:
        """``Qwen2.5-72B-Instruct (template 1a2b3c4d)``: what reports call it."""
        return f"{self.name} (template {self.template_hash[:_SHOWN]})"

    @property
    def tag(self) -> str:
        """``Qwen2.5-72B-Instruct-5e6f7a8b`` for the names of its files: another for whatever would judge otherwise."""
        shaping = {key: value for key, value in self.facts().items() if key != "model"}
        digest = hashlib.sha256(json.dumps(shaping, sort_keys=True, default=str).encode()).hexdigest()
        return f"{_UNSAFE.sub('_', self.name)[:_MOST]}-{digest[:_SHOWN]}"

    def facts(self) -> dict[str, Json]:
        """All of it, the template word for word."""
        return {
            "model": self.model,
            "model_hash": self.model_hash,
            "engine": self.engine,
            "engine_settings": dict(self.engine_settings),
            "template_sha256": self.template_hash,
            **asdict(self.settings),
            "template": self.settings.text,
        }
