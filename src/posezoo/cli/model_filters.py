"""The models that list, info, card and gallery show, and the filters that narrow them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from posezoo.cli.flags import Flag, FlagGroup, settings_from_args
from posezoo.cli.selection import select_models
from posezoo.facts.model_facts import Model, ModelFacts
from posezoo.spec.model import CompositeSpec, Framework, ModelSpec, Precision

if TYPE_CHECKING:
    from posezoo.console import Console
    from posezoo.registry import Selection


def facts_of(selection: Selection) -> list[ModelFacts]:
    """The facts in alphabetical order; the parts of a composite follow it, in the order in which
    they run.
    """
    models = {spec.full_name: spec for spec in selection.models}
    parts: dict[str, tuple[ModelSpec, ...]] = {}
    for composite in selection.composites:
        # A part is missing here if its file cannot be read.
        parts[composite.name] = tuple(
            models[stage] for stage in composite.stages if stage in models
        )
    inside = {part.full_name for of_composite in parts.values() for part in of_composite}
    tops: list[Model] = [*selection.composites]
    tops += [spec for spec in selection.models if spec.full_name not in inside]
    facts: dict[str, ModelFacts] = {}  # a part of several composites follows the first
    for model in sorted(tops, key=lambda model: model.full_name):
        of_model = parts[model.name] if isinstance(model, CompositeSpec) else (model,)
        facts[model.full_name] = ModelFacts(model, of_model)
        for part in of_model:
            facts.setdefault(part.full_name, ModelFacts(part, (part,)))
    return list(facts.values())


def select_filtered(
    args: argparse.Namespace, patterns: Sequence[str] | None, console: Console
) -> tuple[list[ModelFacts], Selection]:
    """The selected models that pass the filters; if none passes, the console lists the existing
    licenses.

    Args:
        patterns: names and globs; None selects all models, or those that only the filters select.
    """
    from posezoo.pipeline.zoo_context import registry_from_settings

    registry = registry_from_settings(settings_from_args(args))
    filters = describe_filters(args)
    selection = select_models(
        registry, patterns, console, filtered=bool(filters and not patterns and not args.all)
    )
    models = facts_of(selection)
    passed = [facts for facts in models if _passes_filters(facts, args)]
    if models and not passed:
        licenses = sorted({license for facts in models for license in facts.licenses})
        existing = f"; licenses here: {', '.join(licenses)}" if args.license else ""
        console.print_line(f"no model matches {filters}{existing}")
    return passed, selection


def describe_filters(args: argparse.Namespace) -> str:
    """The filters as the user typed them; empty if none is given."""
    names = ("task", "framework", "precision", "license")
    typed = [f"--{name} {value}" for name in names for value in getattr(args, name) or ()]
    typed += [f"--search {args.search}"] if args.search is not None else []
    return " ".join(typed)


def _passes_filters(facts: ModelFacts, args: argparse.Namespace) -> bool:
    """Whether a model matches a value of each filter, and all words of --search.

    For a composite, its own text and the files of its parts are checked.
    """
    for patterns, values in (
        (args.task, (facts.model.task,)),
        (args.framework, facts.frameworks),
        (args.precision, facts.precisions),
        (args.license, facts.licenses),
    ):
        if patterns and not any(
            fnmatchcase(value.casefold(), pattern.casefold())
            for pattern in patterns
            for value in values
        ):
            return False
    text = f"{facts.name} {facts.model.description}"
    return all(_has_word(text, word) for word in (args.search or "").split())


def _has_word(text: str, beginning: str) -> bool:
    """Whether a word of the text starts with ``beginning``; BlazePose and human_pose have the word
    pose.
    """
    start = r"(?:(?<![^\W_])|(?<=[a-z])(?=[A-Z]))" if beginning[0].isalnum() else ""
    return re.search(f"{start}(?i:{re.escape(beginning)})", text) is not None


def _task(text: str) -> str:
    # Imported only if the flag is used: importing the YAML reader takes 20 ms.
    from posezoo.spec.model_yml import TASKS

    if text in TASKS:
        return text
    choices = ", ".join(map(repr, TASKS))
    raise argparse.ArgumentTypeError(f"invalid choice: {text!r} (choose from {choices})")


#: The filter flags; if a flag is given several times, a model may match any of its values.
FILTER_FLAGS = FlagGroup(
    Flag(
        "--task TASK",
        "the model's task, such as human_pose_estimation",
        _task,
        repeats=True,
    ),
    Flag(
        "--framework NAME",
        f"framework of the published files: {', '.join(Framework)} (dldt: published as IR)",
        repeats=True,
        choices=tuple(framework.value for framework in Framework),
    ),
    Flag(
        "--precision P",
        f"precision that is published or can be made: {', '.join(Precision)}",
        repeats=True,
        choices=tuple(precision.value for precision in Precision),
    ),
    Flag(
        "--license GLOB", "SPDX identifier of the license, or a glob such as 'BSD-*'", repeats=True
    ),
    Flag(
        "--search TEXT",
        "words, or beginnings of words, that must all occur in the name or description; case is"
        " ignored",
    ),
    title="filters",
    description=(
        "A model must match all filters; if a filter is given several times, one of its values."
    ),
)
