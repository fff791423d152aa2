"""A comparison as a picture: a line for each model, a bar for each of its figures.

It is laid out once, as rectangles and lines of text, and then written as SVG or painted by OpenCV. Bars begin
at 0 and each column has a scale of its own; where nobody knows a figure there is no bar.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from posezoo.errors import import_optional
from posezoo.facts.comparison import COLUMNS, ComparisonRow, MetricSource, ModelComparison, SourcedMetric

_LINE, _BAR, _TEXT = 26, 14, 13  # px: from model to model, of a bar, of letters
_PANEL, _LONGEST, _GAP = 150, 80, 12  # px: from column to column, the longest bar, from part to part
# The width of a letter as a share of the height, of OpenCV's, which are wider than sans-serif typefaces'.
_LETTER = 0.64

Color = tuple[int, int, int]
_INK: Color = (33, 37, 41)
_PALE: Color = (134, 142, 150)
_RULE: Color = (222, 226, 230)
_WHITE: Color = (255, 255, 255)
_FULL: Color = (25, 113, 194)

#: How a bar looks, by where its figure is from: what it is filled with, and its edge.
_LOOKS: dict[MetricSource, tuple[Color, Color]] = {
    MetricSource.MEASURED: (_FULL, _FULL),
    MetricSource.GENERATED: (_WHITE, _FULL),
    MetricSource.DECLARED: ((165, 216, 255), (165, 216, 255)),
}


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A rectangle, in pixels from the upper left corner; colours are RGB."""

    x: float
    y: float
    width: float
    height: float
    fill: Color
    edge: Color


@dataclass(frozen=True, slots=True)
class TextLabel:
    """A line of text whose letters stand on ``y``."""

    x: float
    y: float
    text: str
    color: Color = _INK


@dataclass(frozen=True, slots=True)
class BarChart:
    """What is drawn, in its order, on white."""

    width: int
    height: int
    boxes: tuple[Rectangle, ...]
    words: tuple[TextLabel, ...]


def draw_chart(comparison: ModelComparison) -> BarChart:
    """Lay a comparison out.

    Args:
        comparison: of one row at least.
    """
    rows = comparison.rows
    names = [f"{row.model} {row.precision}" for row in rows]
    first = _GAP + _width(names) + _GAP
    terms = first + len(COLUMNS) * _PANEL
    boxes: list[Rectangle] = []
    words = [TextLabel(terms, _LINE, "LICENCE", _PALE)]
    for place, (key, column) in enumerate(COLUMNS.items()):
        x = first + place * _PANEL
        words.append(TextLabel(x, _LINE, column.title, _PALE))
        largest = max((value.number for row in rows if (value := row.values[key])), default=0)
        for number, row in enumerate(rows):
            if value := row.values[key]:
                boxes.append(_bar(x, _top(number), value, largest))
                words.append(
                    TextLabel(boxes[-1].x + boxes[-1].width + 4, _base(number), column.in_words(value.number))
                )
    for number, (row, name) in enumerate(zip(rows, names, strict=True)):
        words += [TextLabel(_GAP, _base(number), name), TextLabel(terms, _base(number), row.license)]
    bottom = _top(len(rows)) + _GAP
    legend = [*_legend(comparison.rows)]
    boxes += [
        Rectangle(_GAP, bottom + place * _LINE, _BAR, _BAR, *_LOOKS[origin])
        for place, origin in enumerate(legend)
    ]
    notes = [str(origin) for origin in legend]
    words += [TextLabel(_GAP + 22, bottom + place * _LINE + 12, note) for place, note in enumerate(notes)]
    after = bottom + len(notes) * _LINE
    told = [*describe_measurement_settings(comparison)]
    words += [TextLabel(_GAP, after + place * _LINE + 12, line, _PALE) for place, line in enumerate(told)]
    width = max(terms + _width([row.license for row in rows] + ["LICENCE"]), _width(told) + _GAP) + _GAP
    rule = Rectangle(_GAP, _LINE + 8, width - 2 * _GAP, 1, _RULE, _RULE)
    return BarChart(round(width), after + len(told) * _LINE + _GAP, (rule, *boxes), tuple(words))


def describe_measurement_settings(comparison: ModelComparison) -> Iterator[str]:
    """In what way figures were measured that stand side by side."""
    if comparison.speed_way:
        yield f"speed: {comparison.speed_way}"
    if comparison.accuracy_conditions:
        yield f"AP measured with: {comparison.accuracy_conditions}"


def to_svg(chart: BarChart) -> str:
    """The chart as an SVG file."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{chart.width}" height="{chart.height}" '
        f'viewBox="0 0 {chart.width} {chart.height}" font-family="sans-serif" font-size="{_TEXT}">',
        f'<rect width="{chart.width}" height="{chart.height}" fill="{_hex(_WHITE)}"/>',
    ]
    for box in chart.boxes:
        lines.append(
            f'<rect x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" '
            f'fill="{_hex(box.fill)}" stroke="{_hex(box.edge)}"/>'
        )
    for word in chart.words:
        text = escape(_printable(word.text))
        lines.append(f'<text x="{word.x:g}" y="{word.y:g}" fill="{_hex(word.color)}">{text}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def to_image(chart: BarChart) -> Any:
    """The chart as an (H, W, 3) uint8 BGR image; letters that OpenCV does not have become question marks.

    Raises:
        MissingPackageError: OpenCV is not installed.
    """
    import numpy as np

    cv2 = import_optional("cv2", extra="run")
    canvas = np.full((chart.height, chart.width, 3), 255, np.uint8)
    for box in chart.boxes:
        corners = (round(box.x), round(box.y)), (round(box.x + box.width), round(box.y + box.height))
        cv2.rectangle(canvas, *corners, box.fill[::-1], cv2.FILLED)
        cv2.rectangle(canvas, *corners, box.edge[::-1], 1)
    for word in chart.words:
        text = _printable(word.text).encode("ascii", "replace").decode()
        place = round(word.x), round(word.y)
        cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, word.color[::-1], 1, cv2.LINE_AA)
    return canvas


def _bar(x: float, y: float, value: SourcedMetric, largest: float) -> Rectangle:
    return Rectangle(
        x, y, max(1, _LONGEST * value.number / largest) if largest else 1, _BAR, *_LOOKS[value.origin]
    )


def _legend(rows: Sequence[ComparisonRow]) -> Iterator[MetricSource]:
    there = {value.origin for row in rows for value in row.values.values() if value}
    yield from (origin for origin in MetricSource if origin in there)


def _top(number: int) -> int:
    """Where a row's bars begin."""
    return 2 * _LINE + number * _LINE


def _base(number: int) -> int:
    """What a row's letters stand on."""
    return _top(number) + 12


def _width(texts: Sequence[str]) -> float:
    return max((len(text) for text in texts), default=0) * _TEXT * _LETTER


def _hex(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _printable(text: str) -> str:
    """What strangers declared: no line breaks, nothing that an XML file may not hold."""
    return "".join(each if each.isprintable() else "?" for each in text)
