"""The pages of a registry: a card and a card.json for each model and composite, and an index, with
GluonCV's models in three tables as on GluonCV's own page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from posezoo.console.labels import (
    format_ap,
    format_figure,
    format_megabytes,
    join,
    task_label,
)
from posezoo.core.declarations.model import CompositeSpec, Model, ModelSpec
from posezoo.core.errors import SpecError
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import Registry, RegistryEntry
from posezoo.pages.cards.markdown import (
    Markdown,
    Paragraphs,
    escape,
    format_code,
    format_image,
    format_link,
    format_link_with_text,
    format_local_link,
    format_table,
)
from posezoo.pages.cards.measurement_tables import format_aps, format_complexity
from posezoo.pages.cards.model_card import NAME, draw_note, link_to_license, render_model_pages
from posezoo.pages.facts.comparison import ComparisonRow, MetricSource, compare_models, in_order
from posezoo.pages.facts.model_facts import ModelFacts, describe_model
from posezoo.pages.facts.papers import collect_papers, format_citation
from posezoo.pages.facts.scatter_chart import draw_chart
from posezoo.run.measurement_selection import MeasurementSelection

INDEX = "index.md"
PICTURE = "accuracy-speed.svg"
HEADERS = ("Model", "Download", "License", "AP")
#: Further columns of a table with a measured pipeline, and their keys in ``COLUMNS``.
PIPELINE_HEADERS = {
    "AR50_single": "Of one",
    "AR50_several": "Of several",
    "ghosts": "Ghosts",
    "single_p50_ms": "ms, 1 person",
    "latency_p50_ms": "ms, 4 people",
}
PICTURE_LEGEND = """\
Each number is a model; further up and to the right is better. The speed is of the whole pipeline on a photo of
one person. A mark is white if the AP is its publisher's, whose data and protocol differ (its card states them), or if
the speed is of generated weights or an estimate: then it was measured on another machine. A line is the 95 % interval
of AP: models whose lines overlap cannot be ranked by these photos. A mark that would cover another one is above or
below its place, at which there is a dot."""  # noqa: E501
LEGEND = """\
AP: measured by the whole pipeline, with its 95 % interval in parentheses, on the images that the card names{photos};
or as published. The highest one comes first, within its kind: of the pipeline as published, by us, of other boxes. ms
with ~ is of generated weights or an estimate, on another machine. Each precision and size that was measured has a row; it is FP16 if none is named, and
"at 480" is `--height 480`. Of one, of several: the share of people who are found in photos of one, and of more. Ghosts:
people found in a picture without people{parts}. Both count all poses, and AP, as COCO's, the best 20 of a photo. ms: the median time from an image file to drawn poses{where}. Download:
what `posezoo run` transfers, with the detector that finds the people; of a package only the part that is needed if
its server has range requests. ↳ A part of the model above."""  # noqa: E501
COST_LEGEND = """\
GFLOPs and MParams are as published, of the network alone. *Counted*: on the IR, by the rule of Open Model Zoo's cards."""  # noqa: E501

REPOSITORY = "https://github.com/dmlc/gluon-cv"

#: The titles of the tables, by the prefix of their models' names.
TABLES = {
    "simple_pose_": "Simple Pose with ResNet",
    "mobile_pose_": "Mobile Pose Models",
    "alpha_pose_": "AlphaPose",
}


#: Height and width of an input whose size the page does not state.
USUAL_SIZE = (256, 192)

INTRODUCTION = """\
## GluonCV's models

OKS AP is AP/AP50/AP75 on COCO val2017 at a single scale, as published; with flip, the outputs for the image
and for its mirror image are averaged. If no size is given, the input is 256x192. A hashtag selects a variant
other than the default: `posezoo get simple_pose_resnet18_v1b@ccd24037`."""  # noqa: E501


