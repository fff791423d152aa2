"""A chart as an SVG file."""

from xml.etree import ElementTree

import pytest

from posezoo.figures.scatter_chart import FULL, INK, SIGNS, WHITE, Chart

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def chart():
    return Chart(least_ap=0, most_ap=1, slowest=1, fastest=2)


def test_shapes_and_labels_have_their_places_and_colours(chart):
    chart.draw(10, 20.5, 30, 4, FULL, WHITE)
    chart.write(50, 24, "fast", INK)
    text = chart.to_svg(50)
    assert all(sign in text for sign in SIGNS)
    background, box, label = ElementTree.fromstring(text)
    assert (background.attrib["height"], background.attrib["fill"]) == ("50", "#ffffff")
    place = {"x": "10", "y": "20.5", "width": "30", "height": "4"}
    assert box.attrib == {**place, "fill": "#1971c2", "stroke": "#ffffff"}
    assert (label.text, label.attrib["fill"]) == ("fast", "#212529")


def test_a_hostile_label_is_only_text(chart):
    chart.write(0, 20, "<script>alert('&')</script>\x00\n")
    root = ElementTree.fromstring(chart.to_svg(50))
    (label,) = root.iter(f"{SVG}text")
    assert label.text == "<script>alert('&')</script>??"
    assert {each.tag for each in root.iter()} == {f"{SVG}svg", f"{SVG}rect", f"{SVG}text"}
