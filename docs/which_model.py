"""Draw README's table of models: the list of defaults in its order, then three for other needs; and
what INT8 saves.

The figures are of the measured rows and of each model.yml.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from posezoo.core.declarations.model import Model, ModelSpec, Precision
    from posezoo.figures.comparison import ComparisonRow, ModelComparison
    from posezoo.figures.measured import Measurement
    from posezoo.figures.model_facts import ModelFacts

#: What each row is for, and the model or its alias; first the list of defaults.
ROWS = {
    "several people, also in video": "pose",
    "several people, of the models that we could run": "pose-measured",
    "people, if only npm's registry answers": "movenet-thunder",
    "one person: 33 points, also in metres": "blazepose-full",
    "several people, more accurate": "rtmpose-m",
    "a crowd: its time does not grow with people": "pose-many",
}
#: CPU ms of a picture of one person and of one of four.
CPU_HEADERS = (
    "CPU ms on an AMD EPYC with AVX-512 and bf16: 1 person, 4",
    "with AVX2 alone, as in most laptops",
)
HEADERS = (
    *("For", "`posezoo run`", "Needs", "AP, its publisher's", "AP, ours"),
    *(*CPU_HEADERS, "Download", "License"),
)
#: The row about all of them.
WITHOUT_NETWORK = (
    "any of them, without a network",
    "`MODEL --mirror /mnt/models`",
    "a folder that `posezoo mirror create` filled elsewhere",
    *[""] * 6,
)
#: The model whose time in INT8 is shown.
QUANTIZED = "movenet-thunder"


@cache
def figures() -> dict[str, Any]:
    """What which_model.yml states."""
    text = Path(__file__).with_suffix(".yml").read_text("utf-8")
    return yaml.safe_load(text)  # type: ignore[no-any-return]


def list_models() -> list[str]:
    """The model of each row."""
    from posezoo.core.registry import open_registry

    registry = open_registry()
    return [registry.find(name).full_name for name in ROWS.values()]


def draw_values(compared: ModelComparison) -> dict[str, str]:
    """The table."""
    rows = {row.name: row for row in compared.rows}
    return {"models": _format_table(HEADERS, [*_rows(rows), WITHOUT_NETWORK])}


def draw_int8() -> dict[str, str]:
    """The table of what INT8 saves."""
    from posezoo.core.declarations.model import Precision
    from posezoo.core.registry import open_registry

    model = open_registry().find(QUANTIZED)
    rows = (
        (f"`{QUANTIZED}{flag}`", *_cpu_times(model, precision))
        for flag, precision in (
            ("", Precision.FP16),
            (" --precision FP16-INT8", Precision.FP16_INT8),
        )
    )
    return {"int8": _format_table(("`posezoo run`", *CPU_HEADERS), rows)}


def _format_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (headers, ["---"] * len(headers), *rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _rows(rows: dict[str, ComparisonRow]) -> Iterator[Sequence[str]]:
    from posezoo.core.declarations.model import Precision
    from posezoo.core.registry import open_registry
    from posezoo.figures.model_facts import describe_model

    registry = open_registry()
    for purpose, name in ROWS.items():
        model = registry.find(name)
        facts = describe_model(model, registry)
        row = rows[model.full_name]
        shown = f"`{name}`" if name == model.name else f"`{name}`: {model.name}"
        hosts = dict.fromkeys(
            _first_host(spec) for spec in (*facts.parts, *filter(None, [facts.detector]))
        )
        yield (
            *(purpose, shown, ", ".join(hosts), *_accuracies(row)),
            *(*_cpu_times(model, Precision.FP16), _download(facts), row.license),
        )


def _first_host(spec: ModelSpec) -> str:
    """Who is asked first for the files of a model."""
    from urllib.parse import urlsplit

    from posezoo.core.declarations.sources import NpmPackageSource, PythonPackageSource

    source = spec.files[0].sources[0]
    if isinstance(source, NpmPackageSource):
        return "npm's registry"
    if isinstance(source, PythonPackageSource):
        return "Python's package index"
    return urlsplit(str(source)).hostname or str(source)


def _accuracies(row: ComparisonRow) -> tuple[str, str]:
    """The AP of the whole pipeline on whole photos: its publisher's, and ours."""
    ours, published = row.values["AP"], row.values["pipeline_AP"]
    measured = ""
    if ours:
        assert ours.interval is not None
        measured = "{:.2f} ({:.2f} to {:.2f})".format(ours.number, *ours.interval)
    return (f"{published.number:.3f}" if published else "", measured)


def _cpu_times(model: Model, precision: Precision) -> tuple[str, str]:
    """The CPU time of a picture with one person and of one with four: on the processor with bf16,
    and on the one that has no AVX-512 either.
    """
    with_bf16, without = (_cpu_time(model, precision, has_bf16=has) for has in (True, False))
    return with_bf16, without


def _cpu_time(model: Model, precision: Precision, *, has_bf16: bool) -> str:
    from posezoo.figures.measurement_selection import MeasurementSelection, executed_type

    selection = MeasurementSelection(one_request=True)
    by_machine: dict[str, dict[int, Measurement]] = {}
    for shown in (1, 4):
        for each in selection.select_of_pipeline(model, "speed", shown):
            is_wanted = each.precision is precision and ("bf16" in each.machine) == has_bf16
            if is_wanted and "cpu_ms" in each.figures:
                by_machine.setdefault(each.machine, {})[shown] = each
    if not by_machine:
        return "not measured"
    records = max(by_machine.values(), key=len)
    measured = ", ".join(f"{each.figures['cpu_ms']:.0f}" for each in records.values())
    types = ", ".join(dict.fromkeys(map(executed_type, records.values())))
    if 1 not in records:
        return f"not measured, {measured} in {types}"
    return f"{measured} in {types}" + ("" if 4 in records else ", not measured")


def _download(facts: ModelFacts) -> str:
    """The bytes of the model and its detector, or the most that they may have."""
    if facts.download_bytes is None:
        return f"at most {facts.download_limit / 1e6:.0f} MB"
    return f"{facts.download_bytes / 1e6:.0f} MB"


def fresh_ap(each: dict[str, Any]) -> str:
    """An AP on the 44 photos, with its interval if that was computed."""
    interval = " ({:.2f} to {:.2f})".format(*each["interval"]) if "interval" in each else ""
    return f"{each['ap']:.2f}{interval}"
