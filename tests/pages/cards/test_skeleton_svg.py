"""The image of a skeleton: a position for every keypoint, with the person seen from the front."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.pages.cards.skeleton_svg import keypoint_positions, render_skeleton

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


def test_the_left_side_of_the_person_is_on_the_right_of_the_image():
    names = ("left_wrist", "neck", "right_wrist", "mouth_left", "mouth_right")
    left, neck, right, mouth_left, mouth_right = keypoint_positions(Skeleton("some", names))
    assert left[0] > neck[0] > right[0]
    assert mouth_left[0] > mouth_right[0]


def test_keypoints_that_are_none_of_a_person_are_on_a_circle_of_their_own():
    skeleton = Skeleton("gripper-3", ("tip", "palm", "base"), ((0, 1), (1, 2)))
    places = np.array(keypoint_positions(skeleton))
    assert len({*map(tuple, places.tolist())}) == 3
    image = ET.fromstring(render_skeleton(skeleton))
    assert len(image.findall(f"{SVG}g")[0]) == 2


def test_everything_is_inside_the_image():
    for skeleton in SKELETONS.values():
        image = ET.fromstring(render_skeleton(skeleton))
        width, height = int(image.get("width")), int(image.get("height"))
        for each in image.iter(f"{SVG}circle"):
            assert 7 <= int(each.get("cx")) <= width - 7
            assert 7 <= int(each.get("cy")) <= height - 7


def test_a_face_and_hands_are_drawn_beside_the_person_and_before_the_list():
    image = ET.fromstring(render_skeleton(SKELETONS["coco-wholebody-133"]))
    _limbs, joints, names = image.findall(f"{SVG}g")
    face = [int(each.get("cx")) for each in joints.iter(f"{SVG}circle")][23:]
    first = min(int(each.get("cx")) for each in names.iter(f"{SVG}circle"))
    assert min(face) >= 252 and max(face) < first - 10
