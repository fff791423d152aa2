"""Modules of MediaPipe that scripts import, although posezoo does not do their work.

``importable.json`` describes them by facts of MediaPipe 0.10.21, Copyright The MediaPipe Authors,
under Apache-2.0. Enumerations and records work. A class or a function raises NotImplementedError
when it is used, not when it is imported: many scripts import more than they use.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, make_dataclass
from enum import Enum, IntEnum
from functools import cache
from importlib import import_module
from importlib.resources import files
from inspect import Parameter, Signature
from typing import Any

from posezoo.solutions.explanations import explain

#: The names of each module. Text refers to a module, or after a colon to a name of a module.
MODULES: dict[str, dict[str, Any]] = json.loads(
    files("posezoo.solutions").joinpath("importable.json").read_text("utf-8")
)


def names_of(module: str) -> dict[str, Any]:
    """What a module such as ``mediapipe.tasks.python.vision`` contains, by name."""
    return {name: _get(module, name) for name in MODULES[module]}


@cache
def _get(module: str, name: str) -> Any:
    return _create(module, name, MODULES[module][name])


def _create(module: str, name: str, facts: Any) -> Any:
    if isinstance(facts, str):
        return _find(module, facts)
    create = next(create for key, create in _KINDS.items() if key in facts)
    return create(module, name, facts)


def _find(module: str, reference: str) -> Any:
    home, colon, path = reference.partition(":")
    if not colon:
        return import_module(home)
    name, *attributes = path.split(".")
    home = home or module
    target = _get(home, name) if home in MODULES else getattr(import_module(home), name)
    for attribute in attributes:
        target = getattr(target, attribute)
    return target


class _MissingClass(type):
    def __getattr__(cls, name: str) -> Any:
        # A script may have derived a class of its own.
        ours = next(base for base in cls.__mro__ if base.__module__ in MODULES)
        raise AttributeError(explain(f"{ours.__module__}.{ours.__qualname__}.{name}"))


def _create_class(module: str, name: str, facts: Mapping[str, Any]) -> Any:
    bases = tuple(_find(module, base) for base in facts.get("bases", ()))
    methods = {"__init__": None, **facts["methods"]}
    return _MissingClass(name.rpartition(".")[2], bases, _members(module, name, facts, methods))


def _create_record(module: str, name: str, facts: Mapping[str, Any]) -> Any:
    rows = [
        (key, Any) if isinstance(key, str) else (key[0], Any, _field(module, key[1]))
        for key in facts["fields"]
    ]
    members = _members(module, name, facts, facts.get("methods", {}))
    record = make_dataclass(name.rpartition(".")[2], rows, namespace=members)
    # From Python 3.12 on, make_dataclass replaces it.
    record.__module__ = module
    return record


def _members(
    module: str, name: str, facts: Mapping[str, Any], methods: Mapping[str, Any]
) -> dict[str, Any]:
    members: dict[str, Any] = {
        "__module__": module,
        "__qualname__": name,
        "__doc__": f"MediaPipe's {name}.",
    }
    for key, nested in facts.get("names", {}).items():
        members[key] = _create(module, f"{name}.{key}", nested)
    for key, parameters in methods.items():
        method = _create_function(module, f"{name}.{key}", {"parameters": parameters})
        is_of_class = parameters and parameters[0] == "cls"
        members[key] = classmethod(method) if is_of_class else method
    return members


def _create_function(module: str, name: str, facts: Mapping[str, Any]) -> Callable[..., Any]:
    def refuse(*_arguments: Any, **_options: Any) -> None:
        raise NotImplementedError(explain(f"{module}.{name}".removesuffix(".__init__")))

    refuse.__module__ = module
    refuse.__qualname__ = name
    refuse.__name__ = name.rpartition(".")[2]
    refuse.__doc__ = f"MediaPipe's {name}, which posezoo does not have."
    parameters: Sequence[Any] | None = facts["parameters"]
    # The functions of MediaPipe that are not in Python have no signature.
    if parameters is not None:
        refuse.__signature__ = Signature(  # type: ignore[attr-defined]
            [_parameter(module, parameter) for parameter in parameters]
        )
    return refuse


def _parameter(module: str, facts: Any) -> Parameter:
    if isinstance(facts, str):
        return Parameter(facts, Parameter.POSITIONAL_OR_KEYWORD)
    name, default = facts
    value = _default(module, default)
    return Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=value)


def _field(module: str, default: Any) -> Any:
    if isinstance(default, dict) and "new" in default:
        return field(default_factory=_find(module, default["new"]))
    return field(default=_default(module, default))


def _default(module: str, default: Any) -> Any:
    if isinstance(default, list):
        return tuple(default)
    if not isinstance(default, dict):
        return default
    if "new" in default:
        return _find(module, default["new"])()
    return _find(module, default["ref"])


def _create_enum(module: str, name: str, facts: Mapping[str, Any]) -> Any:
    members = facts["enum"]
    kind: Any = IntEnum if 0 in members.values() else Enum
    return kind(name.rpartition(".")[2], members, module=module, qualname=name)


# By a key that the facts of each kind have.
_KINDS: dict[str, Callable[[str, str, Mapping[str, Any]], Any]] = {
    "enum": _create_enum,
    "fields": _create_record,
    "mapping": lambda module, _name, facts: {
        key: _create(module, key, value) for key, value in facts["mapping"].items()
    },
    "pairs": lambda _module, _name, facts: frozenset(map(tuple, facts["pairs"])),
    "parameters": _create_function,
    "value": lambda _module, _name, facts: facts["value"],
    # Last: a record has methods, too.
    "methods": _create_class,
}
