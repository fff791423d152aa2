"""The models that list, info, card and gallery show, and the filters that narrow them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from posezoo.facts.model_facts import Model, ModelFacts
from posezoo.spec.model import CompositeSpec, Framework, ModelSpec, Precision

if TYPE_CHECKING:
    from posezoo.cli.report import Console
    from posezoo.registry import Selection


def facts_of(selection: Selection) -> list[ModelFacts]:
    """In alphabetical order; the parts of a composite follow it in the order in which they run."""
    models = {spec.full_name: spec for spec in selection.models}
    parts: dict[str, tuple[ModelSpec, ...]] = {}
    for composite in selection.composites:
        # A part whose file cannot be read is missing.
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
    """What models must have: one value of each field that is not empty, and all words.

    Attributes:
        tasks: of model.yml.
        frameworks: of the published files.
        precisions: of which a model must have one.
        licenses: globs.
        words: words, or their beginnings, of the name or description.
        text: the flags as the user typed them; empty: no filter.
    """

    tasks: tuple[str, ...] = ()
    frameworks: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    licenses: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    text: str = ""

    def matches(self, facts: ModelFacts) -> bool:
        """Whether a model passes; a composite by its own words and by the files of its parts."""
        text = f"{facts.name} {facts.model.description}"
        return (
            (not self.tasks or facts.model.task in self.tasks)
            and _matches_any(self.frameworks, facts.frameworks)
            and _matches_any(self.precisions, facts.precisions)
            and _matches_any(self.licenses, facts.licenses)
            and all(_has_word(text, word) for word in self.words)
        )


def filter_models(selection: Selection, filters: ModelFilters, console: Console) -> list[ModelFacts]:
    """The models that pass the filters; if there is none, the console says which licenses exist."""
    models = facts_of(selection)
    passed = [facts for facts in models if filters.matches(facts)]
    if models and not passed:
        licenses = sorted({license for facts in models for license in facts.licenses})
        existing = f"; licenses here: {', '.join(licenses)}" if filters.licenses else ""
        console.print_line(f"no model matches {filters.text}{existing}")
    return passed


def _has_word(text: str, beginning: str) -> bool:
    """Whether a word of the text begins so; in BlazePose and human_pose, a word begins at Pose, too."""
    start = r"(?:(?<![^\W_])|(?<=[a-z])(?=[A-Z]))" if beginning[0].isalnum() else ""
    return re.search(f"{start}(?i:{re.escape(beginning)})", text) is not None


def _matches_any(patterns: Sequence[str], values: Sequence[str]) -> bool:
    return not patterns or any(
        fnmatchcase(value.casefold(), pattern.casefold()) for pattern in patterns for value in values
    )


class _TaskChoices:
    """The tasks of model.yml, imported only if the flag is used: the reader of YAML costs 20 ms."""

    def __iter__(self) -> Iterator[str]:
        from posezoo.spec.model_yml import TASKS

        return iter(TASKS)

    def __contains__(self, task: object) -> bool:
        return task in tuple(self)


def add_filter_flags(parser: argparse.ArgumentParser) -> None:
    """Flags that narrow the models; a flag that is given several times accepts any of its values."""
    filters = parser.add_argument_group(
        "filters", "A model must match each filter; of a filter that is given several times, any value."
    )
    filters.add_argument(
        "--task",
        action="append",
        choices=_TaskChoices(),
        metavar="TASK",
        help="such as human_pose_estimation",
    )
    filters.add_argument(
        "--framework",
        action="append",
        choices=tuple(framework.value for framework in Framework),
        metavar="NAME",
        help=f"framework of the published files: {', '.join(Framework)} (dldt: published as IR)",
    )
    filters.add_argument(
        "--precision",
        action="append",
        choices=tuple(precision.value for precision in Precision),
        metavar="P",
        help=f"precision that is published or can be made: {', '.join(Precision)}",
    )
    filters.add_argument(
        "--license", action="append", metavar="GLOB", help="SPDX identifier or a glob, such as 'BSD-*'"
    )
    filters.add_argument(
        "--search",
        metavar="TEXT",
        help="words, or beginnings of words, that are all in the name or description; ignores case",
    )


def filters_from_args(args: argparse.Namespace) -> ModelFilters:
    """The filters that were given."""
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
