"""Every case with upstream's own verdict: MedEvalKit, VLMEvalKit and MultiMedEval are reproduced bug for bug.

INFIMED_PARITY_DIR names another folder of ``*.jsonl.gz`` than the packed sample. A case that ended in a RecursionError
depends on the depth of the caller's stack and is counted, not compared.
"""

from __future__ import annotations

import gzip
import importlib
import json
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from mmmu_open import open_correct, read_open

from infimed_plugins.scoring import medevalkit
from infimed_plugins.scoring.medevalkit.mmmu import extracted, raw_open_correct, read_choice
from infimed_plugins.scoring.medevalkit.rules import judged_closed, judged_open, judged_yes_no
from infimed_plugins.scoring.medevalkit.rules import mcq as upstream_mcq
from infimed_plugins.scoring.medevalkit.text import boxed, read_judge, tag
from infimed_plugins.scoring.medevalkit.text import parse as upstream_parse

PACKED = Path(__file__).parents[1] / "data" / "parity"
FOLDER = Path(os.environ.get("INFIMED_PARITY_DIR") or PACKED)
FILES = sorted(FOLDER.glob("*.jsonl.gz"))
PINNED = "HEAD_9b12e3b"
RULES = {
    *("aggregate", "closed", "construct", "judge_parse", "mcq", "mcq_bench", "mmmu_bench", "mmmu_mc", "mmmu_open"),
    *("multimedeval_vqa", "open", "parse", "prompts", "vlmeval_infer", "vqa_bench", "yesno"),
}
NOT_COMPARED = {"aggregate": {"judge_prompt_sha256"}}  # upstream's own wording, which is not here
Record = Mapping[str, Any]


def error_of(function: Callable[..., Any], *args: Any) -> tuple[Any, str | None]:
    """What a function gives, and the exception it ends with, in upstream's words."""
    try:
        return function(*args), None
    except Exception as error:  # noqa: BLE001 the error is what is compared
        return None, getattr(error, "error", f"{type(error).__name__}: {error}")


def correct(function: Callable[..., Any], *args: Any) -> dict[str, Any]:
    value, error = error_of(function, *args)
    return {"correct": value, "error": error}


def mcq(record: Record) -> dict[str, Any]:
    choice, error = error_of(upstream_mcq, record["choices"], record["answer"], record["response"])
    return {"correct": choice and choice.correct, "fuzzy": bool(choice and choice.guessed), "error": error}


def mcq_bench(record: Record) -> dict[str, Any]:
    (verdict,) = medevalkit.score_rows(record["benchmark"], [record], [record["response"]])
    return {"correct": verdict.correct, "error": verdict.error}


def open_answer(record: Record) -> dict[str, Any]:
    metrics, error = error_of(lambda *given: judged_open(*given).metrics, record["answer"], record["response"])
    return {"metrics": metrics, "error": error}


def parse(record: Record) -> dict[str, Any]:
    response = record["response"]
    given = {
        "parse_response": error_of(upstream_parse, response),
        "extract_answer": error_of(tag, response, "answer"),
        "extract_answer_soft": error_of(tag, response, "answer", False),
        "extract_boxed_content": error_of(boxed, response),
    }
    return {name: {"value": value, "error": error} for name, (value, error) in given.items()}


def vqa_bench(record: Record) -> dict[str, Any]:
    sample = record["sample"]
    (verdict,) = medevalkit.score_rows(record["benchmark"], [sample], [sample["response"]])
    return {
        "correct": verdict.correct,
        "kind": verdict.kind,
        "metrics": verdict.metrics,
        "error": verdict.error,
    }


def mmmu_mc(record: Record) -> dict[str, Any]:
    draws = random.Random(record["seed"])
    letter, drawn = read_choice(record["response"], record["all_choices"], record["index2ans"], draws)
    return {"pred": letter, "random": drawn, "correct": letter == record["answer"], "error": None}


