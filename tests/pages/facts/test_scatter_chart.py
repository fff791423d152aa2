"""A chart as an SVG file."""

from __future__ import annotations

from xml.etree import ElementTree

from posezoo.pages.facts.scatter_chart import FULL, INK, SIGNS, WHITE, Chart, to_svg

SVG = "{http://www.w3.org/2000/svg}"


def test_shapes_and_labels_have_their_places_and_colours():
    chart = Chart(width=200, height=50)
    chart.draw(10, 20.5, 30, 4, FULL, WHITE)
    chart.write(50, 24, "fast", INK)
    text = to_svg(chart)
    assert all(sign in text for sign in SIGNS)
    background, box, label = ElementTree.fromstring(text)
    assert (background.attrib["width"], background.attrib["fill"]) == ("200", "#ffffff")
    place = {"x": "10", "y": "20.5", "width": "30", "height": "4"}
    assert box.attrib == {**place, "fill": "#1971c2", "stroke": "#ffffff"}
    assert (label.text, label.attrib["fill"]) == ("fast", "#212529")


def test_a_hostile_label_is_only_text():
    chart = Chart(width=200, height=50)
    chart.write(0, 20, "<script>alert('&')</script>\x00\n")
    root = ElementTree.fromstring(to_svg(chart))
    (label,) = root.iter(f"{SVG}text")
    assert label.text == "<script>alert('&')</script>??"
    assert {each.tag for each in root.iter()} == {f"{SVG}svg", f"{SVG}rect", f"{SVG}text"}
