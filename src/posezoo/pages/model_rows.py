"""What list and info show of each model as JSON: its facts, and where its weights are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from posezoo.cli.bars import counting_bar
from posezoo.cli.json_projection import project, to_json
from posezoo.core.registry import Selection, is_declared, registry_name, registry_root
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from posezoo.core.download.options import DownloadOptions
    from posezoo.core.pipeline.availability import Availability
    from posezoo.core.settings import Settings
    from posezoo.pages.facts.model_facts import ModelFacts

_LONGEST_HOST = 32

# For --available, a host that does not answer at once counts as one that does not answer.
_TIMEOUT_S = 10.0
_JOBS = 16

#: Keys of a model in JSON.
_MODEL = (
    "size_bytes download_bytes revision=model.revision deprecated=model.deprecated"
    " description=model.description"
)


@frozen
class Weights:
    """Where the published files of a model are."""

    origins: tuple[str, ...]
    #: Those that alone are on a disk; empty if that holds for all or for none.
    precisions: tuple[str, ...]
    available: bool | None  # None if a server would have to be asked

    def __str__(self) -> str:
        only = f" ({', '.join(self.precisions)})" if self.precisions else ""
        return ", ".join(map(_shorten_host, self.origins)) + only


def _shorten_host(place: str) -> str:
    """The end of the name of a host that would widen the table."""
    if len(place) <= _LONGEST_HOST:
        return place
    return ".".join(place.split(".")[-2:])


def find_weights(
    settings: Settings,
    models: Sequence[ModelFacts],
    *,
    asks_sources: bool = False,
    quiet: bool = False,
) -> dict[str, Weights]:
    """Where the files of each model are, by its name.

    Args:
        asks_sources: whether sources are asked over the network if they have the files.
        quiet: whether no bar shows how many were asked.
    """
    from posezoo.core.layout import ModelLayout
    from posezoo.core.pipeline.availability import find_availability
    from posezoo.core.pipeline.zoo_context import download_options

    options = download_options(settings)
    layout = ModelLayout(settings.weights_dir, settings.weights_dir)
    parts = {part.full_name: part for facts in models for part in facts.parts}
    states = {name: find_availability(part, layout, options) for name, part in parts.items()}
    available = None
    if asks_sources:
        available = _find_available(tuple(states.values()), options, quiet=quiet)
    weights = {}
    for facts in models:
        of_parts = [states[part.full_name] for part in facts.parts]
        is_available: bool | None = all(each.is_local for each in of_parts) or None
        if available is not None:
            is_available = available.issuperset(each.spec.full_name for each in of_parts)
        origins: dict[str, None] = {}
        precisions: dict[str, None] = {}
        for part in of_parts:
            origins |= dict.fromkeys(part.best_places)
            if len(part.local_precisions) < len(part.places):
                precisions |= dict.fromkeys(part.local_precisions)
        weights[facts.name] = Weights(tuple(origins), tuple(precisions), is_available)
    return weights


def _find_available(
    models: Sequence[Availability], options: DownloadOptions, *, quiet: bool
) -> set[str]:
    """The full names of the models whose files are available: on a disk, or at a source that
    answers.

    Each source is asked once, with a time limit of 10 seconds; nothing is downloaded.
    """
    from posezoo.core.pipeline.availability import REFUSED
    from posezoo.pages.source_check import check_sources, count_sources  # import requests

    available = {each.spec.full_name for each in models if each.is_local}
    asked = [each for each in models if not each.is_local and REFUSED not in each.best_places]
    options = replace(options, jobs=_JOBS, attempts=1, timeout_s=min(options.timeout_s, _TIMEOUT_S))
    specs = [each.spec for each in asked]
    with counting_bar("sources", count_sources(specs), "source", quiet=quiet) as count:
        answers = check_sources(specs, options, count)
    good = {(answer.model, answer.file) for answer in answers if answer.state == "good"}
    for spec, precision in ((each.spec, precision) for each in asked for precision in each.places):
        folder = f"{precision}/" if precision else ""  # the empty precision has all files
        names = [file.name for file in spec.files if file.name.startswith(folder)]
        if names and good.issuperset((spec.full_name, name) for name in names):
            available.add(spec.full_name)
    return available


def model_to_json(facts: ModelFacts, selection: Selection, weights: Weights) -> dict[str, Any]:
    """The object of a model for ``--format json``; the module's docstring explains the keys."""
    model = facts.model
    return {
        **project(facts, "name composite=model.composite? parts=model.stages task=model.task"),
        "framework": " ".join(facts.frameworks),
        "precisions": to_json(facts.precisions),
        "license": " ".join(facts.licenses),
        **project(facts, _MODEL),
        "registry": registry_name(registry_root(model)) if is_declared(model) else None,
        "also_in": list(selection.also_in(model.name)),
        **project(weights, "weights_from=origins available"),
    }
