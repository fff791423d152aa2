"""``mp.solutions.holistic``: the body, the hands and the face of one person."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.values import frozen
from posezoo.poses.keypoints import Pose
from posezoo.poses.landmarks import find_turn, turned_square
from posezoo.poses.letterbox import (
    Image,
    ImageTransform,
    Size,
    image_size,
    rotated_square_transform,
)
from posezoo.poses.ssd_detection import Box
from posezoo.solutions import download_utils
from posezoo.solutions.face_mesh import load_face_network
from posezoo.solutions.hands import HAND_CONNECTIONS, HandLandmark, load_hand_network
from posezoo.solutions.messages import normalize
from posezoo.solutions.pose import POSE_CONNECTIONS, PoseLandmark, PoseSolution
from posezoo.solutions.region_tracking import DetectorNetwork, LandmarkNetwork, resize_square
from posezoo.solutions.solution import SolutionBase, infer, load_network, read_switch
from posezoo.solutions.tables import connections

__all__ = [
    "FACEMESH_CONTOURS",
    "FACEMESH_TESSELATION",
    "HAND_CONNECTIONS",
    "POSE_CONNECTIONS",
    "HandLandmark",
    "Holistic",
    "PoseLandmark",
    "SolutionBase",
    "download_utils",
]

_FACE_CONNECTIONS = connections("face_mesh_connections")
FACEMESH_CONTOURS = _FACE_CONNECTIONS["FACEMESH_CONTOURS"]
FACEMESH_TESSELATION = _FACE_CONNECTIONS["FACEMESH_TESSELATION"]

_MIN_PRESENCE = 0.5
_MIN_FACE_SCORE = 0.5

# The wrist, the little finger and the index finger of each hand, among the landmarks of the body.
_HANDS = {"left_hand_landmarks": [15, 17, 19], "right_hand_landmarks": [16, 18, 20]}
_MIN_WRIST_VISIBILITY = 0.1
_RECROP_SIZE = (256, 256)

# The landmarks of the face, which come first, and the eyes among them.
_FACE = 11
_RIGHT_EYE, _LEFT_EYE = 5, 2


class Holistic(PoseSolution):
    """Finds the landmarks of the body, the hands and the face of the most prominent person in a
    video.
    """

    outputs: ClassVar[tuple[str, ...]] = (
        "pose_landmarks",
        "pose_world_landmarks",
        "left_hand_landmarks",
        "right_hand_landmarks",
        "face_landmarks",
        "segmentation_mask",
    )

    def __init__(
        self,
        static_image_mode: bool = False,
        model_complexity: int = 1,
        smooth_landmarks: bool = True,
        enable_segmentation: bool = False,
        smooth_segmentation: bool = True,
        refine_face_landmarks: bool = False,
        min_detection_confidence: float = 0.5,
        min_tracking_confidence: float = 0.5,
    ) -> None:
        """Load the networks; arguments as for ``Pose``, and

        Args:
            refine_face_landmarks: as ``refine_landmarks`` of ``FaceMesh``.
        """
        is_refined = read_switch("refine_face_landmarks", refine_face_landmarks)
        self._recrop = load_network("hand-recrop")
        self._face_detector = DetectorNetwork("face-detection-short", _MIN_FACE_SCORE)
        hand = load_hand_network("hand-landmark-full", _MIN_PRESENCE)
        face = load_face_network(_MIN_PRESENCE, is_refined=is_refined)
        self._parts = {name: _TrackedPart(hand, _HAND_LIMITS) for name in _HANDS}
        self._parts["face_landmarks"] = _TrackedPart(face, _FACE_LIMITS)
        super().__init__(
            static_image_mode,
            model_complexity,
            smooth_landmarks,
            enable_segmentation,
            smooth_segmentation,
            min_detection_confidence,
            min_tracking_confidence,
        )

    def reset(self) -> None:
        """Forget the person."""
        super().reset()
        for part in self._parts.values():
            part.reset()

    def _find(self, image: Image) -> dict[str, Any]:
        results = super()._find(image)
        size = image_size(image)
        squares: dict[str, Box | None] = {}
        if results:
            rows = [(at.x, at.y, at.visibility) for at in results["pose_landmarks"].landmark]
            points = np.array(rows)[:, :2] * size
            visibility = np.array(rows)[:, 2]
            for name, landmarks in _HANDS.items():
                wrist, little, index = points[landmarks]
                if visibility[landmarks[0]] > _MIN_WRIST_VISIBILITY:
                    squares[name] = self._recrop_hand(image, wrist, (2 * index + little) / 3)
            squares["face_landmarks"] = self._detect_face(image, points[:_FACE])
        parts = {name: part.find(image, squares.get(name)) for name, part in self._parts.items()}
        return results | {name: normalize(part, size) for name, part in parts.items() if part}

    def _recrop_hand(self, image: Image, wrist: Array, middle: Array) -> Box:
        square = _around(middle, wrist, find_turn(wrist, middle, math.pi / 2), scale=2.7)
        transform = _transform(square, _RECROP_SIZE)
        outputs = infer(self._recrop, transform.sample(image, repeats_edges=True))
        (points,) = outputs.values()
        center, end = transform.to_image(points.reshape(2, 2))
        return _around(center, end, find_turn(center, end, -math.pi / 2), scale=1)

    def _detect_face(self, image: Image, points: Array) -> Box | None:
        angle = find_turn(points[_RIGHT_EYE], points[_LEFT_EYE], 0)
        square = turned_square(_bounds(points), angle, shift=0, scale=3)
        transform = _transform(square, self._face_detector.size)
        faces = self._face_detector.find(image, transform)
        if not len(faces):
            return None
        keypoints = faces.keypoints[0]
        angle = find_turn(keypoints[0], keypoints[1], 0)
        return turned_square(_bounds(keypoints), angle, shift=-0.1, scale=2)


def _around(center: Array, end: Array, angle: float, scale: float) -> Box:
    """The square with this center, before it is shifted, whose side is twice the distance to the
    end.
    """
    reach = float(np.hypot(*(end - center)))
    return turned_square([*(center - reach), *(center + reach)], angle, shift=-0.1, scale=scale)


def _transform(square: Box, size: Size) -> ImageTransform:
    return rotated_square_transform(square.center, square.width, square.angle, size)


def _bounds(points: Array) -> list[float]:
    return [*points.min(axis=0).tolist(), *points.max(axis=0).tolist()]


@frozen
class _Limits:
    """How much the square of the last landmarks may differ from a newly found one to be used.

    Attributes:
        rotation: in degrees.
        translation, scale: relative to the side of the new square.
        margin: the landmarks must be inside the new square, enlarged by this share.
    """

    rotation: float
    translation: float
    scale: float
    margin: float

    def are_kept(self, last: Box, new: Box, points: Array) -> bool:
        turned = (last.angle - new.angle + math.pi) % (2 * math.pi) - math.pi
        cos, sin = math.cos(new.angle), math.sin(new.angle)
        to_new = np.array([[cos, -sin], [sin, cos]])
        moved = np.abs(np.subtract(last.center, new.center) @ to_new)
        away = np.abs((points - new.center) @ to_new)
        return bool(
            abs(math.degrees(turned)) <= self.rotation
            and moved.max() <= self.translation * new.width
            and abs(last.width - new.width) <= self.scale * new.width
            and away.max() < new.width * (1 + self.margin) / 2
        )


_HAND_LIMITS = _Limits(rotation=40, translation=0.2, scale=0.4, margin=-0.1)
_FACE_LIMITS = _Limits(rotation=15, translation=0.1, scale=0.3, margin=-0.2)


class _TrackedPart:
    def __init__(self, network: LandmarkNetwork, limits: _Limits) -> None:
        self._network = network
        self._limits = limits
        self.reset()

    def reset(self) -> None:
        # Its landmarks in the last image, the square that follows from them, and the image's size.
        self._last: tuple[Array, Box, Size] | None = None

    def find(self, image: Image, square: Box | None) -> Pose | None:
        size = image_size(image)
        if square and self._last:
            points, followed, last_size = self._last
            followed = resize_square(followed, last_size, size)
            if self._limits.are_kept(followed, square, points * np.divide(size, last_size)):
                square = followed
        pose = self._network.find(image, square) if square else None
        self._last = None
        if pose and square:
            self._last = pose.keypoints[:, :2], self._network.follow(pose, square), size
        return pose
