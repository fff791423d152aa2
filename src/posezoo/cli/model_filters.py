"""The models and composites that list and info show: narrowed by filters, composites above their parts."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from posezoo.facts.labels import common_precisions, download_size
from posezoo.spec.model import CompositeSpec, Deprecation, Framework, ModelSpec, Precision

if TYPE_CHECKING:
    from posezoo.registry import Selection


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model or composite, and the models whose files and licences are its own."""

    model: ModelSpec | CompositeSpec
    parts: tuple[ModelSpec, ...]  # of a model itself, alone

    @property
    def composite(self) -> str:
        """The composite that it is a part of; empty where it stands alone."""
        return self.model.composite if isinstance(self.model, ModelSpec) else ""

    @property
    def frameworks(self) -> list[str]:
        """What the published files were made with."""
        return sorted({part.framework.value for part in self.parts})

    @property
    def licenses(self) -> list[str]:
        """SPDX identifiers, or an address where a foreign zoo declares no more."""
        return sorted({part.license.spdx or part.license.url for part in self.parts} - {""})

    def facts(self) -> dict[str, Any]:
        """What every list says of it, in JSON's types."""
        return {
            "name": self.model.full_name,
            "composite": self.composite or None,
            "parts": list(self.model.stages) if isinstance(self.model, CompositeSpec) else [],
            "task": self.model.task,
            "framework": " ".join(self.frameworks),
            "precisions": [precision.value for precision in common_precisions(self.parts)],
            "license": " ".join(self.licenses),
            "size_bytes": download_size(self.parts),
            "revision": self.model.revision if isinstance(self.model, ModelSpec) else 1,
            "deprecated": _plain(self.model.deprecated),
            "description": self.model.description,
        }


def _plain(deprecated: Deprecation | None) -> dict[str, str] | None:
    return None if deprecated is None else {"since": deprecated.since, "use": deprecated.use}


def list_rows(selection: Selection) -> list[ModelRow]:
    """In alphabetical order, each composite above its parts and these in the order they run in."""
    models = {spec.full_name: spec for spec in selection.models}
    parts: dict[str, list[ModelSpec]] = {}
    for composite in selection.composites:
        # Not all are there where a part's file cannot be read.
        parts[composite.name] = [models[stage] for stage in composite.stages if stage in models]
    inside = {part.full_name for several in parts.values() for part in several}
    tops: list[ModelSpec | CompositeSpec] = [*selection.composites]
    tops += [spec for spec in selection.models if spec.full_name not in inside]

    def rows() -> Iterator[ModelRow]:
        for model in sorted(tops, key=lambda model: model.full_name):
            yield ModelRow(model, tuple(parts[model.name]) if isinstance(model, CompositeSpec) else (model,))
            yield from (ModelRow(part, (part,)) for part in parts.get(model.name, ()))

    return list(rows())


@dataclass(frozen=True, slots=True)
class ModelFilters:
    """What is asked for: one of each kind that was said at all; empty says nothing."""

    tasks: tuple[str, ...] = ()
    frameworks: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    licenses: tuple[str, ...] = ()
    words: tuple[str, ...] = ()  # or their beginnings
    said: str = ""  # as it was typed

    def matches(self, each: ModelRow) -> bool:
        """Whether a row is asked for; a composite is judged by its own words and its parts' files."""
        text = f"{each.model.full_name} {each.model.description}"
        return (
            (not self.tasks or each.model.task in self.tasks)
            and _meet(self.frameworks, each.frameworks)
            and _meet(self.precisions, common_precisions(each.parts))
            and _meet(self.licenses, each.licenses)
            and all(_begins_in(text, word) for word in self.words)
        )


def _begins_in(text: str, word: str) -> bool:
    """Whether a word of the text begins like this; inside of BlazePose and human_pose Pose begins, too."""
    start = r"(?:(?<![^\W_])|(?<=[a-z])(?=[A-Z]))" if word[0].isalnum() else ""
    return re.search(f"{start}(?i:{re.escape(word)})", text) is not None


def _meet(patterns: tuple[str, ...], values: list[Any]) -> bool:
    return not patterns or any(
        fnmatchcase(value.casefold(), pattern.casefold()) for pattern in patterns for value in values
    )


class _TaskChoices:
    """The tasks of model.yml, looked up only when one is given: the reader of YAML costs 20 ms."""

    def __iter__(self) -> Iterator[str]:
        from posezoo.spec.model_yml import TASKS

        return iter(TASKS)

    def __contains__(self, task: object) -> bool:
        return task in tuple(self)


def add_filter_flags(parser: argparse.ArgumentParser) -> None:
    """Which of the models; each flag may be given several times, and then any of its values will do."""
    filters = parser.add_argument_group(
        "filters", "Each narrows what is shown; given several times, any of its values will do."
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
        choices=tuple(each.value for each in Framework),
        metavar="NAME",
        help=f"what it is published for: {', '.join(Framework)} (dldt: IR already)",
    )
    filters.add_argument(
        "--precision",
        action="append",
        choices=tuple(each.value for each in Precision),
        metavar="P",
        help=f"published or convertible: {', '.join(Precision)}",
    )
    filters.add_argument(
        "--license", action="append", metavar="GLOB", help="SPDX identifier or a glob, such as 'BSD-*'"
    )
    filters.add_argument(
        "--search",
        metavar="TEXT",
        help="words or beginnings of words, all in the name or description, in any case of letters",
    )


def filters_from_args(args: argparse.Namespace) -> ModelFilters:
    """The filters that were given."""
    flags = ("task", "framework", "precision", "license")
    said = [f"--{flag} {value}" for flag in flags for value in getattr(args, flag) or ()]
    if args.search is not None:
        said.append(f"--search {args.search}")
    return ModelFilters(
        tasks=tuple(args.task or ()),
        frameworks=tuple(args.framework or ()),
        precisions=tuple(args.precision or ()),
        licenses=tuple(args.license or ()),
        words=tuple((args.search or "").split()),
        said=" ".join(said),
    )
