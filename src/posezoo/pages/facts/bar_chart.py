"""A comparison as a bar chart: a line for each model and a bar for each metric.

The chart is laid out once, as rectangles and text labels, and then written as SVG or painted by
OpenCV. Bars begin at 0, and each column has its own scale. If a value is unknown, there is no bar.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from posezoo.core.errors import import_cv2
from posezoo.core.values import frozen
from posezoo.pages.facts.comparison import (
    COLUMNS,
    ComparisonColumn,
    MetricSource,
    ModelComparison,
    SourcedMetric,
)

# In pixels: height of a line, a bar and text; width of a column, the longest bar and gaps.
_LINE = 26
_BAR = 14
_TEXT = 13
_COLUMN = 150
_LONGEST = 80
_GAP = 12
# Width of a letter relative to its height, for OpenCV's letters, which are wider than sans-serif
# fonts.
_LETTER = 0.64
_BASELINE = 12  # px from the top of a line's bar to the baseline of its text

Color = tuple[int, int, int]
#: The colours that all charts share.
INK: Color = (33, 37, 41)
_PALE: Color = (134, 142, 150)
RULE: Color = (222, 226, 230)
WHITE: Color = (255, 255, 255)
FULL: Color = (25, 113, 194)

#: The fill and the edge of a bar, by the origin of its value.
_STYLES: dict[MetricSource, tuple[Color, Color]] = {
    MetricSource.MEASURED: (FULL, FULL),
    MetricSource.GENERATED: (WHITE, FULL),
    MetricSource.DECLARED: ((165, 216, 255), (165, 216, 255)),
}


@frozen
class Rectangle:
    """A rectangle, in pixels from the upper left corner; colours are RGB."""

    x: float
    y: float
    width: float
    height: float
    fill: Color
    edge: Color


@frozen
class TextLabel:
    """A line of text; ``y`` is its baseline."""

    x: float
    y: float
    text: str
    color: Color


@dataclass(kw_only=True)
class Chart:
    """Shapes and labels that are drawn on a white background, in this order."""

    width: int = 0
    height: int = 0
    rectangles: list[Rectangle] = field(default_factory=list)
    labels: list[TextLabel] = field(default_factory=list)

    def draw(
        self, x: float, y: float, width: float, height: float, fill: Color, edge: Color
    ) -> None:
        """Add a rectangle."""
        self.rectangles.append(Rectangle(x, y, width, height, fill=fill, edge=edge))

    def write(self, x: float, y: float, text: str, color: Color = INK) -> None:
        """Add a label."""
        self.labels.append(TextLabel(x, y, text, color))


def draw_chart(comparison: ModelComparison) -> Chart:
    """Lay out a comparison that has at least one row."""
    rows = comparison.rows
    columns = comparison.columns
    names = [row.name for row in rows]
    licenses = [row.license for row in rows]
    notes = [*describe_measurement_settings(comparison)]
    left = _GAP + _width(names) + _GAP  # start of the first column
    right = left + len(columns) * _COLUMN  # start of the licenses
    width = max(right + _width([*licenses, "LICENSE"]), _width(notes) + _GAP) + _GAP
    chart = Chart(width=round(width))
    chart.draw(_GAP, _LINE + 8, width - 2 * _GAP, 1, RULE, RULE)
    chart.write(right, _LINE, "LICENSE", _PALE)
    for number, (key, column) in enumerate(columns.items()):
        x = left + number * _COLUMN
        chart.write(x, _LINE, column.heading, _PALE)
        _draw_bars(x, [row.values[key] for row in rows], column, chart)
    for number, row in enumerate(rows):
        baseline = _top_of(number) + _BASELINE
        chart.write(_GAP, baseline, names[number])
        chart.write(right, baseline, row.license)

    y = _top_of(len(rows)) + _GAP
    origins = {metric.origin for row in rows for metric in row.values.values() if metric}
    for origin in MetricSource:
        if origin in origins:
            chart.draw(_GAP, y, _BAR, _BAR, *_STYLES[origin])
            chart.write(_GAP + 22, y + _BASELINE, str(origin))
            y += _LINE
    for note in notes:
        chart.write(_GAP, y + _BASELINE, note, _PALE)
        y += _LINE
    chart.height = y + _GAP
    return chart


def _top_of(row: int) -> int:
    return (2 + row) * _LINE


def _draw_bars(
    x: float,
    metrics: Sequence[SourcedMetric | None],
    column: ComparisonColumn,
    chart: Chart,
) -> None:
    """The bars of a column and their values; the largest value has the longest bar."""
    largest = max((metric.number for metric in metrics if metric), default=0)
    for number, metric in enumerate(metrics):
        if metric is None:
            continue
        top = _top_of(number)
        length = max(1, _LONGEST * metric.number / largest) if largest else 1
        chart.draw(x, top, length, _BAR, *_STYLES[metric.origin])
        chart.write(x + length + 4, top + _BASELINE, column.in_words(metric.number))


def describe_measurement_settings(
    comparison: ModelComparison, columns: Collection[str] = tuple(COLUMNS)
) -> Iterator[str]:
    """The settings that the compared measurements of these columns share."""
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


#: Texts near the beginning of each chart as an SVG file.
SIGNS = ('<svg xmlns="http://www.w3.org/2000/svg" width="', ' font-family="sans-serif" font-size="')


def to_svg(chart: Chart) -> str:
    """The chart as an SVG file."""
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{chart.width}" height="{chart.height}"'
            f' viewBox="0 0 {chart.width} {chart.height}" font-family="sans-serif"'
            f' font-size="{_TEXT}">'
        ),
        f'<rect width="{chart.width}" height="{chart.height}" fill="{_hex(WHITE)}"/>',
    ]
    for box in chart.rectangles:
        lines.append(
            f'<rect x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" '
            f'fill="{_hex(box.fill)}" stroke="{_hex(box.edge)}"/>'
        )
    for label in chart.labels:
        text = escape(_printable(label.text))
        lines.append(
            f'<text x="{label.x:g}" y="{label.y:g}" fill="{_hex(label.color)}">{text}</text>'
        )
    return "\n".join([*lines, "</svg>"]) + "\n"


def to_image(chart: Chart) -> Any:
    """The chart as an (H, W, 3) uint8 BGR image; non-ASCII letters become question marks."""
    import numpy as np

    cv2 = import_cv2()
    canvas = np.full((chart.height, chart.width, 3), 255, np.uint8)
    for box in chart.rectangles:
        start = round(box.x), round(box.y)
        end = round(box.x + box.width), round(box.y + box.height)
        cv2.rectangle(canvas, start, end, box.fill[::-1], thickness=cv2.FILLED)
        cv2.rectangle(canvas, start, end, box.edge[::-1], thickness=1)
    for label in chart.labels:
        text = _printable(label.text).encode("ascii", "replace").decode()
        start = round(label.x), round(label.y)
        cv2.putText(
            canvas,
            text,
            start,
            cv2.FONT_HERSHEY_SIMPLEX,
            fontScale=0.42,
            color=label.color[::-1],
            thickness=1,
            lineType=cv2.LINE_AA,
        )
    return canvas


def _width(texts: Sequence[str]) -> float:
    return max(map(len, texts), default=0) * _TEXT * _LETTER


def _hex(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _printable(text: str) -> str:
    # A declared text may contain line breaks, and characters that are not allowed in XML.
    return "".join(character if character.isprintable() else "?" for character in text)
