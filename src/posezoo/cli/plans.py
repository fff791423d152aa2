"""What would be done, in words: the same plans that a real run carries out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from posezoo.spec.routes import in_words as why_closed
from posezoo.spec.routes import way_of

if TYPE_CHECKING:
    from posezoo.convert.plan import Plan
    from posezoo.fetch.download import PlannedFile


def in_words(files: Sequence[PlannedFile] = (), conversion: Plan | None = None) -> list[str]:
    """One line a file and one line an IR; why not, where something stands in the way.

    Args:
        files: what a download would do; a missing original that it fetches is no obstacle to a conversion.
        conversion: what a conversion would do.
    """
    lines = [file_line(file) for file in files]
    if conversion is None:
        return lines
    if conversion.spec.is_ir:
        return [*lines, "is published as IR: nothing to convert"]
    if not conversion.by and (why := why_closed(conversion.spec, way_of(conversion.spec))):
        return [why]
    by = f" by {conversion.by}" if conversion.by else ""
    for step in conversion.steps:
        if step.is_done:
            lines.append(f"{step.precision} is up to date: {step.xml}")
        else:
            lines.append(f"would convert to {step.precision}{by}, since {step.reason}: {step.xml}")
    if conversion.obstacle is not None and not files:
        lines.append(f"but cannot: {conversion.obstacle.problem}")
    return lines


def file_line(planned: PlannedFile) -> str:
    """What would be done about one file."""
    file = planned.file
    if planned.is_refused:
        return f"would not download {file.name}: it has no pin; --trust_on_first_use takes what comes"
    if not planned.asked:
        return f"{file.name} is here and good: {planned.target}"
    size = f"at most {file.cap:,}" if file.size is None else f"{file.size:,}"
    return f"would download {file.name} ({size} bytes) from {', else '.join(planned.asked)}"
