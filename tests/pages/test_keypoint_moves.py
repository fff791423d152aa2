"""How far keypoints move from one model to another, on real photos with poses that are known."""

from dataclasses import replace

import numpy as np
import pytest

from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.core.errors import PosezooError
from posezoo.pages.keypoint_moves import ComparedModel, Move, compare_keypoints, format_moves
from posezoo.poses.keypoints import Pose
from posezoo.run.images import SAMPLE_PHOTOS

#: Of two people in a photo of 512 x 512 pixels.
PEOPLE = [(40, 60, 140, 360), (300, 100, 400, 400)]


def pose(box, *, shift=0.0, scores=0.9, skeleton="coco-17"):
    x0, y0, x1, y1 = box
    points = np.random.default_rng(0).uniform((x0, y0), (x1, y1), (17, 2))
    points[:2] = (x0, y0), (x1, y1)
    keypoints = np.column_stack([points + np.array([shift, 0]), np.full(17, scores)]).astype(
        np.float32
    )
    return Pose(keypoints, skeleton, 0.8, box)


class Known:
    """Finds the same people in each photo."""

    seen_from = 0.3

    def __init__(self, *poses, input_size=(256, 256), networks=1):
        self.input_size = input_size
        self.networks = ("network",) * networks
        self._poses = poses

    def __call__(self, image):
        assert image.shape == (512, 512, 3)
        return list(self._poses)


def compare(first, second):
    return compare_keypoints(
        ComparedModel("a FP16", first), ComparedModel("a FP16-INT8", second), SAMPLE_PHOTOS
    )


def test_a_shift_of_all_keypoints_is_the_median_and_the_90th_percentile():
    first = Known(*map(pose, PEOPLE))
    moves = compare(first, Known(*(pose(box, shift=3) for box in PEOPLE)))
    assert (moves.images, moves.by_both, moves.only_by_first, moves.only_by_second) == (2, 4, 0, 0)
    assert moves.keypoints == 2 * 2 * 17
    assert moves.of_image == Move(pytest.approx(3, abs=1e-4), pytest.approx(3, abs=1e-4))
    assert moves.of_input == Move(pytest.approx(1.5, abs=1e-4), pytest.approx(1.5, abs=1e-4))
    lines = "\n".join(format_moves(moves))
    assert "only by B             0" in lines
    assert [line.split()[-2:] for line in lines.splitlines() if "input" in line] == [["1.5", "1.5"]]


def test_people_whom_one_model_finds_are_counted_and_not_compared():
    both, other = PEOPLE
    found = compare(Known(pose(both), pose(other)), Known(pose(both, shift=2)))
    assert (found.by_both, found.only_by_first, found.only_by_second) == (2, 2, 0)
    turned = compare(Known(pose(both, shift=2)), Known(pose(both), pose(other)))
    assert (turned.by_both, turned.only_by_first, turned.only_by_second) == (2, 0, 2)
    assert found.of_image == turned.of_image
    apart = compare(Known(pose(both)), Known(pose(other)))
    assert (apart.by_both, apart.only_by_first, apart.only_by_second) == (0, 2, 2)
    assert apart.of_image is None and apart.of_input is None
    assert "MEDIAN" not in "\n".join(format_moves(apart))


def test_only_keypoints_that_both_see_are_compared():
    one = pose(PEOPLE[0])
    other = pose(PEOPLE[0], shift=4)
    other.keypoints[5:, 2] = 0.2
    other.keypoints[5:, 0] += 10
    moves = compare(Known(one), Known(other))
    assert moves.keypoints == 2 * 5
    assert moves.of_image.p90 == pytest.approx(4, abs=1e-4)


def test_a_network_that_gets_the_crop_of_a_person_sees_the_move_enlarged():
    first = Known(pose(PEOPLE[0]), networks=2)
    moves = compare(first, Known(pose(PEOPLE[0], shift=3)))
    # The keypoints' box of 100 x 300 with a margin of 30 on each side, 1.25 times as large.
    assert moves.of_input.median == pytest.approx(3 * 256 / (360 * 1.25), rel=1e-3)


def test_an_input_of_any_size_has_no_pixels_of_its_own():
    moves = compare(Known(pose(PEOPLE[0]), input_size=None), Known(pose(PEOPLE[0], shift=3)))
    assert moves.of_image is not None
    assert moves.of_input is None


def as_blazepose(seen):
    """A pose of COCO's skeleton as one of BlazePose, whose other keypoints are somewhere else."""
    names = SKELETONS["blazepose-33"].keypoints
    keypoints = np.full((33, 3), (5, 5, 0.9), np.float32)
    for name, row in zip(seen.layout.keypoints, seen.keypoints, strict=True):
        keypoints[names.index(name)] = row
    return replace(seen, skeleton="blazepose-33", keypoints=keypoints)


def test_models_of_other_skeletons_are_compared_by_the_names_that_both_have():
    one = pose(PEOPLE[0])
    moves = compare(Known(one), Known(as_blazepose(pose(PEOPLE[0], shift=3))))
    assert moves.by_both == 2 and moves.names == one.layout.keypoints  # in each of two photos
    assert moves.keypoints == 2 * 17 and moves.of_image.median == pytest.approx(3)


def test_a_hand_of_the_other_side_is_not_the_hand_of_a_person():
    person = pose(PEOPLE[0])
    hand = np.full((21, 3), 0.9, np.float32)
    hand[:, :2] = person["left_wrist"][:2]
    seen = {
        label: replace(person, skeleton="hand-21", keypoints=hand, label=label)
        for label in ("left", "right")
    }
    moves = {label: compare(Known(person), Known(each)) for label, each in seen.items()}
    assert (moves["left"].by_both, moves["left"].names) == (2, ("left_wrist",))
    assert moves["right"].by_both == 0


def test_models_without_a_name_in_common_are_refused():
    one = pose(PEOPLE[0])
    other = replace(one, skeleton="hand-21", keypoints=np.zeros((21, 3), np.float32))
    with pytest.raises(PosezooError, match="no keypoint of the same name: a FP16 coco-17 and a FP"):
        compare(Known(one), Known(other))
    box = replace(one, skeleton="box", keypoints=np.zeros((0, 3), np.float32))
    with pytest.raises(PosezooError, match="a FP16 finds no keypoints"):
        compare(Known(box), Known(one))
