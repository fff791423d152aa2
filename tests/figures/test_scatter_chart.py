"""A chart as an SVG file."""

from xml.etree import ElementTree

import pytest

from posezoo.figures.scatter_chart import Chart

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def chart():
    return Chart(least_ap=0, most_ap=1, slowest=1, fastest=2)


def test_a_hostile_label_is_only_text(chart):
    chart.write(0, 20, "<script>alert('&')</script>\x00\n")
    root = ElementTree.fromstring(chart.to_svg(50))
    (label,) = root.iter(f"{SVG}text")
    assert label.text == "<script>alert('&')</script>??"
    assert {each.tag for each in root.iter()} == {f"{SVG}svg", f"{SVG}rect", f"{SVG}text"}
