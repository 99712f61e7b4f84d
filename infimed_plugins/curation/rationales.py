"""Response enhancement: a model writes the reasoning behind a brief answer, and only checked rationales are kept.

Second paper, section 3.1 and appendix A ("Instruction for Thought Chain Generation"): rationales are drawn, then
rejection sampling keeps those "faithful, logically consistent, and correctly aligned with the given options". The
model is not told the right answer. The first candidate, in the order drawn, is kept that has

    one well-formed <answer>, with nothing behind it     The stone is bright. <answer>B</answer>
    reasoning, and more of it than the answer            not: The answer is B. <answer>B</answer>
    one of the options as its answer                     not: <answer>E</answer>
    the right answer, by the robust scorer
    no commitment to another option (last_option)        not: It looks like a cyst. <answer>B</answer>

The paper prints the prompt for multiple-choice questions; OPEN_PROMPT, for the other tasks, is ours, and so is
GENERAL_PROMPT: ``general: true`` makes the general chains of thought of the first paper's ablation (section 4.3).
The letters named in the paper's prompt are those of the question's options. Each prompt is a setting.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from infimed_plugins import prompts
from infimed_plugins.curation import StepContext
from infimed_plugins.curation.settings import FLAG, DrawSettings, prompt_setting, setting, whole
from infimed_plugins.engines import Reply
from infimed_plugins.parsing import tokens
from infimed_plugins.parsing.options import last_option, read_option
from infimed_plugins.quoting import fill, neutral
from infimed_plugins.records import OPTION_LETTERS, Sample
from infimed_plugins.scoring.robust import score

# second paper, appendix A, word for word
CHOICE_PROMPT = """\
Please carefully analyze the following multiple-choice question by generating a clear, logical chain of thought that \
leads to the correct answer. To do this effectively, follow the steps below as a general guide for your response:

1. Begin by identifying the key elements of the question and interpreting any relevant facts or assumptions.
2. Consider each option (A, B, C, and D) and reason through its validity based on logic, knowledge, or deduction.
3. Organize your reasoning into a step-by-step format to enhance readability and clarity.
4. After completing your reasoning, indicate the final answer by enclosing the selected option letter within <answer> \
and </answer> tags, e.g., <answer>A</answer>.
5. Do not include any additional commentary or explanation outside of these tags.

Question:

{QUESTION}"""
# ours: the same steps where there are no options
OPEN_PROMPT = """\
Please work through the following question in a clear chain of thought that leads to its answer:

1. Name what the question asks for, and what can be seen or is known that bears on it.
2. Reason from there step by step.
3. Then write the final answer, in the form the question asks for, between <answer> and </answer>, and nothing after it.

Question:

{QUESTION}"""
# ours
GENERAL_PROMPT = """\
{QUESTION}
Think step by step. Then write the final answer between <answer> and </answer>, and nothing after it."""

QUESTION = "{QUESTION}"

MALFORMED = "not one well-formed answer"
NO_REASONING = "no reasoning"
ONLY_THE_ANSWER = "reasoning that only repeats the answer"
NO_OPTION = "answer is none of the options"
WRONG = "wrong answer"
CONTRADICTS = "reasoning for another option"
REJECTIONS = (MALFORMED, NO_REASONING, ONLY_THE_ANSWER, NO_OPTION, WRONG, CONTRADICTS)  # in the order of the checks

_PAPER_LETTERS = "(A, B, C, and D)"
_FILLERS = (
    "the a an is so thus therefore hence final correct right best answer option choice letter it of and i choose "
    "答 案 选 项 是 为 因 此 所 以 正 确 的 应"
)
_EMPTY_WORDS = frozenset(_FILLERS.split())
_DANGLING = re.compile(r"(?:^|\n)[*#\s]*(?:the\s+)?(?:final\s+)?(?:answer|答案)(?:\s+is)?\s*[*]*\s*[:：][*\s]*$", re.I)


@dataclass(frozen=True)
class RationaleSettings(DrawSettings):
    """Settings of rationales. Only ``choice_prompt`` is the paper's: it does not say how candidates are drawn."""

    candidates: int = setting(4, whole())
    general: bool = setting(False, FLAG)  # the general chains of thought of the ablation
    choice_prompt: str = prompt_setting(CHOICE_PROMPT, QUESTION)
    open_prompt: str = prompt_setting(OPEN_PROMPT, QUESTION)
    general_prompt: str = prompt_setting(GENERAL_PROMPT, QUESTION)

    def prompt_name(self, sample: Sample) -> str:
        """Return the name of a sample's prompt: ``general``, ``choice`` (the paper's) or ``open``."""
        if self.general:
            return "general"
        return "choice" if sample.task == "multiple_choice" else "open"


