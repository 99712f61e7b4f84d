"""Every adversarial case of the specification, the debatable ones too: we decided each as the file has it.

``INFIMED_REWARD_CASES`` names another file of the same form (``.jsonl.gz``); of such a file the debatable cases are
left out, for its authors may have decided otherwise.
"""

from __future__ import annotations

import gzip
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from infimed_plugins.rewards import compute_score

SHIPPED = Path(__file__).parent.parent / "data" / "reward_cases" / "cases.jsonl.gz"
OTHER = os.environ.get("INFIMED_REWARD_CASES")

# what the debatable cases of the shipped file come to, and why
DECISIONS = {
    "fmt_prefilled_think": "a response without <think> fails the gate: nothing is assumed of a chat template",
    "fmt_trailing_text": "text after the answer is harmless: the tags say what the answer is",
    "fmt_between_text": "text between </think> and <answer> is harmless too",
    "fmt_empty_think": "the gate judges the form; how much is thought is no matter of form",
    "fmt_upper_tags": "tags are exact",
    "fmt_spaced_tags": "tags are exact; nothing is repaired",
    "fmt_fullwidth_tags": "tags are ASCII",
    "fmt_eos_suffix": "an end token after the answer is trailing text",
    "fmt_answer_in_think_and_after": "answer tags are counted over the whole response",
    "fmt_two_answers_same": "one answer means one block",
    "fmt_two_boxes_conflict": "boxes that differ are a hedge: the format holds, nothing is paid",
    "fmt_box_outside_answer": "answer tags go before boxes",
    "fmt_leading_newline": "outer whitespace is no content",
    "mcq_fullwidth": "NFKC makes a full-width B a B",
    "mcq_cyrillic": "a letter that only looks like B is not B",
    "mcq_article_capital": "a letter without a delimiter is no commitment",
    "mcq_reasoned": "'the answer is C' decides after a discussion",
    "mcq_not_then": "a negated letter in another clause does not count against the announced one",
    "mcq_option_text": "an option's text needs the options; this case has none",
    "mcq_gt_with_text": "the truth is read as an answer is",
    "mcq_repeat_letter": "the same letter again is the same answer",
    "mcq_multi_gt": "several right letters: the same set earns 1, anything else 0",
    "mcq_letter_comma_text": "a comma delimits",
    "mcq_lower_ok_text": "lower case is accepted where the letter cannot be an article",
    "string_punct": "tokens are alphanumeric runs",
    "string_hyphen": "a hyphen separates",
    "string_repeat": "sets, not bags",
    "string_article": "no stop words",
    "string_nfkc": "NFKC",
    "string_synonym": "no synonyms",
    "string_cjk": "each Han character is a token, so equal texts score 1 and similar ones in between",
    "string_plural": "no stemming",
    "math_unit_missing": "a unit may be left out or added",
    "math_unit_text": "how a unit is written does not matter",
    "math_unit_convert": "units are not converted: another unit is wrong",
    "math_percent_fraction": "50% is 0.5",
    "math_percent_number": "50 for 50% forgets the sign, which is forgiven as a unit is",
    "math_third": "0.33 is not a third",
    "math_bp": "120/80 is a fraction to a math task",
    "math_words": "words of the truth are symbols to math_verify",
    "math_sci": "1e3 is read as a number",
    "math_asym": "an inequality is not the interval of the truth",
    "math_number_word": "number words are not numbers",
    "math_degree": "the degree sign is a unit",
    "box_tuple": "a tuple is a list",
    "box_plain_numbers": "four numbers and nothing else are a box",
    "box_qwen_tokens": "corner pairs are Qwen's own form",
    "box_json_fence": "fenced JSON is Qwen2.5-VL's own form",
    "box_prose": "one box in a sentence is one box",
    "box_inverted_near": "corners are not swapped back",
    "box_negative": "coordinates are taken as they are",
    "box_extra": "five numbers are no box",
    "box_eight": "eight numbers are no box",
    "box_nested_points": "a list of points is no box",
    "box_xywh": "x, y, w, h is not x1, y1, x2, y2",
    "box_strings": "text is no number",
    "box_thousand": "nothing is rescaled",
    "det_exact_duplicates": "a repeated box counts again as predicted",
    "det_low_iou": "every overlap counts, there is no threshold",
    "det_json": "bbox_2d and Position mean the same",
    "det_list_of_lists": "bare boxes are fine",
    "det_none_right": "nothing, rightly seen, is right",
    "det_none_wrong": "an overlooked object earns nothing",
    "det_greedy_vs_hungarian": "the best matching, not the first",
}


def read_cases() -> list[dict[str, Any]]:
    with gzip.open(OTHER or SHIPPED, "rt", encoding="utf-8") as lines:
        cases = [json.loads(line) for line in lines]
    return [case for case in cases if not (OTHER and case.get("debatable"))]


CASES = read_cases()


@pytest.mark.skipif(OTHER is not None, reason="another file has other families")
def test_each_debatable_family_is_decided_in_writing() -> None:
    assert {case["family"] for case in CASES if case["debatable"]} == set(DECISIONS)


@pytest.mark.parametrize("as_json", [False, True], ids=["plain", "json"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['id']}-{case['family']}")
def test_a_case_scores_as_specified(case: dict[str, Any], as_json: bool) -> None:
    truth = case["ground_truth"]
    if as_json:
        truth = json.dumps({"task": case["task"], "answer": truth})
    started = time.monotonic()
    score = compute_score([{"response": case["response"], "ground_truth": truth}], task=case["task"])[0]
    assert time.monotonic() - started < case.get("max_s", 60)  # a hang guard
    expected, tolerance = case["expected"], case.get("tol", 1e-3)
    if expected.get("format") is not None:
        assert score["format"] == expected["format"], case["why"]
    if expected.get("accuracy") is not None:
        assert score["accuracy"] == pytest.approx(expected["accuracy"], abs=tolerance), case["why"]
    else:
        low, high = expected.get("accuracy_min", 0.0), expected.get("accuracy_max", 1.0)
        assert low - tolerance <= score["accuracy"] <= high + tolerance, case["why"]
    assert score["overall"] == pytest.approx(0.1 * score["format"] + 0.9 * score["accuracy"])
    assert score["bad_row"] == 0.0
