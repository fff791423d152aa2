"""AP against throughput: a numbered mark for each model, and the list of their names."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from pathlib import Path

from posezoo.facts.bar_chart import FULL, INK, RULE, WHITE, Chart, Rectangle, TextLabel
from posezoo.facts.comparison import MeasurementSelection, MetricSource, compare_models
from posezoo.facts.labels import format_figure
from posezoo.layout import ModelLayout
from posezoo.spec.model import ModelSpec, Precision

# In pixels: the plot's edges, a mark, a line of the list.
_LEFT, _TOP, _RIGHT, _BOTTOM = 60, 24, 620, 470
_MARK_WIDTH, _MARK_HEIGHT, _LINE = 18, 14, 20
_TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


def draw_scatter_chart(specs: Sequence[ModelSpec], root: Path) -> Chart | None:
    """Lay out the chart of these models and variants; None if fewer than two have both values.

    The axis of throughput is logarithmic. A precision other than FP16 is named. A mark is white if the speed
    was measured with random weights.
    """
    compared = compare_models(specs, tuple(Precision), ModelLayout(root, root), MeasurementSelection())
    points = []
    for row in compared.rows:
        accuracy, measured = row.values["AP"], row.values["throughput_fps"]
        # A measured AP is left out: it is of other images than the published ones.
        if accuracy is not None and accuracy.origin is MetricSource.DECLARED and measured is not None:
            name = row.model if row.precision is Precision.FP16 else f"{row.model} {row.precision}"
            points.append((100 * accuracy.number, measured.number, measured.origin, name))
    if len(points) < 2:
        return None
    points.sort(key=lambda point: (-point[0], -point[1]))
    aps, speeds = [point[0] for point in points], [point[1] for point in points]
    least_ap, most_ap = (min(aps) - 1) // 5 * 5, -(-max(aps) // 5) * 5
    slowest, fastest = log10(min(speeds) / 1.3), log10(max(speeds) * 1.3)

    def x_of(speed: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * (log10(speed) - slowest) / (fastest - slowest)

    def y_of(ap: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * (ap - least_ap) / (most_ap - least_ap)

    speed_label = f"Throughput, images/s, in FP16 or the named precision; {compared.speed_setting}"
    shapes: list[Rectangle] = []
    labels = [TextLabel(_LEFT, 14, "AP, %"), TextLabel(_LEFT, _BOTTOM + 42, speed_label)]
    for tick in range(int(least_ap), int(most_ap) + 1, 5):
        shapes.append(Rectangle(_LEFT, y_of(tick), _RIGHT - _LEFT, 0.2, RULE, RULE))
        labels.append(TextLabel(_LEFT - 28, y_of(tick) + 4, str(tick)))
    for tick in _TICKS:
        if slowest <= log10(tick) <= fastest:
            shapes.append(Rectangle(x_of(tick), _TOP, 0.2, _BOTTOM - _TOP, RULE, RULE))
            labels.append(TextLabel(x_of(tick) - 8, _BOTTOM + 18, str(tick)))
    for number, (ap, speed, origin, name) in enumerate(points, 1):
        is_generated = origin is MetricSource.GENERATED
        fill, ink = (WHITE, INK) if is_generated else (FULL, WHITE)
        y = _TOP + (number - 1) * _LINE
        for left, top in ((x_of(speed) - _MARK_WIDTH / 2, y_of(ap) - _MARK_HEIGHT / 2), (_RIGHT + 24, y)):
            shapes.append(Rectangle(left, top, _MARK_WIDTH, _MARK_HEIGHT, fill, FULL))
            labels.append(TextLabel(left + (1 if number > 9 else 5), top + 12, str(number), ink))
        labels.append(TextLabel(_RIGHT + 52, y + 12, f"{name}: {ap:.1f} %, {format_figure(speed)}/s"))
    height = max(_BOTTOM + 56, _TOP + len(points) * _LINE + 16)
    return Chart(_RIGHT + 440, height, tuple(shapes), tuple(labels))
