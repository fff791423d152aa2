"""Drawings of landmarks, with the numbers of MediaPipe's ``drawing_utils_test.py``."""

import importlib

import cv2
import numpy as np
import pytest

from judges.packages import judge
from posezoo.solutions import (
    drawing_styles,
    drawing_utils,
    face_mesh_connections,
    hands,
    hands_connections,
    pose,
)
from posezoo.solutions.drawing_utils import (
    BLUE_COLOR,
    GREEN_COLOR,
    RED_COLOR,
    WHITE_COLOR,
    DrawingSpec,
    draw_axis,
    draw_detection,
    draw_landmarks,
)
from posezoo.solutions.messages import MESSAGES


def landmarks(*points):
    return MESSAGES["NormalizedLandmarkList"](
        landmark=[MESSAGES["NormalizedLandmark"](**point) for point in points]
    )


def blank():
    return np.zeros((100, 100, 3), np.uint8)


FINGERS = ("INDEX", "MIDDLE", "RING", "PINKY")
POINT = DrawingSpec(color=RED_COLOR)
LINE = DrawingSpec()


def drawn(ends, point=POINT, line=LINE):
    """A line with two ends; borders and fillings of the ends are drawn in turn, which looks the same."""
    image = blank()
    if len(ends) == 2:
        cv2.line(image, *ends, line.color, line.thickness)
    for end in ends:
        cv2.circle(image, end, point.circle_radius + 1, WHITE_COLOR, point.thickness)
        cv2.circle(image, end, point.circle_radius, point.color, point.thickness)
    return image


@pytest.mark.parametrize(
    ("points", "ends"),
    [
        ([{"x": 0.1, "y": 0.1}], [(10, 10)]),
        ([{"x": 0.1, "y": 0.1}, {"x": 0.5, "y": 0.5, "visibility": 0.0}], [(10, 10)]),
        ([{"x": 0.1, "y": 0.5}, {"x": 0.5, "y": 0.1}], [(10, 50), (50, 10)]),
        (
            [{"x": 0.1, "y": 0.5, "presence": 0.5}, {"x": 0.5, "y": 0.1, "visibility": 0.5}],
            [(10, 50), (50, 10)],
        ),
        ([{"x": 0, "y": 1}, {"x": 1, "y": 0}], [(0, 99), (99, 0)]),
        ([{"x": -0.1, "y": 0.1}, {"x": 0.5, "y": 1.1}], []),
    ],
)
def test_landmarks_are_drawn_with_their_connections(points, ends):
    image = blank()
    connections = [(0, 1)] if len(points) == 2 else None
    draw_landmarks(image, landmarks(*points), connections)
    assert np.array_equal(image, drawn(ends))


def test_each_landmark_and_connection_has_its_specification():
    point, line = DrawingSpec((0, 0, 255), thickness=5), DrawingSpec((255, 0, 0), thickness=3)
    for points, lines in ((point, line), ({0: point, 1: point}, {(0, 1): line})):
        image = blank()
        ends = landmarks({"x": 0.1, "y": 0.1}, {"x": 0.8, "y": 0.8})
        draw_landmarks(image, ends, [(0, 1)], points, lines)
        assert np.array_equal(image, drawn([(10, 10), (80, 80)], point, line))


def test_a_detection_is_drawn():
    detection = MESSAGES["Detection"]()
    detection.location_data.format = 2
    for x, y in ((0, 1), (1, 0)):
        detection.location_data.relative_keypoints.add(x=x, y=y)
    image, expected = blank(), blank()
    draw_detection(image, detection)
    for at in ((0, 99), (99, 0)):
        cv2.circle(expected, at, 2, RED_COLOR, 2)
    assert np.array_equal(image, expected)
    box = detection.location_data.relative_bounding_box
    box.xmin = box.ymin = 0
    box.width = box.height = 1
    draw_detection(image, detection)
    cv2.rectangle(expected, (0, 0), (99, 99), WHITE_COLOR, 2)
    assert np.array_equal(image, expected)


@pytest.mark.parametrize(
    ("angle", "shift", "ends"),
    [(np.pi / 4, -0.2, [(75, 50), (50, 22), (50, 77)]), (0, 0, [(0, 50), (50, 100), (50, 50)])],
)
def test_axes_are_drawn(angle, shift, ends):
    image, expected = blank(), blank()
    cos, sin = np.cos(angle), np.sin(angle)
    draw_axis(image, np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]), np.array([0, 0, shift]))
    for end, color in zip(ends, (RED_COLOR, GREEN_COLOR, BLUE_COLOR), strict=True):
        cv2.arrowedLine(expected, (50, 50), end, color, 2)
    assert np.array_equal(image, expected)


