"""Evaluate models on benchmarks and score kept replies: what ``infimed eval`` and ``infimed score`` do."""
