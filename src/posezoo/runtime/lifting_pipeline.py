"""3D poses: one network processes the whole image, and a camera model gives the positions."""

from __future__ import annotations

from posezoo.pose.keypoints import Pose
from posezoo.pose.letterbox import ImageTransform, Size
from posezoo.pose.lifting import lift_poses
from posezoo.runtime.bottom_up_pipeline import BottomUpPipeline
from posezoo.runtime.compiled_network import Outputs


class LiftingPipeline(BottomUpPipeline):
    """Runs human-pose-estimation-3d-0001."""

    def _decode(self, maps: Outputs, transform: ImageTransform, image: Size) -> list[Pose]:
        # Decoded directly in pixels of the image: the camera points at the image's middle, not the input's.
        arrays = {role: array[0] for role, array in maps.items()}
        return lift_poses(arrays, transform, image, self._options)