def test_what_cannot_be_drawn_is_refused():
    flat = np.zeros((3, 3, 1), np.uint8)
    for image in (flat, flat[:, :, 0]):
        with pytest.raises(ValueError, match="three channel bgr"):
            draw_landmarks(image, landmarks({"x": 0.5}))
        with pytest.raises(ValueError, match="three channel bgr"):
            draw_detection(image, MESSAGES["Detection"]())
        with pytest.raises(ValueError, match="three channel bgr"):
            draw_axis(image, np.eye(3), np.zeros(3))
    with pytest.raises(ValueError, match="landmark #0 to landmark #2"):
        draw_landmarks(blank(), landmarks({"x": 0.5}, {"x": 0.2}), [(0, 2)])
    with pytest.raises(ValueError, match="must be relative"):
        draw_detection(blank(), MESSAGES["Detection"]())
    draw_landmarks(blank(), None)


def test_landmarks_are_plotted(monkeypatch):
    judge("matplotlib", "matplotlib 3.11.2")
    pyplot = importlib.import_module("matplotlib.pyplot")
    pyplot.switch_backend("Agg")
    monkeypatch.setattr(pyplot, "show", lambda: None)
    points = landmarks({"x": 0.1, "y": 0.5, "z": 0.1}, {"x": 0.5, "y": 0.1})
    drawing_utils.plot_landmarks(points, [(0, 1)])
    assert len(pyplot.gca().lines) == 1


def test_connections_are_those_of_mediapipe():
    counts = {
        name: len(getattr(face_mesh_connections, f"FACEMESH_{name}"))
        for name in ("TESSELATION", "CONTOURS", "IRISES", "FACE_OVAL", "LIPS", "NOSE")
    }
    assert counts == {
        "TESSELATION": 2556,
        "CONTOURS": 124,
        "IRISES": 8,
        "FACE_OVAL": 36,
        "LIPS": 40,
        "NOSE": 25,
    }
    assert len(pose.POSE_CONNECTIONS) == 35 and len(hands.HAND_CONNECTIONS) == 21
    assert (0, 5) in hands_connections.HAND_PALM_CONNECTIONS
    # Lines are drawn over each other in this order.
    fingers = [
        getattr(hands_connections, f"HAND_{name}_CONNECTIONS")
        for name in ("PALM", "THUMB", *(f"{each}_FINGER" for each in FINGERS))
    ]
    assert list(hands.HAND_CONNECTIONS) == list(frozenset().union(*fingers))
    assert pose.PoseLandmark.RIGHT_FOOT_INDEX == 32 and len(pose.PoseLandmark) == 33
    assert hands.HandLandmark(8).name == "INDEX_FINGER_TIP"


def test_each_landmark_and_connection_has_a_style():
    assert set(drawing_styles.get_default_hand_landmarks_style()) == set(hands.HandLandmark)
    assert set(drawing_styles.get_default_pose_landmarks_style()) == set(pose.PoseLandmark)
    of_hands = drawing_styles.get_default_hand_connections_style()
    assert set(of_hands) == hands.HAND_CONNECTIONS
    assert of_hands[0, 1] == DrawingSpec((128, 128, 128), thickness=3)
    contours = drawing_styles.get_default_face_mesh_contours_style()
    assert set(contours) == face_mesh_connections.FACEMESH_CONTOURS
    others = drawing_styles.get_default_face_mesh_contours_style(1)
    assert set(others) - set(contours) == face_mesh_connections.FACEMESH_NOSE
    irises = drawing_styles.get_default_face_mesh_iris_connections_style()
    assert set(irises) == face_mesh_connections.FACEMESH_IRISES
    assert drawing_styles.get_default_face_mesh_tesselation_style().thickness == 1


def test_names_that_mediapipe_calls_private_and_scripts_use_are_there():
    assert drawing_utils._VISIBILITY_THRESHOLD == drawing_utils._PRESENCE_THRESHOLD == 0.5
    assert drawing_utils._normalize_color((0, 51, 255)) == (1, 0.2, 0)
    style = drawing_styles.get_default_hand_landmarks_style()
    for landmark in drawing_styles._INDEX_FINGER_LANDMARKS:
        spec = DrawingSpec(
            drawing_styles._PURPLE, drawing_styles._THICKNESS_DOT, drawing_styles._RADIUS
        )
        assert style[landmark] == spec and landmark.name.startswith("INDEX_FINGER")
    assert pose.PoseLandmark.LEFT_HIP in drawing_styles._POSE_LANDMARKS_LEFT


def test_a_script_that_changes_a_style_of_hands_or_faces_changes_the_default():
    styles = {
        "_HAND_LANDMARK_STYLE": drawing_styles.get_default_hand_landmarks_style,
        "_HAND_CONNECTION_STYLE": drawing_styles.get_default_hand_connections_style,
        "_FACEMESH_CONTOURS_CONNECTION_STYLE": drawing_styles.get_default_face_mesh_contours_style,
        "_FACEMESH_CONTOURS_CONNECTION_STYLE_1": lambda: (
            drawing_styles.get_default_face_mesh_contours_style(1)
        ),
    }
    for name, get_default in styles.items():
        for group, spec in getattr(drawing_styles, name).items():
            assert all(get_default()[each] is spec for each in group)
    lips = face_mesh_connections.FACEMESH_LIPS
    style = drawing_styles._FACEMESH_CONTOURS_CONNECTION_STYLE[lips]
    assert style == DrawingSpec(drawing_styles._WHITE, drawing_styles._THICKNESS_CONTOURS)
