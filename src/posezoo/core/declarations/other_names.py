"""Names that users type and that no model has: a registry's names.yml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from fnmatch import fnmatchcase
from pathlib import Path

from posezoo.core.declarations.field_types import (
    LINE,
    MODEL_NAME,
    Key,
    list_of,
    mapping_of,
    record,
    required_key,
)
from posezoo.core.declarations.yaml_nodes import read_yaml
from posezoo.core.values import frozen

NAME = "names.yml"


@frozen
class LeftOut:
    """Models that a registry does not have, and why.

    Args:
        names: globs of their names in lower case.
        reason: a sentence or two.
    """

    names: tuple[str, ...]
    reason: str
    instead: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.reason} Instead: {', '.join(self.instead)}"


@frozen
class OtherNames:
    """``aliases`` has the name of a model by each word for a task.

    ``defaults`` has the models that run if none is named: the first that this machine reaches.
    """

    aliases: Mapping[str, str] = field(default_factory=dict)
    defaults: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    def find_left_out(self, name: str) -> LeftOut | None:
        """Why there is no model of that name; None if nothing is known about it."""
        folded = name.lower().replace("_", "-")
        for models in self.left_out:
            if any(fnmatchcase(folded, pattern) for pattern in models.names):
                return models
        return None


_LEFT_OUT = record(
    LeftOut,
    required_key("names", list_of(LINE)),
    required_key("reason", LINE),
    required_key("instead", list_of(MODEL_NAME)),
)
_OTHER_NAMES = record(
    OtherNames,
    Key("aliases", mapping_of(MODEL_NAME)),
    Key("defaults", list_of(MODEL_NAME)),
    Key("left_out", list_of(_LEFT_OUT)),
)


def read_other_names(root: Path) -> OtherNames:
    """The names.yml of a registry's root; empty if there is none.

    Raises:
        SpecError: it has a mistake.
    """
    path = root / NAME
    if not path.is_file():
        return OtherNames()
    return _OTHER_NAMES.read(read_yaml(path))
