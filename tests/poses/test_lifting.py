"""People in space are recovered from maps that were drawn for a known camera."""

from dataclasses import replace

import numpy as np
import pytest

from fakes import space
from posezoo import decode
from posezoo.poses import lifting
from posezoo.poses.letterbox import stretch_transform
from posezoo.poses.lifting import LiftingOptions

pytest.importorskip("cv2")

SEEDS = range(8)


def lifted(outputs, **options):
    return decode("lifting_3d", outputs, space.SIZE, **options)  # type: ignore[return-value]


def matched(people, poses):
    """Each pose and the person whose neck is nearest."""
    necks = people.seen[:, space.NECK]
    return [
        (pose, int(np.linalg.norm(necks - pose.keypoints[space.NECK, :2], axis=1).argmin()))
        for pose in poses
    ]


def errors_cm(people, poses):
    """(N, 19): how far each joint is from its place before the camera."""
    pairs = matched(people, poses)
    assert sorted(person for _, person in pairs) == list(range(len(people.joints)))
    return np.array(
        [np.linalg.norm(pose.camera - people.joints[person], axis=1) for pose, person in pairs]
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_all_people_are_recovered_in_space(seed):
    """From 4 to 6 m: a location map's noise of 0.005 is 0.9 cm an axis."""
    people = space.scene(seed)
    assert errors_cm(people, lifted(space.maps(people, seed, noise=0))).mean() < 0.6
    assert errors_cm(people, lifted(space.maps(people, seed))).mean() < 4
    relative = [
        np.linalg.norm(
            pose.root_relative - (people.joints[i] - people.joints[i, space.NECK]), axis=1
        ).mean()
        for pose, i in matched(people, lifted(space.maps(people, seed)))
    ]
    assert max(relative) < 4


@pytest.mark.parametrize("seed", SEEDS)
def test_every_named_joint_is_at_its_projection_in_the_image(seed):
    """Eyes and ears, too, which the published table mixes up; the pelvis, which no heatmap shows, roughly."""
    people = space.scene(seed)
    pairs = matched(people, lifted(space.maps(people, seed)))
    assert sorted(person for _, person in pairs) == list(range(len(people.joints)))
    for pose, person in pairs:
        apart = np.linalg.norm(pose.keypoints[:, :2] - people.seen[person], axis=1)
        assert (pose.keypoints[:, 2] > 0).all()
        assert np.delete(apart, space.PELVIS).max() < 1 and apart[space.PELVIS] < 4


def test_a_limb_is_read_at_its_own_joints_and_else_at_the_neck():
    """Away from a limb's joints the maps are off by 30 cm."""
    people = space.scene(1)
    arm = [space.NAMES.index(f"left_{joint}") for joint in ("wrist", "elbow", "shoulder")]
    assert errors_cm(people, lifted(space.maps(people, 1, rough_cm=30, noise=0))).max() < 2
    hidden = people.there.copy()
    hidden[:, arm[0]] = False
    outer_hidden = space.maps(replace(people, there=hidden), 1, rough_cm=30, noise=0)
    assert errors_cm(people, lifted(outer_hidden)).max() < 2  # the elbow tells, too
    hidden[:, arm] = False
    all_hidden = space.maps(replace(people, there=hidden), 1, rough_cm=30, noise=0)
    errors = errors_cm(people, lifted(all_hidden))
    assert errors[:, arm].mean() > 15 and np.delete(errors, arm, axis=1).max() < 2


def test_least_squares_are_more_accurate_than_weak_perspective():
    weak, best = np.zeros(len(SEEDS)), np.zeros(len(SEEDS))
    for seed in SEEDS:
        people = space.scene(seed)
        outputs = space.maps(people, seed)
        weak[seed] = errors_cm(people, lifted(outputs, weak_perspective=True)).mean()
        best[seed] = errors_cm(people, lifted(outputs)).mean()
    assert best.mean() < weak.mean() / 1.5 and weak.mean() < 12


def test_weak_perspective_is_the_published_arithmetic():
    """Person by person as the formula stands: root of sums of squares, times the mean in the image and f."""
    rng = np.random.default_rng(0)
    joints, seen = rng.normal(0, 50, (9, 3)), rng.normal(0, 80, (9, 2))
    p, k = joints[:, :2], seen
    ratio = (((p - p.mean(0)) ** 2).sum() / ((k - k.mean(0)) ** 2).sum()) ** 0.5
    expected = ratio * np.array([*k.mean(0), 500]) - [*p.mean(0), 0]
    assert np.allclose(lifting.solve_weak_perspective(joints, seen, 500), expected)


def test_an_image_of_another_size_has_its_people_at_the_same_place_in_space():
    people = space.scene(2)
    outputs = {role: each[0] for role, each in space.maps(people, 2, noise=0).items()}
    large = (2 * space.SIZE[0], 2 * space.SIZE[1])
    poses = lifting.lift_poses(
        outputs,
        stretch_transform(large, space.SIZE),
        large,
        LiftingOptions(),
    )
    assert (
        errors_cm(people, [replace(pose, keypoints=pose.keypoints / 2) for pose in poses]).mean()
        < 0.6
    )
    assert all(0 <= pose.box[0] < pose.box[2] <= large[0] for pose in poses)


def test_a_pose_in_space_is_written_with_its_unit():
    people = space.scene(0, count=1)
    (pose,) = lifted(space.maps(people, 0))
    nose = pose.to_json()["keypoints"][1]
    assert nose["name"] == "nose" and nose["z_cm"] == pytest.approx(pose.camera[1, 2])
    assert set(nose) == {"name", "x", "y", "score", "x_cm", "y_cm", "z_cm"}
