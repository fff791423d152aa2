"""The models that list, info, card and gallery show, and the filters that narrow them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import chain, product
from typing import TYPE_CHECKING

from posezoo.cli.flags import Flag, FlagGroup, parse_framework
from posezoo.cli.parsers import Args
from posezoo.cli.selection import select_models
from posezoo.core.declarations.model import Framework, Precision, list_frameworks
from posezoo.core.values import frozen
from posezoo.pages.facts.model_facts import ModelFacts, find_detector

if TYPE_CHECKING:
    from posezoo.cli.run_main import MessageWriter
    from posezoo.core.registry import Registry, Selection
    from posezoo.core.settings import Settings


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
    search: str | None  # words that a model must have

    def __str__(self) -> str:
        typed = [f"--{name} {text}" for name, texts in self.patterns.items() for text in texts]
        if self.search is not None:
            typed.append(f"--search {self.search}")
        return " ".join(typed)

    def accept(self, facts: ModelFacts) -> bool:
        """Whether a model matches a value of each filter, and all words of --search.

        For a composite, its own text and the files of its parts are checked.
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
        text = f"{facts.name} {facts.model.description}"
        for word in (self.search or "").split():
            # It is the beginning of a word: BlazePose and human_pose have the word pose.
            start = r"(?:(?<![^\W_])|(?<=[a-z])(?=[A-Z]))" if word[0].isalnum() else ""
            if not re.search(f"{start}(?i:{re.escape(word)})", text):
                return False
        return True


class FilterArgs(Args):
    """The values of ``FILTER_FLAGS``."""

    task: list[str] | None
    framework: list[Framework] | None
    precision: list[str] | None
    license: list[str] | None
    search: str | None


def filters_from_args(args: FilterArgs) -> ModelFilters:
    """The filters that ``FILTER_FLAGS`` give."""
    patterns = {
        "task": args.task or (),
        "framework": args.framework or (),
        "precision": args.precision or (),
        "license": args.license or (),
    }
    return ModelFilters(patterns, args.search)


def select_filtered(
    settings: Settings,
    filters: ModelFilters,
    patterns: Sequence[str] | None,
    console: MessageWriter,
    *,
    is_all: bool,
) -> tuple[list[ModelFacts], Selection]:
    """The selected models that pass the filters; if none passes, the console lists the existing
    licenses.

    Args:
        patterns: names and globs; None selects all models, or those that only the filters select.
        is_all: whether the user asked for all models.
    """
    from posezoo.core.pipeline.zoo_context import registry_from_settings

    by_filters = bool(str(filters)) and not patterns and not is_all
    registry = registry_from_settings(settings)
    selection = select_models(
        registry,
        patterns or (None if is_all else ["*"]),
        console,
        filtered=by_filters,
        takes_checkpoints=True,
    )
    models = facts_of(selection, registry)
    passed = [facts for facts in models if filters.accept(facts)] if str(filters) else models
    if models and not passed:
        existing = ""
        if filters.patterns["license"]:
            licenses = sorted(set(chain.from_iterable(facts.licenses for facts in models)))
            existing = f"; licenses here: {', '.join(licenses)}"
        console.print_line(f"no model matches {filters}{existing}")
    return passed, selection


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
