"""Charts as SVG files: rectangles and labels on a white background."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

_TEXT = 13  # the size of the letters, in pixels

Color = tuple[int, int, int]
#: The colours that all charts share.
INK: Color = (33, 37, 41)
RULE: Color = (222, 226, 230)
WHITE: Color = (255, 255, 255)
FULL: Color = (25, 113, 194)


@dataclass(kw_only=True)
class Chart:
    """Rectangles, and labels in front of them, as elements of SVG. Places and sizes are in pixels
    from the upper left corner, colours are RGB.
    """

    width: int = 0
    height: int = 0
    rectangles: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)

    def draw(
        self, x: float, y: float, width: float, height: float, fill: Color, edge: Color
    ) -> None:
        """Add a rectangle."""
        self.rectangles.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" '
            f'fill="{_hex(fill)}" stroke="{_hex(edge)}"/>'
        )

    def write(self, x: float, y: float, text: str, color: Color = INK) -> None:
        """Add a line of text; ``y`` is its baseline."""
        shown = escape(_printable(text))
        self.labels.append(f'<text x="{x:g}" y="{y:g}" fill="{_hex(color)}">{shown}</text>')


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
    return "\n".join([*lines, *chart.rectangles, *chart.labels, "</svg>"]) + "\n"


def _hex(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _printable(text: str) -> str:
    # A declared text may contain line breaks, and characters that are not allowed in XML.
    return "".join(character if character.isprintable() else "?" for character in text)
