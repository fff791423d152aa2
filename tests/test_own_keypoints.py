"""A network that was trained for twelve keypoints of one's own, from its checkpoint to its accuracy."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fakes.command import posezoo
from posezoo.images import SAMPLE_PHOTOS
from posezoo.networks import build_network

pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval")
torch = pytest.importorskip("torch", reason="needs torch")

NETWORK = "mobile_pose_mobilenetv3_small"
COUNT = 12

#: Those of a person without the face: COCO states their sigmas.
NAMES = [
    f"{side}_{joint}"
    for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for side in ("left", "right")
]

#: x, y, width and height of two people of the photo.
BOXES = [(20, 20, 300, 480), (270, 60, 200, 420)]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("trained") / "mine.pth"
    torch.save(build_network(NETWORK, keypoints=COUNT).state_dict(), path)
    return path


def converted(checkpoint: Path, folder: Path, *flags: str) -> Path:
    """The IR that the user gets."""
    chosen = ("--network", NETWORK, "--checkpoint", checkpoint, "--model_name", "mine")
    done = posezoo("convert", *chosen, "--precisions", "FP32", "--weights_dir", folder, *flags)
    assert done.returncode == 0, done.stderr
    return folder / "public" / "mine" / "FP32" / "mine.xml"


def found(model: Path, folder: Path) -> np.ndarray:
    """(12, 3): the keypoints of the photo as a whole."""
    chosen = ("--detector", "none", "--input", SAMPLE_PHOTOS[0], "--output", folder)
    done = posezoo("run", model, *chosen)
    assert done.returncode == 0, done.stderr
    (image,) = json.loads((folder / "poses.json").read_text())["images"]
    (pose,) = image["poses"]
    assert pose["skeleton"] == f"keypoints-{COUNT}"
    return np.array([[each["x"], each["y"], each["score"]] for each in pose["keypoints"]])


def annotated(path: Path, people: list[np.ndarray]) -> Path:
    """A file in COCO's format, which says where the keypoints of the two people are."""
    annotations = [
        {
            "id": number,
            "image_id": 1,
            "category_id": 1,
            "keypoints": points.ravel().tolist(),
            "num_keypoints": COUNT,
            "bbox": list(box),
            "area": 0.5 * box[2] * box[3],
            "iscrowd": 0,
        }
        for number, (points, box) in enumerate(zip(people, BOXES, strict=True), 1)
    ]
    category = {"id": 1, "name": "person", "keypoints": NAMES, "skeleton": []}
    image = {"id": 1, "file_name": SAMPLE_PHOTOS[0].name, "width": 512, "height": 512}
    content = {"images": [image], "annotations": annotations, "categories": [category]}
    path.write_text(json.dumps(content))
    return path


def evaluated(model: Path, annotations: Path, folder: Path) -> tuple[float, list[np.ndarray]]:
    """AP, and the keypoints of each person, as the annotations count pixels."""
    data = ("--annotations", annotations, "--images", SAMPLE_PHOTOS[0].parent, "--boxes", "truth")
    done = posezoo("evaluate", model, *data, "--fresh", "--format", "json", "--output", folder)
    assert done.returncode == 0, done.stderr
    results = json.loads((folder / "results.json").read_text())
    people = [np.reshape(each["keypoints"], (COUNT, 3)) for each in results]
    return json.loads(done.stdout)["AP"], people


@pytest.mark.slow
def test_keypoints_of_ones_own_are_converted_run_and_evaluated(checkpoint, tmp_path):
    model = converted(checkpoint, tmp_path)
    assert len(found(model, tmp_path / "run")) == COUNT
    wrong = [np.tile((5.0, 5.0, 2.0), (COUNT, 1)) for _ in BOXES]
    accuracy, people = evaluated(
        model, annotated(tmp_path / "wrong.json", wrong), tmp_path / "wrong"
    )
    assert accuracy == 0 and len(people) == len(BOXES)
    # Where the network found them, in the order of its outputs.
    for points in people:
        points[:, 2] = 2
    right = annotated(tmp_path / "right.json", people)
    assert evaluated(model, right, tmp_path / "right")[0] == pytest.approx(1)


@pytest.mark.slow
def test_an_ir_with_its_decoder_finds_the_same_keypoints(checkpoint, tmp_path):
    plain = found(converted(checkpoint, tmp_path / "plain"), tmp_path / "one")
    decoded = found(converted(checkpoint, tmp_path / "decoded", "--decode"), tmp_path / "two")
    assert np.allclose(plain, decoded, atol=0.01)


@pytest.mark.slow
def test_a_checkpoint_alone_is_recognized(checkpoint, tmp_path):
    assert len(found(checkpoint, tmp_path / "run")) == COUNT
