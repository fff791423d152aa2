"""The image of a skeleton: a position for every keypoint, with the person seen from the front."""

import xml.etree.ElementTree as ET

import pytest

from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.pages.cards.skeleton_svg import render_skeleton

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", SKELETONS)
def test_every_keypoint_and_limb_is_drawn_once(name):
    skeleton = SKELETONS[name]
    image = ET.fromstring(render_skeleton(skeleton))
    limbs, joints, names = image.findall(f"{SVG}g")
    assert len(limbs) == len(skeleton.limbs)
    assert [each.text for each in joints.iter(f"{SVG}text")] == [
        str(i) for i in range(len(skeleton.keypoints))
    ]
    assert [each.text.split()[1] for each in names.iter(f"{SVG}text")] == list(skeleton.keypoints)
    places = {(each.get("cx"), each.get("cy")) for each in joints.iter(f"{SVG}circle")}
    assert len(places) == len(skeleton.keypoints)