def mmmu_open(record: Record) -> dict[str, Any]:
    answer, response = record["answer"], record["response"]
    parsed, error = error_of(read_open, response)
    head, error_val = error_of(raw_open_correct, answer, response)
    return {
        "parsed_sorted": parsed and sorted(parsed, key=lambda value: (isinstance(value, str), str(value))),
        "correct_parsed": parsed and open_correct(answer, parsed),
        "correct_val_head": head,
        "error": error,
        "error_val": error_val,
    }


def mmmu_bench(record: Record) -> dict[str, Any]:
    rows, replies = record["rows"], record["responses"]
    verdicts = medevalkit.score_rows("MMMU-Medical-val", rows, replies)
    total = medevalkit.metrics("MMMU-Medical-val", rows, replies)["total"]
    prompts = [medevalkit.construct("MMMU-Medical-val", row, record["reasoning"]).prompt for row in rows]
    assert prompts == record["prompts"]
    return {
        "parsed_pred": [verdict.parsed for verdict in verdicts],
        "response_after_extraction": [extracted(reply) for reply in replies],
        "judge": {
            row["id"]: "Correct" if verdict.correct else "Wrong" for row, verdict in zip(rows, verdicts, strict=True)
        },
        "metrics": total,
        "error": None,
    }


def construct(record: Record) -> dict[str, Any]:
    asked, error = error_of(medevalkit.construct, record["benchmark"], record["row"], record["reasoning"])
    return {
        "error": error,
        "prompt": asked and asked.prompt,
        "choices": asked and asked.choices and list(asked.choices),
        "answer": asked and asked.answer,
        "message_keys": asked and sorted(["prompt", *filter(None, [asked.pictures])]),
    }


def prompts(record: Record) -> dict[str, Any]:
    kind, question, choices = record["kind"], record["question"], record.get("choices")
    if "row" in record:
        asked = medevalkit.construct("MMMU-Medical-val", record["row"], record["reasoning"])
        gold = asked.choices[ord(asked.answer.upper()) - 65] if asked.choices else asked.answer
        assert asked.kind == kind
        return {"prompt": asked.prompt, "gt_content": gold}
    return {"prompt": medevalkit.prompt(kind, question, record["reasoning"], record["lang"], choices)}


def aggregate(record: Record) -> dict[str, Any]:
    samples, benchmark = record["samples"], record["benchmark"]
    replies = [sample["response"] for sample in samples]
    outputs = record["judge_outputs"] if record["use_llm_judge"] else None
    metrics, error = error_of(medevalkit.metrics, benchmark, samples, replies, outputs)
    verdicts = medevalkit.score_rows(benchmark, samples, replies)
    right = [verdict.correct for verdict in verdicts]
    judged: dict[str, Any] = {}
    if outputs is not None:
        places = medevalkit.asked_of_judge(benchmark, verdicts)
        for place, output in zip(places, outputs, strict=False):
            right[place] = read_judge(output)[1]
        judged["n_judge_calls"] = len(places)
    return {"error": error, "metrics": metrics, "correct": None if error else right, **judged}


def judge_parse(record: Record) -> dict[str, Any]:
    text, right = read_judge(record["judge_output"])
    return {"extracted": text, "correct": right, "error": None}


def vlmeval_infer(record: Record) -> dict[str, Any]:
    vlmevalkit = importlib.import_module("infimed_plugins.scoring.vlmevalkit")
    revisions = [(name, record["upstream"][name].get("error")) for name in record["upstream"]]
    assert all(error is None for _, error in revisions)
    return {name: {"opt": vlmevalkit.infer(record["prediction"], record["choices"], name)} for name, _ in revisions}


def multimedeval_vqa(record: Record) -> dict[str, Any]:
    multimedeval = importlib.import_module("infimed_plugins.scoring.multimedeval")
    verdict, error = error_of(multimedeval.score, record["response"], record["answer"])
    return {
        "error": error,
        "clean_pred": verdict.clean_pred if verdict else "",
        "clean_gold": verdict.clean_gold if verdict else "",
        "closed": bool(verdict and verdict.closed),
        "F1": verdict.f1 if verdict else 0.0,
        "recall": verdict.recall if verdict else 0.0,
        "correct": bool(verdict and verdict.correct),
    }


