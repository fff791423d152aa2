"""Metrics that publishers state: those of model.yml, else those of the model's hand-written card.

Open Model Zoo's model.yml has no metrics: its cards state them in tables, in many spellings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from posezoo.cards.card_reader import MAX_CHARACTERS, parse_card
from posezoo.cards.model_card import NAME, NOTE, has_note
from posezoo.cards.parsed_card import CardMetric
from posezoo.facts.model_facts import Model
from posezoo.facts.sourced_metrics import MetricSource, SourcedMetric, published_metrics
from posezoo.spec.model import CompositeSpec

#: The sections of a card that state metrics.
SECTIONS = ("specification", "accuracy")

_COSTS = {"GFLOPs": "gflops", "MParams": "mparams", "GOps": "gflops"}

#: The spellings of each accuracy on cards.
_ACCURACIES = (
    ("AP", re.compile(r"\bm?AP\b|average precision|coco_(orig_)?precision", re.IGNORECASE)),
    ("Top 1", re.compile(r"\btop.?1\b", re.IGNORECASE)),
    ("mIoU", re.compile(r"\bmean.?iou\b|\bmiou\b", re.IGNORECASE)),
    ("F1", re.compile(r"\bF1\b")),
)


def published_or_card_metrics(model: Model, from_card: tuple[CardMetric, ...]) -> dict[str, SourcedMetric]:
    """The published metrics by name: ``AP`` and other accuracies as shares, ``gflops``, ``mparams``.

    Args:
        model: a composite has none.
        from_card: the metrics of its card, which are used if model.yml states none.
    """
    if isinstance(model, CompositeSpec):
        return {}
    return published_metrics(model) or dict(_first_of_each(from_card))


def metrics_of_card(model: Model) -> tuple[CardMetric, ...]:
    """The metrics of a hand-written card, in its order; none for a card that posezoo drew."""
    path = model.path.with_name(NAME)
    if has_note(path, NOTE):
        return ()
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            text = stream.read(MAX_CHARACTERS)
    except OSError:
        return ()
    return tuple(
        metric
        for metric in parse_card(text).metrics
        if metric.section and metric.section[0].casefold().startswith(SECTIONS)
    )


def _first_of_each(metrics: tuple[CardMetric, ...]) -> Iterator[tuple[str, SourcedMetric]]:
    seen: set[str] = set()
    for metric in metrics:
        name = _COSTS.get(metric.metric) or _accuracy_of(metric.label)
        value = metric.value if name in _COSTS.values() else _share(metric)
        if name and name not in seen and value > 0:
            seen.add(name)
            yield name, SourcedMetric(value, MetricSource.DECLARED, metric.label if name == "AP" else "")


def _accuracy_of(label: str) -> str:
    return next((name for name, pattern in _ACCURACIES if pattern.search(label)), "")


def _share(metric: CardMetric) -> float:
    """A percentage or a share as a share; 0 if it is neither."""
    value = metric.value / 100 if metric.unit == "%" or metric.value > 1 else metric.value
    return value if value <= 1 else 0
