"""A model as the judge of open answers: in an evaluation (open_judge.py) and as a reward (reward.py).

``verdict_form`` quotes texts and reads verdicts for all judges; ``calibration`` measures one by ``agreement``.
"""
