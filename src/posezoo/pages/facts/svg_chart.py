"""Charts as SVG files: rectangles and labels on a white background."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

from posezoo.core.values import frozen

_TEXT = 13  # the size of the letters, in pixels

Color = tuple[int, int, int]
#: The colours that all charts share.
INK: Color = (33, 37, 41)
RULE: Color = (222, 226, 230)
WHITE: Color = (255, 255, 255)
FULL: Color = (25, 113, 194)


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
    """Shapes and labels, which are drawn in this order."""

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


#: Texts near the beginning of each chart.
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


def _hex(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _printable(text: str) -> str:
    # A declared text may contain line breaks, and characters that are not allowed in XML.
    return "".join(character if character.isprintable() else "?" for character in text)
