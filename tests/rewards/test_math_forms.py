r"""The forms in which maths is paid, and answers that only look like them: what is not understood earns nothing."""

from __future__ import annotations

import time

import pytest

from infimed_plugins.records import Code, GroundTruth
from infimed_plugins.rewards import judge_answer
from infimed_plugins.rewards.math_forms import is_name

# truth, answers that are right, answers that are wrong; answers are divided by " ; "
NAMED = [
    (
        "12",
        r"x = 12 ; x_1 = 12 ; f(2) = 12 ; Area = 12 ; \theta = 12 ; \Delta = 12 ; x' = 12 ; AB = 12 ; P(X=2) = 12",
        r"x != 12 ; x ≠ 12 ; x \neq 12 ; x =/= 12 ; x <> 12 ; x \not= 12 ; not x = 12 ; x = not 12 ; x is not 12",
    ),
    (
        "12",
        r"S_{ABC} = 12 ; ∠A = 12 ; x = 24/2 = 12 ; a_n = 12 ; \sin A = 12 ; h(x) = 12 ; g(1,2) = 12 ; V = 6*2 = 12 cm³",
        r"-x = 12 ; \sqrt{x} = 12 ; √x = 12 ; 1/x = 12 ; 2x = 12 ; x^2 = 12 ; x² = 12 ; x! = 12 ; |x| = 12",
    ),
    (
        "12",
        "the area of the circle is 12 ; Area: 12 cm ; It is 12 mm. ; There are 12 lesions ; so x = 12 ; the answer: 12",
        "unknown = 12 ; max error = 12 ; I do not know = 12 ; the wrong answer is 12 ; half the area is 12 ; no: 12",
    ),
    (
        "12",
        "The diameter of the lesion is 12 mm ; The length of AB is 12 ; Therefore, the answer is 12. ; x ≈ 12",
        "the area is not 12 ; any number but x = 12 ; NOT = 12 ; x y = 12 ; f(not) = 12 ; x_{not} = 12 ; x ~= 12",
    ),
    ("35%", "the ejection fraction is 35% ; EF = 35% ; about 35% ; 0.35", "the ejection fraction is not 35% ; 35 mm"),
    ("2x+1", "y = 2x+1 ; 1 + 2x", "x = 2y+1 ; -y = 2x-1"),
    ("x^2+y^2=1", "y^2+x^2=1", "x^2+y^2=2 ; 1 ; x=1"),
    ("x=1, y=2", "y = 2, x = 1 ; 1, 2", "x = 2, y = 1 ; 2, 1 ; x = 1"),
]
WHOLE = [
    (
        "12",
        r"(12) ; {12} ; |{-12}| ; \sum_{k=1}^{12} 1",
        r"5 \circ 12 ; 5 [ 12 ; \sum 12 ; \int 12 ; \int_0^1 12 ; ] 12 ; ( 12 ; \cup 12 ; # 12 ; \not 12 ; 12 \\",
    ),
    (
        "12",
        "12. ; 12 mm wide ; 12 mm in diameter ; about 12 mm ; ~12 ; ≈12 ; \\sim 12 ; 12~mm",
        "~~12~~ ; 1'2 ; 1’2 ; 12' ; 12~13 ; not about 12 ; 12 perhaps ; 12 (wrong) ; 12 ± 1 ; 12 ❌ ; /12 ; 12+ ; ^12",
    ),
    ("> 3", ">3 ; x > 3 ; 3 < x ; greater than 3 ; \\gt 3", "3 ; < 3 ; ≥ 3 ; > 4 ; 3 > ; > -3 ; !> 3 ; > 3 or < 3"),
    ("< 5 mm", "<5 mm ; less than 5 mm ; < 5", "> 5 mm ; 5 mm ; 5 ; < 5 cm ; ≤ 5 mm"),
    ("p < 0.05", "p < .05 ; 0.05 > p", "p > 0.05 ; p = 0.05 ; 0.05 ; q < 0.05"),
    ("1 < x < 2", "1.0 < x < 2 ; 2 > x > 1", "1 < x ; 1 ≤ x < 2 ; 2 < x < 1"),
]
UNITS = [
    ("4.5 x 10^9/L", "4.5×10^9/L ; 4.5e9 per litre ; 4,500,000,000/L ; 4.5 × 10⁹", "4.5 x 10^9/mL ; 4.5 x 10^8/L"),
    ("150,000/µL", "150000/µL ; 150,000/uL ; 150 x 10^3 per microliter", "150,000/L ; 15,000/µL ; 150,000 µL"),
    ("37 °C", "37 degrees Celsius ; 37 celsius ; 37 摄氏度", "37 °F ; 37 degrees Fahrenheit ; 37°"),
    ("60 bpm", "60 beats per minute ; 60 beats/min ; 60 次/分", "60/h ; 60 mmHg"),
    ("5 mg/kg/day", "5 mg/kg/d ; 5 mg per kg per day", "5 mg/kg ; 5 mg/d ; 5 g/kg/day"),
    ("3 mm3", "3 mm³ ; 3 cubic mm", "3 mm² ; 3 mm"),
    ("28 %", "28 per cent ; 28% ; 0.28", "28 mm"),
    ("1,000,000", "1\u202f000\u202f000 ; 1000000 ; 1\u00a0000\u00a0000", "1\u202f000 ; 1 000 000 ; 100000"),
    ("1/m", "1/m ; m^{-1}", "1/n ; m"),
]
PARTS = [
    (
        "10-20",
        "10 - 20 ; 10–20 ; 10 to 20 ; 10~20 ; between 10 and 20 ; 10-20 mm",
        "20-30 ; 110-120 ; -10 ; 15 ; 20-10 ; 10",
    ),
    ("10-20 mm", "10-20 ; 10 mm - 20 mm ; about 10-20 mm", "10-20 cm ; 20-30 mm ; -10 mm ; 15 mm"),
    ("-10", "10 - 20 = -10 ; x = -10", "10 to 20 ; 10"),
    ("5-10%", "5%-10% ; 5 to 10%", "10-15% ; -5% ; 5%"),
    ("L4-L5", "L4–L5 ; L4 to L5 ; L4-5", "L5-L6 ; L3-L4 ; L4 ; -1 ; L5-L4"),
    (
        "3 × 4 cm",
        "3 x 4 cm ; 3x4cm ; 3 by 4 cm ; 3 cm × 4 cm ; 3 × 4",
        "2 × 6 cm ; 4 × 3 cm ; 12 cm ; 12 ; 3 × 4 mm ; 3 mm × 4",
    ),
    ("2 x 3", "2×3 ; 2 x 3 cm", "6 ; 3 x 2 ; 1 x 6"),
    ("3\\times4", "12 ; 4*3", "7 ; 13"),
    ("1:2", "1 : 2", "2:1 ; 1:3 ; 12"),
]
NUMBERS = [
    ("12 mg", "12 ; 12.0mg", "12% ; 12 percent ; 12 g ; 1200% ; 12 lesions"),
    ("0.5 mg", "1/2 mg ; 0.5", "50% ; 0.5%"),
    ("0.0000001", "1e-7 ; 10^{-7}", "0.0000002 ; 0 ; 0.00000011 ; -0.0000001"),
    ("\\frac{\\pi}{10^{8}}", "\\pi \\cdot 10^{-8}", "\\frac{2\\pi}{10^{8}} ; 0"),
    ("6 mV", "6 mv ; 6", "6 MV ; 6 V"),
    ("5 MHz", "5 Mhz", "5 mHz ; 5 kHz"),
    ("2 mSv", "2 msv", "2 MSv ; 2 Sv"),
    ("5 mm", "5 MM ; 5mm ; 5毫米", "5 mM ; 5 cm"),
    ("12cm", "12 ; 12厘米", "12m ; 12毫米"),
    ("\\sqrt{x^2}", "|x|", "x ; -x"),
    ("\\sqrt{x^2y^2}", "|xy|", "xy"),
]
AS_WRITTEN = [
    ("2\\sqrt{7}", "2√7 ; 2√{7} ; 2√(7) ; 2\\sqrt7 ; 2sqrt(7) ; √28 ; x = 2√7", "2√6 ; 2√17 ; √7 ; √27 ; 2"),
    ("\\frac{\\sqrt{5}}{2}", "√5/2 ; sqrt(5)/2 ; \\frac{√{5}}{2}", "√(5/2) ; 5/2 ; √5"),
    ("7\\pi", "7pi ; 7 pi ; 7π ; 7*pi ; 7π cm²", "7 ; π ; 7p ; 7π² ; 7/π"),
    ("150π cm²", "150π ; 150\\pi ; 150 pi cm^2", "150 ; 150π mm² ; 15π"),
    ("2√10", "2\\sqrt{10} ; √40", "2√13 ; 2√1 ; 2√100"),
    ("\\frac{5}{2}√{3}", "2.5√3 ; 5√3/2", "2.5 ; √3"),
    ("2 pi r", "2πr ; 2*pi*r", "2π ; πr^2 ; 2 pi R h"),
    ("14米", "14 ; 14.0 ; 14 m ; 14m", "14 cm ; 15"),
    ("25海里", "25 ; 25 海里", "25公里 ; 25错"),
    (
        "3",
        "3 lesions ; 3 ribs ; 3 lymph nodes ; 3个 ; 3 teeth",
        "3 million ; 3 wrong ; 3 halves ; 3 fifths ; 3 lesions or 4 ; 3万",
    ),
    ("3 lesions", "3 ; 3 Lesions.", "3 cysts ; 3 mm ; lesions"),
    ("\\pm 2", "±2 ; 2, -2", "2 ; -2"),
]
CASES = [
    (truth, answer, worth)
    for table in (NAMED, WHOLE, UNITS, PARTS, NUMBERS, AS_WRITTEN)
    for truth, *answers in table
    for worth, texts in zip((1.0, 0.0), answers, strict=True)
    for answer in texts.split(" ; ")
]
CODES = [
    ("13", "12", Code.JUDGED),
    ("12", "12", Code.JUDGED),
    ("10-20", "12", Code.JUDGED),
    ("", "12", Code.NO_ANSWER),
    ("12", "", Code.BAD_TRUTH),
    ("12 or 13", "12", Code.SEVERAL),
    ("12, 13", "12", Code.SEVERAL),
    ("12 13", "12", Code.SEVERAL),
    ("x != 12?", "12", Code.UNREADABLE),
    ("pneumonia", "12", Code.UNREADABLE),
    ("\\frac{1}{2", "12", Code.UNREADABLE),
    ("(" * 50 + "1" + ")" * 50, "12", Code.UNREADABLE),
    ("1+" * 300 + "1", "12", Code.TOO_LONG),
    ("1" * 5000, "12", Code.TOO_LONG),
    ("9^{9^{9^{9}}}", "12", Code.TIMED_OUT),
]


