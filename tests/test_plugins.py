"""Plugins are found by name; a duplicate, a misspelt hook or an unknown name says who and what."""

from __future__ import annotations

import importlib
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy
import pytest

from infimed_plugins import hookimpl, hookspecs, plugins
from infimed_plugins.errors import PluginError, UnknownPluginError


def module(name: str, **hooks: Callable[..., None]) -> ModuleType:
    made = ModuleType(name)
    for hook, function in hooks.items():
        setattr(made, hook, hookimpl(function))
    return made


def registry_with(*modules: ModuleType) -> plugins.Registry:
    manager = plugins.build_manager(entry_points=False)
    for extra in modules:
        manager.register(extra, name=extra.__name__)
    plugins.check(manager)
    return plugins.Registry(manager)


def one_reward(register: Callable[[str, Any], None]) -> None:
    register("same", lambda answer, truth: None)


def test_every_built_in_can_be_loaded() -> None:
    loaded = [thing.load() for thing in registry_with()]
    assert len(loaded) >= 4
    assert None not in loaded


def test_the_built_ins_are_this_distributions_entry_points() -> None:
    declared = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "entry-points"
    ]
    assert declared == {plugins.ENTRY_POINT_GROUP: {name: name for name in plugins.BUILT_IN_MODULES}}


@pytest.mark.parametrize("named", [0, 2, len(plugins.BUILT_IN_MODULES)])
def test_built_ins_that_an_installation_names_are_registered_once(named: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def older_installation(self: pluggy.PluginManager, group: str, name: str | None = None) -> int:
        self.register(module("alpha", register_rewards=one_reward), name="alpha")
        for built_in in plugins.BUILT_IN_MODULES[::-1][:named]:
            self.register(importlib.import_module(built_in), name=built_in)
        return named + 1

    expected = list(registry_with())
    monkeypatch.setattr(pluggy.PluginManager, "load_setuptools_entrypoints", older_installation)
    found = plugins.Registry(plugins.build_manager())
    ours = [thing for thing in found if thing.owner == "infimed_plugins"]
    assert sorted(map(repr, ours)) == sorted(map(repr, expected))
    assert [thing.owner for thing in found if thing.name == "same"] == ["alpha"]


def test_every_kind_has_a_hook_and_every_hook_a_kind_and_a_docstring() -> None:
    hooks = {name: hook for name, hook in vars(hookspecs).items() if name.startswith("register_")}
    assert set(plugins.KINDS.values()) == set(hooks)
    assert all(hook.__doc__ for hook in hooks.values())


def test_a_duplicate_name_raises_naming_both_owners() -> None:
    first, second = module("alpha.rewards", register_rewards=one_reward), module("beta", register_rewards=one_reward)
    with pytest.raises(
        PluginError, match="reward 'same' is registered by both 'alpha' and 'beta'; uninstall or rename"
    ):
        registry_with(first, second)


def test_a_name_of_a_built_in_cannot_be_taken() -> None:
    taking = module("alpha", register_sources=lambda register: register("phantom", object()))
    with pytest.raises(PluginError, match="source 'phantom' is registered by both 'infimed_plugins' and 'alpha'"):
        registry_with(taking)


def test_two_kinds_may_share_a_name() -> None:
    both = module("a", register_rewards=one_reward, register_sources=lambda register: register("same", object()))
    assert "same" in registry_with(both).names("reward")


def test_a_misspelt_hook_raises_with_the_hooks_there_are() -> None:
    with pytest.raises(PluginError, match=r"register_reward'.*hooks are: register_rewards, register_sources"):
        registry_with(module("alpha", register_reward=lambda register: None))


@pytest.mark.parametrize("kind", plugins.KINDS)
def test_an_unknown_name_lists_what_exists(kind: str) -> None:
    known = registry_with()
    with pytest.raises(UnknownPluginError, match=f"unknown {kind} 'no such'; available: ") as caught:
        known.get(kind, "no such")
    assert caught.value.available == sorted(known.names(kind))


@pytest.mark.parametrize("path", ["no_such_module:thing", "infimed_plugins.records:no_such_thing", "no colon"])
def test_a_thing_that_cannot_be_imported_is_named_with_its_owner(path: str) -> None:
    broken = module("alpha", register_rewards=lambda register: register("broken", path))
    with pytest.raises(PluginError, match="reward 'broken' of alpha cannot be loaded from"):
        registry_with(broken).get("reward", "broken")


def test_an_entry_point_that_does_not_import_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: pluggy.PluginManager, group: str, name: str | None = None) -> int:
        raise ImportError("cannot import name 'gone' from 'alpha'")

    monkeypatch.setattr(pluggy.PluginManager, "load_setuptools_entrypoints", broken)
    with pytest.raises(PluginError, match=r"a plugin of group 'infimed_plugins' cannot be loaded: .*'alpha'"):
        plugins.build_manager()


GUIDE = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLES = [code for code in re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL) if "@hookimpl" in code]


def test_the_guide_adds_each_kind_of_plugin_in_under_twenty_lines() -> None:
    hooks = {hook for code in EXAMPLES for hook in re.findall(r"def (register_\w+)", code)}
    assert hooks == set(plugins.KINDS.values())
    assert [len(code.splitlines()) for code in EXAMPLES if len(code.splitlines()) >= 20] == []


@pytest.mark.parametrize("code", EXAMPLES, ids=lambda code: re.findall(r"def (register_\w+)", code)[0])
def test_an_example_of_the_guide_registers_what_it_shows(code: str) -> None:
    module = ModuleType("guide")
    exec(code, module.__dict__)
    manager = plugins.build_manager(entry_points=False)
    before = {(thing.kind, thing.name) for thing in plugins.Registry(manager)}
    manager.register(module, name="guide")
    plugins.check(manager)
    (added,) = [thing for thing in plugins.Registry(manager) if (thing.kind, thing.name) not in before]
    assert (added.owner, added.load() is not None) == ("guide", True)
