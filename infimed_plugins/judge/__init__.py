"""A model as the judge of open answers: in an evaluation (open_judge.py) and as a reward (reward.py).

``calibration`` measures it against labelled verdicts, by ``agreement``.
"""