@dataclass(frozen=True)
class Candidate:
    """One drawn reply, read; ``rejected`` is one of REJECTIONS, or "" for a rationale to keep."""

    reasoning: str
    rejected: str


def rationales(samples: Iterable[Sample], context: StepContext) -> Iterator[Sample]:
    """Yield each sample with the first accepted candidate as ``rationale``; counts in ``meta["rationale"]``.

    A sample without one is dropped, by what its best candidate lacked. Raises ConfigError without an engine or for a
    setting. Failed requests are dropped and counted.
    """
    engine = context.need_engine("rationales", "to draw candidates from")
    settings = RationaleSettings.read("rationales", context.settings)
    asked = {sample.id: sample for sample in samples}
    for sample, reply in settings.ask(engine, asked, lambda one: rationale_prompt(one, settings), context):
        enhanced = _enhanced(sample, reply, settings, context)
        if enhanced is not None:
            yield enhanced


def _enhanced(sample: Sample, reply: Reply, settings: RationaleSettings, context: StepContext) -> Sample | None:
    """Return the sample with its rationale; None, counted, when every candidate is rejected."""
    candidates = [judge(text, sample) for text in reply.texts]
    accepted = [candidate for candidate in candidates if not candidate.rejected]
    context.counted.update(f"candidates: {one.rejected or 'accepted'}" for one in candidates)
    if not accepted:
        best = max((REJECTIONS.index(one.rejected) for one in candidates), default=0)
        context.dropped[f"no rationale: {REJECTIONS[best]}"] += 1
        return None
    evidence = {"prompt": settings.prompt_name(sample), "accepted": len(accepted), "of": len(candidates)}
    return replace(sample, rationale=accepted[0].reasoning).with_meta(rationale=evidence)


def rationale_prompt(sample: Sample, settings: RationaleSettings) -> str:
    """Return the user turn, image tags included. Only the paper's prompt states the answer form itself."""
    name = settings.prompt_name(sample)
    if name != "choice":
        question = neutral(prompts.question_text(sample))
        return fill(settings.general_prompt if name == "general" else settings.open_prompt, {QUESTION: question})
    question = neutral(prompts.question_text(sample.with_meta(instruction="")))
    letters = _letters(len(sample.options or ()))
    return fill(settings.choice_prompt, {QUESTION: question, _PAPER_LETTERS: letters})


def judge(text: str, sample: Sample) -> Candidate:
    """Read one reply and check it, in the order of REJECTIONS."""
    read = take_apart(text)
    if read is None:
        return Candidate("", MALFORMED)
    reasoning, answer = read
    words = set(tokens(reasoning))
    if not words:
        return Candidate(reasoning, NO_REASONING)
    if words <= _EMPTY_WORDS | set(tokens(answer)) | set(tokens(_gold_words(sample))):
        return Candidate(reasoning, ONLY_THE_ANSWER)
    choice = sample.task == "multiple_choice"
    if choice and not read_option(answer, sample.options or (), strict=True).answer:
        return Candidate(reasoning, NO_OPTION)
    if score(prompts.tagged(reasoning, answer), sample).accuracy != 1.0:
        return Candidate(reasoning, WRONG)
    if choice and last_option(reasoning, sample.options or ()) not in ("", sample.answer):
        return Candidate(reasoning, CONTRADICTS)
    return Candidate(reasoning, "")


def take_apart(text: str) -> tuple[str, str] | None:
    """Return reasoning and answer of ``… <answer>B</answer>``, or None when it is not of that form.

    A reasoning model may think in ``<think>`` first: what it writes behind that is the chain it was asked for, and
    the thinking itself is taken only where there is nothing behind it.
    """
    opened, closed = "<answer>", "</answer>"
    text = text.strip()
    if text.count(opened) != 1 or text.count(closed) != 1 or not text.endswith(closed):
        return None
    before, _, answer = text.removesuffix(closed).partition(opened)
    thought, ended, shown = before.rpartition("</think>")
    thought = thought.strip().removeprefix("<think>")
    if not answer.strip() or "think>" in thought + shown:
        return None
    reasoning = shown if not ended or shown.strip() else thought
    return _DANGLING.sub("", reasoning.strip()).strip(), answer.strip()


def _gold_words(sample: Sample) -> str:
    if sample.task == "multiple_choice" and sample.options:
        return f"{sample.answer} {sample.options[OPTION_LETTERS.index(str(sample.answer))]}"
    return prompts.answer_text(sample)


def _letters(count: int) -> str:
    """Return the first letters in the paper's words: ``(A, B, C, and D)`` for a count of four."""
    *others, last = list(OPTION_LETTERS[: max(count, 1)])
    if len(others) < 2:
        return f"({' and '.join([*others, last])})"
    return f"({', '.join(others)}, and {last})"
