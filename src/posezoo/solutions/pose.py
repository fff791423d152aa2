"""``mp.solutions.pose``: the landmarks of one person."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from posezoo.core.arrays import Array
from posezoo.poses import blazepose
from posezoo.poses.blazepose import BlazePoseOptions
from posezoo.poses.letterbox import Image, ImageTransform, Size, image_size, letterbox_transform
from posezoo.solutions import download_utils as download_utils
from posezoo.solutions.body_filter import BodyFilter
from posezoo.solutions.messages import create_landmarks
from posezoo.solutions.solution import (
    Solution,
    choose,
    infer,
    load_network,
    read_confidence,
    read_switch,
)
from posezoo.solutions.solution import SolutionBase as SolutionBase
from posezoo.solutions.tables import connections, landmark_names

PoseLandmark = landmark_names("PoseLandmark", __name__)
POSE_CONNECTIONS = connections("pose_connections")["POSE_CONNECTIONS"]

_DETECTOR = "pose-detection-mediapipe"
_COMPLEXITIES = {0: "lite", 1: "full", 2: "heavy"}

# MediaPipe's Python does not read this option of its graph, which is 7, and so has the default: 9
# cells.
_WINDOW = 4


class PoseSolution(Solution):
    """Finds the landmarks of the most prominent person, and follows the person through a video."""

    outputs: ClassVar[tuple[str, ...]] = (
        "pose_landmarks",
        "pose_world_landmarks",
        "segmentation_mask",
    )

    def __init__(
        self,
        static_image_mode: bool = False,
        model_complexity: int = 1,
        smooth_landmarks: bool = True,
        enable_segmentation: bool = False,
        smooth_segmentation: bool = True,  # noqa: ARG002
        min_detection_confidence: float = 0.5,
        min_tracking_confidence: float = 0.5,
    ) -> None:
        """Load the networks.

        Args:
            static_image_mode: whether images are not the frames of a video: the person is then
                found again in each, and not smoothed.
            model_complexity: 0 for the lite, 1 for the full, 2 for the heavy network.
            smooth_landmarks: whether landmarks are smoothed over the frames of a video.
            enable_segmentation: whether there is a mask.
            smooth_segmentation: has no effect, as in MediaPipe's Python.
            min_detection_confidence: persons with a lower score are not found, 0..1.
            min_tracking_confidence: landmarks with a lower presence are not returned, 0..1.
        """
        super().__init__()
        size = choose("model_complexity", model_complexity, _COMPLEXITIES)
        self._is_video = not static_image_mode
        self._is_smooth = read_switch("smooth_landmarks", smooth_landmarks and self._is_video)
        min_score = read_confidence("min_detection_confidence", min_detection_confidence)
        self._options = BlazePoseOptions(min_detection_score=min_score)
        self._min_presence = read_confidence("min_tracking_confidence", min_tracking_confidence)
        has_mask = read_switch("enable_segmentation", enable_segmentation)
        self._detector = load_network(_DETECTOR)
        without = () if has_mask else (blazepose.SEGMENTATION.name,)
        self._network = load_network(f"pose-landmark-{size}-mediapipe", without=without)
        self._roles = {
            output.name: output.role
            for output in (*blazepose.DECODER.networks[1], *blazepose.DECODER.optional)
        }
        self.reset()

    def reset(self) -> None:
        """Forget the person."""
        # The hip and the top of the region that follows from the last frame, and the frame's size.
        self._last: tuple[Array, Size] | None = None
        self._filter = BodyFilter()

    def _find(self, image: Image) -> dict[str, Any]:
        region = self._follow(image_size(image)) or self._detect(image)
        self._last = None
        results = region and self._estimate(image, region)
        if results:
            return results
        self._filter.lose()
        return {}

    def _follow(self, size: Size) -> ImageTransform | None:
        """The region in a frame of this size: as MediaPipe's, it is relative to the image's sides.

        If the frame's aspect changes, it is the square of the longer side.
        """
        if self._last is None:
            return None
        (hip, top), last_size = self._last
        scales = np.divide(size, last_size)
        center = hip * scales
        return blazepose.body_region(center, center + (top - hip) * scales.max())

    def _detect(self, image: Image) -> ImageTransform | None:
        view = letterbox_transform(image_size(image), blazepose.DETECTOR_SIZE)
        outputs = infer(self._detector, view.sample(image))
        faces = blazepose.decode_faces(outputs["Identity"], outputs["Identity_1"], self._options)
        return next(iter(blazepose.body_regions(faces[:1].to_image(view))), None)

    def _estimate(self, image: Image, region: ImageTransform) -> dict[str, Any]:
        outputs = infer(self._network, region.sample(image, repeats_edges=True))
        maps = {self._roles[name]: output for name, output in outputs.items()}
        size = image_size(image)
        pose = blazepose.decode_pose(maps, region, size, window=_WINDOW)
        if pose is None or pose.score <= self._min_presence:
            return {}
        assert pose.z is not None and pose.world is not None
        columns = [pose.keypoints[:, :2], pose.z[:, None], pose.keypoints[:, 2:]]
        landmarks = np.concatenate(columns, axis=1)
        world = np.concatenate([pose.world, pose.keypoints[:, 2:]], axis=1)
        if self._is_video:
            hip_and_top = blazepose.next_axis(maps, region, window=_WINDOW)
            axis, body_size = self._filter.smooth_axis(hip_and_top)
            self._last = axis, size
            if self._is_smooth:
                landmarks, world = self._filter.smooth(landmarks, world, body_size)
        width, height = size
        return {
            "pose_landmarks": create_landmarks(
                "NormalizedLandmarkList", landmarks / [width, height, width, 1]
            ),
            "pose_world_landmarks": create_landmarks("LandmarkList", world),
            "segmentation_mask": pose.mask,
        }


Pose = PoseSolution
