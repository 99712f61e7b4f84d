"""The option a reply commits to: choices.py reads a short answer, stated.py a free reply, the rest what it needs."""
