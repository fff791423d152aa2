"""The index: all models with search, filters, a chart and a table, in one page that holds its own data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from posezoo.facts import MetricSource, SourcedMetric
from posezoo.gallery.gallery_data import GalleryData, GalleryEntry
from posezoo.gallery.templates import index_script, render_page, to_one_line, to_script_json

NAME = "index.html"

#: The filters, by the names of ``Entry.facts``, in their order.
FACETS = ("task", "family", "approach", "precision", "framework", "license", "input", "collection")

_LETTERS = {MetricSource.MEASURED: "m", MetricSource.GENERATED: "g", MetricSource.DECLARED: "d"}


def draw_index_page(rows: GalleryData, title: str) -> bytes:
    """The index as HTML.

    Raises:
        MissingPackageError: Jinja2 is not installed.
    """
    data = index_data(rows)
    return render_page(
        "index.html",
        ["base", "index"],
        index_script(),
        title=title,
        summary=_summary(rows),
        facets=FACETS,
        data=data,
        json=to_script_json(data),
    )


def index_data(rows: GalleryData) -> dict[str, Any]:
    """What the index's script knows::

    axes      by name: title, unit, factor (from a figure to the shown number), more, log, accuracy
    families  how many there are
    ways      how measured figures were measured, in words
    models    name, page, description, facts (by the names of ``FACETS``), precisions, published and, by
              precision, figures: [number, origin (m, g, d), how], how only where it is known
    """
    ways = (("Speed", rows.speed_way), ("AP measured with", rows.accuracy_way))
    return {
        "axes": {
            key: {
                "title": to_one_line(axis.title),
                "unit": axis.unit,
                "factor": axis.factor,
                "more": axis.more,
                "log": axis.log,
                "accuracy": axis.is_accuracy,
            }
            for key, axis in rows.axes.items()
        },
        "families": len({entry.facts["family"] for entry in rows.entries}),
        "ways": "; ".join(f"{what}: {to_one_line(way)}" for what, way in ways if way),
        "models": [_model(entry) for entry in rows.entries],
    }


def _summary(rows: GalleryData) -> str:
    count = len(rows.entries)
    tasks = len({entry.model.task for entry in rows.entries})
    words = [f"{count} model{'' if count == 1 else 's'}", f"{tasks} task{'' if tasks == 1 else 's'}"]
    told = "find, compare and open them. Every figure says whether it was measured or published."
    return f"{', '.join(words)}: {told}"


def _model(entry: GalleryEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "page": entry.page.replace("@", "%40"),
        "description": _short(to_one_line(entry.model.description)),
        "facts": {key: to_one_line(value) for key, value in entry.facts.items() if value},
        "precisions": [each.value for each in entry.precisions],
        "published": _values(entry.published),
        "figures": {
            precision.value: _values(
                {key: value for key, value in values.items() if value != entry.published.get(key)}
            )
            for precision, values in entry.figures.items()
        }
        or {each.value: {} for each in entry.precisions},
    }


def _values(values: Mapping[str, SourcedMetric]) -> dict[str, list[object]]:
    """Each with six digits, as cards have them: more is noise."""
    return {key: _value(value) for key, value in values.items()}


def _value(value: SourcedMetric) -> list[object]:
    number = float(f"{value.number:.6g}")
    said: list[object] = [int(number) if number.is_integer() else number, _LETTERS[value.origin]]
    return [*said, to_one_line(value.conditions)] if value.conditions else said


def _short(text: str) -> str:
    """A description as far as a row needs it: the model's page has all of it."""
    return text if len(text) <= 160 else f"{text[:157].rsplit(' ', 1)[0]} …"
