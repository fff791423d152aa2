"""Each part that a feature adds to the core is one that a place of the core asks for.

The parts are named in texts, which no type checker reads: these tests import each of them.
"""

import inspect
from importlib import import_module
from pathlib import Path

import pytest

import posezoo
from posezoo.core import features
from posezoo.core.plugins import PLUGIN_GROUPS, Hook, LazyTable

SOURCE = Path(posezoo.__file__).parent
PLACES = (Hook, LazyTable)
HOOKS = dict(features.PARTS["hooks"])
TABLES = {name: parts for name, parts in features.PARTS.items() if name != "hooks"}


def find_places():
    """The places that ask for parts, in the modules that name one of their classes."""
    for path in sorted(SOURCE.rglob("*.py")):
        code = path.read_text("utf-8")
        if any(f"{kind.__name__}(" in code for kind in PLACES):
            parts = path.relative_to(SOURCE.parent).with_suffix("").parts
            module = import_module(".".join(parts).removesuffix(".__init__"))
            yield from (value for value in vars(module).values() if isinstance(value, PLACES))


ASKED = list({id(place): place for place in find_places()}.values())
HOOKS_ASKED = {type(place.default).__name__: place for place in ASKED if isinstance(place, Hook)}
TABLES_ASKED = {(place.group, place.part_type) for place in ASKED if isinstance(place, LazyTable)}


def import_text(text):
    name, _, attribute = text.partition(":")
    return getattr(import_module(name), attribute)


def public(part):
    return {name for name in dir(part) if not name.startswith("_")}


def parameters_of(method):
    """The names of the parameters in their order, their kinds, and whether they can be left out."""
    if not callable(method):
        return []
    parameters = inspect.signature(method).parameters.values()
    return [(each.name, each.kind, each.default is each.empty) for each in parameters]


def test_each_hook_has_one_place_that_asks_for_it_and_one_part():
    assert set(HOOKS_ASKED) == set(HOOKS)
    assert len(HOOKS_ASKED) == sum(isinstance(place, Hook) for place in ASKED)


def test_each_table_to_which_features_add_is_one_of_the_core():
    assert set(TABLES) <= {name for name, _ in TABLES_ASKED}


def test_each_table_for_features_alone_has_parts():
    assert {name for name, _ in TABLES_ASKED} <= {*TABLES, *PLUGIN_GROUPS}


@pytest.mark.parametrize("name", sorted(HOOKS))
def test_the_part_of_a_hook_overrides_what_the_core_calls(name):
    part = import_text(HOOKS[name])
    default = HOOKS_ASKED[name].default
    assert isinstance(part, type(default)), f"{HOOKS[name]} is no {type(default).__name__}"
    assert public(part) == public(default), "the core calls no other method"
    for method in public(default):
        assert parameters_of(getattr(part, method)) == parameters_of(getattr(default, method))


@pytest.mark.parametrize("name", sorted(HOOKS))
def test_a_feature_does_what_the_core_cannot_do_without_it(name):
    """A default that only raises an error is overridden."""
    part_type = type(import_text(HOOKS[name]))
    default_type = type(HOOKS_ASKED[name].default)
    for method in public(default_type):
        default = getattr(default_type, method)
        if callable(default) and "NotImplementedError" in default.__code__.co_names:
            assert getattr(part_type, method) is not default


@pytest.mark.parametrize(
    ("table", "name"), [(table, name) for table, parts in TABLES.items() for name in parts]
)
def test_a_part_of_a_table_has_the_type_that_the_place_asks_for(table, name):
    part = import_text(TABLES[table][name])
    part_types = [part_type for place, part_type in TABLES_ASKED if place == table]
    assert part_types and all(isinstance(part, part_type) for part_type in part_types)


def test_a_part_of_another_type_is_no_part(monkeypatch):
    hooks = {**HOOKS, "UpstreamSteps": HOOKS["Int8Maker"]}
    monkeypatch.setitem(features.PARTS, "hooks", hooks)
    with pytest.raises(TypeError, match=r"int8_ranges:MAKER is not a UpstreamSteps"):
        _ = HOOKS_ASKED["UpstreamSteps"].part