READERS: dict[str, Callable[[Record], dict[str, Any]]] = {
    "aggregate": aggregate,
    "closed": lambda record: correct(
        lambda *given: judged_closed(*given).correct, record["answer"], record["response"]
    ),
    "construct": construct,
    "judge_parse": judge_parse,
    "mcq": mcq,
    "mcq_bench": mcq_bench,
    "mmmu_bench": mmmu_bench,
    "mmmu_mc": mmmu_mc,
    "mmmu_open": mmmu_open,
    "multimedeval_vqa": multimedeval_vqa,
    "open": open_answer,
    "parse": parse,
    "prompts": prompts,
    "vlmeval_infer": vlmeval_infer,
    "vqa_bench": vqa_bench,
    "yesno": lambda record: correct(
        lambda *given: judged_yes_no(*given).correct, record["answer"].lower(), record["response"]
    ),
}


def expected(record: Record) -> dict[str, Any]:
    """Upstream's verdict, at the pinned commit where several were run."""
    rule = record["rule"]
    if rule == "prompts":
        return {name: record[name] for name in ("prompt", "gt_content") if name in record}
    upstream = record["upstream"]
    return dict(upstream[PINNED] if rule == "aggregate" else upstream)


def differences(record: Record) -> Iterator[str]:
    """What is not as upstream has it: everything that it says something about."""
    theirs, ours = expected(record), READERS[record["rule"]](record)
    left_out = set(theirs) - set(ours) - NOT_COMPARED.get(record["rule"], set())
    assert not left_out, f"{record['id']}: {', '.join(sorted(left_out))} of upstream's is compared with nothing"
    for name in sorted(set(ours) & set(theirs)):
        their, our = theirs[name], ours[name]
        if record["rule"] == "vlmeval_infer":
            their = {"opt": their["opt"]}
        if json.dumps(our, sort_keys=True) != json.dumps(their, sort_keys=True):
            yield f"{record['id']}: {name} is {our!r}, upstream {their!r}"


def read(path: Path) -> Iterator[Record]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.split(".")[0])
def test_upstreams_verdict_is_reproduced_on_every_record(path: Path) -> None:
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for record in read(path):
        assert record["rule"] in READERS, f"no reader for the rule {record['rule']!r} of {path.name}"
        if expected(record).get("error") == "RecursionError":
            counts[f"{record['rule']}, not comparable"] += 1
            continue
        counts[record["rule"]] += 1
        wrong += differences(record)
    print(f"{path.name}: {', '.join(f'{rule} {count}' for rule, count in counts.items())}; differences {len(wrong)}")
    assert sum(counts.values())
    assert not wrong, f"{len(wrong)} differences, the first:\n" + "\n".join(wrong[:5])


def test_no_rule_is_left_out() -> None:
    assert FILES, f"no *.jsonl.gz in {FOLDER}"
    assert set(READERS) == RULES
    found = {record["rule"] for path in FILES for record in read(path)}
    assert found == RULES if FOLDER == PACKED else found <= RULES


def test_a_change_in_anything_that_upstream_says_is_noticed() -> None:
    for path in FILES:
        of_each_form = {
            tuple(sorted(expected(record))): record for record in read(path) if expected(record).get("error") is None
        }
        for names, record in of_each_form.items():
            for name in {*names} - NOT_COMPARED.get(record["rule"], set()):
                changed = json.loads(json.dumps(record))
                theirs = changed if record["rule"] == "prompts" else changed["upstream"]
                theirs = theirs[PINNED] if record["rule"] == "aggregate" else theirs
                theirs[name] = {"opt": "another"}
                assert list(differences(changed)), f"{path.name}: {name}"