@pytest.mark.parametrize(("truth", "answer", "worth"), CASES)
def test_known_whole_forms_are_paid_and_nothing_else(truth: str, answer: str, worth: float) -> None:
    assert judge_answer(answer, GroundTruth("math", truth)).value == worth


@pytest.mark.parametrize("truth", sorted({truth for truth, _, _ in CASES}))
def test_a_truth_given_back_is_right(truth: str) -> None:
    assert judge_answer(truth, GroundTruth("math", truth)).value == 1.0


@pytest.mark.parametrize(("answer", "truth", "code"), CODES)
def test_programs_decide_by_the_code(answer: str, truth: str, code: Code) -> None:
    assert judge_answer(answer, GroundTruth("math", truth)).code is code


@pytest.mark.parametrize("text", ["\\begin{pmatrix}1\\\\2\\end{pmatrix}", "Stage 2", "4 of 10 lesions", "left lung"])
def test_of_a_truth_in_no_form_only_its_own_text_counts(text: str) -> None:
    assert judge_answer(text, GroundTruth("math", text)).value == 1.0
    for answer in ("2", "10 of 4 lesions", "left lung 2", "\\begin{pmatrix}2\\\\1\\end{pmatrix}"):
        assert judge_answer(answer, GroundTruth("math", text)).value == 0.0


@pytest.mark.parametrize("side", ["", "-x", "unknown", "square of x", "x and y", "f(no x)", "sin x", "cost of nothing"])
def test_what_is_no_name(side: str) -> None:
    assert not is_name(side)


@pytest.mark.parametrize(
    "unit", ["12 ", "(", "√(", "x = ", "10 to ", "~", "\\text{", "1,", "\\sin ", "²", "the ", "or "]
)
def test_an_answer_of_a_megabyte_takes_milliseconds(unit: str) -> None:
    for size in (4_000, 1_000_000):
        answer = (unit * size)[:size]
        started = time.process_time()
        assert judge_answer(answer, GroundTruth("math", "12")).value == 0.0
        assert time.process_time() - started < 0.5


def test_an_integer_of_thousands_of_digits_is_a_bad_truth() -> None:
    assert judge_answer("12", GroundTruth("math", 10**5000)).code is Code.BAD_TRUTH