def render_pages(root: Path) -> dict[str, str]:
    """The text of each page by its path below the registry's root, with / between its parts."""
    models = list(_read_models(root))
    with_variants = [each for facts in models for each in (facts, *facts.variants)]
    pages: dict[str, str] = {}
    for facts in models:
        pages |= render_model_pages(facts)
    paragraphs = [
        *_render_model_tables(models, root),
        *_render_cost_table(models),
        *_render_gluoncv_tables(facts.model for facts in with_variants),
    ]
    tables = "".join(f"\n{paragraph}\n" for paragraph in paragraphs)
    picture = ""
    compared = compare_models(
        with_variants, ModelLayout(root, root), MeasurementSelection(), every_precision=True
    )
    if chart := draw_chart(compared):
        pages[PICTURE] = chart
        image = format_image(PICTURE, "AP against images per second of whole pipelines")
        picture = f"\n\n{image}\n\n{PICTURE_LEGEND}"
    pages[INDEX] = f"<!-- {draw_note(models[0].model)} -->\n\n# Models{picture}\n{tables}"
    return pages


def _render_model_tables(models: Sequence[ModelFacts], root: Path) -> Paragraphs:
    """A table for each task, the most common one first, in the order of ``in_order``; the parts of
    a composite follow it, whatever their task.
    """
    compared = compare_models(models, ModelLayout(root, root), MeasurementSelection())
    by_name = compared.rows_by_model
    places = {row.name: place for place, row in enumerate(in_order(compared.rows))}

    def place_of(shown: tuple[ModelFacts, ComparisonRow | None]) -> int:
        """A part follows the last row of its composite."""
        facts, row = shown
        rows = by_name.get(facts.model.composite, filter(None, [row]))
        return max((places[each.name] for each in rows), default=len(places))

    by_task: dict[str, list[ModelFacts]] = {}
    task = ""
    for facts in models:
        if not facts.model.composite:  # a part is with its composite
            task = facts.model.task
        by_task.setdefault(task, []).append(facts)
    for task, of_task in sorted(by_task.items(), key=lambda item: -len(item[1])):
        yield f"## {task_label(task)}"
        rows = [(facts, row) for facts in of_task for row in _select(by_name.get(facts.name, []))]
        rows.sort(key=place_of)
        keys = [key for key in PIPELINE_HEADERS if any(row and row.values[key] for _, row in rows)]
        headers = (*HEADERS, *(PIPELINE_HEADERS[key] for key in keys))
        yield format_table(headers, [_row(facts, root, row, keys) for facts, row in rows])
    machine = compared.speed_setting.partition("; ")[0]
    conditions = (compared.accuracy_conditions, compared.situation_conditions)
    photos, parts = (f" ({each})" if each else "" for each in conditions)
    yield LEGEND.format(where=f", on {machine}" if machine else "", photos=photos, parts=parts)


def _render_cost_table(models: Sequence[ModelFacts]) -> Paragraphs:
    rows = []
    for facts in models:
        if isinstance(facts.model, CompositeSpec):
            continue
        published = facts.model.published
        counted = format_complexity(facts.model)
        costs = (
            _digits(published.gflops),
            counted["gflops"],
            _digits(published.mparams),
            counted["mparams"],
        )
        if any(costs):
            rows.append((_link(facts), *costs))
    if rows:
        yield "## Costs"
        yield format_table(
            ("Model", "GFLOPs", "GFLOPs counted", "MParams", "MParams counted"), rows
        )
        yield COST_LEGEND


def _link(facts: ModelFacts) -> Markdown:
    return format_local_link(f"{facts.model.subdirectory}/{NAME}", facts.model.name)


def render_readable_pages(root: Path) -> dict[str, str]:
    """The cards as ``render_pages`` has them, without those that an unreadable file concerns."""
    registry = Registry([root])
    pages: dict[str, str] = {}
    for entry in registry.entries.values():
        if entry.composite:
            continue
        with suppress(SpecError):
            for facts in _describe(entry, registry):
                pages |= render_model_pages(facts)
    return pages


def _read_models(root: Path) -> Iterator[ModelFacts]:
    registry = Registry([root])
    for entry in registry.entries.values():
        if not entry.composite:
            yield from _describe(entry, registry)


