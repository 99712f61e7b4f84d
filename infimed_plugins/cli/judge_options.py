"""A judge of open answers as the command line names it, for ``infimed eval`` and ``infimed score``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infimed_plugins.cli.dimensions import asked_once
from infimed_plugins.cli.engine_options import engine_choice, own_key
from infimed_plugins.cli.late_engine import Later, StoredLater
from infimed_plugins.errors import ConfigError

if TYPE_CHECKING:
    from infimed_plugins.benchmarks.judged import Run
    from infimed_plugins.benchmarks.judges.identity import JudgeIdentity
    from infimed_plugins.benchmarks.judging import Judge
    from infimed_plugins.engines import Engine

JUDGE_STORE = "judge.sqlite"

JudgeModel = Annotated[str | None, typer.Option("--judge", help="A model that judges open answers; rules without it.")]
JudgeEngine = Annotated[str, typer.Option("--judge-engine", help="What runs the judge: openai, vllm, transformers.")]
JudgeUrl = Annotated[
    list[str] | None,
    typer.Option(
        "--judge-url",
        help="Of the judge's server; repeat for several. On another host than --base-url its key is JUDGE_API_KEY.",
    ),
]
JudgeSet = Annotated[
    list[str] | None, typer.Option("--judge-set", metavar="KEY=VALUE", help="A setting of the judge's engine.")
]
JudgeTemplate = Annotated[
    Path | None, typer.Option("--judge-template", help="Your judge prompt, with {question}, {answer} and {reply}.")
]
SkillJudge = Annotated[
    bool, typer.Option("--skill-judge", help="The judge grades the clinical skills of chains of thought, too.")
]


@dataclass(frozen=True)
class JudgeOptions:
    """The judge as the command line names it; no judge without a model."""

    model: str | None
    engine: str
    urls: list[str] | None
    settings: list[str] | None
    template: Path | None
    beside: list[str] | None = None  # the servers of the model that answers

    def check(self, skills: bool = False) -> None:
        """Raise an InfimedError for options that cannot work, before anything is asked; ``skills`` are to be graded."""
        self.choice()
        self._settings()
        if skills and self.model is None:
            raise ConfigError("--skill-judge needs a --judge")

    def choice(self) -> dict[str, Any] | None:
        """The engine, as a recipe would name it."""
        if self.model is None and (self.urls or self.settings or self.template):
            raise ConfigError("--judge-url, --judge-set and --judge-template need a --judge")
        engine = self.engine if self.model else "transformers"
        choice = engine_choice(engine, self.model, self.urls, self.settings, "--judge-set")
        if choice is not None:
            choice["settings"] = own_key(choice["settings"], {"base_url": self.beside}) | choice["settings"]
        return choice

    def _settings(self) -> Any:
        from infimed_plugins.benchmarks.judges.open_judge import JudgeSettings, settings_from_template

        return JudgeSettings() if self.template is None else settings_from_template(self.template)

    def identity(self) -> JudgeIdentity | None:
        """Which judge it is; None without one."""
        from infimed_plugins.benchmarks.judges.identity import JudgeIdentity
        from infimed_plugins.engines import shaping_settings
        from infimed_plugins.recipes.step_engine import model_identity

        choice = self.choice()
        if choice is None:
            return None
        known = model_identity(choice["model"])
        return JudgeIdentity(
            choice["model"], known, choice["name"], shaping_settings(choice["settings"]), self._settings()
        )

    def described(self) -> dict[str, Any] | None:
        """All of the judge, its template word for word; None without one."""
        judge = self.identity()
        return None if judge is None else judge.facts()

    def facts(self) -> dict[str, str]:
        """The judge as a page names it."""
        judge = self.identity()
        if judge is None:
            return {}
        return {"judge": f"{judge.model}, {judge.engine}", "judge's template": f"sha256 {judge.template_hash}"}

    def later(self, root: Path) -> Engine | None:
        """The judge's engine over its store, started when it is first asked; None without a judge."""
        choice = self.choice()
        return None if choice is None else StoredLater(Later(choice, "--judge"), root / JUDGE_STORE)

    def grade_skills(self, root: Path, runs: Sequence[Run]) -> list[dict[str, Any]]:
        """The judge's grades of the five clinical skills, counted for each run as it was asked. Without images."""
        engine = self.later(root)
        assert engine is not None  # check() has seen to it
        from infimed_plugins.benchmarks.judges.skill_judge import SkillItem, count_grades, judge_skills

        found = []
        for run in asked_once(runs):
            items = [SkillItem(row.id, row.question, row.text, row.options or ()) for row in run.rows]
            counts = count_grades(judge_skills(engine, items))
            head = {"model": run.model, "benchmark": run.benchmark, "prompt_style": run.prompt_style}
            found.append(head | {"variant": run.variant, "grades": {skill: dict(c) for skill, c in counts.items()}})
        return found

    @contextmanager
    def started(self, root: Path, show: Callable[[str, int, int | None], None]) -> Iterator[Judge | None]:
        """The judge over a response cache in the run's root: a reply it gave once is not asked for again."""
        choice = self.choice()
        if choice is None:
            yield None
            return
        from infimed_plugins.benchmarks.judging import engine_judge
        from infimed_plugins.engines.response_cache import ResponseCache

        with ResponseCache(root / JUDGE_STORE) as store:
            stored = Later(choice, "--judge").over(store)
            yield engine_judge(stored, self._settings(), partial(show, f"judge {self.model}"))
