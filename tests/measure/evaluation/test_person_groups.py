"""People by size and posture: the AP by size is COCO's own."""

import numpy as np
import pytest

from fakes.coco import NAMES, annotations, crowded, person, written
from measure.evaluation.test_coco_metrics import predictions_of
from posezoo.measure import coco
from posezoo.measure.evaluation.coco_matching import match_dataset
from posezoo.measure.evaluation.coco_metrics import compute_coco_metrics
from posezoo.measure.evaluation.person_groups import (
    BY_SIZE,
    group_by_posture,
    score_person_groups,
    torso_angle,
)

pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval")


def read(tmp_path, truth, results):
    dataset = coco.read(written(tmp_path, truth), tmp_path)
    predictions = predictions_of(results)
    return dataset, tuple(match_dataset(dataset, predictions)), predictions


def test_the_ap_of_medium_and_large_people_is_that_of_coco(tmp_path):
    truth, results = crowded(120, people=260, found=2400)
    dataset, matches, predictions = read(tmp_path, truth, results)
    expected = compute_coco_metrics(dataset, predictions)
    groups = {each.title: each for each in score_person_groups(BY_SIZE, matches, predictions)}
    found = {"APm": groups["medium"].AP, "APl": groups["large"].AP}
    assert found == pytest.approx({name: expected[name] for name in found}, rel=1e-9)
    assert min(found.values()) > 0
    assert sum(each.people for each in groups.values()) == dataset.person_count()
    assert sum(each.found for each in groups.values()) == sum(len(each.found()) for each in matches)


def standing(degrees):
    """A person whose torso is turned clockwise by so much from upright, with all keypoints."""
    points = np.full((17, 3), 2.0)
    points[:, :2] = np.random.default_rng(0).uniform(80, 120, (17, 2))
    turned = np.radians(degrees)
    up = 50 * np.array([np.sin(turned), -np.cos(turned)])
    aside = 10 * np.array([np.cos(turned), np.sin(turned)])
    for side, sign in (("left", 1), ("right", -1)):
        points[NAMES.index(f"{side}_hip"), :2] = 100 + sign * aside
        points[NAMES.index(f"{side}_shoulder"), :2] = 100 + sign * aside + up
    return points


@pytest.mark.parametrize(
    ("degrees", "posture"),
    [
        (0, "upright"),
        (-29, "upright"),
        (31, "leaning"),
        (-59, "leaning"),
        (61, "lying"),
        (-119, "lying"),
        (121, "upside down"),
        (180, "upside down"),
    ],
)
def test_the_posture_is_the_angle_of_the_torso(tmp_path, degrees, posture):
    truth = annotations(1, [person(1, 1, standing(degrees))])
    dataset, *arguments = read(tmp_path, truth, [])
    (group,) = score_person_groups(group_by_posture(dataset.keypoints), *arguments)
    assert (group.title, group.people, group.found, group.AP) == (posture, 1, 0, None)


def test_only_a_side_with_shoulder_and_hip_gives_the_angle():
    torso = np.array([[100, 50, 2], [0, 0, 0], [100, 100, 2], [60, 100, 2]], float)
    assert torso_angle(torso) == 0
    torso[0, 2] = 0
    assert torso_angle(torso) is None
    torso[1] = 60, 150, 1  # below the right hip
    assert torso_angle(torso) == 180


def test_a_skeleton_without_a_torso_has_no_postures(tmp_path):
    assert group_by_posture(("wrist", "thumb")) is None


def test_a_group_is_judged_by_its_own_people_and_by_wrong_poses_like_them(tmp_path):
    """Twelve upright people are found exactly, twelve who lie are not; and there are ghosts."""
    upright, lying = standing(0), standing(90)
    people = [person(n, n, upright) for n in range(1, 13)]
    people += [person(n, n, lying) for n in range(13, 25)]

    def pose(image, points, score):
        return {"image_id": image, "keypoints": points.ravel().tolist(), "score": score}

    results = [pose(n, upright, 0.5) for n in range(1, 13)]
    far_away = lying + np.array([300, 200, 0])
    results += [pose(n, far_away, 0.9) for n in range(1, 25)]
    dataset, *arguments = read(tmp_path, annotations(24, people), results)
    groups = {
        each.title: each
        for each in score_person_groups(group_by_posture(dataset.keypoints), *arguments)
    }
    assert (groups["upright"].people, groups["upright"].found) == (12, 12)
    of_upright = groups["upright"].AP
    assert of_upright == pytest.approx(1)
    assert (groups["lying"].people, groups["lying"].found, groups["lying"].AP) == (12, 0, 0)
    assert compute_coco_metrics(dataset, arguments[-1])["AP"] < 0.5
