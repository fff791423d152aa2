"""A comparison as a bar chart, in SVG and in pixels."""

from __future__ import annotations

from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest

from posezoo.core.declarations.model import Precision
from posezoo.pages.facts.bar_chart import draw_chart, to_image, to_svg
from posezoo.pages.facts.comparison import (
    COLUMNS,
    ComparisonRow,
    MetricSource,
    ModelComparison,
    SourcedMetric,
)

SVG = "{http://www.w3.org/2000/svg}"


def row(name, *, license="MIT", **values):
    return ComparisonRow(name, Precision.FP16, license, {key: values.get(key) for key in COLUMNS})


@pytest.fixture
def comparison():
    fast = SourcedMetric(40.0, MetricSource.MEASURED)
    slow = SourcedMetric(10.0, MetricSource.GENERATED)
    rows = (
        row("fast", throughput_fps=fast, AP=SourcedMetric(0.5, MetricSource.DECLARED)),
        row("slow", throughput_fps=slow),
        row("unknown"),
    )
    return ModelComparison(rows, speed_setting="A processor")


def bars(chart):
    # Those of the legend stand at the edge.
    return [box for box in chart.rectangles if box.height == 14 and box.x > 12]


def test_bars_are_proportional_to_values_and_hollow_for_generated_weights(comparison):
    chart = draw_chart(comparison)
    ap, fast, slow = bars(chart)
    assert fast.width == 4 * slow.width
    assert ap.x < fast.x == slow.x
    assert fast.fill == fast.edge == slow.edge
    assert slow.fill == (255, 255, 255)


def test_an_unknown_value_has_no_bar_and_no_number(comparison):
    chart = draw_chart(comparison)
    (y,) = [word.y for word in chart.labels if word.text == "unknown"]
    assert [word.text for word in chart.labels if word.y == y] == ["unknown", "MIT"]


def test_the_legend_names_the_origins_and_the_settings_of_measurements(comparison):
    texts = [word.text for word in draw_chart(comparison).labels]
    assert texts[-4:] == [
        "measured",
        "measured on generated weights",
        "declared",
        "images/s and latency of the whole pipeline: A processor",
    ]
    only = draw_chart(ModelComparison((row("one", AP=SourcedMetric(0.5, MetricSource.DECLARED)),)))
    assert [word.text for word in only.labels][-1] == "declared"


def test_labels_do_not_share_a_position_and_lie_inside_the_chart(comparison):
    chart = draw_chart(comparison)
    for one, other in combinations(chart.labels, 2):
        assert (one.x, one.y) != (other.x, other.y)
    assert all(0 < word.x < chart.width and 0 < word.y < chart.height for word in chart.labels)
    assert all(box.x + box.width <= chart.width for box in chart.rectangles)


def test_a_hostile_name_is_only_text_in_an_svg():
    evil = "<script>alert('&')</script>\x00\n"
    chart = draw_chart(ModelComparison((row("one", license=evil),)))
    root = ElementTree.fromstring(to_svg(chart))
    texts = [each.text for each in root.iter(f"{SVG}text")]
    assert "<script>alert('&')</script>??" in texts
    assert {each.tag for each in root.iter()} == {f"{SVG}svg", f"{SVG}rect", f"{SVG}text"}


def test_the_pixels_show_the_same_bars(comparison):
    pytest.importorskip("cv2")
    chart = draw_chart(comparison)
    image = to_image(chart)
    assert image.shape == (chart.height, chart.width, 3)
    for bar in bars(chart):
        middle = image[round(bar.y + bar.height / 2), round(bar.x + bar.width / 2)]
        assert tuple(middle[::-1]) == bar.fill
    assert np.all(image[0] == 255)


def test_a_value_of_zero_has_a_visible_bar():
    (bar,) = bars(
        draw_chart(ModelComparison((row("one", AP=SourcedMetric(0.0, MetricSource.MEASURED)),)))
    )
    assert bar.width == 1
