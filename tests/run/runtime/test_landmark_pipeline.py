"""An image in, hands and faces out, as a user runs them: on a drawn hand and on real photos."""

import cv2
import numpy as np
import pytest

from conftest import by_digest
from fakes.command import posezoo, read_json, succeeded
from fakes.hands import TIPS, WRIST, draw_hand
from posezoo.api import load
from run.runtime.test_blazepose_pipeline import ASTRONAUT, SEEN

#: The wrist, and the tips of the thumb and of the other fingers.
DRAWN = [0, 4, 8, 12, 16, 20]

pytestmark = pytest.mark.usefixtures("networks_stay_compiled")


@pytest.fixture
def run(mediapipe, tmp_path):
    """Runs the command on pictures, and returns its lines and the poses of each picture."""

    def run(model, *pictures, flags=()):
        files = []
        for place, picture in enumerate(pictures):
            files.append(tmp_path / f"{place}.png")
            cv2.imwrite(str(files[-1]), picture)
        command = ["run", model, "--precision", "FP32", "--output", tmp_path / "out"]
        done = succeeded(posezoo(*command, *flags, "--input", *files, **mediapipe))
        summary = read_json(tmp_path / "out" / "poses.json")
        return done.stdout, [image["poses"] for image in summary["images"]]

    return run


@pytest.fixture
def hands(mediapipe, monkeypatch):
    """The hand model, loaded by the library."""
    for name, value in mediapipe.items():
        monkeypatch.setenv(name, value)
    return load("hand-landmark-full", precision="FP32", device="CPU")


@pytest.mark.parametrize("model", ["hand-landmark-full", "hand-landmark-lite"])
def test_a_drawn_hand_is_found_and_no_hand_in_a_blank_picture(run, model):
    lines, (drawn, blank) = run(model, draw_hand(), np.full((300, 300, 3), 90, np.uint8))
    (hand,) = drawn
    assert blank == [] and "  1 hand\n" in lines and "  0 hands\n" in lines
    points = np.array([[each["x"], each["y"]] for each in hand["keypoints"]])
    assert np.hypot(*(points[DRAWN] - [WRIST, *TIPS]).T).max() < 30
    assert hand["label"] == "right" and hand["skeleton"] == "hand-21"
    assert hand["keypoints"][8]["name"] == "index_finger_tip" and "z_m" in hand["keypoints"][8]


def test_a_turned_hand_has_its_keypoints_at_the_turned_places(run):
    _, ((upright,), (turned,)) = run("hand-landmark-full", draw_hand(), draw_hand(angle=90))
    before, after = (
        np.array([[each["x"], each["y"]] for each in hand["keypoints"]])
        for hand in (upright, turned)
    )
    assert np.hypot(*(np.stack([before[:, 1], 480 - before[:, 0]], 1) - after).T).max() < 15


def test_a_face_has_468_points_and_478_with_its_irises(run, mirror):
    photo = cv2.imread(str(by_digest(mirror, ASTRONAUT)))
    for model, count in (("face-landmark", 468), ("face-landmark-attention", 478)):
        lines, ((face,),) = run(model, photo)
        assert "  1 face\n" in lines and len(face["keypoints"]) == count
    for name, first in (("right_eye", 468), ("left_eye", 473)):
        x, y, _ = SEEN["astronaut"][name]
        iris = face["keypoints"][first]
        assert np.hypot(iris["x"] - x, iris["y"] - y) < 6


def test_each_eye_of_a_face_is_found_with_its_iris(run, mirror):
    """Nearly where the network of the whole face finds it, whose left eye is not mirrored."""
    photo = cv2.imread(str(by_digest(mirror, ASTRONAUT)))
    lines, (eyes,) = run("iris", photo)
    _, ((face,),) = run("face-landmark-attention", photo)
    assert "  2 eyes\n" in lines and "eyes from face-detection-short" in lines
    for eye, first in zip(eyes, (468, 473), strict=True):
        names = {each["name"]: each for each in eye["keypoints"]}
        iris, other = names["iris_center"], face["keypoints"][first]
        assert np.hypot(iris["x"] - other["x"], iris["y"] - other["y"]) < 1.5


def test_a_detector_finds_boxes_with_keypoints(run, mirror):
    photo = cv2.imread(str(by_digest(mirror, ASTRONAUT)))
    _, ((face,),) = run("face-detection-short", photo)
    names = {each["name"]: (each["x"], each["y"]) for each in face["keypoints"]}
    x0, y0, x1, y1 = face["box"]
    for name in ("left_eye", "right_eye"):
        x, y = names[name]
        assert x0 < x < x1 and y0 < y < y1
        assert np.hypot(x - SEEN["astronaut"][name][0], y - SEEN["astronaut"][name][1]) < 10


def test_two_hands_keep_their_numbers_in_a_video(hands):
    frames = []
    for place in range(8):
        left, right = draw_hand(240, angle=3 * place), draw_hand(240, angle=-3 * place)
        frames.append(
            np.hstack([left, np.full((240, 80 + place, 3), 70, np.uint8), right])[:, :560]
        )
    tracked = [poses for _, poses in hands.stream(frames, is_video=True, track=True)]
    assert len(tracked) == 8
    for poses in tracked:
        assert {pose.track_id: pose.box[0] > 250 for pose in poses} in (
            {1: False, 2: True},
            {1: True, 2: False},
        )


def test_the_mask_of_a_portrait_shows_the_person_and_none_is_in_a_blank_picture(run, mirror):
    photo = cv2.imread(str(by_digest(mirror, ASTRONAUT)))
    for model in ("selfie-segmentation", "selfie-segmentation-landscape"):
        _, ((person,), nobody) = run(model, photo, np.full((300, 300, 3), 90, np.uint8))
        assert person["mask"]["size"] == [512, 512] and nobody == []
        x0, y0, x1, y1 = person["box"]
        assert x0 < 100 and y0 < 40 and x1 > 350 and y1 > 500
