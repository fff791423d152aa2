"""``mp.solutions.face_detection``: boxes and six keypoints of faces."""

from __future__ import annotations

from typing import Any

from posezoo.poses.letterbox import Image, image_size
from posezoo.solutions.messages import MESSAGES
from posezoo.solutions.region_tracking import DetectorNetwork
from posezoo.solutions.solution import Solution, read_confidence
from posezoo.solutions.solution import SolutionBase as SolutionBase
from posezoo.solutions.tables import landmark_names

FaceKeyPoint = landmark_names("FaceKeyPoint", __name__)

# Each network, and the minimum score of a face in its graph.
_DETECTORS = (("face-detection-short", 0.5), ("face-detection-full", 0.6))


class FaceDetection(Solution):
    """Finds faces."""

    outputs = ("detections",)

    def __init__(
        self,
        min_detection_confidence: float = 0.5,
        model_selection: int = 0,
    ) -> None:
        """Load the network.

        Args:
            min_detection_confidence: has no effect, as in MediaPipe 0.10.21.
            model_selection: 1 for the network of faces within 5 meters, else within 2.
        """
        super().__init__()
        read_confidence("min_detection_confidence", min_detection_confidence)
        self._detector = DetectorNetwork(*_DETECTORS[int(model_selection == 1)])

    def _find(self, image: Image) -> dict[str, Any]:
        faces = self._detector.find(image)
        size = image_size(image)
        boxes = (faces.boxes / [*size, *size]).tolist()
        rows = zip(boxes, (faces.keypoints / size).tolist(), faces.scores.tolist(), strict=True)
        relative = MESSAGES["LocationData.RelativeBoundingBox"]
        detections = []
        for (x0, y0, x1, y1), keypoints, score in rows:
            detection: Any = MESSAGES["Detection"](label_id=[0], score=[score])
            location = detection.location_data
            location.format = location.RELATIVE_BOUNDING_BOX
            location.relative_bounding_box.CopyFrom(
                relative(xmin=x0, ymin=y0, width=x1 - x0, height=y1 - y0)
            )
            for x, y in keypoints:
                location.relative_keypoints.add(x=x, y=y)
            detections.append(detection)
        return {"detections": detections or None}


def get_key_point(detection: Any, key_point_enum: int) -> Any:
    """One of the keypoints of a detection; None if there is no detection."""
    if not detection or not detection.location_data:
        return None
    return detection.location_data.relative_keypoints[key_point_enum]
