"""Find plugins through pluggy and look things up by name.

Built-ins are entry points of this package's own distribution and use the same hooks as third parties.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from typing import Any

import pluggy

from infimed_plugins import hookspecs
from infimed_plugins.errors import PluginError, UnknownPluginError

ENTRY_POINT_GROUP = "infimed_plugins"
BUILT_IN_MODULES = (  # as in pyproject.toml, for a source tree whose installation is older or missing
    "infimed_plugins.rewards",
    "infimed_plugins.sources",
    "infimed_plugins.curation",
    "infimed_plugins.engines",
    "infimed_plugins.benchmarks",
    "infimed_plugins.families",
)
KINDS = {
    "reward": "register_rewards",
    "source": "register_sources",
    "curation step": "register_curation_steps",
    "engine": "register_engines",
    "benchmark": "register_benchmarks",
    "scorer": "register_scorers",
    "model family": "register_families",
}


@dataclass(frozen=True)
class Registered:
    """One registered thing: its kind and name, the package that owns it, and the thing or its import path."""

    kind: str
    name: str
    owner: str
    thing: Any

    def load(self) -> Any:
        """Return the thing itself; a string ``module:attribute`` is imported now."""
        if not isinstance(self.thing, str):
            return self.thing
        module, _, attribute = self.thing.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise PluginError(
                f"{self.kind} {self.name!r} of {self.owner} cannot be loaded from {self.thing!r}: {error}"
            ) from error


class Registry:
    """Everything that was registered, by kind and name, in the order of registration."""

    def __init__(self, manager: pluggy.PluginManager) -> None:
        self._things: dict[tuple[str, str], Registered] = {}
        owners = {id(plugin): dist.project_name for plugin, dist in manager.list_plugin_distinfo()}
        owners |= {id(manager.get_plugin(module)): module.partition(".")[0] for module in BUILT_IN_MODULES}
        for kind, hook_name in KINDS.items():
            found = getattr(manager.hook, hook_name).get_hookimpls()
            # built-ins are named as the first owner of a duplicate
            for one in sorted(found, key=lambda one: one.plugin_name not in BUILT_IN_MODULES):
                self._collect(kind, owners.get(id(one.plugin), one.plugin_name.partition(".")[0]), one.function)

    def _collect(self, kind: str, owner: str, function: Any) -> None:
        def register(name: str, thing: Any) -> None:
            known = self._things.get((kind, name))
            if known is not None:
                raise PluginError(
                    f"{kind} {name!r} is registered by both {known.owner!r} and {owner!r}; uninstall or rename one"
                )
            self._things[kind, name] = Registered(kind, name, owner, thing)

        function(register=register)

    def __iter__(self) -> Any:
        return iter(self._things.values())

    def names(self, kind: str) -> list[str]:
        """Return the registered names of one kind."""
        return [name for of_kind, name in self._things if of_kind == kind]

    def find(self, kind: str, name: str) -> Registered:
        """Return the entry, not loaded. Raises UnknownPluginError, listing the names that exist."""
        try:
            return self._things[kind, name]
        except KeyError:
            raise UnknownPluginError(kind, name, self.names(kind)) from None

    def get(self, kind: str, name: str) -> Any:
        """Return the thing itself. Raises UnknownPluginError, or PluginError when it cannot be imported."""
        return self.find(kind, name).load()


def build_manager(*, entry_points: bool = True) -> pluggy.PluginManager:
    """Return a plugin manager with the built-ins and, unless told otherwise, every installed third party."""
    manager = pluggy.PluginManager("infimed_plugins")
    manager.add_hookspecs(hookspecs)
    if entry_points:
        try:
            manager.load_setuptools_entrypoints(ENTRY_POINT_GROUP)
        except Exception as error:  # a broken third party must not hide which one it is
            raise PluginError(f"a plugin of group {ENTRY_POINT_GROUP!r} cannot be loaded: {error}") from error
    for module in BUILT_IN_MODULES:
        if not manager.has_plugin(module):
            manager.register(importlib.import_module(module), name=module)
    return manager


def check(manager: pluggy.PluginManager) -> None:
    """Raise PluginError for a hook implementation that no specification knows (a misspelled name)."""
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(f"{error}; hooks are: {', '.join(KINDS.values())}") from error


@cache
def registry() -> Registry:
    """Return the process-wide registry: built-ins first, then installed third parties. Raises PluginError."""
    manager = build_manager()
    check(manager)
    return Registry(manager)
