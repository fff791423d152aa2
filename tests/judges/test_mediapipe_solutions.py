"""Hands and faces as posezoo finds them, and MediaPipe's own programs, on the same pictures.

The pictures are real photos, and the parts of them around each wrist and each head that COCO's annotators marked.
"""

import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from conftest import by_digest
from fakes.command import posezoo, read_json, succeeded
from judges.agreement import Agreement, pairs
from judges.packages import mediapipe_python
from run.runtime.test_blazepose_pipeline import ASTRONAUT, CAMERA

SCRIPT = Path(__file__).with_name("run_mediapipe_solutions.py")
COUNT = 60
#: The least number of hands or faces in the pictures that show anything.
FOUND = {
    "hand-landmark-full": 20,
    "hand-landmark-lite": 10,
    "face-landmark": 15,
    "face-landmark-attention": 15,
    "face-detection-short": 20,
    "face-detection-full": 20,
}

#: MediaPipe names the sides of hands as in a mirrored image; posezoo has the person's own.
OWN_SIDE = {"Left": "right", "Right": "left"}


@pytest.fixture(scope="module")
def pictures(shared, mirror, tmp_path_factory):
    """The two sample photos, and squares around wrists and noses, larger for a larger person."""
    photos = shared / "data" / "photos"
    annotations = read_json(photos / "person_keypoints.json")
    folder = tmp_path_factory.mktemp("pictures")
    files = {image["id"]: photos / image["file_name"] for image in annotations["images"]}
    kept = [by_digest(mirror, sha384) for sha384 in (ASTRONAUT, CAMERA)]
    for person in annotations["annotations"]:
        photo = cv2.imread(str(files[person["image_id"]]))
        half = max(40, int(0.35 * max(person["bbox"][2:])))
        for place in (0, 9, 10):  # nose and wrists
            x, y, visibility = map(int, person["keypoints"][3 * place : 3 * place + 3])
            part = photo[max(y - half, 0) : y + half, max(x - half, 0) : x + half]
            if visibility == 2 and min(part.shape[:2]) > 50:
                kept.append(folder / f"{person['id']}_{place}.png")
                cv2.imwrite(str(kept[-1]), part)
    return kept[:COUNT]


@pytest.fixture(scope="module")
def judged(pictures, tmp_path_factory):
    """What MediaPipe finds in each picture."""
    out = tmp_path_factory.mktemp("judged") / "found.json"
    command = [mediapipe_python(), SCRIPT, *pictures, out]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    return read_json(out)


def run(model, pictures, mediapipe, tmp_path):
    """The poses that the command writes for each picture, as JSON."""
    command = ["run", model, "--precision", "FP32", "--output", tmp_path / "out"]
    succeeded(posezoo(*command, "--input", *pictures, **mediapipe))
    summary = read_json(tmp_path / "out" / "poses.json")
    return [image["poses"] for image in summary["images"]]


def points_of(pose):
    return np.array([[each["x"], each["y"]] for each in pose["keypoints"]])


@pytest.mark.parametrize("model", FOUND)
def test_the_command_finds_the_hands_and_faces_of_mediapipe(
    model, pictures, judged, mediapipe, tmp_path
):
    found = run(model, pictures, mediapipe, tmp_path)
    depths, worlds, labels = [], [], []
    agreement = Agreement("mediapipe 0.10.21")
    lonely = 0
    for poses, theirs in zip(found, judged, strict=True):
        theirs = theirs[model]
        judged_points = [np.array(each["points"])[:, :2] for each in theirs]
        our_points = [points_of(pose) for pose in poses]
        agreement.add(judged_points, our_points)
        both = pairs(judged_points, our_points)
        lonely += len(theirs) + len(poses) - 2 * len(both)
        for one, other in both:
            keypoints = poses[other]["keypoints"]
            if "z" in keypoints[0]:
                z = [each["z"] for each in keypoints]
                depths.append(np.abs(np.array(theirs[one]["points"])[:, 2] - z))
            if "world" in theirs[one]:
                world = [[each[axis] for axis in ("x_m", "y_m", "z_m")] for each in keypoints]
                worlds.append(np.abs(np.subtract(theirs[one]["world"], world)))
                labels.append(OWN_SIDE[theirs[one]["label"]] == poses[other]["label"])
    agreement.record(f"mediapipe_{model}")
    points = np.concatenate(agreement.distances)
    assert len(agreement.distances) >= FOUND[model] and lonely <= 1, agreement.figures()
    assert np.median(points) <= 0.1 and np.percentile(points, 95) <= 0.5 and points.max() <= 2
    assert bool(depths) == ("landmark" in model) and bool(worlds) == model.startswith("hand")
    assert all(labels)
    assert not depths or np.median(np.concatenate(depths)) <= 0.1
    assert not worlds or np.median(np.concatenate(worlds)) <= 0.001
