"""AP of one kind against throughput: a numbered mark for each model, and the list of their names
below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from math import log10
from textwrap import wrap

from posezoo.console.labels import format_ap, format_figure
from posezoo.core.values import frozen
from posezoo.figures.comparison import MetricSource, ModelComparison, SourcedMetric, in_order

_TEXT = 13  # the size of the letters, in pixels

INK = "#212529"
RULE = "#dee2e6"
WHITE = "#ffffff"
FULL = "#1971c2"

# In pixels: the width, at which the text can be read on a phone; the plot's edges, a mark, a line
# of the list.
_WIDTH = 480
_LEFT = 44
_TOP = 24
_RIGHT = 470
_BOTTOM = 400
_MARK_WIDTH = 18
_MARK_HEIGHT = 14
_LINE = 20
_LETTERS_OF_A_LINE = 66
_TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)

#: The kinds of AP, by their keys in ``COLUMNS``, and their titles.
_KINDS = {
    "AP": "AP, measured by posezoo",
    "pipeline_AP": "AP of whole pipelines, as published",
    "published_AP": "AP of networks, as published",
}

#: Texts near the beginning of each chart.
SIGNS = ('<svg xmlns="http://www.w3.org/2000/svg" width="', ' font-family="sans-serif" font-size="')


@dataclass(kw_only=True)
class Chart:
    """Rectangles and labels of an SVG, and the scales from values to places: AP is linear, the
    speed logarithmic. Places and sizes are in pixels from the upper left corner, colours those of
    SVG.
    """

    least_ap: float
    most_ap: float
    slowest: float
    fastest: float
    rectangles: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)

    def x_of(self, speed: float) -> float:
        """The place of a speed."""
        share = log10(speed / self.slowest) / log10(self.fastest / self.slowest)
        return _LEFT + (_RIGHT - _LEFT) * share

    def y_of(self, ap: float) -> float:
        """The place of an AP."""
        share = (100 * ap - self.least_ap) / (self.most_ap - self.least_ap)
        return _BOTTOM - (_BOTTOM - _TOP) * share

    def draw(self, x: float, y: float, width: float, height: float, fill: str, edge: str) -> None:
        """Add a rectangle."""
        self.rectangles.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" '
            f'fill="{fill}" stroke="{edge}"/>'
        )

    def draw_vertical(self, x: float, top: float, bottom: float, color: str) -> None:
        """Add a vertical line."""
        self.draw(x, top, 0.2, bottom - top, color, color)

    def write(self, x: float, y: float, text: str, color: str = INK) -> None:
        """Add a line of text; ``y`` is its baseline."""
        # A declared text may contain line breaks, and characters that are not allowed in XML.
        shown = "".join(character if character.isprintable() else "?" for character in text)
        self.labels.append(f'<text x="{x:g}" y="{y:g}" fill="{color}">{escape(shown)}</text>')

    def to_svg(self, height: int) -> str:
        """The chart as an SVG file."""
        lines = [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}"'
                f' viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="{_TEXT}">'
            ),
            f'<rect width="{_WIDTH}" height="{height}" fill="{WHITE}"/>',
        ]
        return "\n".join([*lines, *self.rectangles, *self.labels, "</svg>"]) + "\n"


@frozen
class _Point:
    name: str
    ap: SourcedMetric
    speed: float  # images per second
    is_measured: bool  # with the published weights


def draw_chart(comparison: ModelComparison) -> str:
    """The AP of each model and the images per second of its pipeline on one person, as an SVG file,
    with 95 % intervals; a mark is white if the time is not of the published weights.

    All AP are of the first kind of ``_KINDS`` that two models have; empty if there is none, because
    values of different kinds are of different photos, and cannot be compared.
    """
    for kind, title in _KINDS.items():
        points = _find_points(comparison, kind)
        if len(points) > 1:
            return _draw_points(points, title, comparison.single_setting)
    return ""


def _find_points(comparison: ModelComparison, kind: str) -> list[_Point]:
    points = []
    for row in in_order(comparison.rows):
        ap = row.values[kind]
        time = row.values["single_p50_ms"]
        if ap and time:
            is_measured = time.origin is MetricSource.MEASURED
            points.append(_Point(row.name, ap, 1000 / time.number, is_measured))
    return points


def _draw_points(points: Sequence[_Point], title: str, setting: str) -> str:
    plot = _start_plot(points)
    plot.write(_LEFT, 14, title)
    _draw_grid(plot)
    line = _BOTTOM + 42
    # The second sentence has lines of its own.
    for sentence in f"Images/s, 1 person; {setting}".split("; ", 1):
        for words in wrap(sentence, _LETTERS_OF_A_LINE):
            plot.write(_LEFT, line, words)
            line += _LINE
    marks: list[tuple[float, float]] = []
    for point in points:
        if point.ap.interval:
            low, high = map(plot.y_of, point.ap.interval)
            plot.draw_vertical(plot.x_of(point.speed), high, low, FULL)
        marks.append(_place_mark(point, plot, marks))
    for number, (point, mark) in enumerate(zip(points, marks, strict=True), 1):
        fill, ink = (FULL, WHITE) if point.is_measured else (WHITE, INK)
        indent = 1 if number > 9 else 5
        for left, top in (mark, (_LEFT, line)):
            plot.draw(left, top, _MARK_WIDTH, _MARK_HEIGHT, fill, FULL)
            plot.write(left + indent, top + 12, str(number), ink)
        text = f"{point.name}: AP {format_ap(point.ap.number)}, {format_figure(point.speed)}/s"
        plot.write(_LEFT + 28, line + 12, text)
        line += _LINE
    for point, (_, top) in zip(points, marks, strict=True):
        x = plot.x_of(point.speed)
        y = plot.y_of(point.ap.number)
        if not top <= y <= top + _MARK_HEIGHT:  # a dot at the values of a mark that is elsewhere
            plot.draw(x - 2, y - 2, 4, 4, FULL, WHITE)
    return plot.to_svg(line + 8)


def _start_plot(points: Sequence[_Point]) -> Chart:
    aps: list[float] = []
    for point in points:
        bounds = point.ap.interval or ()
        aps += [100 * bound for bound in (point.ap.number, *bounds)]
    speeds = [point.speed for point in points]
    least_ap = max(0, (min(aps) - 1) // 5 * 5)
    most_ap = -(-max(aps) // 5) * 5
    return Chart(
        least_ap=least_ap,
        most_ap=most_ap,
        slowest=min(speeds) / 1.3,
        fastest=max(speeds) * 1.3,
    )


def _draw_grid(plot: Chart) -> None:
    for tick in range(int(plot.least_ap), int(plot.most_ap) + 1, 5):
        y = plot.y_of(tick / 100)
        plot.draw(_LEFT, y, _RIGHT - _LEFT, 0.2, RULE, RULE)
        plot.write(_LEFT - 34, y + 4, f"{tick / 100:.2f}")
    for tick in _TICKS:
        if plot.slowest <= tick <= plot.fastest:
            x = plot.x_of(tick)
            plot.draw_vertical(x, _TOP, _BOTTOM, RULE)
            plot.write(x - 8, _BOTTOM + 18, str(tick))


def _place_mark(
    point: _Point, plot: Chart, others: Sequence[tuple[float, float]]
) -> tuple[float, float]:
    left = plot.x_of(point.speed) - _MARK_WIDTH / 2
    top = plot.y_of(point.ap.number) - _MARK_HEIGHT / 2
    near = [y for x, y in others if abs(x - left) < _MARK_WIDTH]
    for distance in range(_BOTTOM - _TOP):
        for y in (top - distance, top + distance):
            if all(abs(y - other) > _MARK_HEIGHT for other in near):
                return left, y
    return left, top
