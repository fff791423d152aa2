"""posezoo list: list the models of the zoo.

With ``--format json``, the output is a list of objects; a composite comes before its parts::

    name         str
    composite    str | null    the composite that contains it
    parts        list of str   a composite's parts in the order in which they run; empty for a model
    task         str           as in model.yml
    framework    str           of the published files; a composite may have several, separated by
                               spaces
    precisions   list of str   published or convertible; for a composite, those that all its parts
                               have
    license      str           SPDX identifier or address; a composite may have several, separated
                               by spaces
    size_bytes   int | null    size of all published files; null if a publisher does not state a
                               size
    download_bytes  int | null  what a download transfers: whole packages; null if a size is not
                                stated
    revision     int           increases when the files change; 1 for a composite
    deprecated   object | null since (a date or a version), use (the model to use instead, or empty)
    description  str
    registry     str           posezoo, omz, omz@2022.1, omz@2021.4, or the path of a models folder
    also_in      list of str   later registries that have a model of this name, too; it is not used
    weights_from  list of str  here, cache, mirror (if it is a folder), pip index, npm index, or a
                               host
    available    bool | null   whether the weights are available; null if only a server knows
                               (--available)

If no model passes the filters, the list or table is empty, a message on the standard error says so,
and the exit code is 0. If a file cannot be read, this is an error (exit code 1) if models are named
or there are no filters. If there are only filters, it is a warning.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from posezoo.cli import flags
from posezoo.cli.flags import Flag
from posezoo.cli.model_filters import FILTER_FLAGS, select_filtered
from posezoo.cli.report import align_columns, print_result, terminal_width, truncate_to_width
from posezoo.console import Console
from posezoo.facts.json_projection import project, to_json
from posezoo.facts.labels import format_megabytes, join
from posezoo.facts.model_facts import ModelFacts
from posezoo.registry import WHEEL_REGISTRIES, registry_name, registry_root

if TYPE_CHECKING:
    from posezoo.registry import Selection
    from posezoo.settings import Settings

EXAMPLES = """
posezoo list
posezoo list 'pose-*'
posezoo list --task human_pose_estimation --framework tflite
posezoo list --search detector --format json
posezoo list --available
posezoo list 'resnet-*' --registry omz
"""

_LONGEST_HOST = 32

#: Keys of a model in JSON.
_MODEL = (
    "size_bytes download_bytes revision deprecated=model.deprecated description=model.description"
)

HEADERS = ("MODEL", "TASK", "FRAMEWORK", "DOWNLOAD", "WEIGHTS FROM", "LICENSE", "DESCRIPTION")

FLAGS = (
    Flag("models MODEL", "names or globs (default: all)", nargs="*"),
    FILTER_FLAGS,
    Flag(
        "--available",
        "only models whose weights are available: on this machine, in a mirror, or at a source that"
        " answers now; each source is asked once over the network, for at most 10 seconds, and"
        " nothing is downloaded",
    ),
    f"{flags.REGISTRY} {flags.FORMAT}",
)


def run(args: argparse.Namespace) -> int:
    """Print a table of models; a composite comes before its parts."""
    with Console(quiet=args.quiet) as console:
        models, selection = select_filtered(args, args.models or None, console)
        weights = find_weights(flags.settings_from_args(args), models, asks_sources=args.available)
        if args.available:
            models = [facts for facts in models if weights[facts.name].available]
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
            format_megabytes(facts.download_bytes),
            str(weights[facts.name]),
            " ".join(map(_license, facts.licenses)),
            f"[{note}] {sentence}" if note else sentence,
        )
        rows.append(row)
    width = terminal_width()
    lines = align_columns(rows, right=frozenset({HEADERS.index("DOWNLOAD")}))
    answer = [list_json(facts, selection, weights[facts.name]) for facts in models]
    print_result(args, answer, *(truncate_to_width(line, width) for line in lines))
    return 1 if selection.problems else 0


@dataclass(frozen=True, slots=True)
class Weights:
    """Where the published files of a model are."""

    places: tuple[str, ...]
    precisions: tuple[
        str, ...
    ]  # those that alone are on a disk; empty if that holds for all or for none
    available: bool | None  # None if a server would have to be asked

    def __str__(self) -> str:
        only = f" ({', '.join(self.precisions)})" if self.precisions else ""
        return ", ".join(map(_shorten_host, self.places)) + only


def _shorten_host(place: str) -> str:
    """The end of the name of a host that would widen the table."""
    return place if len(place) <= _LONGEST_HOST else ".".join(place.split(".")[-2:])


def find_weights(
    settings: Settings, models: Sequence[ModelFacts], *, asks_sources: bool = False
) -> dict[str, Weights]:
    """Where the files of each model are, by its name.

    Args:
        asks_sources: whether sources are asked over the network if they have the files.
    """
    from posezoo.download.availability import find_availability, find_available
    from posezoo.layout import ModelLayout
    from posezoo.pipeline.zoo_context import download_options

    options = download_options(settings)
    layout = ModelLayout(settings.weights_dir, settings.weights_dir, limits=options.limits)
    parts = {part.full_name: part for facts in models for part in facts.parts}
    known = {name: find_availability(part, layout, options) for name, part in parts.items()}
    available = find_available(tuple(known.values()), options) if asks_sources else None
    weights = {}
    for facts in models:
        of_parts = [known[part.full_name] for part in facts.parts]
        is_available: bool | None = True if all(each.is_local for each in of_parts) else None
        if available is not None:
            is_available = all(part.full_name in available for part in facts.parts)
        partial = [each for each in of_parts if len(each.local_precisions) < len(each.places)]
        precisions = dict.fromkeys(name for each in partial for name in each.local_precisions)
        places = dict.fromkeys(place for each in of_parts for place in each.best_places)
        weights[facts.name] = Weights(tuple(places), tuple(precisions), is_available)
    return weights


def list_json(facts: ModelFacts, selection: Selection, weights: Weights) -> dict[str, Any]:
    """The object of a model for ``--format json``; the module's docstring explains the keys."""
    model = facts.model
    return {
        **project(facts, "name composite? parts=stages task=model.task"),
        "framework": " ".join(facts.frameworks),
        "precisions": to_json(facts.precisions),
        "license": " ".join(facts.licenses),
        **project(facts, _MODEL),
        "registry": registry_name(registry_root(model)),
        "also_in": list(selection.also_in.get(model.name, ())),
        **project(weights, "weights_from=places available"),
    }


def _license(text: str) -> str:
    """A license identifier, unchanged; for an address, as Open Model Zoo has it, the owner of the
    license.
    """
    if "://" not in text:
        return text
    host, *path = text.partition("://")[2].split("/")
    return "/".join(path[:2]) if host in _CODE_HOSTS else host


_CODE_HOSTS = ("github.com", "raw.githubusercontent.com")
