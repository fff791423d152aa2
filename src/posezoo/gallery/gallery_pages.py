"""All pages of a gallery: a page for each model with the facts of its card, the pictures, and the
index.

The index has search, filters, a chart and a table of all models. One page shows the pictures of all
models side by side. Only the index needs JavaScript; on the other pages, it only copies commands.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from posezoo.cards.card_reader import CardMetric, to_plain_text
from posezoo.cards.markdown import one_line
from posezoo.cards.measurement_tables import MeasurementTable, tabulate_measurements
from posezoo.cards.skeleton_svg import keypoint_position
from posezoo.cards.usage_section import (
    default_precision,
    format_shortest_command,
    render_example_section,
    render_usage_sections,
)
from posezoo.facts.comparison import MetricSource, SourcedMetric
from posezoo.facts.labels import (
    format_figure,
    format_megabytes,
    format_port_shape,
    format_protocol,
    format_role,
)
from posezoo.facts.model_facts import ModelFacts, converted_input, unique
from posezoo.facts.papers import format_bibtex
from posezoo.gallery.gallery_data import ChartAxis, GalleryData, GalleryEntry
from posezoo.gallery.templates import (
    SCRIPTS,
    page_script,
    render_page,
    to_data_address,
    to_script_json,
)
from posezoo.pose.keypoints import Skeleton
from posezoo.registry import builtin_models_dir, read_copyright_line
from posezoo.resolve.people import people_from
from posezoo.spec.model import ModelSpec, PublishedAccuracy, SourceFile

NAME = "index.html"
#: The page with the pictures of all models.
SIDE_BY_SIDE = "side_by_side.html"
TITLE = "Model gallery"

#: The filters in order: the names of ``GalleryEntry.facets`` and the precision.
FACETS = ("task", "family", "approach", "precision", "framework", "license", "input", "collection")

_LETTERS = {MetricSource.MEASURED: "m", MetricSource.GENERATED: "g", MetricSource.DECLARED: "d"}
#: The title of the row of published values.
PUBLISHED = "as published"

_MARKS = {MetricSource.MEASURED: "", MetricSource.GENERATED: " g", MetricSource.DECLARED: " p"}
_NOTES = {
    MetricSource.GENERATED: "g: measured on generated weights",
    MetricSource.DECLARED: "p: as published",
}

Row = tuple[str, ...]


def render_gallery_pages(
    gallery: GalleryData, title: str = TITLE, *, first: str = ""
) -> dict[str, bytes]:
    """The content of each page by its path below the site's folder; the index is last.

    Args:
        title: the heading of the index.
        first: the name of the model that the index begins with; if it is none of the gallery's, the
            index begins with the first model that has a picture, if any.
    """
    names = {entry.name for entry in gallery.entries}
    pages = {entry.page: _render_model_page(entry, gallery, names) for entry in gallery.entries}
    with_pictures = [entry for entry in gallery.entries if entry.pictures]
    if with_pictures:
        pages[SIDE_BY_SIDE] = _render_side_by_side(with_pictures)
    named = [entry for entry in gallery.entries if entry.name == first]
    shown_first = next(iter((*named, *with_pictures)), None)
    count = len(gallery.entries)
    tasks = len({entry.facts.model.task for entry in gallery.entries})
    data = index_data(gallery)
    pages[NAME] = render_page(
        "index.html",
        ["base", "hero", "index"],
        page_script(SCRIPTS),
        title=title,
        hero=_hero(shown_first) if shown_first else None,
        side_by_side=SIDE_BY_SIDE if SIDE_BY_SIDE in pages else "",
        summary=(
            f"{count} model{'' if count == 1 else 's'}, {tasks} task{'' if tasks == 1 else 's'}: "
            "find, compare and open them. Every figure says whether it was measured or published."
        ),
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
    models    name, page, description, facts (by the names of ``FACETS``, and people: what finds
    them if
              the model does not), precisions, published and, by
              precision, figures: [number, origin (m, g, d), conditions]; conditions only if known
    """
    settings = (
        ("Speed of whole pipelines", gallery.speed_setting),
        ("Speed of networks alone", gallery.network_setting),
        ("AP measured with", gallery.accuracy_conditions),
    )
    return {
        "axes": {key: asdict(axis) for key, axis in gallery.axes.items()},
        "families": len({entry.facets["family"] for entry in gallery.entries}),
        "ways": "; ".join(
            f"{title}: {one_line(setting)}" for title, setting in settings if setting
        ),
        "models": [_model(entry) for entry in gallery.entries],
    }


