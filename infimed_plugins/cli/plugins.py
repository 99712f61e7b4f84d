"""``infimed plugins``: everything registered, with the package that owns it."""

from __future__ import annotations

from infimed_plugins.cli.options import AsJson
from infimed_plugins.console import print_json, print_table


def list_plugins(as_json: AsJson = False) -> None:
    """List rewards, sources, curation steps, engines, benchmarks and scorers, and who registered them."""
    from infimed_plugins.plugins import registry

    things = [{"kind": thing.kind, "name": thing.name, "owner": thing.owner} for thing in registry()]
    if as_json:
        print_json(things)
    else:
        print_table("Plugins", ["kind", "name", "owner"], [list(thing.values()) for thing in things])
