"""The gallery's data for each model: its facts, and the metrics that ``facts.comparison`` compares.

If a model declares none, they are read from its card: Open Model Zoo states them in tables, in many
spellings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from posezoo.console.labels import task_label
from posezoo.core.declarations.model import ModelSpec, Precision
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import registry_root
from posezoo.core.regular_files import read_regular_bytes
from posezoo.core.values import frozen
from posezoo.pages.cards.card_reader import CardMetric, read_card, to_plain_text
from posezoo.pages.cards.markdown import one_line
from posezoo.pages.cards.model_card import NAME, NOTE, has_note
from posezoo.pages.cards.usage_section import PICTURE, credit_picture, describe_picture
from posezoo.pages.facts.comparison import (
    COLUMNS,
    ComparisonColumn,
    Metrics,
    MetricSource,
    ModelComparison,
    SourcedMetric,
    compare_models,
    published_metrics,
)
from posezoo.pages.facts.model_facts import ModelFacts, unique
from posezoo.pages.facts.outside_references import OutsideReference, read_outside_references
from posezoo.run.measurement_selection import MeasurementSelection

#: The sections of a card that state metrics.
SECTIONS = ("specification", "accuracy")

#: The spellings of each cost and accuracy on cards; the first one that matches a label names its
#: metric.
_SPELLINGS = (
    ("gflops", re.compile(r"\bg?flops\b|\bgflop\b|^(?-i:GOps)$", re.IGNORECASE)),
    ("mparams", re.compile(r"\bm(?:illion )?params?\b", re.IGNORECASE)),
    (
        "published_AP",
        re.compile(r"\bm?AP\b|average precision|coco_(orig_)?precision", re.IGNORECASE),
    ),
    ("Top 1", re.compile(r"\btop.?1\b", re.IGNORECASE)),
    ("mIoU", re.compile(r"\bmean.?iou\b|\bmiou\b", re.IGNORECASE)),
    ("F1", re.compile(r"\bF1\b")),
)


#: The limit of the size of a registry's example pictures; a page contains its pictures.
MAX_PICTURE_BYTES = 200_000


@frozen
class Picture:
    """One or more photos with the poses that a model finds."""

    jpeg: bytes
    description: str
    credit: str = ""  # who took the photos
    note: str = ""  # the photo, or the precision if the command uses another one


@frozen
class GalleryEntry:
    """A model, a variant, a composite or a part of one in the index."""

    facts: ModelFacts
    pictures: Sequence[Picture]
    published: Metrics  # the values that its publisher states
    from_card: tuple[CardMetric, ...]  # the metrics on the card of a foreign registry, as written
    #: The metrics of each IR, without those of ``published``.
    measured: Mapping[Precision, Metrics]

    @property
    def name(self) -> str:
        """The name that a user types for exactly this model."""
        return self.facts.name

    @property
    def page(self) -> str:
        """The path of its page below the site's root."""
        return f"models/{self.name}.html"

    @property
    def link(self) -> str:
        """The same path as a relative address."""
        return self.page.replace("@", "%40")

    @property
    def precisions(self) -> list[Precision]:
        """The precisions that are available, and those for which a metric is known."""
        available = self.facts.precisions
        return [each for each in Precision if each in available or each in self.measured]

    @property
    def input_size(self) -> str:
        """Height and width of the first input that has both, or empty."""
        for part in self.facts.parts:
            for port in part.inputs:
                sides = port.sides
                height = sides.get("H", 0)
                width = sides.get("W", 0)
                if min(height, width) > 0:
                    return f"{height}x{width}"
        return ""

    @property
    def facets(self) -> dict[str, str]:
        """The values that the index's filters compare, in words; empty if unknown."""
        facts = self.facts
        return {
            "weights": "opened here" if facts.is_opened else "not opened here",
            "task": task_label(facts.model.task),
            "family": name_family(facts.model.name),
            "approach": facts.approach,
            "collection": facts.model.family.value,
            "framework": ", ".join(facts.framework_labels),
            "license": ", ".join(facts.licenses),
            "input": self.input_size,
        }


@frozen
class GalleryData:
    """All entries in alphabetical order, and the comparison that their metrics are from."""

    entries: tuple[GalleryEntry, ...]
    axes: Mapping[str, ComparisonColumn]
    comparison: ModelComparison
    references: tuple[OutsideReference, ...]


