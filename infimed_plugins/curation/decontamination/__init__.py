"""Training rows that a benchmark asks, too, are found and left out: step.py is the step, the rest what it needs."""
