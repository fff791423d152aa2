"""posezoo list: list the models of the zoo.

With ``--format json``, the output is a list of objects; a composite comes before its parts::

    name         str
    composite    str | null    the composite that contains it
    parts        list of str   a composite's parts in the order in which they run; empty for a model
    task         str           as in model.yml
    framework    str           of the published files; a composite may have several, separated by spaces
    precisions   list of str   published or convertible; for a composite, those that all its parts have
    license      str           SPDX identifier or address; a composite may have several, separated by spaces
    size_bytes   int | null    size of all published files; null if a publisher does not state a size
    revision     int           increases when the files change; 1 for a composite
    deprecated   object | null since (a date or a version), use (the model to use instead, or empty)
    description  str
    registry     str           posezoo, omz, omz@2022.1, omz@2021.4, or the path of a models folder
    also_in      list of str   later registries that have a model of this name, too; it is not used

If no model passes the filters, the list or table is empty, a message on the standard error says so, and the
exit code is 0. If a file cannot be read, this is an error (exit code 1) if models are named or there are no
filters. If there are only filters, it is a warning.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from posezoo.cli import flags
from posezoo.cli.flags import Flag
from posezoo.cli.model_filters import FILTER_FLAGS, select_filtered
from posezoo.cli.report import align_columns, print_result, terminal_width, truncate_to_width
from posezoo.console import Console
from posezoo.facts.labels import format_megabytes, join
from posezoo.facts.model_facts import ModelFacts
from posezoo.registry import WHEEL_REGISTRIES, registry_name, registry_root

if TYPE_CHECKING:
    from posezoo.registry import Selection

SUMMARY = "list the models of the zoo"

EXAMPLES = """
posezoo list
posezoo list 'pose-*'
posezoo list --task human_pose_estimation --framework tflite
posezoo list --search detector --format json
posezoo list 'resnet-*' --registry omz
"""

HEADERS = ("MODEL", "TASK", "FRAMEWORK", "SIZE", "LICENSE", "DESCRIPTION")

FLAGS = (
    Flag("models MODEL", "names or globs (default: all)", nargs="*"),
    FILTER_FLAGS,
    f"{flags.REGISTRY} {flags.FORMAT}",
)


def run(args: argparse.Namespace) -> int:
    """Print a table of models; a composite comes before its parts."""
    with Console(quiet=args.quiet) as console:
        models, selection = select_filtered(args, args.models or None, console)
    parts = {stage for facts in models for stage in facts.stages}
    rows = [HEADERS]
    for facts in models:
        revision = f"revision {facts.revision}" if facts.revision > 1 else ""
        registry = registry_name(registry_root(facts.model))
        others = ", ".join(selection.also_in.get(facts.model.name, ()))
        note = join(
            registry if registry in WHEEL_REGISTRIES else "",
            f"also in {others}" if others else "",
            revision,
            str(facts.model.deprecated or ""),
        )
        sentence, full_stop, _ = facts.model.description.partition(". ")
        sentence += full_stop.rstrip()
        row = (
            ("  " if facts.name in parts else "") + facts.name,
            facts.model.task,
            " ".join(facts.frameworks),
            format_megabytes(facts.size_bytes),
            " ".join(map(_license, facts.licenses)),
            f"[{note}] {sentence}" if note else sentence,
        )
        rows.append(row)
    width = terminal_width()
    lines = align_columns(rows, right=frozenset({HEADERS.index("SIZE")}))
    answer = [list_json(facts, selection) for facts in models]
    print_result(args, answer, *(truncate_to_width(line, width) for line in lines))
    return 1 if selection.problems else 0


def list_json(facts: ModelFacts, selection: Selection) -> dict[str, Any]:
    """The object of a model for ``--format json``; the module's docstring explains the keys."""
    model = facts.model
    return {
        "name": facts.name,
        "composite": facts.composite or None,
        "parts": list(facts.stages),
        "task": model.task,
        "framework": " ".join(facts.frameworks),
        "precisions": [precision.value for precision in facts.precisions],
        "license": " ".join(facts.licenses),
        "size_bytes": facts.size_bytes,
        "revision": facts.revision,
        "deprecated": asdict(model.deprecated) if model.deprecated else None,
        "description": model.description,
        "registry": registry_name(registry_root(model)),
        "also_in": list(selection.also_in.get(model.name, ())),
    }


def _license(text: str) -> str:
    """A license identifier, unchanged; for an address, as Open Model Zoo has it, the owner of the license."""
    if "://" not in text:
        return text
    host, *path = text.partition("://")[2].split("/")
    return "/".join(path[:2]) if host in _CODE_HOSTS else host


_CODE_HOSTS = ("github.com", "raw.githubusercontent.com")
