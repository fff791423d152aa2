"""The models that list, info, card and gallery show, and the filters that narrow them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from posezoo.cli.flags import Flag, FlagGroup
from posezoo.facts.model_facts import Model, ModelFacts
from posezoo.spec.model import CompositeSpec, Framework, ModelSpec, Precision

if TYPE_CHECKING:
    from posezoo.cli.report import Console
    from posezoo.registry import Selection


def facts_of(selection: Selection) -> list[ModelFacts]:
    """The facts in alphabetical order; the parts of a composite follow it, in the order in which they run."""
    models = {spec.full_name: spec for spec in selection.models}
    parts: dict[str, tuple[ModelSpec, ...]] = {}
    for composite in selection.composites:
        # A part is missing here if its file cannot be read.
        parts[composite.name] = tuple(models[stage] for stage in composite.stages if stage in models)
    inside = {part.full_name for of_composite in parts.values() for part in of_composite}
    tops: list[Model] = [*selection.composites]
    tops += [spec for spec in selection.models if spec.full_name not in inside]
    facts = []
    for model in sorted(tops, key=lambda model: model.full_name):
        if isinstance(model, CompositeSpec):
            facts += [ModelFacts(model, parts[model.name])]
            facts += [ModelFacts(part, (part,)) for part in parts[model.name]]
        else:
            facts.append(ModelFacts(model, (model,)))
    return facts


@dataclass(frozen=True, slots=True)
class ModelFilters:
    """The filters: a model must match one value of each non-empty field, and all words.

    Attributes:
        tasks: the accepted tasks, as in model.yml.
        frameworks: the accepted frameworks of the published files.
        precisions: the precisions; a model must have one of them.
        licenses: globs of the accepted licenses.
        words: words, or beginnings of words, that the name or description must contain.
        text: the flags as the user typed them; empty: no filter.
    """

    tasks: tuple[str, ...] = ()
    frameworks: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    licenses: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    text: str = ""

    def matches(self, facts: ModelFacts) -> bool:
        """Whether a model passes; for a composite, its own text and the files of its parts are checked."""
        text = f"{facts.name} {facts.model.description}"
        return (
            (not self.tasks or facts.model.task in self.tasks)
            and _matches_any(self.frameworks, facts.frameworks)
            and _matches_any(self.precisions, facts.precisions)
            and _matches_any(self.licenses, facts.licenses)
            and all(_has_word(text, word) for word in self.words)
        )


def filter_models(selection: Selection, filters: ModelFilters, console: Console) -> list[ModelFacts]:
    """The models that pass the filters; if none passes, the console lists the existing licenses."""
    models = facts_of(selection)
    passed = [facts for facts in models if filters.matches(facts)]
    if models and not passed:
        licenses = sorted({license for facts in models for license in facts.licenses})
        existing = f"; licenses here: {', '.join(licenses)}" if filters.licenses else ""
        console.print_line(f"no model matches {filters.text}{existing}")
    return passed


def _has_word(text: str, beginning: str) -> bool:
    """Whether a word of the text starts with ``beginning``; BlazePose and human_pose have the word pose."""
    start = r"(?:(?<![^\W_])|(?<=[a-z])(?=[A-Z]))" if beginning[0].isalnum() else ""
    return re.search(f"{start}(?i:{re.escape(beginning)})", text) is not None


def _matches_any(patterns: Sequence[str], values: Sequence[str]) -> bool:
    return not patterns or any(
        fnmatchcase(value.casefold(), pattern.casefold()) for pattern in patterns for value in values
    )


class _TaskChoices:
    """The tasks of model.yml, imported only if the flag is used: importing the YAML reader takes 20 ms."""

    def __iter__(self) -> Iterator[str]:
        from posezoo.spec.model_yml import TASKS

        return iter(TASKS)

    def __contains__(self, task: object) -> bool:
        return task in tuple(self)


#: The filter flags; if a flag is given several times, a model may match any of its values.
FILTER_FLAGS = FlagGroup(
    Flag("--task TASK", "such as human_pose_estimation", repeats=True, choices=_TaskChoices()),
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
    Flag("--license GLOB", "SPDX identifier or a glob, such as 'BSD-*'", repeats=True),
    Flag(
        "--search TEXT",
        "words, or beginnings of words, that are all in the name or description; ignores case",
    ),
    title="filters",
    description="A model must match each filter; of a filter that is given several times, any value.",
)


def filters_from_args(args: argparse.Namespace) -> ModelFilters:
    """The filters that the flags give."""
    flags = ("task", "framework", "precision", "license")
    typed = [f"--{flag} {value}" for flag in flags for value in getattr(args, flag) or ()]
    typed += [f"--search {args.search}"] if args.search is not None else []
    return ModelFilters(
        tasks=tuple(args.task or ()),
        frameworks=tuple(args.framework or ()),
        precisions=tuple(args.precision or ()),
        licenses=tuple(args.license or ()),
        words=tuple((args.search or "").split()),
        text=" ".join(typed),
    )