def _model(entry: GalleryEntry) -> dict[str, Any]:
    description = one_line(entry.facts.model.description)
    if len(description) > 160:  # the model's page shows the whole text
        description = f"{description[:157].rsplit(' ', 1)[0]} …"
    measured = {precision.value: _values(values) for precision, values in entry.new_metrics.items()}
    known = {**entry.facets, "people": people_from(entry.facts.model)}
    return {
        "name": entry.name,
        "page": entry.page.replace("@", "%40"),
        "description": description,
        "facts": {key: one_line(value) for key, value in known.items() if value},
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
        if metric.interval:
            values[key].append([float(f"{bound:.6g}") for bound in metric.interval])
    return values


def _render_model_page(entry: GalleryEntry, gallery: GalleryData, pages: Collection[str]) -> bytes:
    """A model's page; ``pages`` are the names of all models that have one."""
    facts = entry.facts
    model = facts.model
    parts = facts.parts
    return render_page(
        "model.html",
        ["base", "hero", "model"],
        page_script(["copy"]),
        title=entry.name,
        hero=_hero(entry),
        model=model,
        tags=_tags(entry),
        parts=[_part_row(part, pages) for part in parts] if facts.stages else [],
        related=[
            (relation, name, f"{name}.html".replace("@", "%40"))
            for relation, name in _related_models(facts)
            if name in pages
        ],
        metrics=[_metrics_table(entry, gallery, scope) for scope in ("pipeline", "network")],
        accuracy=[_accuracy_row(claim) for part in parts for claim in part.published.accuracy],
        known_difference=" ".join(unique(part.published.known_difference for part in parts)),
        measured=[
            (_measurement_title(table), table.headers, table.rows, table.conditions)
            for table in tabulate_measurements(facts)
        ],
        card_rows=[_card_row(metric) for metric in entry.from_card],
        ports=[_ports(part) for part in parts if part.inputs or part.outputs],
        skeleton=_skeleton(facts.skeleton) if facts.skeleton else None,
        limits=facts.limits,
        commands=_commands(facts),
        licenses=unique(
            (part.license.spdx, part.license.url, read_copyright_line(part), part.license_note)
            for part in parts
        ),
        origins=unique((part.origin.repository, part.origin.paper) for part in parts),
        training=asdict(model.training) if isinstance(model, ModelSpec) else {},
        citations=[format_bibtex(paper) for paper in facts.papers],
        files=[_file_row(file) for part in parts for file in part.files],
    )


def _tags(entry: GalleryEntry) -> list[str]:
    facets = [value for key, value in entry.facets.items() if key not in ("license", "approach")]
    tags = [*facets, *(precision.value for precision in entry.precisions)]
    return [tag for tag in tags if tag]


def _related_models(facts: ModelFacts) -> list[tuple[str, str]]:
    """The relations to other models, in words, and their names."""
    related = [("A part of", facts.composite)] if facts.composite else []
    return related + [("There is also", variant.name) for variant in facts.variants]


def _part_row(part: ModelSpec, pages: Collection[str]) -> tuple[str, str, str]:
    link = f"{part.name}.html" if part.name in pages else ""
    return part.name, link, part.description


def _card_row(metric: CardMetric) -> tuple[str, str]:
    value = f"{metric.value:g} {metric.unit}"
    if metric.column.casefold() == "value":
        return metric.label, value
    return f"{metric.label}, {metric.column}", value


def _render_side_by_side(entries: Sequence[GalleryEntry]) -> bytes:
    """The pictures of all models, each with the command that runs it."""
    heroes = [_hero(entry) for entry in entries]
    return render_page(
        "side_by_side.html",
        ["base", "hero", "side_by_side"],
        page_script(["copy"]),
        title="Side by side",
        heroes=heroes,
        credits=unique(credit for hero in heroes for credit in hero["credits"]),
    )


def _hero(entry: GalleryEntry) -> dict[str, Any]:
    """What a page shows of a model first: pictures or the skeleton, the command, size and
    license.
    """
    facts = entry.facts
    precision = default_precision(facts)
    kept = format_megabytes(facts.size_bytes)
    return {
        "name": entry.name,
        "page": entry.page.replace("@", "%40"),
        "description": facts.model.description,
        "pictures": [
            (to_data_address(each.jpeg), each.description, each.note) for each in entry.pictures
        ],
        "credits": unique(each.credit for each in entry.pictures),
        "skeleton": _skeleton(facts.skeleton) if facts.skeleton else None,
        "command": (
            format_shortest_command(facts, precision) if precision and _is_ours(facts) else ""
        ),
        "facts": [
            ("Download", format_megabytes(facts.download_bytes)),
            ("of which are kept", kept if facts.download_bytes != facts.size_bytes else ""),
            ("License", ", ".join(facts.licenses) or "not declared"),
            ("Approach", facts.approach),
        ],
    }


def _is_ours(facts: ModelFacts) -> bool:
    """Whether it is one of posezoo's models: other registries may be in any folder.

    A pasted command would not work there.
    """
    return facts.model.path.is_relative_to(builtin_models_dir())


def _metrics_table(entry: GalleryEntry, gallery: GalleryData, scope: str) -> dict[str, object]:
    """The title, headers, rows and note of a table with the metrics of one scope of ``ChartAxis``.

    It contains only rows and columns with a value. One row contains the published values; then each
    precision has a row. Metrics that depend on neither pipeline nor network are those of the
    network.
    """
    measured = {precision.value: values for precision, values in entry.new_metrics.items()}
    axes = {
        key: axis
        for key, axis in gallery.axes.items()
        if (axis.scope or "network") == scope and key != "download_bytes"
    }
    lines = {PUBLISHED: entry.published, **measured}
    lines = {name: line for name, line in lines.items() if axes.keys() & line.keys()}
    axes = {key: axis for key, axis in axes.items() if any(key in line for line in lines.values())}
    origins = {
        line[key].origin for name, line in lines.items() for key in axes.keys() & line.keys()
    }
    notes = [
        _NOTES[origin] for origin in _NOTES if origin in origins and measured.keys() & lines.keys()
    ]
    if {"throughput_fps", "network_fps"} & axes.keys():
        setting = gallery.speed_setting if scope == "pipeline" else gallery.network_setting
        notes.append(f"speed: {setting}")
    if gallery.accuracy_conditions and "AP" in axes:
        notes.append(f"AP measured with: {gallery.accuracy_conditions}")
    rows = [
        (name, *(_format_metric(line.get(key), axis, name) for key, axis in axes.items()))
        for name, line in lines.items()
    ]
    titles = (axis.title.partition(", ")[0] for axis in axes.values())
    headers = [
        "",
        *(f"{title}, {axis.unit}" for title, axis in zip(titles, axes.values(), strict=True)),
    ]
    title = _pipeline_title(entry.facts) if scope == "pipeline" else "Network alone"
    return {"title": title, "headers": headers, "rows": rows, "note": "; ".join(notes)}


def _format_metric(metric: SourcedMetric | None, axis: ChartAxis, row: str) -> str:
    if metric is None:
        return ""
    value = metric.number * axis.factor
    is_measured = metric.origin is not MetricSource.DECLARED
    number = format_figure(value) if is_measured or axis.factor < 1 else f"{value:.5g}"
    return number if row == PUBLISHED else f"{number}{_MARKS[metric.origin]}"


def _pipeline_title(facts: ModelFacts) -> str:
    people = people_from(facts.model)
    return f"Whole pipeline, people from {people}" if people else "Whole pipeline"


def _measurement_title(table: MeasurementTable) -> str:
    subject = {"accuracy": "Accuracy", "quantization": "INT8 compared with FP32", "speed": "Speed"}
    return f"{subject[table.kind]}, {'whole pipeline' if table.is_of_pipeline else 'network alone'}"


def _accuracy_row(claim: PublishedAccuracy) -> Row:
    value = f"{claim.value:g} mm" if claim.metric == "MPJPE" else _percent(claim.value)
    at_50_and_75 = _percent(claim.ap50), _percent(claim.ap75)
    return claim.metric, value, *at_50_and_75, claim.dataset, format_protocol(claim)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.4g} %"


