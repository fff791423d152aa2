"""What the gallery shows of each model, as plain data: who it is, and its figures, with where each is from.

Figures are those that ``comparison`` puts side by side; of a foreign registry, those of its own cards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from posezoo.cards.card_json import collect_facts
from posezoo.cards.parsed_card import CardMetric
from posezoo.facts import MeasurementSelection, MetricSource, SourcedMetric, compare_models
from posezoo.facts.labels import FRAMEWORKS, common_precisions, download_size, task_label
from posezoo.facts.measurement_selection import format_measurement_setting
from posezoo.gallery.card_metrics import metrics_of_card, published_metrics
from posezoo.layout import ModelLayout
from posezoo.measured import load_measurements
from posezoo.spec.model import CompositeSpec, Input, ModelSpec, Precision

Model = ModelSpec | CompositeSpec


@dataclass(frozen=True, slots=True)
class ChartAxis:
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
AXES: Mapping[str, ChartAxis] = {
    "AP": ChartAxis("AP", "%", factor=100, more=True, log=False, is_accuracy=True),
    "throughput_fps": ChartAxis("Throughput", "images/s", more=True),
    "latency_p50_ms": ChartAxis("Latency", "ms, median"),
    "gflops": ChartAxis("Operations", "GFLOPs"),
    "mparams": ChartAxis("Weights", "million"),
    "size_bytes": ChartAxis("IR size", "MB", factor=1e-6),
    "download_bytes": ChartAxis("Download", "MB", factor=1e-6),
}


@dataclass(frozen=True, slots=True)
class GalleryEntry:
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
    published: Mapping[str, SourcedMetric]
    from_card: tuple[CardMetric, ...] = ()
    figures: Mapping[Precision, Mapping[str, SourcedMetric]] = field(default_factory=dict)

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
        return [each for each in Precision if each in common_precisions(self.parts) or each in self.figures]

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
            "task": task_label(self.model.task),
            "family": name_family(self.model.name),
            "approach": self.known["approach"] or "",
            "collection": self.model.family.value,
            "framework": ", ".join(sorted({FRAMEWORKS[part.framework] for part in self.parts})),
            "license": ", ".join(self.licenses),
            "input": f"{size[0]}x{size[1]}" if size else "",
        }


@dataclass(frozen=True, slots=True)
class GalleryData:
    """All entries in alphabetical order, and in what way measured figures were measured; empty: none was."""

    entries: tuple[GalleryEntry, ...]
    axes: Mapping[str, ChartAxis]
    speed_way: str = ""
    accuracy_way: str = ""


def collect_gallery_data(
    models: Sequence[tuple[Model, tuple[ModelSpec, ...]]], layout: ModelLayout, metrics: MeasurementSelection
) -> GalleryData:
    """What is known of models.

    Args:
        models: each with its parts; a model's variants come with it.
        layout: where IR lie, whose size is told.
        metrics: what the user measured, and which figures are wanted.

    Raises:
        SpecError: a measured.yml says something that cannot be meant.
    """
    subjects = {each.full_name: (each, of) for model, parts in models for each, of in _variants(model, parts)}
    specs = [model for model, _ in subjects.values() if isinstance(model, ModelSpec)]
    compared = compare_models(specs, tuple(Precision), layout, metrics)
    known: dict[str, dict[Precision, Mapping[str, SourcedMetric]]] = {}
    for row in compared.rows:
        values = {key: value for key, value in row.values.items() if value}
        known.setdefault(row.model, {})[row.precision] = values
    entries = tuple(
        _entry(model, parts, known.get(name) or _measured(model))
        for name, (model, parts) in sorted(subjects.items())
    )
    return GalleryData(entries, _axes(entries), compared.speed_way, compared.accuracy_conditions)


def name_family(name: str) -> str:
    """What models of one design have in common: up to two leading words of the name that hold no digit.

    >>> name_family("simple_pose_resnet18_v1b"), family_of("efficientnet-b0")
    ('simple_pose', 'efficientnet')
    """
    words = re.match(r"[A-Za-z]+(?:[-_][A-Za-z]+(?![A-Za-z0-9.]))?(?![A-Za-z0-9.])", name)
    return words.group() if words else re.split(r"[-_]", name)[0]


def _variants(model: Model, parts: tuple[ModelSpec, ...]) -> Iterator[tuple[Model, tuple[ModelSpec, ...]]]:
    yield model, parts
    if isinstance(model, ModelSpec):
        yield from ((variant, (variant,)) for variant in model.variants)


def _size(port: Input) -> tuple[int, int] | None:
    if len(port.shape) != len(port.layout) or not {"H", "W"} <= set(port.layout):
        return None
    height, width = (port.shape[port.layout.index(letter)] for letter in "HW")
    return (height, width) if height > 0 and width > 0 else None


def _entry(
    model: Model, parts: tuple[ModelSpec, ...], metrics: Mapping[Precision, Mapping[str, SourcedMetric]]
) -> GalleryEntry:
    from_card = metrics_of_card(model)
    published = published_metrics(model, from_card)
    if size := download_size(parts):
        published["download_bytes"] = SourcedMetric(size, MetricSource.DECLARED)
    return GalleryEntry(model, parts, collect_facts(model, parts), published, from_card, metrics)


def _measured(model: Model) -> dict[Precision, Mapping[str, SourcedMetric]]:
    """What was measured of a composite as a whole, which ``compare`` does not know."""
    found: dict[Precision, Mapping[str, SourcedMetric]] = {}
    if isinstance(model, CompositeSpec):
        for measurement in load_measurements(model):
            if measurement.kind == "accuracy" and "AP" in measurement.figures:
                found[measurement.precision] = {
                    "AP": SourcedMetric(
                        measurement.figures["AP"],
                        MetricSource.MEASURED,
                        format_measurement_setting(measurement),
                    )
                }
    return found


def _axes(entries: Sequence[GalleryEntry]) -> dict[str, ChartAxis]:
    """Those of which anything is known; accuracies that only foreign cards tell come after AP."""
    there = {key for entry in entries for key in entry.published}
    there |= {key for entry in entries for values in entry.figures.values() for key in values}
    others = {
        key: ChartAxis(key, "%", factor=100, more=True, log=False, is_accuracy=True)
        for key in sorted(there - AXES.keys())
    }
    return {key: axis for key, axis in {**AXES, **others}.items() if key in there}
