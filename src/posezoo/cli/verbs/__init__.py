"""The verbs of ``posezoo``: each is a module with ``EXAMPLES``, ``FLAGS`` and ``run(args) -> int``;
some have their own ``USAGE``. An installed package adds a verb by the record ``Verb``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.plugins import LazyTable
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from argparse import Namespace

    from posezoo.cli.flags import Flag, FlagGroup

#: The summaries of the verbs, below the headings of the help. The help of the whole command line
#: needs nothing else: importing all verbs takes several times as long.
VERB_GROUPS: dict[str, dict[str, str]] = json.loads(
    Path(__file__).with_name("summaries.json").read_text("utf-8")
)

SUMMARIES = {name: text for group in VERB_GROUPS.values() for name, text in group.items()}

#: The modules of the verbs that features add.
_OF_FEATURES = {
    "benchmark": "posezoo.measure.verbs.benchmark",
    "bom": "posezoo.pages.verbs.bom",
    "card": "posezoo.pages.verbs.card",
    "compare": "posezoo.pages.verbs.compare",
    "dataset": "posezoo.measure.verbs.dataset",
    "demo": "posezoo.run.verbs.demo",
    "evaluate": "posezoo.measure.verbs.evaluate",
    "export": "posezoo.export.verbs.export",
    "gallery": "posezoo.pages.verbs.gallery",
    "licenses": "posezoo.pages.verbs.licenses",
    "mirror": "posezoo.scale.verbs.mirror",
    "new": "posezoo.upkeep.verbs.new",
    "prove": "posezoo.upkeep.verbs.prove",
    "pull": "posezoo.oci.verbs.pull",
    "push": "posezoo.oci.verbs.push",
    "quantize": "posezoo.quantize.verbs.quantize",
    "recommend": "posezoo.pages.verbs.recommend",
    "record": "posezoo.upkeep.verbs.record",
    "run": "posezoo.run.verbs.run",
    "shims": "posezoo.omz.verbs.shims",
    "sources": "posezoo.upkeep.verbs.sources",
    "translate": "posezoo.formats.verbs.translate",
}


@frozen
class Verb:
    """A verb of the command line."""

    summary: str  # for the help of the whole command line, such as "show all models"
    run: Callable[[Namespace], int]  # returns the exit code
    flags: tuple[Flag | FlagGroup | str, ...]  # as for ``cli.flags.add_flags``
    examples: str  # command lines, one a line
    usage: str | None = None  # None for the usual one


#: The verbs of installed packages.
PLUGINS: LazyTable[Verb] = LazyTable("posezoo.verbs", Verb, {})


def find_verb(name: str) -> Verb | None:
    """The verb of this name; None if there is none.

    Raises:
        PluginError: it is a plug-in that cannot be imported, or no ``Verb``.
    """
    if name not in SUMMARIES:
        return PLUGINS.find(name)
    module = import_module(_OF_FEATURES.get(name, f"posezoo.cli.verbs.{name}"))
    usage = getattr(module, "USAGE", None)
    return Verb(SUMMARIES[name], module.run, module.FLAGS, module.EXAMPLES, usage=usage)


def plugin_names() -> list[str]:
    """The verbs of installed packages, which are not imported."""
    return [name for name in PLUGINS.names() if name not in SUMMARIES]
