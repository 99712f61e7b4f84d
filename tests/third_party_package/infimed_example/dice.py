"""A reward: the Dice overlap of word sets."""

from infimed_plugins import GroundTruth, Verdict, hookimpl


def dice(answer: str, truth: GroundTruth) -> Verdict:
    words, gold = set(answer.lower().split()), set(str(truth.answer).lower().split())
    return Verdict(2 * len(words & gold) / max(1, len(words) + len(gold)), parsed=answer)


@hookimpl
def register_rewards(register):
    register("dice", dice)
