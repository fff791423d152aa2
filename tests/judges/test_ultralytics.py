"""Ultralytics' formulas and ours, with the same network file, of YOLO-pose.

Its program is under AGPL-3.0 and is not installed. The judge is written from what its reference documents of version
8.4.190: ``LetterBox`` for files of a fixed size, ``non_max_suppression`` with the defaults of ``predict``, and
``scale_coords``. The network finds discs of colors, so it sees an exchange of red and blue.
"""

import cv2
import numpy as np
import onnx
import pytest

from fakes.when_used import import_when_used
from judges.agreement import Agreement
from posezoo import load

onnxruntime = import_when_used("onnxruntime")

disc_people = import_when_used("fakes.disc_people")


SIDE = 640
MIN_SCORE, MAX_OVERLAP, MOST = 0.25, 0.7, 300


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A file with the metadata that Ultralytics writes."""
    folder = tmp_path_factory.mktemp("ultralytics")
    model = onnx.load_from_string(disc_people.yolo_pose_discs(folder, SIDE))
    onnx.helper.set_model_props(model, {"author": "Ultralytics", "task": "pose"})
    onnx.save(model, folder / "own.onnx")
    return folder / "own.onnx"


class Published:
    """From a picture to the keypoints (17, 2) of each person."""

    def __init__(self, file):
        self.session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])

    def __call__(self, picture):
        height, width = picture.shape[:2]
        gain = min(SIDE / height, SIDE / width)
        inner = [max(round(side * gain), 1) for side in (width, height)]
        beside = [(SIDE - side) / 2 for side in inner]
        left, top = (round(margin - 0.1) for margin in beside)
        right, bottom = (round(margin + 0.1) for margin in beside)
        if inner != [width, height]:
            picture = cv2.resize(picture, inner, interpolation=cv2.INTER_LINEAR)
        grey = (114, 114, 114)
        shown = cv2.copyMakeBorder(
            picture, top, bottom, left, right, cv2.BORDER_CONSTANT, value=grey
        )
        rgb = shown[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32) / 255
        (columns,) = self.session.run(None, {"images": rgb})
        rows = self.suppressed(columns[0].T)
        points = rows[:, 5:].reshape(-1, 17, 3)[..., :2]
        points = (points - (left, top)) / (inner[0] / width, inner[1] / height)
        return list(points.clip(0, (width, height)))

    @staticmethod
    def suppressed(rows):
        rows = rows[rows[:, 4] > MIN_SCORE]
        rows = rows[np.argsort(-rows[:, 4], kind="stable")]
        lower, upper = rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2
        areas = (upper - lower).prod(axis=1)
        kept = []
        for row in range(len(rows)):
            sides = np.minimum(upper[row], upper[kept]) - np.maximum(lower[row], lower[kept])
            common = sides.clip(0).prod(axis=1)
            if not (common / (areas[row] + areas[kept] - common) > MAX_OVERLAP).any():
                kept.append(row)
        return rows[kept[:MOST]]


def test_yolo_pose_finds_the_people_of_ultralytics_formulas(exported, pictures):
    """Ultralytics moves keypoints outside the picture to its sides, and posezoo does not."""
    estimator = load(exported, listener=None)
    published = Published(str(exported))
    agreement = Agreement("the formulas of Ultralytics 8.4.190")
    for picture in [*pictures, *[disc_people.draw_people(seed) for seed in range(20)]]:
        found = [pose.keypoints[:, :2] for pose in estimator(picture)]
        agreement.add(published(picture), found)
    agreement.check("yolo_pose")
