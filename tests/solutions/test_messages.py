"""The messages that scripts read: protobuf's, with the fields of MediaPipe."""

import copy
import importlib
import pickle
import sys

import numpy as np
import pytest

from posezoo.core.errors import MissingPackageError
from posezoo.solutions.messages import MESSAGES, create_landmarks


def describe_face():
    detection = MESSAGES["Detection"](label_id=[0, 300], score=[0.5, 0.25])
    location = detection.location_data
    location.format = location.RELATIVE_BOUNDING_BOX
    location.relative_keypoints.add(x=0.25, y=1)
    return detection


def test_bytes_are_those_of_mediapipe():
    assert describe_face().SerializeToString() == bytes.fromhex(
        "1203 00ac02"  # label_id is packed,
        "1a08 0000003f 0000803e"  # and score
        "220e 0802 2a0a 0d0000803e 150000803f"
    )


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_messages_are_copied_and_sent_to_other_processes(copied):
    face = describe_face()
    assert copied(face) == face and copied(face) is not face
    # One that contains others, and one inside others.
    (keypoint,) = face.location_data.relative_keypoints
    assert copied([face.location_data, keypoint]) == [face.location_data, keypoint]


@pytest.mark.parametrize("order", ["C", "F"])
def test_landmarks_are_made_from_rows(order):
    rows = np.array([[1, 2, 3, 0.5], [4, 5, 6, 1]], order=order)
    landmarks = create_landmarks("LandmarkList", rows)
    assert [(each.x, each.z, each.visibility) for each in landmarks.landmark] == [
        (1, 3, 0.5),
        (4, 6, 1),
    ]
    assert not create_landmarks("LandmarkList", rows[:, :3]).landmark[1].HasField("visibility")


def test_without_protobuf_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.protobuf", None)
    monkeypatch.delitem(sys.modules, "posezoo.solutions.messages")
    with pytest.raises(MissingPackageError, match=r"google.protobuf is not installed") as missing:
        importlib.import_module("posezoo.solutions.messages")
    assert missing.value.extra == "run"
