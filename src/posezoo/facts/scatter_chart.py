"""AP against throughput: a numbered mark for each model, and the list of their names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log10

from posezoo.facts.bar_chart import FULL, INK, RULE, WHITE, Chart, Color, Rectangle, TextLabel
from posezoo.facts.comparison import ComparisonRow, MetricSource, ModelComparison, SourcedMetric
from posezoo.facts.labels import format_figure
from posezoo.facts.outside_references import OutsideModel, OutsideReference
from posezoo.spec.model import Precision

# In pixels: the plot's edges, a mark, a line of the list.
_LEFT = 60
_TOP = 24
_RIGHT = 620
_BOTTOM = 470
_MARK_WIDTH = 18
_MARK_HEIGHT = 14
_LINE = 20
_OUTSIDE: Color = (232, 89, 12)
_TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


@dataclass(frozen=True, slots=True)
class _Point:
    name: str
    ap: SourcedMetric
    speed: SourcedMetric


@dataclass(frozen=True, slots=True)
class _Scales:
    """From values to pixels: AP is linear, and the speed logarithmic."""

    least_ap: float
    most_ap: float
    slowest: float
    fastest: float

    def x_of(self, speed: float) -> float:
        share = log10(speed / self.slowest) / log10(self.fastest / self.slowest)
        return _LEFT + (_RIGHT - _LEFT) * share

    def y_of(self, ap: float) -> float:
        share = (100 * ap - self.least_ap) / (self.most_ap - self.least_ap)
        return _BOTTOM - (_BOTTOM - _TOP) * share


def draw_pipeline_chart(comparison: ModelComparison) -> Chart | None:
    """The measured AP and the measured speed of whole pipelines; the lines are the 95 % intervals
    of AP.

    None if fewer than two models have both values.
    """
    label = f"Images/s, whole pipeline; {comparison.speed_setting}"
    return _draw(comparison.rows, "AP", "throughput_fps", label)


def draw_network_chart(
    comparison: ModelComparison, references: Sequence[OutsideReference] = ()
) -> Chart | None:
    """The published AP, and the measured speed of the network alone.

    A mark is white if the speed was measured with random weights. A line with a letter is the AP of
    a model of another publisher, whose speed was not measured. None if fewer than two models have
    both values.
    """
    label = f"Images/s, network alone; {comparison.network_setting}"
    return _draw(comparison.rows, "published_AP", "network_fps", label, references)


def _draw(
    rows: Sequence[ComparisonRow],
    ap_key: str,
    speed_key: str,
    speed_label: str,
    references: Sequence[OutsideReference] = (),
) -> Chart | None:
    points = sorted(_points(rows, ap_key, speed_key), key=lambda point: point.name)
    if len(points) < 2:
        return None
    scales = _fit_scales(points, [model for each in references for model in each.models])
    shapes: list[Rectangle] = []
    labels = [TextLabel(_LEFT, 14, "AP, %")]
    # In two lines, because the list may reach below the plot.
    for number, text in enumerate(speed_label.split("; ", 1)):
        labels.append(TextLabel(_LEFT, _BOTTOM + 42 + number * _LINE, text))
    _draw_grid(scales, shapes, labels)
    end = _TOP + len(points) * _LINE
    end = _draw_references(references, scales, end, shapes, labels)  # below the marks
    marks: list[tuple[float, float]] = []
    for point in points:
        _draw_interval(point, scales, shapes)
        marks.append(_place_mark(point, scales, marks))
    for number, point in enumerate(points, 1):
        _draw_point(number, point, marks[number - 1], shapes, labels)
    for point, mark in zip(points, marks, strict=True):
        _draw_place(point, scales, mark, shapes)
    height = max(_BOTTOM + 76, end + 16)
    return Chart(_RIGHT + 440, height, tuple(shapes), tuple(labels))


def _points(rows: Sequence[ComparisonRow], ap_key: str, speed_key: str) -> Iterator[_Point]:
    """The models with both values; a precision other than FP16 is named."""
    for row in rows:
        ap = row.values[ap_key]
        speed = row.values[speed_key]
        if ap is not None and speed is not None:
            name = row.model if row.precision is Precision.FP16 else f"{row.model} {row.precision}"
            yield _Point(name, ap, speed)


def _fit_scales(points: Sequence[_Point], outside: Sequence[OutsideModel]) -> _Scales:
    aps = [
        100 * bound for point in points for bound in (point.ap.number, *(point.ap.interval or ()))
    ]
    aps += [100 * model.published_AP for model in outside]
    speeds = [point.speed.number for point in points]
    least_ap = max(0, (min(aps) - 1) // 5 * 5)
    most_ap = -(-max(aps) // 5) * 5
    return _Scales(least_ap, most_ap, min(speeds) / 1.3, max(speeds) * 1.3)


def _draw_grid(scales: _Scales, shapes: list[Rectangle], labels: list[TextLabel]) -> None:
    for tick in range(int(scales.least_ap), int(scales.most_ap) + 1, 5):
        y = scales.y_of(tick / 100)
        shapes.append(Rectangle(_LEFT, y, _RIGHT - _LEFT, 0.2, RULE, RULE))
        labels.append(TextLabel(_LEFT - 28, y + 4, str(tick)))
    for tick in _TICKS:
        if scales.slowest <= tick <= scales.fastest:
            x = scales.x_of(tick)
            shapes.append(Rectangle(x, _TOP, 0.2, _BOTTOM - _TOP, RULE, RULE))
            labels.append(TextLabel(x - 8, _BOTTOM + 18, str(tick)))


def _draw_interval(point: _Point, scales: _Scales, shapes: list[Rectangle]) -> None:
    if point.ap.interval is None:
        return
    low, high = point.ap.interval
    top = scales.y_of(high)
    shapes.append(
        Rectangle(scales.x_of(point.speed.number), top, 0.2, scales.y_of(low) - top, FULL, FULL)
    )


def _place_mark(
    point: _Point, scales: _Scales, others: Sequence[tuple[float, float]]
) -> tuple[float, float]:
    """The left and the top of a mark: at its values, or above or below if other marks are there."""
    left = scales.x_of(point.speed.number) - _MARK_WIDTH / 2
    top = scales.y_of(point.ap.number) - _MARK_HEIGHT / 2
    near = [y for x, y in others if abs(x - left) < _MARK_WIDTH]
    for distance in range(_BOTTOM - _TOP):
        for y in (top - distance, top + distance):
            if all(abs(y - other) > _MARK_HEIGHT for other in near):
                return left, y
    return left, top


def _draw_place(
    point: _Point, scales: _Scales, mark: tuple[float, float], shapes: list[Rectangle]
) -> None:
    """A dot at the values of a model whose mark is elsewhere."""
    x = scales.x_of(point.speed.number)
    y = scales.y_of(point.ap.number)
    if not mark[1] <= y <= mark[1] + _MARK_HEIGHT:
        shapes.append(Rectangle(x - 2, y - 2, 4, 4, FULL, WHITE))


def _draw_point(
    number: int,
    point: _Point,
    mark: tuple[float, float],
    shapes: list[Rectangle],
    labels: list[TextLabel],
) -> None:
    """The mark in the plot, and the line of the list."""
    is_generated = point.speed.origin is MetricSource.GENERATED
    fill, ink = (WHITE, INK) if is_generated else (FULL, WHITE)
    line = _TOP + (number - 1) * _LINE
    for left, top in (mark, (_RIGHT + 24, line)):
        shapes.append(Rectangle(left, top, _MARK_WIDTH, _MARK_HEIGHT, fill, FULL))
        labels.append(TextLabel(left + (1 if number > 9 else 5), top + 12, str(number), ink))
    text = f"{point.name}: {100 * point.ap.number:.1f} %, {format_figure(point.speed.number)}/s"
    labels.append(TextLabel(_RIGHT + 52, line + 12, text))


def _draw_references(
    references: Sequence[OutsideReference],
    scales: _Scales,
    line: int,
    shapes: list[Rectangle],
    labels: list[TextLabel],
) -> int:
    """A line in the plot for each model, and in the list, from ``line`` on; returns the list's
    end.
    """
    letters = iter("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    left = _RIGHT
    previous = -1e9
    for reference in references:
        line += _LINE // 2
        title = f"Not in this zoo ({reference.license}): AP as stated by"
        for text in (title, f"{reference.publisher}, {reference.protocol}"):
            labels.append(TextLabel(_RIGHT + 24, line + 12, text))
            line += _LINE
        for model, letter in zip(reference.models, letters, strict=False):
            y = scales.y_of(model.published_AP)
            is_near = abs(y - previous) < _MARK_HEIGHT + 2
            left = left - _MARK_WIDTH - 2 if is_near else _RIGHT - _MARK_WIDTH
            previous = y
            shapes.append(Rectangle(_LEFT, y, _RIGHT - _LEFT, 0.2, _OUTSIDE, _OUTSIDE))
            for x, top in ((left, y - _MARK_HEIGHT / 2), (_RIGHT + 24, line)):
                shapes.append(Rectangle(x, top, _MARK_WIDTH, _MARK_HEIGHT, WHITE, _OUTSIDE))
                labels.append(TextLabel(x + 5, top + 12, letter))
            text = f"{model.name}: {100 * model.published_AP:.1f} %"
            labels.append(TextLabel(_RIGHT + 52, line + 12, text))
            line += _LINE
    return line
