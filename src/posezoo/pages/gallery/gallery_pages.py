"""All pages of a gallery: a page for each model, the pictures side by side, and the index with
search, filters, a chart and a table.

Only the index needs JavaScript; on the other pages, it only copies commands.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from posezoo.console.json_projection import Json, project, to_json
from posezoo.console.labels import (
    format_ap,
    format_count,
    format_figure,
    format_megabytes,
    format_numbers,
    format_port_shape,
    format_protocol,
    format_role,
    join,
)
from posezoo.core.declarations.model import Input, ModelSpec, PublishedAccuracy, SourceFile
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.registry import builtin_models_dir
from posezoo.pages.cards.card_reader import CardMetric, to_plain_text
from posezoo.pages.cards.markdown import one_line
from posezoo.pages.cards.measurement_tables import MeasurementTable, tabulate_measurements
from posezoo.pages.cards.skeleton_svg import keypoint_positions, keypoint_side
from posezoo.pages.cards.usage_section import (
    format_shortest_command,
    render_example_section,
    render_usage_sections,
)
from posezoo.pages.facts.comparison import (
    COLUMNS,
    ComparisonColumn,
    Metrics,
    MetricSource,
    ModelComparison,
    SourcedMetric,
)
from posezoo.pages.facts.model_facts import ModelFacts, converted_input, unique
from posezoo.pages.facts.papers import format_bibtex
from posezoo.pages.gallery.gallery_data import GalleryData, GalleryEntry
from posezoo.pages.gallery.templates import SCRIPTS, render_page, to_data_address, to_script_json
from posezoo.pages.license_notice import read_copyright_line
from posezoo.poses.people import people_from

NAME = "index.html"
#: The page with the pictures of all models.
SIDE_BY_SIDE = "side_by_side.html"
TITLE = "Model gallery"

#: The filters in order: the names of ``GalleryEntry.facets`` and the precision.
FACETS = (
    "weights",
    "task",
    "family",
    "approach",
    "precision",
    "framework",
    "license",
    "input",
    "collection",
)

#: The keys of an axis in the data of the index's script.
_AXIS = "title unit factor more log accuracy scope"

#: The mark of a value on a page, and in the data of the index's script.
_LETTERS = {
    MetricSource.MEASURED: "m",
    MetricSource.GENERATED: "g",
    MetricSource.ESTIMATED: "e",
    MetricSource.DECLARED: "p",
}
#: The title of the row of published values.
PUBLISHED = "as published"

Row = tuple[str, ...]


def render_gallery_pages(
    gallery: GalleryData, title: str = TITLE, *, first: Sequence[str] = ()
) -> dict[str, bytes]:
    """The content of each page by its path below the site's folder; the index is last.

    Args:
        title: the heading of the index.
        first: names of models: the index begins with the first of them that has a picture, else
            with any that has one.
    """
    entries = gallery.entries
    names = {entry.name for entry in entries}
    pages = {entry.page: _render_model_page(entry, gallery, names) for entry in entries}
    with_pictures = [entry for entry in entries if entry.pictures]
    if with_pictures:
        shown = list(map(_hero, with_pictures))
        pages[SIDE_BY_SIDE] = render_page(
            "side_by_side",
            ["copy"],
            title="Side by side",
            heroes=shown,
            credits=unique(credit for hero in shown for credit in hero["credits"]),
        )
    named = [entry for name in first for entry in with_pictures if entry.name == name]
    # posezoo list counts models like this, too.
    variants = sum(entry.facts.is_variant for entry in entries)
    models = format_count(len(entries) - variants, "model")
    models = join(models, format_count(variants, "variant") if variants else "")
    used_tasks = {entry.facts.model.task for entry in entries}
    tasks = format_count(len(used_tasks), "task")
    data = index_data(gallery)
    pages[NAME] = render_page(
        "index",
        SCRIPTS,
        title=title,
        hero=next(map(_hero, (*named, *with_pictures)), None),
        side_by_side=SIDE_BY_SIDE if with_pictures else "",
        summary=(
            f"{models}, {tasks}: find, compare and open them."
            " Every figure says whether it was measured or published."
        ),
        facets=FACETS,
        data=data,
        json=to_script_json(data),
    )
    return pages


def index_data(gallery: GalleryData) -> Json:
    """The data of the index's script::

    axes      by name: title, unit, factor (from a value to the shown number), more, log, accuracy
    ways      the settings of the measured values, in words
    models    name, page, description, facts (by the names of ``FACETS``, and people: what finds
              them if the model does not), precisions, published and, by precision, figures:
              [number, origin (m, g, e, p), conditions]; conditions only if known
    own       the names of the models that the user measured
    outside   models that the registry does not have: name, figures (numbers), license, publisher,
              source, protocol
    """
    outside = []
    for reference in gallery.references:
        publication = project(reference, "license publisher source protocol")
        outside += [publication | project(model, "name figures") for model in reference.models]
    return {
        "axes": {key: project(axis, _AXIS) for key, axis in gallery.axes.items()},
        "ways": "; ".join(map(one_line, _describe_settings(gallery.comparison, COLUMNS))),
        "models": list(map(_model, gallery.entries)),
        "own": [row.model for row in gallery.comparison.rows if row.is_own],
        "outside": outside,
    }


def _model(entry: GalleryEntry) -> Json:
    description = one_line(entry.facts.model.description)
    if len(description) > 160:  # the model's page shows the whole text
        # Without a blank, as in Chinese, rsplit gives the whole text.
        shortened = description[:157].rsplit(" ", 1)[0]
        description = f"{shortened} …"
    facets = {**entry.facets, "people": people_from(entry.facts.model)}
    measured = {name.value: _values(metrics) for name, metrics in entry.measured.items()}
    published = {**entry.published}
    if entry.facts.model.target_size:  # the operations are of another size
        published.pop("gflops", None)
    return {
        **project(entry, "name page=link"),
        "description": description,
        "facts": {key: one_line(value) for key, value in facets.items() if value},
        "precisions": to_json(entry.precisions),
        "published": _values(published),
        "figures": measured,
    }


def _values(metrics: Metrics) -> dict[str, list[object]]:
    values = {}
    for key, metric in metrics.items():
        value: list[object] = [_round(metric.number), _LETTERS[metric.origin]]
        if metric.conditions:
            value.append(one_line(metric.conditions))
        if metric.interval:
            value.append(list(map(_round, metric.interval)))
        values[key] = value
    return values


def _round(number: float) -> float:
    return float(f"{number:.6g}")  # as many digits as on cards


def _render_model_page(entry: GalleryEntry, gallery: GalleryData, pages: Collection[str]) -> bytes:
    facts = entry.facts
    ports = [_ports(part) for part in facts.parts if part.inputs or part.outputs]
    files = [_file_row(file) for part in facts.parts for file in part.files]
    tags = [value for key, value in entry.facets.items() if key not in ("license", "approach")]
    tags += to_json(entry.precisions)
    published = [part.published for part in facts.parts]
    tables = tabulate_measurements(facts)
    return render_page(
        "model",
        ["copy"],
        title=entry.name,
        hero=_hero(entry),
        facts=facts,
        pages=pages,
        tags=tags,
        ports=ports,
        commands=_commands(facts),
        files=files,
        licenses=unique(
            (part.license, read_copyright_line(part), part.license_note) for part in facts.parts
        ),
        citations=map(format_bibtex, facts.papers),
        metrics=[_metrics_table(entry, gallery, scope) for scope in ("pipeline", "network")],
        accuracy=[_accuracy_row(claim) for each in published for claim in each.accuracy],
        known_difference=" ".join(unique(each.known_difference for each in published)),
        measured=[(_measurement_title(table), table) for table in tables],
        card_rows=list(map(_card_row, entry.from_card)),
    )


def _card_row(metric: CardMetric) -> Row:
    column = "" if metric.column.casefold() == "value" else metric.column
    return join(metric.label, column), f"{metric.value:g} {metric.unit}"


def _hero(entry: GalleryEntry) -> Json:
    facts = entry.facts
    precision = facts.usual_precision
    command = ""
    if precision and _is_ours(facts):
        command = format_shortest_command(facts, precision)
    pictures = [
        (to_data_address(each.jpeg), each.description, each.note) for each in entry.pictures
    ]
    kept = ""
    if (facts.download_bytes or 0) > (facts.size_bytes or 0):
        kept = format_megabytes(facts.size_bytes)
    shown_facts = [
        ("Download", format_megabytes(facts.download_bytes)),
        ("of which are kept", kept),
        ("License", ", ".join(facts.licenses) or "not declared"),
        ("Approach", facts.approach),
    ]
    return {
        **project(entry, "name page=link description=facts.model.description"),
        "pictures": pictures,
        "credits": unique(each.credit for each in entry.pictures),
        "skeleton": _skeleton(facts.skeleton) if facts.skeleton else None,
        "command": command,
        "facts": shown_facts,
    }


def _is_ours(facts: ModelFacts) -> bool:
    """Other registries may be in any folder, so a pasted command would not work there."""
    return facts.model.path.is_relative_to(builtin_models_dir())


def _metrics_table(entry: GalleryEntry, gallery: GalleryData, scope: str) -> dict[str, object]:
    """The title, headers, rows and note of a table with the metrics of one scope.

    It contains only rows with a value. One row contains the published values; then each precision
    has a row. Metrics that depend on neither pipeline nor network are those of the network.
    """
    axes = {
        key: axis
        for key, axis in gallery.axes.items()
        if key not in ("any_AP", "transfer_bytes") and (axis.scope or "network") == scope
    }
    by_row: dict[str, Metrics] = {}
    for name, metrics in ((PUBLISHED, entry.published), *entry.measured.items()):
        if axes.keys() & metrics.keys():
            by_row[name] = {key: metrics[key] for key in axes if key in metrics}
    rows = []
    for name, metrics in by_row.items():
        cells = [_format_metric(metrics.get(key), axis, name) for key, axis in axes.items()]
        rows.append((name, *cells))
    title = "Network alone"
    if scope == "pipeline":
        people = people_from(entry.facts.model)
        title = f"Whole pipeline, people from {people}" if people else "Whole pipeline"
    notes = _metric_notes(by_row, gallery.comparison)
    return {
        "title": title,
        "headers": ["", *map(_column_title, axes.values())],
        "rows": rows,
        "note": "; ".join(notes),
    }


def _column_title(axis: ComparisonColumn) -> str:
    title = axis.title.removesuffix(", whole pipeline").removesuffix(", network alone")
    return f"{title}, {axis.unit}"


def _metric_notes(by_row: Mapping[str, Metrics], comparison: ModelComparison) -> Iterator[str]:
    metrics = [metric for row in by_row.values() for metric in row.items()]
    keys = {key for key, _ in metrics}
    origins = {metric.origin for _, metric in metrics}
    if by_row.keys() - {PUBLISHED}:
        for origin, letter in _LETTERS.items():
            if origin in origins and letter != "m":
                name = PUBLISHED if letter == "p" else origin.value
                yield f"{letter}: {name}"
    yield from _describe_settings(comparison, keys)


def _describe_settings(comparison: ModelComparison, columns: Collection[str]) -> Iterator[str]:
    of_pipeline = "images/s and latency of the whole pipeline"
    of_people = "ghosts, lying, upside down and in video"
    settings = (
        ("throughput_fps latency_p50_ms", of_pipeline, comparison.speed_setting),
        ("single_p50_ms", "latency with one person", comparison.single_setting),
        (
            "network_fps network_p50_ms",
            "speed of the network alone",
            comparison.network_setting,
        ),
        ("AP AR50_single AR50_several", "AP measured with", comparison.accuracy_conditions),
        (
            "ghosts found_lying found_upside_down found_in_video",
            of_people,
            comparison.situation_conditions,
        ),
    )
    for keys, title, setting in settings:
        if setting and any(key in columns for key in keys.split()):
            yield f"{title}: {setting}"


def _format_metric(metric: SourcedMetric | None, axis: ComparisonColumn, row: str) -> str:
    if metric is None:
        return ""
    value = metric.number * axis.factor
    is_measured = metric.origin is not MetricSource.DECLARED
    number = format_figure(value) if is_measured or axis.factor < 1 else f"{value:.5g}"
    if axis.accuracy:
        number = format_ap(value)
    if row == PUBLISHED or metric.origin is MetricSource.MEASURED:
        return number
    return f"{number} {_LETTERS[metric.origin]}"


def _measurement_title(table: MeasurementTable) -> str:
    subjects = {
        "accuracy": "Accuracy",
        "quantization": "INT8 compared with FP32",
        "situations": "Turned, in videos, and where nobody is",
        "speed": "Speed",
    }
    scope = "whole pipeline" if table.is_of_pipeline else "network alone"
    return f"{subjects[table.kind]}, {scope}"


def _accuracy_row(claim: PublishedAccuracy) -> Row:
    value = f"{claim.value:g} mm" if claim.metric == "MPJPE" else _share(claim.value)
    shares = map(_share, (claim.ap50, claim.ap75))
    return claim.metric, value, *shares, claim.dataset, format_protocol(claim)


def _share(share: float | None) -> str:
    if share is None:
        return ""
    return f"{share:.4g}"


def _ports(part: ModelSpec) -> tuple[str, Sequence[Row], Sequence[Row]]:
    inputs: list[Row] = []
    for port in part.inputs:
        original = _input_cells(port)
        converted = _input_cells(converted_input(part, port))
        if original == converted:
            inputs.append((port.name, "both", *original))
        else:
            inputs.append((port.name, "original", *original))
            inputs.append((port.name, "converted", *converted))
    outputs = [
        (output.name, format_port_shape(output), output.layout, format_role(output))
        for output in part.outputs
    ]
    return part.full_name, inputs, outputs


def _input_cells(port: Input) -> Row:
    numbers = map(format_numbers, (port.mean, port.scale))
    return format_port_shape(port), port.layout, port.color or "", *numbers


def _skeleton(skeleton: Skeleton) -> dict[str, object]:
    names = skeleton.keypoints
    positions = keypoint_positions(skeleton)
    rightmost = max((x for x, _ in positions), default=0)
    points = [
        (*positions[number], keypoint_side(name) or "middle", number)
        for number, name in enumerate(names)
    ]
    return {
        "name": skeleton.name,
        "width": max(0, rightmost) // 240 * 336 + 240,
        "names": [name.replace("_", " ") for name in names],
        "points": points,
        "limbs": [(*positions[a], *positions[b]) for a, b in skeleton.limbs],
    }


def _commands(facts: ModelFacts) -> list[tuple[str, str]]:
    if not _is_ours(facts):
        return []
    commands = []
    for paragraph in (*render_example_section(facts), *render_usage_sections(facts)):
        if paragraph.startswith("## "):
            commands.append(("heading", paragraph[3:]))
        elif paragraph.startswith("```"):
            lines = paragraph.splitlines()[1:-1]
            commands.append(("block", "\n".join(lines)))
        else:
            commands.append(("words", to_plain_text(paragraph)))
    return commands


def _file_row(file: SourceFile) -> Row:
    limit = f"at most {file.max_size:,}" if file.max_size else ""
    size = limit if file.size is None else f"{file.size:,}"
    declared = file.declared_digests.values()
    digests = [f"{digest.algorithm} {digest.value}" for digest in declared]
    return file.name, size, ", ".join(digests) or "none"
