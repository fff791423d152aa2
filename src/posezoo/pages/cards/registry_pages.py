"""The pages of a registry: a card and a card.json for each model and composite, and an index, with
GluonCV's models in three tables as on GluonCV's own page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from posezoo.console.labels import format_ap, format_figure
from posezoo.core.declarations.model import CompositeSpec, Model, ModelSpec
from posezoo.core.errors import SpecError
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import Registry, RegistryEntry
from posezoo.figures.comparison import compare_models
from posezoo.figures.measured import measurements_of
from posezoo.figures.measurement_selection import MeasurementSelection
from posezoo.figures.model_facts import ModelFacts, describe_model
from posezoo.figures.papers import collect_papers, format_citation
from posezoo.figures.scatter_chart import draw_chart
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
from posezoo.pages.cards.model_card import (
    INDEX,
    NAME,
    draw_note,
    link_to_license,
    render_model_pages,
)
from posezoo.pages.cards.model_tables import (
    CHART_LEGEND,
    ModelRow,
    ModelTable,
    describe_figures,
    tabulate_models,
)

PICTURE = "accuracy-speed.svg"
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
    compared = compare_models(models, ModelLayout(root, root), MeasurementSelection())
    paragraphs = [
        *_render_model_tables(tabulate_models(models, compared), root),
        describe_figures(compared),
        *_render_cost_table(models),
        *_render_gluoncv_tables(facts.model for facts in with_variants),
    ]
    tables = "".join(f"\n{paragraph}\n" for paragraph in paragraphs)
    picture = ""
    if chart := draw_chart(compared):
        pages[PICTURE] = chart
        image = format_image(PICTURE, "AP against images per second of whole pipelines")
        picture = f"\n\n{image}\n\n{CHART_LEGEND}"
    pages[INDEX] = f"<!-- {draw_note(models[0].model)} -->\n\n# Models{picture}\n{tables}"
    return pages


def _render_model_tables(tables: Sequence[ModelTable], root: Path) -> Paragraphs:
    for table in tables:
        yield f"## {table.title}"
        headers = ("Model", "Download", "License", *table.headers)
        yield format_table(headers, [_row(row, root) for row in table.rows])


def _render_cost_table(models: Sequence[ModelFacts]) -> Paragraphs:
    rows = []
    for facts in models:
        if isinstance(facts.model, CompositeSpec):
            continue
        published = facts.model.published
        counts = measurements_of(facts.model, "complexity")
        counted = counts[0].figures if counts else {}
        costs = (
            _digits(published.gflops),
            _counted(counted, "gflops"),
            _digits(published.mparams),
            _counted(counted, "mparams"),
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


def _row(row: ModelRow, root: Path) -> tuple[str, ...]:
    facts = row.facts
    name = Markdown(f"{_link(facts)} {escape(row.details)}".rstrip())
    if facts.model.deprecated:
        name = Markdown(f"{name} (deprecated)")
    if facts.model.composite:
        name = Markdown(f"↳ {name}")
    licenses = {link_to_license(part, root) for part in facts.parts if part.license.text}
    return (name, row.download, Markdown(", ".join(sorted(licenses))), *row.figures)


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _counted(figures: Mapping[str, float], name: str) -> str:
    return format_figure(figures[name]) if name in figures else ""


def format_aps(model: ModelSpec, *, flip: bool) -> str:
    """Published AP, AP50 and AP75: ``0.663/0.892/0.734``; or empty."""
    for claim in model.published.accuracy:
        if claim.metric == "AP" and claim.flip == flip:
            values = (claim.value, claim.ap50, claim.ap75)
            return "/".join("" if value is None else format_ap(value) for value in values)
    return ""


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
