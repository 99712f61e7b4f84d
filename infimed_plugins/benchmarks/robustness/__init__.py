"""Robustness: the questions of a benchmark changed in a way that must not change their answers."""
