"""posezoo list: list the models of the zoo.

With ``--format json``, the output is a list of objects: first the models that run here with what is
on a disk or in a package index, then those that need another host, then those that need more than a
download; a composite comes before its parts::

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
    download_bytes  int | null  what posezoo run transfers in the precision of its AP, with the
                                detector that finds the people: of a package the part that is
                                needed, or all; null if a size is not stated
    revision     int           increases when the files change; 1 for a composite
    deprecated   object | null since (a date or a version), use (the model to use instead, or empty)
    description  str
    registry     str           posezoo, omz, omz@2022.1, omz@2021.4, or the path of a models folder
    also_in      list of str   later registries that have a model of this name, too; it is not used
    weights_from  list of str  here, cache, mirror (if it is a folder), pip index, npm index, or a
                               host
    needs        list of str   what posezoo run needs here besides the download, such as an extra,
                               consent or a conversion of yours; empty if nothing

If no model passes the filters, the list or table is empty, a message on the standard error says so,
and the exit code is 0. If a file cannot be read, this is an error (exit code 1) if models are named
or there are no filters. If there are only filters, it is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from posezoo.cli import flags
from posezoo.cli.flags import Flag
from posezoo.console.labels import join
from posezoo.console.printing import MessageWriter
from posezoo.console.report import fit_columns, print_json, print_lines
from posezoo.core.registry import Selection, registry_name, registry_root
from posezoo.core.settings import WHEEL_REGISTRIES
from posezoo.figures.model_facts import ModelFacts
from posezoo.pages.verbs.filter_flags import (
    FILTER_FLAGS,
    FilterArgs,
    Weights,
    filters_from_args,
    find_weights,
    model_to_json,
    select_filtered,
)

EXAMPLES = """
posezoo list
posezoo list 'pose-*'
posezoo list --task human_pose_estimation --framework tflite
posezoo list --license 'BSD-*' --format json
posezoo list 'resnet-*' --registry omz
"""

HEADERS = (
    "MODEL",
    "DOWNLOAD",
    "WEIGHTS FROM",
    "LICENSE",
    "OTHER TASK",
    "FRAMEWORK",
    "DESCRIPTION",
)

#: Most models of the zoo have it, so that the table does not repeat it.
_USUAL_TASK = "human_pose_estimation"

FLAGS = (
    Flag("models MODEL", "names or globs (default: all)", nargs="*"),
    FILTER_FLAGS,
    f"{flags.REGISTRY} {flags.FORMAT}",
)


class _ListArgs(flags.ModelsArgs, flags.FormatArgs, FilterArgs):
    pass


def run(args: _ListArgs) -> int:
    """Print a table of models: those that run here, then the others; a composite comes before its
    parts.
    """
    context = flags.context_from_args(args)
    filters = filters_from_args(args)
    messages = MessageWriter(quiet=args.quiet)
    models, _, selection = select_filtered(
        context, filters, args.models or None, messages, is_all=False, takes_files=False
    )
    weights = find_weights(context, models)
    owners: dict[str, str] = {}
    for facts in models:
        owners |= {part: owners.get(part, facts.name) for part in facts.model.stages}
    models.sort(key=lambda facts: weights[owners.get(facts.name, facts.name)].rank)
    if args.format == "json":
        print_json([model_to_json(facts, selection, weights[facts.name]) for facts in models])
    else:
        print_lines(*_table(models, selection, weights))
    return selection.exit_code


def _table(
    models: Sequence[ModelFacts], selection: Selection, weights: Mapping[str, Weights]
) -> Iterator[str]:
    parts = {stage for facts in models for stage in facts.model.stages}
    rows: list[tuple[str, ...]] = [HEADERS]
    for facts in models:
        registry = registry_name(registry_root(facts.model))
        others = ", ".join(selection.also_in(facts.model.name))
        note = join(
            registry if registry in WHEEL_REGISTRIES else "",
            f"also in {others}" if others else "",
            f"revision {facts.model.revision}" if facts.model.revision > 1 else "",
            "; ".join(weights[facts.name].needs),
            str(facts.model.deprecated or ""),
        )
        sentence, full_stop, _ = facts.model.description.partition(". ")
        sentence += full_stop.rstrip()
        row = (
            f"  {facts.name}" if facts.name in parts else facts.name,
            facts.described_download,
            str(weights[facts.name]),
            " ".join(map(_license, facts.licenses)),
            "" if facts.model.task == _USUAL_TASK else facts.model.task,
            " ".join(facts.frameworks),
            f"[{note}] {sentence}" if note else sentence,
        )
        rows.append(row)
    yield from fit_columns(rows, right=frozenset({HEADERS.index("DOWNLOAD")}))


def _license(text: str) -> str:
    """A license identifier, unchanged; for an address, as Open Model Zoo has it, the owner of the
    license.
    """
    if "://" not in text:
        return text
    host, *path = text.partition("://")[2].split("/")
    return "/".join(path[:2]) if host in _CODE_HOSTS else host


_CODE_HOSTS = ("github.com", "raw.githubusercontent.com")
