"""A skeleton as an SVG image: a person seen from the front, with the number of each keypoint."""

from __future__ import annotations

from xml.sax.saxutils import escape

from posezoo.pose.keypoints import Skeleton

#: Positions of the keypoints of all skeletons in pixels: to the person's left from the middle, and
#: down.
_MIDDLE = {"nose": 42, "neck": 92, "pelvis": 204}
#: The head is large, because BlazePose has eleven keypoints on it.
_SIDE = {
    "eye_inner": (12, 22),
    "eye": (28, 18),
    "eye_outer": (44, 22),
    "ear": (58, 40),
    "mouth": (16, 64),
    "shoulder": (58, 98),
    "elbow": (78, 150),
    "wrist": (88, 200),
    "pinky": (106, 226),
    "index": (88, 236),
    "thumb": (68, 222),
    "hip": (34, 204),
    "knee": (38, 274),
    "ankle": (40, 344),
    "heel": (26, 364),
    "foot_index": (64, 370),
}
_CENTER = 120
_WIDTH = 420
_HEIGHT = 392
_LIST = 252
_ROWS = 19  # rows of the list beside the person; more keypoints use a second column


def render_skeleton(skeleton: Skeleton) -> str:
    """The image: limbs, numbered keypoints in the colours of drawn poses, and a list of their
    names.

    It contains no script, link or font, and is readable on light and dark pages.
    """
    positions = [keypoint_position(name) for name in skeleton.keypoints]
    colors = ["#{2:02x}{1:02x}{0:02x}".format(*color) for color in skeleton.colors]
    columns = -(-len(positions) // _ROWS)
    width = _WIDTH + (columns - 1) * 140
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
            f'<circle cx="{x}" cy="{y}" r="7" fill="{color}" stroke="#fff"/>'
            f'<text x="{x}" y="{y + 3}">{index}</text>'
        )
        column, row = divmod(index, _ROWS)
        left = _LIST + column * 140
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
            *('<g stroke-width="4" stroke-linecap="round" opacity=".55">', *limbs),
            *('</g><g font-size="8" text-anchor="middle">', *joints),
            *("</g><g>", *names),
            "</g></svg>\n",
        ]
    )


def keypoint_position(keypoint: str) -> tuple[int, int]:
    """The position of a keypoint in the image, in pixels; a KeyError if no skeleton has it."""
    if keypoint in _MIDDLE:
        return _CENTER, _MIDDLE[keypoint]
    side = keypoint_side(keypoint)
    across, down = _SIDE["_".join(word for word in keypoint.split("_") if word != side)]
    # The person is seen from the front: their left is on the right.
    return _CENTER + (across if side == "left" else -across), down


def keypoint_side(keypoint: str) -> str:
    """``left`` or ``right`` of the person; empty for a keypoint in the middle."""
    sides = {"left", "right"} & set(keypoint.split("_"))
    return sides.pop() if sides else ""
