"""The tables of the models of each task, for an index and an HTML page."""

from __future__ import annotations

from collections.abc import Sequence

from posezoo.console.labels import (
    format_ap,
    format_figure,
    format_megabytes,
    join,
    task_label,
)
from posezoo.core.values import frozen
from posezoo.figures.comparison import (
    ComparisonRow,
    MetricSource,
    ModelComparison,
    in_order,
)
from posezoo.figures.model_facts import ModelFacts

#: Columns of a table with a measured pipeline, by their keys in ``COLUMNS``.
PIPELINE_HEADERS = {
    "AR50_single": "Of one",
    "AR50_several": "Of several",
    "ghosts": "Ghosts",
    "single_p50_ms": "ms, 1 person",
    "latency_p50_ms": "ms, 4 people",
}
CHART_LEGEND = """\
Each number is a model; further up and to the right is better. The speed is of the whole pipeline on a photo of
one person. All AP are of one kind, since others are of other photos: measured by posezoo, if two models have such an
AP, else as published. A mark is white if the speed is of generated weights or an estimate: then it was measured on
another machine. A line is the 95 % interval of AP: models whose lines overlap cannot be ranked by these photos. A mark
that would cover another one is above or below its place, at which there is a dot."""  # noqa: E501
_LEGEND = """\
AP: measured by the whole pipeline, with its 95 % interval in parentheses, on the images that the card names{photos};
or as published. The highest one comes first, within its kind: of the pipeline as published, by us, of other boxes. ms
with ~ is of generated weights or an estimate, on another machine. Each precision and size that was measured has a row; it is FP16 if none is named, and
"at 480" is `--height 480`. Of one, of several: the share of people who are found in photos of one, and of more. Ghosts:
people found in a picture without people{parts}. Both count all poses, and AP, as COCO's, the best 20 of a photo. ms: the median time from an image file to drawn poses{where}. Download:
what `posezoo run` transfers, with the detector that finds the people; of a package only the part that is needed if
its server has range requests. ↳ A part of the model above."""  # noqa: E501


@frozen
class ModelRow:
    """A model in one precision and size, as text without markup."""

    facts: ModelFacts
    details: str  # the precision and size after the model's name; empty if they are usual
    download: str
    figures: tuple[str, ...]  # AP, and the values of the table's ``PIPELINE_HEADERS``


@frozen
class ModelTable:
    """The models of one task."""

    title: str
    headers: tuple[str, ...]  # of the figures
    rows: tuple[ModelRow, ...]


def tabulate_models(models: Sequence[ModelFacts], compared: ModelComparison) -> list[ModelTable]:
    """A table for each task, the most common one first, in the order of ``in_order``; the parts of
    a composite follow it, whatever their task.
    """
    by_name = compared.rows_by_model
    places = {row.name: place for place, row in enumerate(in_order(compared.rows))}

    def place_of(shown: tuple[ModelFacts, ComparisonRow | None]) -> int:
        """A part follows the last row of its composite."""
        facts, row = shown
        rows = by_name.get(facts.model.composite, filter(None, [row]))
        return max((places[each.name] for each in rows), default=len(places))

    tasks = {facts.name: facts.model.task for facts in models}
    by_task: dict[str, list[ModelFacts]] = {}
    for facts in models:
        task = tasks.get(facts.model.composite, facts.model.task)
        by_task.setdefault(task, []).append(facts)
    tables = []
    for task, of_task in sorted(by_task.items(), key=lambda item: -len(item[1])):
        rows = [(facts, row) for facts in of_task for row in _select(by_name.get(facts.name, []))]
        rows.sort(key=place_of)
        keys = [key for key in PIPELINE_HEADERS if any(row and row.values[key] for _, row in rows)]
        headers = ("AP", *(PIPELINE_HEADERS[key] for key in keys))
        shown = tuple(_make_row(facts, row, keys) for facts, row in rows)
        tables.append(ModelTable(task_label(task), headers, shown))
    return tables


def describe_figures(compared: ModelComparison) -> str:
    """What the values of the tables mean, and how they were measured; with code in backticks."""
    conditions = (compared.accuracy_conditions, compared.situation_conditions)
    photos, parts = (f" ({each})" if each else "" for each in conditions)
    return _LEGEND.format(where=_describe_machines(compared), photos=photos, parts=parts)


def _describe_machines(compared: ModelComparison) -> str:
    settings = (compared.single_setting, compared.speed_setting)
    of_one, of_four = (setting.partition("; ")[0] for setting in settings)
    if of_one and of_four and of_one != of_four:
        return f", of one person on {of_one}, of four on {of_four}"
    machine = of_one or of_four
    return f", on {machine}" if machine else ""


def _select(rows: Sequence[ComparisonRow]) -> Sequence[ComparisonRow | None]:
    return [row for row in rows if row.values["AP"]] or rows[:1] or [None]


def _make_row(facts: ModelFacts, row: ComparisonRow | None, keys: Sequence[str]) -> ModelRow:
    if row is None:
        return ModelRow(facts, "", facts.described_download, ("",) * (1 + len(keys)))
    size = row.values["transfer_bytes"]
    return ModelRow(
        facts,
        details=row.name.removeprefix(facts.name).strip() if row.values["AP"] else "",
        download=format_megabytes(int(size.number)) if size else facts.described_download,
        figures=(_format_ap(row), *(_format_figure(row, key) for key in keys)),
    )


def _format_ap(row: ComparisonRow) -> str:
    if row.ap is None:
        return ""
    if row.ap.origin is MetricSource.DECLARED:
        return join(f"{format_ap(row.ap.number)} published", row.ap.conditions, separator=": ")
    pipeline = row.pipeline
    people = f"people from {pipeline.described_people}" if pipeline.people else ""
    return join(format_ap(row.ap.number, row.ap.interval), people)


def _format_figure(row: ComparisonRow, key: str) -> str:
    metric = row.values[key]
    if metric is None:
        return ""
    if not key.endswith("_ms"):
        return f"{metric.number:.2f}"
    mark = "" if metric.origin is MetricSource.MEASURED else "~"
    return mark + format_figure(metric.number)
