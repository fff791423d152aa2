"""``mp.solutions.face_mesh``: the landmarks of faces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from posezoo.poses.keypoints import Pose
from posezoo.poses.landmarks import FACE, FaceOptions
from posezoo.poses.letterbox import Size
from posezoo.solutions.face_mesh_connections import *  # noqa: F403
from posezoo.solutions.messages import normalize
from posezoo.solutions.region_tracking import DetectorNetwork, LandmarkNetwork, TrackingSolution
from posezoo.solutions.solution import SolutionBase as SolutionBase
from posezoo.solutions.solution import read_confidence, read_count, read_switch

FACEMESH_NUM_LANDMARKS = 468
FACEMESH_NUM_LANDMARKS_WITH_IRISES = 478


class FaceMesh(TrackingSolution):
    """Finds the landmarks of faces, and follows the faces through a video."""

    outputs = ("multi_face_landmarks",)

    def __init__(
        self,
        static_image_mode: bool = False,
        max_num_faces: int = 1,
        refine_landmarks: bool = False,
        min_detection_confidence: float = 0.5,
        min_tracking_confidence: float = 0.5,
    ) -> None:
        """Load the networks.

        Args:
            static_image_mode: whether images are not the frames of a video.
            max_num_faces: the maximum number.
            refine_landmarks: whether there are landmarks of the irises, and better ones of lips and
                eyes.
            min_detection_confidence: faces with a lower score are not found, 0..1.
            min_tracking_confidence: faces with a lower presence are not returned, 0..1.
        """
        most = read_count("max_num_faces", max_num_faces)
        is_refined = read_switch("refine_landmarks", refine_landmarks)
        min_score = read_confidence("min_detection_confidence", min_detection_confidence)
        min_presence = read_confidence("min_tracking_confidence", min_tracking_confidence)
        super().__init__(
            DetectorNetwork("face-detection-short", min_score),
            load_face_network(min_presence, is_refined=is_refined),
            most,
            is_video=not static_image_mode,
        )

    def _describe(self, poses: Sequence[Pose], size: Size) -> dict[str, Any]:
        return {"multi_face_landmarks": [normalize(pose, size) for pose in poses]}


def load_face_network(min_presence: float, *, is_refined: bool) -> LandmarkNetwork:
    """The network that finds the landmarks of a face with at least this presence, 0..1."""
    model = "face-landmark-attention" if is_refined else "face-landmark"
    return LandmarkNetwork(model, FACE, FaceOptions(min_presence=min_presence))
