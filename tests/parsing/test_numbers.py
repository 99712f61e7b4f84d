"""The value that a reply in prose states, and that every rule is needed."""

from __future__ import annotations

import time

import pytest

from infimed_plugins.parsing import numbers
from infimed_plugins.parsing.lexicon import Rule
from infimed_plugins.parsing.numbers import read_value
from infimed_plugins.records import Code

RULES = [(table, rule) for table in ("PLACES", "BARS", "VALUES") for rule in getattr(numbers, table)]


@pytest.mark.parametrize(("table", "rule"), [pytest.param(*one, id=one[1].id) for one in RULES])
def test_a_rule_is_needed_for_its_examples(table: str, rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    default = "" if rule.effect else "7"
    examples = [one if isinstance(one, tuple) else ("", "", one, default) for one in rule.examples]
    assert examples
    for question, _, reply, value in examples:
        assert read_value(reply, question).answer == (value or ""), reply
    monkeypatch.setattr(numbers, table, tuple(one for one in getattr(numbers, table) if one is not rule))
    assert any(read_value(reply, question).answer != (value or "") for question, _, reply, value in examples)


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("There are 3 lesions.", "3"),
        ("3 lesions", "3"),
        ("There is only one lesion.", "1"),
        ("Three.", "3"),
        ("It is about 12 mm wide.", "12 mm"),
        ("Therefore, the ejection fraction is 35%.", "35%"),
        ("The ejection fraction is 35% (normal 55-70%).", "35%"),
        ("So the answer is 1982 with an income of $931,441.", "1982"),
        ("The difference between the largest and the smallest is 10 - 4 = 6.", "6"),
        ("It costs $2.50.", "2.50"),
        ("The total is 1,234.", "1,234"),
        ("The dose is 12 mg/dL.", "12 mg/dL"),
        ("3 and 9 are seen. The answer is 12.", "12"),
        ("Answer: 3 (three)", "3"),
        ("First, 3 + 4 = 7. Then 7 * 2 = 14. So the total is 14.", "14"),
        ("答案是3", "3"),
        ("共有3个病灶", "3"),
        ("x = 12", "x = 12"),
        ("\\frac{1}{2}", "\\frac{1}{2}"),
        ("The answer is $\\frac{3}{4}$.", "\\frac{3}{4}"),
        ("The area is 2√3 cm.", "2√3"),
        ("The value is 1.5 x 10^3.", "1.5 x 10^3"),
        ("It is 12 to 15 mm.", "12 to 15 mm"),
        ("2√3 cm", "2√3 cm"),
        ("f(4) ≈ 16", "16"),
        ("70 kg × 2 mg/kg = 140 mg", "140 mg"),
        ("y = 2x + 3", "y = 2x + 3"),
        ("A quarter is lost, so \\(\\frac{3}{4}\\) is left.", "\\frac{3}{4}"),
        ("The fraction is 45 %.", "45 %"),
        ("4 on the left and 3 on the right, for a total of 7.", "7"),
        ("三个", "3"),
        ("可见两根肋骨骨折。", "2"),
        ("The blank is filled with:\n\n7", "7"),
        ("The answer is 7.\n\nQuestion: How many more?\nThe answer is 8.", "7"),
    ],
)
def test_a_value_is_stated(reply: str, value: str) -> None:
    assert read_value(reply).answer == value


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("I cannot tell.", Code.NO_ANSWER),
        ("", Code.NO_ANSWER),
        ("It is 12 or 13.", Code.SEVERAL),
        ("It lies between 3 and 5.", Code.SEVERAL),
        ("The sizes are 3, 5 and 7 mm.", Code.SEVERAL),
        ("There are 3 lesions. There are 4 lesions.", Code.SEVERAL),
        ("Which one can be seen.", Code.NO_ANSWER),
        ("The answer is 3. The answer is 4.", Code.SEVERAL),
        ("The answer is 3. Wait, that is wrong.", Code.REJECTED),
        ("It is more than 12.", Code.REJECTED),
        ("It is not 12.", Code.REJECTED),
        ("For example, if there were 5 scans, 3 would be clear.", Code.UNSURE),
        ("The answer may be 12.", Code.UNSURE),
        ("So the answer is 10 - 4 =", Code.NO_ANSWER),
        ("sizes = [3, 5]\nprint(max(sizes))", Code.NO_ANSWER),
        ("Figure 3 shows a lesion.", Code.NO_ANSWER),
        ("It is on the 2nd floor.", Code.NO_ANSWER),
        ("the answer is 12. " * 6_000, Code.TOO_LONG),
    ],
)
def test_no_one_value_is_stated(reply: str, code: Code) -> None:
    read = read_value(reply)
    assert (read.answer, read.code) == ("", code)


@pytest.mark.parametrize(
    ("question", "reply", "value"),
    [
        (
            "The box has 9 pens in 3 rows. How many pens has a row?",
            "The box has 9 pens in 3 rows. A row has 3 pens.",
            "3",
        ),
        (
            "In which year was the share highest?",
            "The share was highest in 2019, with 25.8%. In 2018 it was 23.1%.",
            "2019",
        ),
        ("How much did she spend on 4 kg of rice?", "4 kg at $2 is 4 * 2 = $8.\n\nShe spent $8.", "8"),
        ("How many cysts are larger than 5 mm?", "There are 2 cysts larger than 5 mm.", "2"),
        ("4 dots are in 2 groups. How many has each?", "Each group has 4/2 = 2 dots.", "2"),
        ("How many cysts are seen?", "3 cysts are seen. 4 cysts are seen.", None),
        ("What is its diameter?", "It measures 12 x 14 mm.", "12 x 14"),
        ("What is its diameter?", "It measures 12 mm x 14 mm.", "12 mm x 14"),
        ("What is its diameter?", "It measures 12 by 14 mm at 2x zoom.", "12 by 14"),
        ("What is the ratio?", "The ratio is 1:2.", "1:2"),
        ("How many cysts are seen?", "There are 12: 5 left and 7 right.", None),
    ],
)
def test_the_question_says_which_value_is_asked_for(question: str, reply: str, value: str | None) -> None:
    assert read_value(reply, question).answer == (value or "")


@pytest.mark.parametrize(
    "piece", ["the answer is 12. ", "3 ", "3 = ", "so 3 ", "3 to ", "\\frac", "(", "\nq:", "左", "$"]
)
def test_a_long_reply_is_read_in_time(piece: str) -> None:
    for length in (99_000, 1_000_000):
        text = (piece * length)[:length]
        start = time.process_time()
        read_value(text, "How many?")
        assert time.process_time() - start < 0.5  # a few milliseconds on a quiet machine
