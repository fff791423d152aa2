"""All pages of a gallery: a page for each model, and the index with all models and their data.

The index has search, filters, a chart and a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from posezoo.cards.markdown import one_line
from posezoo.facts.comparison import MetricSource, SourcedMetric
from posezoo.gallery.gallery_data import GalleryData, GalleryEntry
from posezoo.gallery.model_page import draw_model_page
from posezoo.gallery.templates import index_script, render_page, to_script_json

NAME = "index.html"
TITLE = "Model gallery"

#: The filters in order: the names of ``GalleryEntry.facets`` and the precision.
FACETS = ("task", "family", "approach", "precision", "framework", "license", "input", "collection")

_LETTERS = {MetricSource.MEASURED: "m", MetricSource.GENERATED: "g", MetricSource.DECLARED: "d"}


def draw_gallery_pages(gallery: GalleryData, title: str = TITLE) -> dict[str, bytes]:
    """The content of each page by its path below the site's folder; the index is last.

    Raises:
        MissingPackageError: Jinja2 is not installed.
    """
    names = {entry.name for entry in gallery.entries}
    pages = {entry.page: draw_model_page(entry, gallery, names) for entry in gallery.entries}
    count = len(gallery.entries)
    tasks = len({entry.facts.model.task for entry in gallery.entries})
    data = index_data(gallery)
    pages[NAME] = render_page(
        "index.html",
        ["base", "index"],
        index_script(),
        title=title,
        summary=f"{count} model{'' if count == 1 else 's'}, {tasks} task{'' if tasks == 1 else 's'}: "
        "find, compare and open them. Every figure says whether it was measured or published.",
        facets=FACETS,
        data=data,
        json=to_script_json(data),
    )
    return pages


def index_data(gallery: GalleryData) -> dict[str, Any]:
    """The data of the index's script::

    axes      by name: title, unit, factor (from a value to the shown number), more, log, accuracy
    families  the number of families
    ways      the settings of the measured values, in words
    models    name, page, description, facts (by the names of ``FACETS``), precisions, published and, by
              precision, figures: [number, origin (m, g, d), conditions]; conditions only if known
    """
    settings = (("Speed", gallery.speed_way), ("AP measured with", gallery.accuracy_way))
    return {
        "axes": {key: asdict(axis) for key, axis in gallery.axes.items()},
        "families": len({entry.facets["family"] for entry in gallery.entries}),
        "ways": "; ".join(f"{title}: {one_line(setting)}" for title, setting in settings if setting),
        "models": [_model(entry) for entry in gallery.entries],
    }


def _model(entry: GalleryEntry) -> dict[str, Any]:
    description = one_line(entry.facts.model.description)
    if len(description) > 160:  # the model's page shows the whole text
        description = f"{description[:157].rsplit(' ', 1)[0]} …"
    measured = {precision.value: _values(values) for precision, values in entry.new_metrics.items()}
    return {
        "name": entry.name,
        "page": entry.page.replace("@", "%40"),
        "description": description,
        "facts": {key: one_line(value) for key, value in entry.facets.items() if value},
        "precisions": [precision.value for precision in entry.precisions],
        "published": _values(entry.published),
        "figures": measured or {precision.value: {} for precision in entry.precisions},
    }


def _values(metrics: Mapping[str, SourcedMetric]) -> dict[str, list[object]]:
    values: dict[str, list[object]] = {}
    for key, metric in metrics.items():
        number = float(f"{metric.number:.6g}")  # as many digits as on cards
        values[key] = [int(number) if number.is_integer() else number, _LETTERS[metric.origin]]
        values[key] += [one_line(metric.conditions)] if metric.conditions else []
    return values
