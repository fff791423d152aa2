"""What would be done, in words: the same plans that a real run carries out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from posezoo.spec.routes import describe_obstacle as why_closed
from posezoo.spec.routes import select_route

if TYPE_CHECKING:
    from posezoo.convert.conversion_plan import ConversionPlan
    from posezoo.download.model_download import PlannedFile


def format_plan(files: Sequence[PlannedFile] = (), conversion: ConversionPlan | None = None) -> list[str]:
    """One line a file and one line an IR; why not, where something stands in the way.

    Args:
        files: what a download would do; a missing original that it fetches is no obstacle to a conversion.
        conversion: what a conversion would do.
    """
    lines = [format_planned_file(file) for file in files]
    if conversion is None:
        return lines
    if conversion.spec.is_ir:
        return [*lines, "is published as IR: nothing to convert"]
    if not conversion.by and (reason := why_closed(conversion.spec, select_route(conversion.spec))):
        return [reason]
    by = f" by {conversion.by}" if conversion.by else ""
    for step in conversion.steps:
        if step.is_up_to_date:
            lines.append(f"{step.precision} is up to date: {step.xml}")
        else:
            lines.append(f"would convert to {step.precision}{by}, since {step.reason}: {step.xml}")
    if conversion.obstacle is not None and not files:
        lines.append(f"but cannot: {conversion.obstacle.problem}")
    return lines


def format_planned_file(planned: PlannedFile) -> str:
    """What would be done about one file."""
    file = planned.file
    if planned.is_unpinned:
        return f"would not download {file.name}: it has no pin; --trust_on_first_use takes what comes"
    if not planned.candidate_names:
        return f"{file.name} is here and good: {planned.target}"
    size = f"at most {file.read_limit:,}" if file.size is None else f"{file.size:,}"
    return f"would download {file.name} ({size} bytes) from {', else '.join(planned.candidate_names)}"
