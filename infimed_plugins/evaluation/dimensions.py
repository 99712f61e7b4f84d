"""The earlier paper's other dimensions of a run, beside its accuracy: the forms of replies, and clinical skills."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from infimed_plugins.benchmarks.clinical_skills import count_skills
from infimed_plugins.benchmarks.instruction_following import count_forms
from infimed_plugins.benchmarks.judged import Run

Table = tuple[str, list[str], list[list[object]]]


def dimensions(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return the forms of each run's replies, and the skills of those that reason; modes make no difference."""
    found = []
    for run in asked_once(runs):
        forms, skills = count_forms(run.rows, run.prompt_style), count_skills(run.rows)
        found.append(
            {"model": run.model, "benchmark": run.benchmark, "prompt_style": run.prompt_style, "variant": run.variant}
            | {"forms": asdict(forms), "skills": asdict(skills)}
        )
    return found


def dimension_tables(runs: Sequence[Run]) -> Iterator[Table]:
    """Yield a table of forms, and one of skills where there are chains of thought."""
    found = dimensions(runs)
    shown = list(dict.fromkeys(form for one in found for form in one["forms"]["forms"]))
    heads = ["benchmark", "model", "prompt", "variant"]
    rows: list[list[object]] = []
    for one in found:
        forms = one["forms"]
        counts = [_share(forms["forms"].get(form, 0), forms["total"]) for form in shown]
        rows.append([*_head(one), _share(forms["followed"], forms["total"]), *counts])
    yield "forms of replies, percent (as asked for; by form)", [*heads, "as asked", *shown], rows
    chains = [one for one in found if one["skills"]["chains"]]
    if chains:
        skills = list(chains[0]["skills"]["shown"])
        rows = [
            [*_head(one), one["skills"]["chains"]]
            + [_share(one["skills"]["shown"][name], one["skills"]["assessed"][name]) for name in skills]
            for one in chains
        ]
        names = [name.replace("_", " ") for name in skills]
        yield "clinical skills shown in chains of thought, percent, by rule", [*heads, "chains", *names], rows


def grade_table(graded: Sequence[dict[str, Any]]) -> Table:
    """Return a judge's grades of the skills, as counts."""
    rows: list[list[object]] = [
        [*_head(one), skill.replace("_", " "), ", ".join(f"{grade} {count:,}" for grade, count in grades.items())]
        for one in graded
        for skill, grades in one["grades"].items()
    ]
    return "clinical skills graded by the judge", ["benchmark", "model", "prompt", "variant", "skill", "replies"], rows


def asked_once(runs: Sequence[Run]) -> list[Run]:
    """Return each run once, whatever the number of modes that judged its replies."""
    return list({(run.model, run.benchmark, run.prompt_style, run.variant): run for run in reversed(runs)}.values())[
        ::-1
    ]


def _head(one: dict[str, Any]) -> list[object]:
    return [one["benchmark"], one["model"], one["prompt_style"], one["variant"] or "as is"]


def _share(count: int | None, total: int) -> object:
    return None if count is None or not total else f"{100 * count / total:.1f}"