def _ports(part: ModelSpec) -> tuple[str, list[Row], list[Row]]:
    """A model's name, and the rows of its inputs and of its outputs."""
    inputs: list[Row] = []
    for port in part.inputs:
        original, converted = (
            (
                *(format_port_shape(each), each.layout, each.color or ""),
                *(
                    ", ".join(f"{value:g}" for value in values)
                    for values in (each.mean, each.scale)
                ),
            )
            for each in (port, converted_input(part, port))
        )
        if original == converted:
            inputs.append((port.name, "both", *original))
        else:
            inputs += [(port.name, "original", *original), (port.name, "converted", *converted)]
    outputs: list[Row] = [
        (output.name, format_port_shape(output), output.layout, format_role(output))
        for output in part.outputs
    ]
    return part.full_name, inputs, outputs


def _skeleton(skeleton: Skeleton) -> dict[str, object]:
    places = [keypoint_position(name) for name in skeleton.keypoints]
    points = []
    for number, name in enumerate(skeleton.keypoints):
        side = next((side for side in ("left", "right") if side in name.split("_")), "middle")
        points.append((*places[number], side, number))
    return {
        "name": skeleton.name,
        "names": [name.replace("_", " ") for name in skeleton.keypoints],
        "points": points,
        "limbs": [(*places[a], *places[b]) for a, b in skeleton.limbs],
    }


def _commands(facts: ModelFacts) -> list[tuple[str, str]]:
    """The headings, texts and code blocks of the card's commands, for models that are part of
    posezoo.
    """
    if not _is_ours(facts):
        return []
    commands = []
    for paragraph in (*render_example_section(facts), *render_usage_sections(facts)):
        if paragraph.startswith("## "):
            commands.append(("heading", paragraph[3:]))
        elif paragraph.startswith("```"):
            commands.append(("block", "\n".join(paragraph.splitlines()[1:-1])))
        else:
            commands.append(("words", to_plain_text(paragraph)))
    return commands


def _file_row(file: SourceFile) -> Row:
    limit = f"at most {file.max_size:,}" if file.max_size else ""
    size = limit if file.size is None else f"{file.size:,}"
    digests = (f"{digest.algorithm} {digest.value}" for digest in file.declared_digests.values())
    return file.name, size, ", ".join(digests) or "none"
