"""The verbs of ``posezoo``: modules with ``EXAMPLES``, ``FLAGS`` and ``run(args) -> int``, whose
class of arguments has an attribute for each flag, and maybe ``USAGE``; packages add a ``Verb``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from posezoo.core.plugins import LazyTable

if TYPE_CHECKING:
    from posezoo.cli.flags import Flag, FlagGroup, Shared

#: The headings of the help of all verbs, in their order. Beside the verbs of each part of posezoo,
#: ``summaries.json`` says what each of them does, below one of these headings: importing all verbs
#: takes several times as long.
HEADINGS = (
    "use models",
    "find and make models",
    "measure models",
    "operate an installation",
    "maintain a registry",
)

#: What users do daily; ``posezoo --help`` shows only these.
DAILY = ("run", "demo", "list", "info", "get", "convert", "quantize", "evaluate", "benchmark")


def _read_summaries() -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    groups: dict[str, dict[str, str]] = {heading: {} for heading in HEADINGS}
    packages = {}
    for path in sorted(Path(__file__).parents[2].glob("*/verbs/summaries.json")):
        for heading, summaries in json.loads(path.read_text("utf-8")).items():
            groups[heading].update(summaries)
            packages.update(dict.fromkeys(summaries, f"posezoo.{path.parts[-3]}.verbs"))
    daily = {name: place for place, name in enumerate(DAILY)}
    for heading, summaries in groups.items():
        names = sorted(summaries, key=lambda name: daily.get(name, len(daily)))
        groups[heading] = {name: summaries[name] for name in names}
    return groups, packages


VERB_GROUPS, _PACKAGES = _read_summaries()

SUMMARIES = {name: text for group in VERB_GROUPS.values() for name, text in group.items()}


class Verb(NamedTuple):
    """A verb of the command line."""

    summary: str  # for the help of the whole command line, such as "show all models"
    run: Callable[[Any], int]  # returns the exit code
    flags: tuple[Flag | FlagGroup | Shared | str, ...]  # as for ``cli.flags.add_flags``
    examples: str  # command lines, one a line
    usage: str | None = None  # None for the usual one


PLUGINS = LazyTable("posezoo.verbs", Verb, {})


def find_verb(name: str) -> Verb | None:
    """The verb of this name; None if there is none.

    Raises:
        PluginError: it is a plug-in that cannot be imported, or no ``Verb``.
    """
    if name not in SUMMARIES:
        return PLUGINS.find(name)
    module = import_module(f"{_PACKAGES[name]}.{name}")
    return Verb(
        SUMMARIES[name],
        module.run,
        module.FLAGS,
        module.EXAMPLES,
        usage=getattr(module, "USAGE", None),
    )


def plugin_names() -> list[str]:
    """The verbs of installed packages, which are not imported."""
    return [name for name in PLUGINS.names() if name not in SUMMARIES]
