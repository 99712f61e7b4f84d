"""The recipe on a laptop: a tiny base model, the stages of a run, and the stand-ins for a GPU."""
