"""Poses in OpenPose's JSON, version 1.3, a file for each photo or frame: ``--format openpose``.

The format is in OpenPose's doc/02_output.md: coordinates are indices of pixels, as in COCO's files,
and a keypoint that a skeleton lacks is 0, 0, 0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.core.errors import InferenceError
from posezoo.core.events import Listener, ignore_event
from posezoo.core.files.file_lock import discard
from posezoo.core.files.result_files import is_own, write_result
from posezoo.poses.keypoints import WHOLE_BODY, to_pixel_indices

ENDING = "_keypoints.json"

_COCO_18 = SKELETONS["openpose-18"].keypoints
_FEET = [
    f"{side}_{part}" for side in ("left", "right") for part in ("big_toe", "small_toe", "heel")
]
#: The keypoints of ``pose_keypoints_2d`` for each format: OpenPose's BODY_25, and its COCO model.
BODIES: dict[str, Sequence[str]] = {
    "openpose": (*_COCO_18[:8], "mid_hip", *_COCO_18[8:], *_FEET),
    "openpose-coco": _COCO_18,
}

_WHOLE_BODY = SKELETONS[WHOLE_BODY].keypoints
_OTHER_PARTS = {
    "face": (*_WHOLE_BODY[23:91], "right_pupil", "left_pupil"),
    "hand_left": _WHOLE_BODY[91:112],
    "hand_right": _WHOLE_BODY[112:],
}

# Keypoints of Halpe, CMU Panoptic and BlazePose that are those of BODY_25.
_OTHER_NAMES = {
    "hip": "mid_hip",
    "pelvis": "mid_hip",
    "left_foot_index": "left_big_toe",
    "right_foot_index": "right_big_toe",
}
_MIDDLES = {"neck": ("left_shoulder", "right_shoulder"), "mid_hip": ("left_hip", "right_hip")}
_MISSING = np.zeros(3)


def write_openpose(
    path: Path,
    poses: Sequence[Mapping[str, Any]],
    body: Sequence[str],
    listener: Listener = ignore_event,
) -> None:
    """Write the poses of one photo or frame, as ``Pose.to_json`` describes them.

    Raises:
        InferenceError: a pose has no keypoint of the body.
        OutputError: the file cannot be written.
    """
    people = []
    for pose in poses:
        keypoints = pose["keypoints"]
        # By their names in BODY_25.
        own_names = [_OTHER_NAMES.get(point["name"], point["name"]) for point in keypoints]
        rows = np.reshape([[each["x"], each["y"], each["score"]] for each in keypoints], (-1, 3))
        points = dict(zip(own_names, to_pixel_indices(rows), strict=True))
        if points.keys().isdisjoint(body):
            raise InferenceError(
                f"a result of skeleton {pose['skeleton']} has none of OpenPose's keypoints",
                hint="--format json prints any skeleton",
            )
        for name, sides in _MIDDLES.items():
            left, right = (points.get(side, _MISSING) for side in sides)
            if name not in points and left[2] > 0 and right[2] > 0:
                points[name] = np.append((left + right)[:2] / 2, min(left[2], right[2]))
        person: dict[str, object] = {"person_id": [pose["track_id"] or -1]}
        for part, names in {"pose": body, **_OTHER_PARTS}.items():
            is_there = not points.keys().isdisjoint(names)
            shown = [points.get(name, _MISSING) for name in names if is_there]
            person[f"{part}_keypoints_2d"] = np.ravel(shown).tolist()
            person[f"{part}_keypoints_3d"] = []
        people.append(person)
    write_result(path, json.dumps({"version": 1.3, "people": people}).encode(), listener)


def remove_own_frames(folder: Path) -> None:
    """Remove the files of an earlier run, which may have had more frames."""
    for path in folder.glob(f"*{ENDING}"):
        if is_own(path):
            discard(path)