def collect_gallery_data(
    models: Sequence[ModelFacts],
    layout: ModelLayout,
    selection: MeasurementSelection,
    pictures: Mapping[str, Sequence[Picture]] | None = None,
) -> GalleryData:
    """The gallery's data of these models and their variants; ``pictures`` by name, None for the
    registry's.
    """
    by_name = {facts.name: facts for model in models for facts in (model, *model.variants)}
    compared = compare_models([*by_name.values()], layout, selection, every_precision=True)
    rows = compared.rows_by_model
    entries = []
    for name, facts in sorted(by_name.items()):
        examples = read_example(facts) if pictures is None else pictures.get(name, ())
        from_card = _read_card_metrics(facts.model.path.with_name(NAME))
        published: Metrics = {}
        if isinstance(facts.model, ModelSpec):
            published = published_metrics(facts.model) or _first_of_each(from_card)
        if "published_AP" in published:
            published["any_AP"] = published["published_AP"]
        metrics = {}
        for row in rows.get(name, ()):
            values = row.values.items()
            metrics[row.precision] = {
                key: value for key, value in values if value and value != published.get(key)
            }
        entries.append(GalleryEntry(facts, examples, published, from_card, measured=metrics))
    references: list[OutsideReference] = []
    for root in unique(registry_root(facts.model) for facts in models):
        references += read_outside_references(root)
    return GalleryData(tuple(entries), _used_axes(entries), compared, tuple(references))


def _read_card_metrics(path: Path) -> tuple[CardMetric, ...]:
    """The metrics of a card; none of posezoo's cards, which repeat what model.yml declares."""
    card = None if has_note(path, NOTE) else read_card(path)
    if card is None:
        return ()
    metrics = [metric for metric in card.metrics if metric.section]
    return tuple(metric for metric in metrics if metric.section[0].casefold().startswith(SECTIONS))


def _used_axes(entries: Iterable[GalleryEntry]) -> Mapping[str, ComparisonColumn]:
    used = set[str]()
    for entry in entries:
        used.update(entry.published, *entry.measured.values())
    axes = dict(COLUMNS)
    for key in sorted(used - COLUMNS.keys()):
        axes[key] = ComparisonColumn(one_line(key), "share")
    return {key: axis for key, axis in axes.items() if key in used}


def read_example(facts: ModelFacts) -> Sequence[Picture]:
    """The picture that a registry has of a model; none if it has no JPEG of up to
    ``MAX_PICTURE_BYTES``.
    """
    if facts.is_variant:
        return ()
    path = facts.model.path.with_name(PICTURE)
    try:
        if not path.is_file() or path.stat().st_size > MAX_PICTURE_BYTES:
            return ()
        jpeg = read_regular_bytes(path)
    except OSError:
        return ()
    if not jpeg.startswith(b"\xff\xd8\xff"):
        return ()
    return (Picture(jpeg, describe_picture(facts), to_plain_text(credit_picture(facts))),)


def name_family(name: str) -> str:
    """The common part of the names of one design: up to two leading words without a digit.

    >>> name_family("simple_pose_resnet18_v1b"), name_family("efficientnet-b0")
    ('simple_pose', 'efficientnet')
    """
    words = re.match(r"[A-Za-z]+(?:[-_][A-Za-z]+(?![A-Za-z0-9.]))?(?![A-Za-z0-9.])", name)
    if words:
        return words.group()
    return re.split(r"[-_]", name)[0]


def _first_of_each(metrics: Iterable[CardMetric]) -> Metrics:
    """The first value of each cost and accuracy that a card states; accuracies as fractions."""
    first: Metrics = {}
    for metric in metrics:
        names = (name for name, pattern in _SPELLINGS if pattern.search(metric.label))
        name = next(names, "")
        value = metric.value
        is_cost = name in ("gflops", "mparams")
        if not is_cost and (metric.unit == "%" or value > 1):
            value /= 100
        if name and value > 0 and (is_cost or value <= 1):
            conditions = metric.label if name == "published_AP" else ""
            first.setdefault(name, SourcedMetric(value, MetricSource.DECLARED, conditions))
    return first
