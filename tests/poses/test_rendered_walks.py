"""The frames of rendered walks show people where the walks say they are."""

import importlib.util
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from fakes import walks
from fakes.command import read_json

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "rendered_walks.py"
#: A person of one color, BGR, before a wall of another.
PERSON, WALL = (0, 0, 250), (250, 250, 250)


@pytest.fixture
def rendered_walks(monkeypatch):
    spec = importlib.util.spec_from_file_location("rendered_walks", PATH)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "rendered_walks", module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def photos(tmp_path):
    """Two photos of a person of 80 x 200 pixels, whose left eye and left ear are not annotated."""
    keypoints = np.array([[*point, 2] for point in np.linspace((110, 60), (170, 240), 17)])
    keypoints[[1, 3]] = 0
    images, people = [], []
    for number in range(2):
        photo = np.full((300, 300, 3), WALL, np.uint8)
        photo[50:250, 100:180] = PERSON
        name = f"{number}.png"
        cv2.imwrite(str(tmp_path / name), photo)
        images.append({"id": number, "file_name": name})
        people.append(
            {
                "image_id": number,
                "bbox": [100, 50, 80, 200],
                "num_keypoints": 15,
                "keypoints": keypoints.ravel().tolist(),
                "segmentation": [[100, 50, 179, 50, 179, 249, 100, 249]],
            }
        )
    annotated = {"images": images, "annotations": people}
    (tmp_path / "person_keypoints.json").write_text(json.dumps(annotated), "utf-8")
    return tmp_path


def test_keypoints_are_on_the_person_in_each_frame_unless_a_pillar_hides_them(
    rendered_walks, photos
):
    people, _ = rendered_walks.read_cutouts(photos, is_reported=True)
    wall = np.full((90, 160, 3), WALL, np.uint8)
    walked, frames = rendered_walks.rendered_walk(people, [wall], seed=1, frames=8)
    seen = 0
    for points, frame in zip(walked.keypoints, frames, strict=True):
        assert frame.shape == (*walks.SIZE[::-1], 3)
        for x, y in points.reshape(-1, 2):
            is_hidden = ((walked.pillars[:, 0] - 2 <= x) & (x <= walked.pillars[:, 1] + 2)).any()
            if is_hidden or not (0 <= x < walks.SIZE[0] and 0 <= y < walks.SIZE[1]):
                continue
            seen += 1
            np.testing.assert_allclose(frame[int(y), int(x)], PERSON, atol=40)
    assert seen > 400


def test_keypoints_that_are_not_annotated_are_not_known(rendered_walks, photos):
    (person,), _ = rendered_walks.read_cutouts(photos, is_reported=False)
    assert np.flatnonzero(np.isnan(person.keypoints[:, 0])).tolist() == [1, 3]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("bbox", [100, 50, 180, 200]),
        ("bbox", [100, 50, 40, 100]),
        ("segmentation", [[100, 50, 179, 50, 179, 90], [100, 120, 179, 120, 179, 249]]),
        ("num_keypoints", 11),
        ("keypoints", [100, 50, 2] * 15 + [0, 0, 0] * 2),
    ],
    ids=["lying", "small", "in two parts", "few keypoints", "without feet"],
)
def test_who_does_not_stand_whole_is_not_cut_out(rendered_walks, photos, key, value):
    file = photos / "person_keypoints.json"
    annotated = read_json(file)
    annotated["annotations"][0][key] = value
    file.write_text(json.dumps(annotated), "utf-8")
    people, read = rendered_walks.read_cutouts(photos, is_reported=False)
    assert not people and len(read) == 1
