"""Tables of parts (decoders, formats, ...), built in or added by an installed package's entry
points; and hooks, through which a feature takes part in the work of the core.

Built-in parts are named in text and imported when used; entry points are read for other names only,
since reading them takes 30 ms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Generic, TypeVar

from posezoo.core import features
from posezoo.core.errors import PluginError, PosezooError, suggest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

PartT = TypeVar("PartT")

PLUGIN_GROUPS = (
    "posezoo.decoders", "posezoo.decoder_graphs", "posezoo.source_types", "posezoo.formats",
    "posezoo.networks", "posezoo.lint_rules", "posezoo.export_targets", "posezoo.verbs",
)  # fmt: skip


# Plain classes: each command imports this module, and dataclasses takes a sixth of ``--help``.
class LazyTable(Generic[PartT]):
    """Parts of one type by name.

    Args:
        group: the group of entry points that plug-ins use, one of ``PLUGIN_GROUPS``; of another
            table, to which only features add parts, its name in ``features.PARTS``
        part_type: the class of each part
        own: ``package.module:ATTRIBUTE`` or ``package.module`` by name: those of the table's own
            package
    """

    def __init__(self, group: str, part_type: type[PartT], own: Mapping[str, str]) -> None:
        self.group = group
        self.part_type = part_type
        self.own = own

    @property
    def builtin(self) -> Mapping[str, str]:
        """Those of the table's own package and of features; a plug-in cannot replace one."""
        return {**self.own, **features.PARTS.get(self.group, {})}

    def find(self, name: str) -> PartT | None:
        """The part of this name; None if there is none.

        Raises:
            PluginError: it is a plug-in that cannot be imported, or is not a part of this type.
        """
        path = self.builtin.get(name)
        if path:
            return import_part(path, self.part_type)
        entry_point = installed(self.group).get(name)
        if entry_point is None:
            return None
        package, what = describe_plugin(self.group, entry_point)
        try:
            part: PartT = entry_point.load()
        except Exception as error:  # whatever a plug-in's import raises
            raise PluginError(
                f"{what} cannot be imported: {type(error).__name__}: {error}",
                hint=f"update or remove {package}",
            ) from error
        if not isinstance(part, self.part_type):
            raise PluginError(
                f"{what} is not a {self.part_type.__name__}", hint=f"update or remove {package}"
            )
        return part

    def require(self, name: str, kind: str, error: type[PosezooError]) -> PartT:
        """The part of this name; without one ``error`` is raised, with a hint that calls it a
        ``kind`` ("decoder", "export target").

        Raises:
            PluginError: it is a plug-in that cannot be imported, or is not a part of this type.
        """
        part = self.find(name)
        if part is not None:
            return part
        names = self.names()
        raise error(
            f"no {kind} is called {name}; the {kind.split()[-1]}s: {', '.join(names)}",
            hint=suggest(name, names),
        )

    def names(self) -> tuple[str, ...]:
        """All names: the built-in ones in their order, then those of plug-ins, sorted."""
        return *self.builtin, *self.added_names()

    def added_names(self) -> list[str]:
        """The names of plug-ins, sorted."""
        return sorted(installed(self.group).keys() - self.builtin.keys())

    def items(self) -> Iterator[tuple[str, PartT]]:
        """Every name with its part, in the order of ``names``; all are imported."""
        for name, path in self.builtin.items():
            yield name, import_part(path, self.part_type)
        # Only now, so that a search that ends at a built-in part does not read entry points.
        for name in self.added_names():
            part = self.find(name)
            assert part is not None
            yield name, part


class Hook(Generic[PartT]):
    """A step of the core that one feature does, whose name the core does not know.

    The default's class declares the step; the feature's part is an instance of a subclass.

    Args:
        default: what the core does without the feature
    """

    def __init__(self, default: PartT) -> None:
        self.default = default

    @property
    def part(self) -> PartT:
        """What the feature does, or the default; ``features.PARTS`` names it by the default's
        class.
        """
        kind = type(self.default)
        path = features.PARTS.get("hooks", {}).get(kind.__name__)
        return import_part(path, kind) if path else self.default


def describe_plugin(group: str, entry_point: EntryPoint) -> tuple[str, str]:
    """The package of a plug-in, and the words that name the plug-in in a message."""
    package = entry_point.dist.name if entry_point.dist is not None else entry_point.value
    return package, f"the plug-in {entry_point.name} ({group}) of the package {package}"


def import_part(path: str, part_type: type[PartT]) -> PartT:
    """What ``package.module:ATTRIBUTE`` names in posezoo; without an attribute, the module.

    Raises:
        TypeError: it is not a part of this type.
    """
    name, _, attribute = path.partition(":")
    module = import_module(name)
    part = getattr(module, attribute) if attribute else module
    if not isinstance(part, part_type):
        raise TypeError(f"{path} is not a {part_type.__name__}")
    return part


@cache
def installed(group: str) -> Mapping[str, EntryPoint]:
    """The entry points of a group by name, without importing them; none of a table for features
    alone.
    """
    from importlib.metadata import entry_points

    if group not in PLUGIN_GROUPS:
        return {}
    return {entry_point.name: entry_point for entry_point in entry_points(group=group)}
