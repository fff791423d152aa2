"""A skeleton as an SVG image: a person seen from the front, with the number of each keypoint."""

from __future__ import annotations

import cmath
import json
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape

from posezoo.core.declarations.skeleton import Skeleton
from posezoo.poses.limb_drawing import keypoint_color

#: Positions of the keypoints of all skeletons in pixels: faces and hands are beside the person.
_POSITIONS: Mapping[str, tuple[int, int]] = json.loads(
    Path(__file__).with_name("keypoint_positions.json").read_text("utf-8")
)
#: Texts near the beginning of each image.
SIGNS = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ',
    ' role="img" font-family="sans-serif" font-size="11">',
)
_WIDTH = 420
_HEIGHT = 392
_LIST = 252
#: The circle of keypoints that are none of a person's.
_MIDDLE = 120
_REACH = 100
_ROWS = 19  # rows of the list beside the person; more keypoints use more columns


def render_skeleton(skeleton: Skeleton) -> str:
    """The image: limbs, numbered keypoints in the colours of drawn poses, and a list of their
    names.

    No script, link or font; readable on light and dark pages.
    """
    positions = keypoint_positions(skeleton)
    colors = ["#{2:02x}{1:02x}{0:02x}".format(*keypoint_color(each)) for each in skeleton.keypoints]
    columns = -(-len(positions) // _ROWS)
    is_beside = max((x for x, _ in positions), default=0) >= _LIST
    start = 2 * _LIST + 74 if is_beside else _LIST
    # The radius of a keypoint and the size of its number; small for faces and hands.
    radius, number = (5, 5) if is_beside else (7, 8)
    width = _WIDTH - _LIST + start + (columns - 1) * 140
    limbs = []
    for a, b in skeleton.limbs:
        x1, y1 = positions[a]
        x2, y2 = positions[b]
        limbs.append(f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colors[b]}"/>')
    joints = []
    names = []
    for index, name in enumerate(skeleton.keypoints):
        x, y = positions[index]
        color = colors[index]
        joints.append(
            f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{color}" stroke="#fff"/>'
            f'<text x="{x}" y="{y + number // 2 - 1}">{index}</text>'
        )
        column, row = divmod(index, _ROWS)
        left = start + column * 140
        baseline = 24 + row * 19
        names.append(
            f'<circle cx="{left}" cy="{baseline - 4}" r="4" fill="{color}"/>'
            f'<text x="{left + 10}" y="{baseline}">{index} {escape(name)}</text>'
        )
    listed = ", ".join(f"{index} {name}" for index, name in enumerate(skeleton.keypoints))
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT}"'
                f' width="{width}" height="{_HEIGHT}" role="img" font-family="sans-serif"'
                ' font-size="11">'
            ),
            f"<title>{escape(skeleton.name)}: {escape(listed)}</title>",
            f'<rect width="{width}" height="{_HEIGHT}" rx="8" fill="#fff"/>',
            '<g stroke-width="4" stroke-linecap="round" opacity=".55">',
            *limbs,
            f'</g><g font-size="{number}" text-anchor="middle">',
            *joints,
            "</g><g>",
            *names,
            "</g></svg>\n",
        ]
    )


def keypoint_positions(skeleton: Skeleton) -> list[tuple[int, int]]:
    """The position of each keypoint in the image, in pixels.

    If a keypoint is none of a person that posezoo knows, all are on a circle.
    """
    names = skeleton.keypoints
    if _POSITIONS.keys() >= set(names):
        return [_POSITIONS[name] for name in names]
    points = (cmath.rect(_REACH, 2 * cmath.pi * place / len(names)) for place in range(len(names)))
    return [(round(_MIDDLE + each.imag), round(_MIDDLE - each.real)) for each in points]
