"""What is said of a model by whoever published it: model.yml's figures, else those of its own card.

Open Model Zoo's model.yml has no figures: its cards tell them in tables, in many spellings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from posezoo.cards.card_reader import MAX_CHARACTERS, parse_card
from posezoo.cards.model_card import NAME, NOTE, has_note
from posezoo.cards.parsed_card import CardMetric
from posezoo.facts import MetricSource, SourcedMetric
from posezoo.spec.model import CompositeSpec, ModelSpec

#: Where a card's figures stand.
SECTIONS = ("specification", "accuracy")

_COSTS = {"GFLOPs": "gflops", "MParams": "mparams", "GOps": "gflops"}

#: What is one accuracy, however a card spells it, beside what the reader of cards knows.
_ACCURACIES = (
    ("AP", re.compile(r"\bm?AP\b|average precision|coco_(orig_)?precision", re.IGNORECASE)),
    ("Top 1", re.compile(r"\btop.?1\b", re.IGNORECASE)),
    ("mIoU", re.compile(r"\bmean.?iou\b|\bmiou\b", re.IGNORECASE)),
    ("F1", re.compile(r"\bF1\b")),
)


def published_metrics(
    model: ModelSpec | CompositeSpec, from_card: tuple[CardMetric, ...]
) -> dict[str, SourcedMetric]:
    """Its published figures by name: ``AP`` and other accuracies as shares, ``gflops``, ``mparams``.

    Args:
        model: of a composite nothing is said.
        from_card: what its own card says, for where model.yml says nothing.
    """
    if isinstance(model, CompositeSpec):
        return {}
    said = model.published
    found: dict[str, SourcedMetric] = {}
    for each in said.accuracy:
        if each.metric != "MPJPE":
            how = ", ".join(filter(None, (each.dataset, each.protocol, "flip" if each.flip else "")))
            found.setdefault(each.metric, SourcedMetric(each.value, MetricSource.DECLARED, how))
    for key, number in (("gflops", said.gflops), ("mparams", said.mparams)):
        if number is not None:
            found[key] = SourcedMetric(number, MetricSource.DECLARED)
    return found or dict(_first_of_each(from_card))


def metrics_of_card(model: ModelSpec | CompositeSpec) -> tuple[CardMetric, ...]:
    """The figures that a hand-written card tells, in its order; a card that we drew tells none of its own."""
    path = model.path.with_name(NAME)
    if has_note(path, NOTE):
        return ()
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            text = stream.read(MAX_CHARACTERS)
    except OSError:
        return ()
    return tuple(metric for metric in parse_card(text).metrics if _stands_in(metric.section))


def _stands_in(section: tuple[str, ...]) -> bool:
    return bool(section) and section[0].casefold().startswith(SECTIONS)


def _first_of_each(metrics: tuple[CardMetric, ...]) -> Iterator[tuple[str, SourcedMetric]]:
    seen: set[str] = set()
    for metric in metrics:
        name = _COSTS.get(metric.metric) or _accuracy_of(metric.label)
        value = metric.value if name in _COSTS.values() else _share(metric)
        if name and name not in seen and value > 0:
            seen.add(name)
            yield name, SourcedMetric(value, MetricSource.DECLARED, metric.label if name == "AP" else "")


def _accuracy_of(label: str) -> str:
    return next((name for name, spelt in _ACCURACIES if spelt.search(label)), "")


def _share(metric: CardMetric) -> float:
    """A percentage or a share as a share; 0 where it is neither."""
    value = metric.value / 100 if metric.unit == "%" or metric.value > 1 else metric.value
    return value if value <= 1 else 0
