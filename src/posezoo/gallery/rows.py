"""What the gallery shows of each model, as plain data: who it is, and its figures, with where each is from.

Figures are those that ``comparison`` puts side by side; of a foreign registry, those of its own cards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from posezoo.card.facts import card_facts
from posezoo.card.parsed import Figure
from posezoo.card.words import FRAMEWORKS, precisions, size_bytes, task_in_words
from posezoo.comparison import Figures, Origin, Value, compare
from posezoo.comparison.choice import way_of
from posezoo.gallery.published import figures_of_card, published_figures
from posezoo.layout import Layout
from posezoo.measured import measured_of
from posezoo.spec.model import CompositeSpec, Input, ModelSpec, Precision

Model = ModelSpec | CompositeSpec


@dataclass(frozen=True, slots=True)
class Axis:
    """A figure as charts and tables show it.

    Attributes:
        title: what it is.
        unit: of the shown number.
        factor: from the figure to the shown number.
        more: whether more is better.
        log: whether models lie apart by factors, so that a logarithmic scale suits them.
        is_accuracy: whether it says how good a model is, and not what it costs.
    """

    title: str
    unit: str
    factor: float = 1
    more: bool = False
    log: bool = True
    is_accuracy: bool = False


#: By the names of ``comparison.COLUMNS``, and what else is known of models that are no IR yet.
AXES: Mapping[str, Axis] = {
    "AP": Axis("AP", "%", factor=100, more=True, log=False, is_accuracy=True),
    "throughput_fps": Axis("Throughput", "images/s", more=True),
    "latency_p50_ms": Axis("Latency", "ms, median"),
    "gflops": Axis("Operations", "GFLOPs"),
    "mparams": Axis("Weights", "million"),
    "size_bytes": Axis("IR size", "MB", factor=1e-6),
    "download_bytes": Axis("Download", "MB", factor=1e-6),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A model, a variant, a composite or a part of one, as the index shows it.

    Attributes:
        model: what was declared.
        parts: of a composite; of a model, itself alone.
        known: what its card tells, by the names of ``card.facts``.
        published: what is said of it by whoever published it, by the name of the figure.
        from_card: the figures that a foreign registry's card tells, as they stand there.
        figures: what is known of each IR, by precision and by the name of the figure.
    """

    model: Model
    parts: tuple[ModelSpec, ...]
    known: Mapping[str, Any]
    published: Mapping[str, Value]
    from_card: tuple[Figure, ...] = ()
    figures: Mapping[Precision, Mapping[str, Value]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What a user types to mean exactly this."""
        return self.model.full_name

    @property
    def page(self) -> str:
        """The path of its page below the site's root."""
        return f"models/{self.name}.html"

    @property
    def precisions(self) -> list[Precision]:
        """Those that it is to be had in, and those that something is known of."""
        return [each for each in Precision if each in precisions(self.parts) or each in self.figures]

    @property
    def licenses(self) -> list[str]:
        """SPDX identifiers, or an address where no more is declared."""
        return sorted({part.license.spdx or part.license.url for part in self.parts} - {""})

    @property
    def input_size(self) -> tuple[int, int] | None:
        """Height and width of the first input that has both."""
        return next((size for part in self.parts for port in part.inputs if (size := _size(port))), None)

    @property
    def facts(self) -> dict[str, Any]:
        """What filters ask for, in words."""
        size = self.input_size
        return {
            "task": task_in_words(self.model.task),
            "family": family_of(self.model.name),
            "approach": self.known["approach"] or "",
            "collection": self.model.family.value,
            "framework": ", ".join(sorted({FRAMEWORKS[part.framework] for part in self.parts})),
            "license": ", ".join(self.licenses),
            "input": f"{size[0]}x{size[1]}" if size else "",
        }


@dataclass(frozen=True, slots=True)
class Rows:
    """All entries in alphabetical order, and in what way measured figures were measured; empty: none was."""

    entries: tuple[Entry, ...]
    axes: Mapping[str, Axis]
    speed_way: str = ""
    accuracy_way: str = ""


def gather(models: Sequence[tuple[Model, tuple[ModelSpec, ...]]], layout: Layout, figures: Figures) -> Rows:
    """What is known of models.

    Args:
        models: each with its parts; a model's variants come with it.
        layout: where IR lie, whose size is told.
        figures: what the user measured, and which figures are wanted.

    Raises:
        SpecError: a measured.yml says something that cannot be meant.
    """
    subjects = {each.full_name: (each, of) for model, parts in models for each, of in _variants(model, parts)}
    specs = [model for model, _ in subjects.values() if isinstance(model, ModelSpec)]
    compared = compare(specs, tuple(Precision), layout, figures)
    known: dict[str, dict[Precision, Mapping[str, Value]]] = {}
    for row in compared.rows:
        values = {key: value for key, value in row.values.items() if value}
        known.setdefault(row.model, {})[row.precision] = values
    entries = tuple(
        _entry(model, parts, known.get(name) or _measured(model))
        for name, (model, parts) in sorted(subjects.items())
    )
    return Rows(entries, _axes(entries), compared.speed_way, compared.accuracy_way)


def family_of(name: str) -> str:
    """What models of one design have in common: up to two leading words of the name that hold no digit.

    >>> family_of("simple_pose_resnet18_v1b"), family_of("efficientnet-b0")
    ('simple_pose', 'efficientnet')
    """
    words = re.match(r"[A-Za-z]+(?:[-_][A-Za-z]+(?![A-Za-z0-9.]))?(?![A-Za-z0-9.])", name)
    return words.group() if words else re.split(r"[-_]", name)[0]


def _variants(model: Model, parts: tuple[ModelSpec, ...]) -> Iterator[tuple[Model, tuple[ModelSpec, ...]]]:
    yield model, parts
    if isinstance(model, ModelSpec):
        yield from ((each, (each,)) for each in model.variants)


def _size(port: Input) -> tuple[int, int] | None:
    if len(port.shape) != len(port.layout) or not {"H", "W"} <= set(port.layout):
        return None
    height, width = (port.shape[port.layout.index(letter)] for letter in "HW")
    return (height, width) if height > 0 and width > 0 else None


def _entry(
    model: Model, parts: tuple[ModelSpec, ...], figures: Mapping[Precision, Mapping[str, Value]]
) -> Entry:
    from_card = figures_of_card(model)
    published = published_figures(model, from_card)
    if size := size_bytes(parts):
        published["download_bytes"] = Value(size, Origin.DECLARED)
    return Entry(model, parts, card_facts(model, parts), published, from_card, figures)


def _measured(model: Model) -> dict[Precision, Mapping[str, Value]]:
    """What was measured of a composite as a whole, which ``compare`` does not know."""
    found: dict[Precision, Mapping[str, Value]] = {}
    if isinstance(model, CompositeSpec):
        for each in measured_of(model):
            if each.kind == "accuracy" and "AP" in each.figures:
                found[each.precision] = {"AP": Value(each.figures["AP"], Origin.MEASURED, way_of(each))}
    return found


def _axes(entries: Sequence[Entry]) -> dict[str, Axis]:
    """Those of which anything is known; accuracies that only foreign cards tell come after AP."""
    there = {key for entry in entries for key in entry.published}
    there |= {key for entry in entries for values in entry.figures.values() for key in values}
    others = {
        key: Axis(key, "%", factor=100, more=True, log=False, is_accuracy=True)
        for key in sorted(there - AXES.keys())
    }
    return {key: axis for key, axis in {**AXES, **others}.items() if key in there}
