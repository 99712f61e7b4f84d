"""Replies of other evaluation frameworks, taken in as runs."""
