"""Verifiable rewards (first paper, 3.2.2 and A.3)."""

from __future__ import annotations

from infimed_plugins.hookspecs import Register, hookimpl


@hookimpl
def register_rewards(register: Register) -> None:
    """The built-in rewards, by the task they judge."""
