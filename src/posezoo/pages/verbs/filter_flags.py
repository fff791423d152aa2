"""The models that list, info and card show, the filters that narrow them, and their facts
as JSON.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import chain, product
from typing import TYPE_CHECKING, Any

from posezoo.cli.flags import Flag, FlagGroup, parse_framework
from posezoo.cli.parsers import Args
from posezoo.console.json_projection import project, to_json
from posezoo.console.printing import MessageWriter
from posezoo.core.declarations.model import Framework, Precision, list_frameworks
from posezoo.core.registry import Registry, Selection, is_declared, registry_name, registry_root
from posezoo.core.values import frozen
from posezoo.figures.model_facts import ModelFacts, find_detector
from posezoo.run.verbs.run_flags import select_subjects

if TYPE_CHECKING:
    from posezoo.core.resolve.stage_context import Context
    from posezoo.run.subject import Statement, Subject


def facts_of(selection: Selection, registry: Registry) -> list[ModelFacts]:
    """The facts in alphabetical order; the parts of a composite follow it, in the order in which
    they run.
    """
    models = {spec.full_name: spec for spec in selection.models}
    facts = {}  # a part of several composites follows the first
    for model in sorted(selection.tops, key=lambda model: model.full_name):
        # A part is missing here if its file cannot be read.
        names = model.stages or (model.full_name,)
        parts = tuple(models[name] for name in names if name in models)
        facts[model.full_name] = ModelFacts(model, parts, detector=find_detector(model, registry))
        for part in parts:
            facts.setdefault(part.full_name, ModelFacts(part, (part,)))
    return list(facts.values())


@frozen
class ModelFilters:
    """What the user wants a model to be; as text, the flags that say so, or nothing."""

    patterns: Mapping[str, Sequence[str]]  # by the name of the flag; a model matches one of each

    def __str__(self) -> str:
        typed = [f"--{name} {text}" for name, texts in self.patterns.items() for text in texts]
        return " ".join(typed)

    def accept(self, facts: ModelFacts) -> bool:
        """Whether a model matches a value of each filter; a composite, by the files of its
        parts.
        """
        values = {
            "task": (facts.model.task,),
            "framework": facts.frameworks,
            "precision": facts.precisions,
            "license": facts.licenses,
        }
        for name, patterns in self.patterns.items():
            pairs = product(values[name], patterns)
            if patterns and not any(
                fnmatchcase(value.casefold(), pattern.casefold()) for value, pattern in pairs
            ):
                return False
        return True


class FilterArgs(Args):
    """The values of ``FILTER_FLAGS``."""

    task: list[str] | None
    framework: list[Framework] | None
    precision: list[str] | None
    license: list[str] | None


def filters_from_args(args: FilterArgs) -> ModelFilters:
    """The filters that ``FILTER_FLAGS`` give."""
    patterns = {
        "task": args.task or (),
        "framework": args.framework or (),
        "precision": args.precision or (),
        "license": args.license or (),
    }
    return ModelFilters(patterns)


def select_filtered(
    context: Context,
    filters: ModelFilters,
    patterns: Sequence[str] | None,
    console: MessageWriter,
    said: Statement | None = None,
    *,
    is_all: bool,
    takes_files: bool = True,
) -> tuple[list[ModelFacts], list[Subject], Selection]:
    """The selected models that pass the filters, or a message with the existing licenses; and the
    files of networks.

    Args:
        patterns: names and globs; None selects all models, or those that only the filters select.
    """
    by_filters = bool(str(filters)) and not patterns and not is_all
    files, selection = select_subjects(
        patterns or (None if is_all else ["*"]),
        context,
        console,
        said,
        needs_decoder=False,
        takes_files=takes_files,
        filtered=by_filters,
    )
    models = facts_of(selection, context.registry)
    passed = [facts for facts in models if filters.accept(facts)] if str(filters) else models
    if models and not passed:
        existing = ""
        if filters.patterns["license"]:
            licenses = sorted(set(chain.from_iterable(facts.licenses for facts in models)))
            existing = f"; licenses here: {', '.join(licenses)}"
        console.print_line(f"no model matches {filters}{existing}")
    return passed, files, selection


def _task(text: str) -> str:
    # Imported only if the flag is used: importing the YAML reader takes 20 ms.
    from posezoo.core.declarations.model_yml import TASKS

    if text in TASKS:
        return text
    choices = ", ".join(map(repr, TASKS))
    raise argparse.ArgumentTypeError(f"invalid choice: {text!r} (choose from {choices})")


#: The filter flags; if a flag is given several times, a model may match any of its values.
FILTER_FLAGS = FlagGroup(
    Flag("--task TASK", "the model's task, such as human_pose_estimation", _task, repeats=True),
    Flag(
        "--framework FRAMEWORK",
        f"framework of the published files: {', '.join(list_frameworks())} (dldt: published as IR)",
        parse_framework,
        repeats=True,
    ),
    Flag(
        "--precision P",
        f"precision that is published or can be made: {', '.join(Precision)}",
        str.upper,
        repeats=True,
        choices=tuple(map(str, Precision)),
    ),
    Flag(
        "--license GLOB", "SPDX identifier of the license, or a glob such as 'BSD-*'", repeats=True
    ),
    title="filters",
    description=(
        "A model must match all filters; if a filter is given several times, one of its values."
    ),
)


_LONGEST_HOST = 32

#: Keys of a model in JSON.
_MODEL = (
    "size_bytes download_bytes revision=model.revision deprecated=model.deprecated"
    " description=model.description"
)


@frozen
class Weights:
    """Where the published files of a model are, and whether it can run here now."""

    origins: tuple[str, ...]
    #: Those that alone are on a disk; empty if that holds for all or for none.
    precisions: tuple[str, ...]
    needs: tuple[str, ...]  # as of ``Availability``
    rank: int  # as of ``Availability``

    def __str__(self) -> str:
        only = f" ({', '.join(self.precisions)})" if self.precisions else ""
        return ", ".join(map(_shorten_host, self.origins)) + only


def _shorten_host(place: str) -> str:
    if len(place) <= _LONGEST_HOST:
        return place
    return ".".join(place.split(".")[-2:])


def find_weights(context: Context, models: Sequence[ModelFacts]) -> dict[str, Weights]:
    """Where the files of each model are, by its name."""
    from posezoo.core.pipeline.availability import AvailabilityFinder, find_file_places

    options = context.download_options
    finder = AvailabilityFinder(context)
    parts = {part.full_name: part for facts in models for part in facts.parts}
    states = {name: find_file_places(part, context.layout, options) for name, part in parts.items()}
    weights = {}
    for facts in models:
        origins: dict[str, None] = {}
        precisions: dict[str, None] = {}
        for part in (states[each.full_name] for each in facts.parts):
            origins |= dict.fromkeys(part.best_places)
            if len(part.local_precisions) < len(part.places):
                precisions |= dict.fromkeys(part.local_precisions)
        found = facts.find_availability(finder)
        weights[facts.name] = Weights(tuple(origins), tuple(precisions), found.needs, found.rank)
    return weights


def model_to_json(facts: ModelFacts, selection: Selection, weights: Weights) -> dict[str, Any]:
    """The object of a model for ``--format json``; the docstring of the verb explains the keys."""
    model = facts.model
    return {
        **project(facts, "name composite=model.composite? parts=model.stages task=model.task"),
        "framework": " ".join(facts.frameworks),
        "precisions": to_json(facts.precisions),
        "license": " ".join(facts.licenses),
        **project(facts, _MODEL),
        "registry": registry_name(registry_root(model)) if is_declared(model) else None,
        "also_in": list(selection.also_in(model.name)),
        **project(weights, "weights_from=origins needs"),
    }