def _describe(entry: RegistryEntry, registry: Registry) -> Iterator[ModelFacts]:
    """A model, and its parts in the same folder."""
    model = entry.read()
    facts = describe_model(model, registry)
    yield facts
    for part in facts.parts:
        if part.composite == model.name:
            yield ModelFacts(part, (part,))


def _select(rows: Sequence[ComparisonRow]) -> Sequence[ComparisonRow | None]:
    return [row for row in rows if row.values["AP"]] or rows[:1] or [None]


def _row(
    facts: ModelFacts, root: Path, compared: ComparisonRow | None, keys: Sequence[str]
) -> tuple[str, ...]:
    model = facts.model
    name = _link(facts)
    if compared and compared.values["AP"]:
        details = compared.name.removeprefix(facts.name).strip()
        name = Markdown(f"{name} {escape(details)}".rstrip())
    if model.deprecated:
        name = Markdown(f"{name} (deprecated)")
    licenses = {link_to_license(part, root) for part in facts.parts if part.license.text}
    size = compared.values["transfer_bytes"] if compared else None
    return (
        Markdown(f"↳ {name}") if model.composite else name,
        format_megabytes(int(size.number)) if size else facts.described_download,
        Markdown(", ".join(sorted(licenses))),
        _accuracy(compared),
        *(_figure(compared, key) for key in keys),
    )


def _accuracy(row: ComparisonRow | None) -> str:
    if row is None or row.ap is None:
        return ""
    if row.ap.origin is MetricSource.DECLARED:
        return join(f"{format_ap(row.ap.number)} published", row.ap.conditions, separator=": ")
    pipeline = row.pipeline
    people = f"people from {pipeline.described_people}" if pipeline.people else ""
    return join(format_ap(row.ap.number, row.ap.interval), people)


def _figure(row: ComparisonRow | None, key: str) -> str:
    metric = row.values[key] if row else None
    if metric is None:
        return ""
    if not key.endswith("_ms"):
        return f"{metric.number:.2f}"
    mark = "" if metric.origin is MetricSource.MEASURED else "~"
    return mark + format_figure(metric.number)


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _render_gluoncv_tables(models: Iterable[Model]) -> Paragraphs:
    variants = [
        model
        for model in models
        if isinstance(model, ModelSpec)
        and model.tag
        and model.origin.repository == REPOSITORY
        and model.published.accuracy
    ]
    variants.sort(key=_order)
    papers = collect_papers(variants)
    notes = {paper.address: f"[^{number}]" for number, paper in enumerate(papers, 1)}
    if variants:
        yield INTRODUCTION
    for prefix, title in TABLES.items():
        rows = [_gluoncv_row(each, notes) for each in variants if each.name.startswith(prefix)]
        if rows:
            yield f"### {title}"
            yield format_table(
                (
                    "Model",
                    "OKS AP",
                    "OKS AP (with flip)",
                    "Hashtag",
                    "Training Command",
                    "Training log",
                ),
                rows,
            )
    for paper in papers:
        citation = escape(format_citation(paper))
        yield f"{notes[paper.address]}: {citation} {format_link(paper.address)}"


def _order(model: ModelSpec) -> tuple[int, str, bool]:
    """Small networks first, and the default variant before the others."""
    depth = "".join(filter(str.isdigit, model.name.partition("resnet")[2].partition("_")[0]))
    return int(depth or 0) or 1000, model.name, not model.is_default


def _gluoncv_row(model: ModelSpec, notes: dict[str, str]) -> tuple[str, ...]:
    page = f"{model.family}/{model.name}/README.md"
    note = notes.get(model.origin.paper, "")
    sides = model.inputs[0].sides
    height = sides.get("H", -1)
    width = sides.get("W", -1)
    size = "" if (height, width) == USUAL_SIZE else f"({height}x{width})"
    name = " ".join(filter(None, (format_local_link(page, model.name), size, note)))
    plain, flipped = (format_aps(model, flip=flip) for flip in (False, True))
    shell = format_link_with_text(model.training.command, "shell script")
    log = format_link_with_text(model.training.log, "log")
    return Markdown(name), plain, flipped, format_code(model.tag), shell, log
