"""The recipe on a laptop: a tiny base model, the stages of a run, and what stands in for a GPU."""
