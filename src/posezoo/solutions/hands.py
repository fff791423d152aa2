"""``mp.solutions.hands``: the landmarks of hands, and whether they are left or right ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from posezoo.poses.keypoints import Pose
from posezoo.poses.landmarks import HAND, HandOptions
from posezoo.poses.letterbox import Size
from posezoo.solutions.messages import MESSAGES, create_landmarks, normalize
from posezoo.solutions.region_tracking import DetectorNetwork, LandmarkNetwork, TrackingSolution
from posezoo.solutions.solution import SolutionBase as SolutionBase
from posezoo.solutions.solution import choose, read_confidence, read_count
from posezoo.solutions.tables import connections, landmark_names

HandLandmark = landmark_names("HandLandmark", __name__)
HAND_CONNECTIONS = connections("hands_connections")["HAND_CONNECTIONS"]

_COMPLEXITIES = {0: "lite", 1: "full"}

# MediaPipe takes the image for a mirrored one, such as that of a selfie: a person's right hand is
# ``Left``. Its scripts expect this.
_SIDES = {"right": (0, "Left"), "left": (1, "Right")}


class Hands(TrackingSolution):
    """Finds the landmarks of hands, and follows the hands through a video."""

    outputs = ("multi_hand_landmarks", "multi_hand_world_landmarks", "multi_handedness")

    def __init__(
        self,
        static_image_mode: bool = False,
        max_num_hands: int = 2,
        model_complexity: int = 1,
        min_detection_confidence: float = 0.5,
        min_tracking_confidence: float = 0.5,
    ) -> None:
        """Load the networks.

        Args:
            static_image_mode: whether images are not the frames of a video.
            max_num_hands: the maximum number.
            model_complexity: 0 for the lite, 1 for the full networks.
            min_detection_confidence: palms with a lower score are not found, 0..1.
            min_tracking_confidence: hands with a lower presence are not returned, 0..1.
        """
        size = choose("model_complexity", model_complexity, _COMPLEXITIES)
        most = read_count("max_num_hands", max_num_hands)
        min_score = read_confidence("min_detection_confidence", min_detection_confidence)
        min_presence = read_confidence("min_tracking_confidence", min_tracking_confidence)
        super().__init__(
            DetectorNetwork(f"palm-detection-{size}", min_score),
            load_hand_network(f"hand-landmark-{size}", min_presence),
            most,
            is_video=not static_image_mode,
        )

    def _describe(self, poses: Sequence[Pose], size: Size) -> dict[str, Any]:
        hands: list[Any] = []
        for pose in poses:
            hand: Any = MESSAGES["ClassificationList"]()
            index, label = _SIDES[pose.label]
            hand.classification.add(index=index, score=pose.label_score, label=label)
            hands.append(hand)
        return {
            "multi_hand_landmarks": [normalize(pose, size) for pose in poses],
            "multi_hand_world_landmarks": [
                create_landmarks("LandmarkList", np.asarray(pose.world)) for pose in poses
            ],
            "multi_handedness": hands,
        }


def load_hand_network(model: str, min_presence: float) -> LandmarkNetwork:
    """A network that finds the landmarks of a hand with at least this presence, 0..1."""
    return LandmarkNetwork(model, HAND, HandOptions(min_presence=min_presence))
