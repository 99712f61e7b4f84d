"""How free replies are worded, family by family: what states an option or a yes or no is read, a hedge is not.

The templates are ours, in other words than the parity cases; each is filled in with several sets of options, and with
each option as the one that is meant. ``{L}`` is its letter, ``{T}`` its text, ``{t}`` the text in lower case, ``{V}``,
``{W}`` and ``{w}`` those of another option, ``{X}`` the letter of a third.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infimed_plugins.records import Sample
from infimed_plugins.scoring.robust import score

OPTIONS = [
    ("Adenoma", "Lipoma", "Hemangioma", "Metastasis"),
    ("Ultrasound", "Mammography", "PET-CT", "Fluoroscopy"),
    ("Grade I", "Grade II", "Grade III", "Grade IV"),
    ("Right kidney", "Left kidney", "Both kidneys", "Urinary bladder"),
    ("12 mm", "1.2 cm or more", "3", "0.5"),
    ("Start intravenous heparin", "Observe", "Repeat the scan in six weeks", "None of the above"),
]
CHINESE = [("腺瘤", "脂肪瘤", "血管瘤", "转移瘤"), ("左肾", "右肾", "膀胱", "肝脏")]

READ = {
    "announced": [
        "The answer is probably {L}.", "The correct choice is therefore {L}.", "The answer should be {L}.",
        "I'd choose {L}.", "I will go with {L}.", "I'm going with option {L}.", "We select {L}.", "My pick: {L}",
        "I am confident the answer is {L}.", "I believe that {L} is correct.", "The answer appears to be {L}.",
        "Final choice - {L}", "answer = {L}", "ANSWER: {L}", "Answer -> {L}", "So, the right option is ({L}).",
        "The most suitable option is {L}.", "Therefore, I choose {L}: {T}.", "The best choice here is {L}.",
        "My final answer would be {L}.", "Thus {L}.", "It must be {L}.", "The answer is definitely {L}!",
        "I'd say {L}.", "I'd pick {L} here.", "The answer to this question is clearly {L}.", "It's {L}, I believe.",
        "The correct response is {L}.", "I'll settle on {L}.", "Option {L}, most likely.", "The answer remains {L}.",
        "In my opinion, the answer is {L}.", "I lean towards {L}.", "I vote for {L}.",
    ],
    "contrasted": [
        "{L}, not {V}.", "The answer is {L} and not {V}.", "{L} rather than {V}.", "Not {V} but {L}.",
        "{L} instead of {V}, since the margins are sharp.", "{L} fits better than {V}.",
        "{V} is wrong. {L} is correct.", "{V} does not fit, so {L}.", "{L}. The other options do not fit.",
        "{V} can be ruled out. {X} is unlikely as well. The answer is {L}.", "While {V} is tempting, {L} is correct.",
        "The answer is {L}. {V} is incorrect because the signal is low.", "I first considered {V}, but I choose {L}.",
        "{L} is the correct answer, as opposed to {V}.", "Unlike {V}, {L} is consistent with the image. Answer: {L}",
        "Answer: {L}\n\nWhy not {V}: it does not enhance.", "{L} is correct because {V} and {X} do not enhance.",
        "{L}. {V} and {X} are excluded by the enhancement.", "It is {L}, since {V} would enhance.",
        "{L} — {V} is less likely.", "Neither {V} nor {X} fits; the answer is {L}.",
        "{L} is the best option; {V} and {X} are wrong.", "Correct answer: {L} (not {V}).",
    ],
    "explained": [
        "{L}\n\nOption {V} is wrong because it would enhance.\nOption {X} is wrong because of the age.",
        "{L}. {T}\n\nThe lesion does not enhance. {V} would be cystic.",
        "**Answer: {L}**\n\n**Why the others are wrong:**\n- {V}: it would enhance.\n- {X}: it would be cystic.",
        "The answer is {L}. Let me explain. The lesion is solid.", "{L}) {T}\n\n{V}) {W} is incorrect.",
        "{L} is right. The lesion is solid.", "The lesion is solid.\n\nTherefore: {L}",
        "The lesion is solid and does not enhance, which makes {L} the best answer.",
        "Step 1: look at the margins.\nStep 2: look at the signal.\nAnswer: {L}.",
        "Explanation: it is solid.\nAnswer: {L}",
    ],
    "marked": [
        "**{L}**: {T}", "__{L}__", "### {L}", "# Answer: {L}", "> {L}", "- {L}", "* **{L}. {T}**", "**Answer** — {L}",
        "| **Answer** | **{L}** |", "`{L}. {T}`", "**The answer is ({L}).**", "_Answer_: {L}", "***{L}***",
        "<b>{L}</b>", "\\textbf{{Answer: {L}}}", "$\\boxed{{\\mathbf{{{L}}}}}$", "\\(\\boxed{{\\text{{{L}}}}}\\)",
        "\\text{{({L})}}", "Final answer: $\\boxed{{{L}}}$.", "\\boxed{{{L}: \\text{{{T}}}}}", "$$\\boxed{{{L}}}$$",
        "\\boxed{{\\ {L}\\ }}", '{{"answer": "{L}"}}', '{{"reasoning": "It is solid.", "answer": "{L}"}}',
        "```json\n{{\"answer\": \"{L}\"}}\n```", '{{"final_answer": "{L}. {T}"}}', "{{'answer': '{L}'}}",
        "answer: \"{L}\"", "[{L}]", "({L}) is the answer.", "<answer>Option {L}</answer>",
        "<answer>I would choose {L}.</answer>", "<ANSWER>{L}</ANSWER>", "<think>Maybe {V}?</think> The answer is {L}.",
        "<think>{V} or {X}.</think>\n\n**{L}**",
    ],
    "text": [
        "I think it is {t}.", "The answer is most likely {t}.", "This seems to be {t}.", "{T} is the best answer.",
        "{T} is the correct answer.", "Most likely {t}.", "It looks like {t}.", "My answer is {t}.",
        "I would say {t}.", "{T}, because the margins are sharp.", "{T} (option {L})", "{T} — option {L}",
        "The correct option is {T}.", "I would go with {t}.", "{T}, rather than {w}.", "Answer: {t}.",
        "It is probably {t}.", "**{T}**", "\"{T}\"", "Therefore, the answer is {t}.", "Based on the image, it is {t}.",
        "The answer: {T}", "{T} seems correct.",
    ],
    "revised": [
        "At first I thought {V}. However, the answer is {L}.", "Answer: {V}. Wait, that is wrong. Answer: {L}",
        "The answer is {V}... no, actually the answer is {L}.",
        "\\boxed{{{V}}}\n\nLet me check that again. It is solid.\n\n\\boxed{{{L}}}",
        "<answer>{V}</answer>\nOn reflection, the lesion is solid.\n<answer>{L}</answer>",
        "My first guess was {V}, but the answer is {L}.",
        "Initially {V} seemed right. On closer look, the answer is {L}.",
    ],
    "listed": [
        "A. no\nB. no\nThe answer is {L}.", "({V}) {W} - incorrect\n({L}) {T} - correct", "{V}. {W} ✗\n{L}. {T} ✓",
        "{L}. {T} (correct)\n{V}. {W} (incorrect)",
        "{V}. {W}: does not fit.\n{L}. {T}: this is the correct answer.\n{X}. Other: wrong.",
        "- {V}: unlikely\n- {X}: unlikely\n\nSo {L} is the answer.",
    ],
    "other words": [
        "I'd opt for {L}.", "Personally, I would go for {L}.",
        "After reviewing the image, I conclude that the answer is {L}.", "The image best matches option {L}.",
        "Only {L} makes sense.", "{L} is the only option that fits.", "{L} is the one.", "It has to be {L}.",
        "I'm certain it is {L}.",
        "Clearly, {L}.", "No doubt: {L}.", "Without doubt, the answer is {L}.", "Hence my answer is {L}.",
        "Hence: {L}", "Ergo, {L}.", "Accordingly, {L} is the right answer.",
        "The option that best describes this is {L}.", "The best description is {L}.",
        "The choice that fits is {L}: {T}.", "Verdict: {L}", "My verdict is {L}.", "My conclusion is {L}.",
        "Decision: {L}", "The final decision is {L}.", "Pick {L}.", "Choose {L}.", "Select {L}: {T}", "Choosing {L}.",
        "{L} wins.", "{L} it must be.", "{L}, obviously.", "{L}, without a doubt.",
        "{L} seems most plausible.", "{L} appears to be the best fit.", "{L} looks right to me.",
        "{L} would be the most appropriate choice.", "{L} is most consistent with the findings.",
        "{L} explains the findings best.", "The answer I would give is {L}.", "The answer that I choose is {L}.",
        "Answer is: {L}.", "Answer is {L} ({T}).", "Ans. {L}", "Answer:{L}", "answer：{L}", "The answer :{L}",
        "**Ans:** {L}", "ANS = {L}", "*Final Answer*: {L}", "Final: {L}", "-> {L}", "=> {L}", "⇒ {L}",
        "Therefore → {L}", "Option ({L})", "Option: {L}", "Opt {L}", "[[{L}]]", "<{L}>", "«{L}»", "{L}\n",
        "\n\n{L}\n\n", "{L}.\nReason: the pattern is typical.", "{L} because the pattern is typical and {V} lacks it.",
        "{L} - the pattern is typical.", "I exclude {V} and {X}; that leaves {L}.",
        "{V} is out, {X} is out, so the answer is {L}.",
        "We can eliminate {V}. We can eliminate {X}. The remaining answer is {L}.",
        "Although {V} is common, the answer is {L}.", "Despite {V} being common, I choose {L}.",
        "{V} was considered but {L} is better supported. Final answer: {L}.", "It isn't {V}; it's {L}.",
        "It's not {V}, it's {L}.", "This isn't {V}. It's {L}.", "{V} would show scaling; {L} is the answer.",
        "Between {V} and {L}, {L} is correct.", "Of {V} and {L}, I choose {L}.", "{L} over {V}.", "{T} over {W}.",
        "It is {t}, not {w}.", "This is {t} rather than {w}.", "{T} instead of {w}.", "It's {t}!",
        "Looks like {t} to me.", "I'd call this {t}.", "The finding is {t}.", "Final diagnosis: {T}",
        "The right answer would be {t}.", "{T} would be the answer.", "{T} is what I would choose.",
        "{T}; the pattern is typical.", "The pattern is typical of {t}.",
        "The correct option is {L}, i.e. {t}.", "The correct option is {L}, which is {t}.", "Answer {L}, {t}.",
        "({L}) — {T}", "{L} ({T})", "{L}/{T}", "{L} = {T}", "{L} | {T}", "{T} [{L}]", "{T}, i.e. {L}",
        "{T}, which is option {L}.", "{T} is option {L}.", "My selection is {L}.", "The response should be {L}.",
        "I submit {L}.", "The answer here: {L}", "Answer (final): {L}", "Final answer — {L}.",
        "I'm sticking with {L}.", "I will answer {L}.", "We would pick {L}.", "I suspect {L}.", "This must be {L}.",
        "That makes it {L}.", "So I'd answer {L}, given the margins.", "It seems that {L} is correct.",
        "It appears the answer is {L}.", "Looking at the margins, I'd choose {L}.",
        "Based on the signal, {L} is correct.", "Given the signal, the answer must be {L}.",
        "{L} is definitely correct.", "{L} is clearly the answer.", "{L}, since it matches the signal.",
        "{L} as it matches the signal.", "{L} is correct, whereas {V} is not.",
        "{L} is correct while {V} and {X} are incorrect.", "{L} (not {V})",
        "The answer is {L}; {V} would look different.", "The answer is {L}. In contrast, {V} would look different.",
        "The correct answer is {L}, because {V} and {X} look different.", "Rather than {V}, I choose {L}.",
        "Instead of {V}, the answer is {L}.", "{V} is incorrect; {X} is incorrect; {L} is correct.",
        "{V}: wrong\n{X}: wrong\n{L}: right", "**{L}** is the correct answer.", "**{L}. {T}** is correct.",
        "**Answer: {L}. {T}** because the margins are smooth.", "Answer:\n{L}", "Answer:\n\n**{L}**",
        "## Final Answer: {L}", "The final answer is: **{L}**", "Final Answer\n\n{L}. {T}", "$\\boxed{{{L}}}$",
        "The answer is \\boxed{{{L}}} because the margins are smooth.", "\\boxed{{{L}. {T}}}",
        "\\boxed{{\\text{{{T}}}}}", "<answer>{L}. {T}</answer>", "<answer>({L})</answer>",
        "<think>First {V}, then {X}.</think><answer>{T}</answer>", "<reasoning>Maybe {V}.</reasoning> {L}",
        "Reasoning: the margins are smooth.\n\nAnswer: {L}", "{T} fits best.", "I'd say it's {t}.",
        "I believe this is {t}.", "The most likely answer is {t}.", "In my opinion it is {t}.", "It should be {t}.",
        "{T} is most likely.", "{T} is the most likely option.", "{T} is right.", "The image suggests {t}.",
        "The correct choice is {t}, since the margins are smooth.",
    ],
}  # fmt: skip
READ_CHINESE = [
    "答案是{L}", "答案为{L}。", "正确答案应为{L}", "选{L}", "选择{L}。", "我选{L}。", "应该选择{L}", "本题选{L}",
    "故选{L}。", "因此,答案为{L}", "所以选{L}。", "正确的是{L}。", "答:{L}", "{L}是正确的。", "{L}正确",
    "选项{L}是正确答案", "{L}项符合", "最符合的是{L}", "最合适的选项是{L}", "根据图像,我认为答案是{L}",
    "综合考虑,选{L}", "{L}。边界清晰。", "【答案】{L}", "答案:{L}.{T}", "最可能是{T}。", "诊断为{T}。", "这是{T}。",
    "图像显示{T}。", "考虑{T}。", "我认为是{T}。", "{T}", "{T}。", "答案是{T}。", "不是{V},而是{L}。",
    "{V}不正确,应选{L}。", "{V}可以排除。答案是{L}。",
    "答案应该是{L}。", "我的答案是{L}", "因此正确选项为{L}", "所以,正确答案是{L}:{T}。", "{L}选项最符合。",
    "应选择{L}。", "经分析,答案为{L}。", "{L}是最佳答案。", "选择选项{L}", "最终答案:{L}", "答案：**{L}**",
    "我选择{T}。", "正确答案是{T}。",
]  # fmt: skip
NOT_READ = [
    "{L} and {V} are both possible.", "Either {L} or {V}.", "It's either {L} or {V}.", "Could be {L}.",
    "It may be {L}.", "Perhaps {L}.", "{L}? {V}?", "{L}/{V}", "{L} & {V}", "{L}; {V}", "Possibly {T}.", "{T} or {w}",
    "{T} and {w}", "It is not {L}.", "I would not choose {L}.", "I'd rule out {L}.", "{L} is unlikely.",
    "{L} doesn't fit.", "{L} is not the answer.", "The answer isn't {L}.", "The answer cannot be {L}.",
    "Anything except {L}.", "I do not think it is {L}.", "I doubt it is {L}.",
    "If it enhanced, the answer would be {L}.", "The answer would be {L} if it enhanced.", "Some would say {L}.",
    "One might think the answer is {L}.", "The wrong answer is {L}.", "The least likely answer is {L}.",
    "The second best answer is {L}.", "I'm torn between {L} and {V}.", "The answer is {L} or maybe {V}.",
    "The answer is {L}. The answer is {V}.", "Answer: {L}\nAnswer: {V}", "\\boxed{{{L}}} \\boxed{{{V}}}",
    "\\boxed{{{L}}} or \\boxed{{{V}}}", "<answer>{L}</answer> <answer>{V}</answer>", "<answer>{L} or {V}</answer>",
    "{L} is correct. {V} is correct.", "All of them.", "I cannot answer this question.",
    "There is not enough information to choose {L}.", "As an AI, I cannot interpret images.", "What about {L}?",
    "Is the answer {L}?", "Why is {L} wrong?", "No.", "", "<think>The answer is {L}.",
    "<think>The answer is {L}.</think>", '{{"answer": ""}}', '{{"answer": ["{L}", "{V}"]}}', "答案不是{L}。",
    "我不认为是{L}。", "{L}不正确。", "{L}错误", "可能是{L}。", "{L}或者{V}", "{L}和{V}都有可能", "是{L}吗？",
    "无法确定答案。", "答案是{L}或{V}", "不应选{L}", "A. x\nB. y\nC. z\nD. w", "{T} is unlikely.",
    "{T} can be excluded.", "No {t} is seen.", "Not {T}.", "There is no evidence for {t}.", "{L}, maybe {V}",
    "Maybe {L}", "My guess is {L} or {V}.",
    "{L} or {V}, hard to say.", "Either could be right: {L} or {V}.", "{L} seems possible, but so does {V}.",
    "{L}? I am not convinced.", "I would not pick {L}.", "Not {L} for sure.", "{L} is out.", "{L} makes no sense.",
    "{L} is excluded.", "We can eliminate {L}.", "{L} doesn't match.", "{L} isn't it.",
    "{L} is far less likely than {V}.", "It's hardly {L}.", "Unlikely to be {L}.", "The answer is anything but {L}.",
    "I'd be surprised if it were {L}.", "Had there been scaling, {L} would be correct.",
    "{L} would have shown scaling.", "{L} typically shows scaling.", "{L} and {V} share this finding.",
    "Compare {L} with {V}.", "{L} vs. {V}", "{L} / {V} / {X}", "{L}, {V}, {X}", "Options {L} and {V} are plausible.",
    "{L} is plausible.", "{L} is a possibility.", "It might well be {L}.", "One possibility is {L}.",
    "Candidates: {L}, {V}", "Top two: {L}, {V}", "First choice {L}, second choice {V}... I can't decide.",
    "{T} is a skin disease.", "{T} is common.", "{T} can look like this.", "Patients with {t} often improve.",
    "No sign of {t}.", "{T} was not found.", "It rules out {t}.", "{T}? Unlikely.", "{T} or perhaps {w}.",
    "Differential: {T}, {W}.", "You should pick {L} only if there is scaling.", "Do not select {L}.",
    "Who would say {L}?", "<think>{L}", "<answer></answer> maybe {L}",
    "I need more information to choose between {L} and {V}.", "无法在{L}和{V}之间选择",
    "{L} is one option; {V} is another.", "I am undecided between {L} and {V}.", "Could it be {L}?",
    "Suppose it is {L}.", "Assume {L} is correct.", "Assuming {L}, we would expect smooth margins.",
    "{L} was ruled out.", "{L} must be wrong.", "Not option {L}.", "Definitely not {L}.", "{L} can't be the answer.",
    "{L} is the least likely option.", "I'd avoid {L}.", "Everything but {L}.", "{L} is not supported.",
    "It looks like {L}, but it could be {V}.", "{L} unless the margins are irregular.", "{L} or {V} or {X}",
    "{L} and/or {V}", "{L} (or {V})", "The options are {L} and {V}.", "Let me compare {L} with {V}.",
    "Option {L} describes smooth margins.", "Option {L} is common in children.",
    "{L} has smooth margins; {V} has irregular ones.", "The answer isn't clear: {L} or {V}?",
    "The answer could be {L} or {V}.", "I do not know whether {L} or {V} is right.", "Neither {L} nor {V}.",
    "{T} is less likely.", "{T} seems unlikely.", "{T} is ruled out.", "{T} may be considered.", "No evidence of {t}.",
    "Neither {t} nor {w}.", "It is unclear whether this is {t}.", "This does not look like {t}.",
    "I would not call this {t}.", "{T} or something else.", "{T} vs {w}", "答案可能是{L}或{V}。", "{L}不是答案。",
    "不能确定是{L}。", "{L}和{V}。", "{L}不符合。", "既不是{L}也不是{V}。", "并非{L}",
    "Sorry, I can't help with that.", "None of these.", "All of the above.",
]  # fmt: skip

YES = [
    "Definitely.", "Certainly, there is.", "Yes, without a doubt.", "Yes, it's enlarged.", "I'd say yes.",
    "I think yes.", "I believe so.", "It seems so.", "Absolutely.", "Of course.", "Clearly yes.",
    "The answer would be yes.", "There seems to be a mass.", "There's a mass.", "There is indeed a mass.",
    "We can see a mass.", "I see a mass.", "One can identify a mass.", "A mass can be seen.",
    "A mass is clearly visible.", "Mass present.", "Mass is noted.", "The scan demonstrates a mass.",
    "This image reveals a mass.", "The liver contains a mass.", "In this image, there is a mass.",
    "Based on the image, there is a mass.", "I think there is a mass.", "It appears that there is a mass.",
    "Evidence of a mass is seen.", "是的,有肿块。", "有肿块。", "可见肿块", "图像中存在肿块。", "能看到肿块。",
    "肝脏内有肿块。", "正确。", "是", '{"answer": "yes"}', "The answer is 'Yes'.", "**Yes** – a mass is visible.",
    "<answer>Yes.</answer>", "The margins are irregular. Therefore, there is a mass.",
    "Yes. No other lesions are seen.",
]  # fmt: skip
NO = [
    "Absolutely not.", "Certainly not.", "Probably not.", "I'd say no.", "I think not.", "I don't think so.",
    "Not at all.", "No, it isn't.", "No - it is clear.", "There's no mass.", "There are no masses.",
    "There is not a mass.", "There doesn't appear to be a mass.", "There does not seem to be any mass.", "No mass.",
    "No masses are seen.", "No evidence of a mass.", "No signs of mass.", "There is no evidence of a mass.",
    "I see no mass.", "I can't see a mass.", "I cannot identify a mass.", "We do not see any mass.",
    "I don't see a mass.", "A mass is not seen.", "A mass isn't visible.", "A mass cannot be seen.", "Mass absent.",
    "The scan shows no mass.", "The scan does not show a mass.", "The liver does not contain a mass.",
    "The image fails to show a mass.", "Negative for mass.", "Free of mass.", "The liver is normal, without a mass.",
    "In this image, there is no mass.", "I think there is no mass.", "没有肿块。", "未见肿块", "无肿块。",
    "图像中不存在肿块。", "未发现明显肿块。", "看不到肿块", "否", "不是。", "错误。", "没有", '{"answer": "no"}',
    "The answer is 'No'.", "The margins are smooth. Therefore, there is no mass.",
]  # fmt: skip
NEITHER = [
    "Possibly.", "Maybe.", "It might be.", "There may be a mass.", "There could be a mass.",
    "A mass cannot be excluded.", "I can't tell.", "I cannot see the image.", "Hard to say.", "Not sure.",
    "It depends.", "Yes and no.", "Yes. No.", "Is there a mass?",
    "The image shows the abdomen in the axial plane, which may be normal.", "No idea.",
    "It is impossible to determine.", "Insufficient information.", "可能有肿块。", "疑似肿块", "有没有肿块？",
    "不确定。", "无法判断", "", "The image shows the abdomen.", "It has been three weeks.",
    "This has a broad differential.", "There is no doubt.", "I do not know whether there is a mass.",
]  # fmt: skip


def filled(template: str, options: tuple[str, ...]) -> Iterator[tuple[str, Sample]]:
    """The template with each option as the one that is meant."""
    for meant, text in enumerate(options):
        other, third = (meant + 1) % 4, (meant + 2) % 4
        lower = text if text.isupper() or text == "PET-CT" else text[0].lower() + text[1:]
        another = options[other]
        reply = template.format(
            L="ABCD"[meant],
            T=text,
            t=lower,
            V="ABCD"[other],
            X="ABCD"[third],
            W=another,
            w=another[0].lower() + another[1:],
        )
        yield (
            reply,
            Sample("s", "t", "test", "Which one?", "multiple_choice", "ABCD"[meant], options=options),
        )


def read(template: str, options: tuple[str, ...]) -> list[str]:
    """The replies whose option is not read."""
    return [reply for reply, sample in filled(template, options) if score(reply, sample).accuracy != 1.0]


@pytest.mark.parametrize("template", [template for family in READ.values() for template in family])
def test_what_states_an_option_is_read(template: str) -> None:
    assert [reply for options in OPTIONS for reply in read(template, options)] == []


@pytest.mark.parametrize("template", READ_CHINESE)
def test_what_states_an_option_in_chinese_is_read(template: str) -> None:
    assert [reply for options in CHINESE for reply in read(template, options)] == []


@pytest.mark.parametrize("template", NOT_READ)
def test_a_hedge_or_a_rejection_is_not_read_as_its_option(template: str) -> None:
    for options in [*OPTIONS, *CHINESE]:
        for reply, sample in filled(template, options):
            judged = score(reply, sample)
            assert judged.accuracy == 0.0, (reply, judged)


def said(reply: str, gold: str) -> bool:
    """Whether a reply is right for a question about a mass."""
    sample = Sample("s", "t", "test", "Is there a mass in the liver?", "text", gold)
    return score(reply, sample).accuracy == 1.0


@pytest.mark.parametrize("reply", YES)
def test_a_yes_is_a_yes(reply: str) -> None:
    assert (said(reply, "yes"), said(reply, "no")) == (True, False)


@pytest.mark.parametrize("reply", NO)
def test_a_no_is_a_no(reply: str) -> None:
    assert (said(reply, "yes"), said(reply, "no")) == (False, True)


@pytest.mark.parametrize("reply", NEITHER)
def test_what_is_neither_is_right_for_neither(reply: str) -> None:
    assert (said(reply, "yes"), said(reply, "no")) == (False, False)


@pytest.mark.parametrize(
    ("question", "reply", "gold"),
    [
        ("Is the aorta dilated?", "The aorta is dilated.", "yes"),
        ("Is the aorta dilated?", "The aorta is not dilated.", "no"),
        ("Does the lesion enhance?", "The lesion does not enhance.", "no"),
        ("Are the kidneys symmetric?", "The kidneys are symmetric.", "yes"),
        ("Is there a fracture?", "The cortex is intact, with no fracture.", "no"),
        ("Is there a fracture?", "There is a fracture without displacement.", "yes"),
        ("Is the heart normal?", "The heart is abnormal.", "no"),
    ],
)
def test_the_words_of_the_question_settle_it(question: str, reply: str, gold: str) -> None:
    sample = Sample("s", "t", "test", question, "text", gold)
    assert score(reply, sample).accuracy == 1.0


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("Yes, there is no fracture.", "A"),
        ("No, it is not a fracture.", "B"),
        ("There is no fracture.", "B"),
        ("B. No, there is none.", "B"),
        ("Yes.", "A"),
        ("Definitely not.", "B"),
    ],
)
def test_yes_and_no_as_options_are_read_as_what_is_said(reply: str, letter: str) -> None:
    sample = Sample("s", "t", "test", "?", "multiple_choice", letter, options=("Yes", "No"))
    assert score(reply, sample).accuracy == 1.0
