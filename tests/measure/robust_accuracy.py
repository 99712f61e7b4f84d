"""How often the robust scorer and the upstream scorers disagree with what a case's author meant, rule by rule.

    python tests/measure/robust_accuracy.py [FOLDER]

FOLDER holds ``*.jsonl.gz`` of parity cases, whatever their names: each record's ``rule`` says what it is. By default
INFIMED_PARITY_DIR, else tests/data/parity. Only cases of the eight rules that say ``intended_correct`` count. An
upstream crash counts as an error of upstream; an abstention of ours counts as wrong.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infimed_plugins.records import OPTION_LETTERS, Sample
from infimed_plugins.scoring.robust import score

CHOICE_RULES = ("mcq", "mcq_bench", "mmmu_mc", "vlmeval_infer")
PACKED = Path(__file__).parents[1] / "data" / "parity"
TEXT_RULES = ("yesno", "closed", "open", "vqa_bench")


@dataclass
class Tally:
    """Errors on the cases of one rule; false positives and negatives are the robust scorer's."""

    records: int = 0
    upstream: int = 0
    false_positives: int = 0
    false_negatives: int = 0

    @property
    def robust(self) -> int:
        """How often the robust scorer errs."""
        return self.false_positives + self.false_negatives

    @property
    def ratio(self) -> float:
        """Our errors to upstream's; infinite where only we err."""
        return self.robust / self.upstream if self.upstream else (float("inf") if self.robust else 0.0)

    def add(self, meant: bool, ours: bool, theirs: bool) -> None:
        """Count one case."""
        self.records += 1
        self.upstream += theirs != meant
        self.false_positives += ours and not meant
        self.false_negatives += meant and not ours


def parity_folder() -> Path:
    """Where the parity cases lie."""
    return Path(os.environ.get("INFIMED_PARITY_DIR") or PACKED)


def intended_records(folder: Path) -> Iterator[dict[str, Any]]:
    """The cases of the eight rules that say what was meant, from every file of the folder."""
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                known = isinstance(record, dict) and record.get("rule") in CHOICE_RULES + TEXT_RULES
                if known and record.get("intended_correct") is not None:
                    yield record


def sample_of(record: dict[str, Any]) -> Sample | None:
    """The sample a source would build: bare option texts and a letter, or a text. None when the gold is no option."""
    if record["rule"] not in CHOICE_RULES:
        row = record.get("sample", record)
        return _sample(record, task="text", question=row.get("question") or "?", answer=row["answer"])
    if record["rule"] == "mmmu_mc":
        texts = [record["index2ans"][letter] for letter in record["all_choices"]]
    elif record["rule"] == "vlmeval_infer":
        texts = list(record["choices"].values())
    else:
        texts = [_bare(letter, choice) for letter, choice in zip(OPTION_LETTERS, record["choices"], strict=False)]
    answer = record["answer"]
    if answer not in OPTION_LETTERS[: len(texts)]:
        same = [letter for letter, text in zip(OPTION_LETTERS, texts, strict=False) if text == answer.strip()]
        if not same:
            return None
        answer = same[-1]
    return _sample(record, task="multiple_choice", question=record["question"], answer=answer, options=tuple(texts))


def _bare(letter: str, choice: str) -> str:
    return re.sub(rf"^\s*{letter}\s*[.:]", "", choice).strip()


def _sample(record: dict[str, Any], **fields: Any) -> Sample:
    return Sample(id=record["id"], source="parity", split="test", **fields)


def reply_of(record: dict[str, Any]) -> Any:
    """What the model said; None in some cases."""
    return record.get("sample", record).get("prediction" if record["rule"] == "vlmeval_infer" else "response")


def upstream_verdict(record: dict[str, Any]) -> bool:
    """Whether upstream scored it right; a crash is no verdict, so the opposite of what was meant."""
    said = record["upstream"]
    if record["rule"] == "vlmeval_infer":
        said = said["HEAD_e8e78f05"]
        right = bool(said["hit_exact_matching"])
    elif record["rule"] == "open" or (record["rule"] == "vqa_bench" and said.get("kind") != "close"):
        right = bool((said.get("metrics") or {}).get("em"))
    else:
        right = bool(said.get("correct"))
    return not record["intended_correct"] if said.get("error") else right


def tallies(folder: Path) -> dict[str, Tally]:
    """The errors by rule, with ``total`` last. A case whose gold is no option is left out."""
    found: dict[str, Tally] = {}
    total = Tally()
    for record in intended_records(folder):
        sample = sample_of(record)
        if sample is None:
            continue
        ours = score(reply_of(record), sample).accuracy == 1.0
        for tally in (found.setdefault(record["rule"], Tally()), total):
            tally.add(record["intended_correct"], ours, upstream_verdict(record))
    return found | {"total": total}


def table(found: dict[str, Tally]) -> str:
    """The tallies as text, one rule a line."""
    lines = [f"{'rule':<14}{'records':>8}{'upstream':>9}{'robust':>7}{'ratio':>8}{'false +':>8}{'false -':>8}"]
    for rule, tally in found.items():
        errors = f"{tally.upstream:>9}{tally.robust:>7}{tally.ratio:>8.4f}"
        lines.append(f"{rule:<14}{tally.records:>8}{errors}{tally.false_positives:>8}{tally.false_negatives:>8}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(tallies(Path(sys.argv[1]) if len(sys.argv) > 1 else parity_folder())))
