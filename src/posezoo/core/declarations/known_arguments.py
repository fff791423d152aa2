"""The arguments of Model Optimizer, and of Open Model Zoo's step to ONNX: model.yml may have no
others.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.core.errors import suggest
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from posezoo.core.declarations.yaml_nodes import YamlNode


@frozen
class KnownArguments:
    """The arguments of a program."""

    program: str
    #: By each name, also a short or an older one, that of the argument. An abbreviation is looked
    #: for in the first of these tables that has a name which begins with it.
    tables: tuple[Mapping[str, str], ...]
    switches: frozenset[str]  # the arguments that take no value, or True or False
    variables: tuple[str, ...]  # in values
    known: str  # names the usual ones, if none is similar to an unknown one

    @property
    def names(self) -> list[str]:
        """All names."""
        return [name for table in self.tables for name in table]

    def find(self, word: str) -> str:
        """The argument with this name or abbreviation, as argparse finds it; empty if there is
        none, or several.
        """
        for table in self.tables:
            if word in table:
                return table[word]
        for table in self.tables if word.startswith("--") else ():
            matches = {table[name] for name in table if name.startswith(word)}
            if matches:
                return matches.pop() if len(matches) == 1 else ""
        return ""

    def read(self, node: YamlNode, word: str) -> str:
        """The argument with this name or abbreviation; a SpecError if there is none, or several."""
        name = self.find(word)
        if name:
            return name
        problem = f"{word[:60]} is no argument of {self.program}"
        raise node.make_error(problem, hint=suggest(word, self.names) or self.known)

    def lacks_a_letter(self, word: str) -> bool:
        """Whether a name lacks just its last letter: argparse takes it for an abbreviation."""
        return word not in self.names and len(self.find(word)) == len(word) + 1


def read_usages(usages: Iterable[str]) -> tuple[Mapping[str, str], frozenset[str]]:
    """The arguments by each of their names, and those that are switches, from usages such as
    ``--input_model, -m FILE`` and ``--static_shape [BOOL]``.
    """
    by_name: dict[str, str] = {}
    switches: set[str] = set()
    for usage in usages:
        spellings, _, value = usage.rpartition(" ")
        names = spellings.split(", ")
        by_name |= dict.fromkeys(names, names[0])
        if value == "[BOOL]":
            switches.add(names[0])
    return by_name, frozenset(switches)


def _list_known(names: Iterable[str]) -> str:
    return f"known: {', '.join(dict.fromkeys(names))}"


#: Those of Model Optimizer 2024.6, its last release, by what posezoo's stand-in for it does with
#: them, and ``former``: those of releases back to 2020.1.
MO_ARGUMENTS: Mapping[str, Any] = json.loads(
    Path(__file__).with_name("mo_arguments.json").read_text("utf-8")
)
_LAST, _LAST_SWITCHES = read_usages(
    usage for kind in ("carried_out", "without_effect", "refused") for usage in MO_ARGUMENTS[kind]
)
_FORMER, _FORMER_SWITCHES = read_usages(MO_ARGUMENTS["former"])

#: The folders of: downloads, the outputs of upstream's scripts, the model.yml.
_FOLDERS = ("$dl_dir", "$conv_dir", "$config_dir")
MODEL_OPTIMIZER = KnownArguments(
    "Model Optimizer",
    (_LAST, _FORMER),
    _LAST_SWITCHES | _FORMER_SWITCHES,
    variables=(*_FOLDERS, "$mo_dir", "$mo_ext_dir"),  # and two of Model Optimizer
    known=_list_known(read_usages(MO_ARGUMENTS["carried_out"])[0].values()),
)
_EXPORT = (
    "--model-name", "--weights", "--input-shapes", "--output-file", "--model-path",
    "--import-module", "--input-names", "--output-names", "--model-param", "--inputs-dtype",
    "--conversion-param", "--opset_version",
)  # fmt: skip
#: Of Open Model Zoo's pytorch_to_onnx.py; most of its models abbreviate --input-shapes.
EXPORT = KnownArguments(
    "the step to ONNX",
    ({**{name: name for name in _EXPORT}, "--input-shape": "--input-shapes"},),
    frozenset(),
    variables=_FOLDERS,
    known=_list_known(_EXPORT),
)
