"""MediaPipe's networks for hands, faces and masks.

A detector finds the hands or faces in an image, and a landmark network runs on a rotated square
around each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from posezoo.core.errors import import_cv2
from posezoo.poses.blazeface import BlazeFaceOptions, Detections, decode_maps
from posezoo.poses.keypoints import Pose
from posezoo.poses.landmarks import (
    LandmarkOptions,
    find_distinct_squares,
    find_new_squares,
    square_around,
)
from posezoo.poses.letterbox import (
    Image,
    ImageTransform,
    Size,
    image_size,
    letterbox_transform,
    stretch_transform,
)
from posezoo.poses.ssd_detection import Box
from posezoo.run.runtime.compiled_network import Outputs
from posezoo.run.runtime.inference_pipeline import (
    FrameSteps,
    PipelineSteps,
    RegionSteps,
    Steps,
)
from posezoo.run.runtime.network_pipeline import NetworkPipeline
from posezoo.run.runtime.top_down_pipeline import TopDownPipeline


class FacePipeline(NetworkPipeline):
    """Runs a detector of faces or palms on the whole image, letterboxed as MediaPipe does it."""

    _options: BlazeFaceOptions

    def _fit_image(self, image: Image) -> tuple[ImageTransform, Image]:
        assert self.input_size is not None
        transform = letterbox_transform(image_size(image), self.input_size)
        return transform, transform.sample(image)

    def detect(self, image: Image) -> Steps[Detections]:
        """The detections in an image, in its pixels; boxes may be outside of it."""
        transform, picture = self._fit_image(image)
        maps = yield from self._infer(picture)
        return decode_maps(maps, transform.size, self._options).to_image(transform)


class MaskPipeline(NetworkPipeline):
    """Runs a network on the whole image, stretched to its input, that finds people's pixels."""

    def _fit_image(self, image: Image) -> tuple[ImageTransform, Image]:
        assert self.input_size is not None
        transform = stretch_transform(image_size(image), self.input_size)
        return transform, transform.sample(image)

    def _decode(self, maps: Outputs, transform: ImageTransform, image: Size) -> list[Pose]:
        cv2 = import_cv2()
        people = []
        for pose in self._decode_outputs(maps, transform.size):
            (x0, y0), (x1, y1) = transform.to_image(np.reshape(pose.box, (2, 2))).tolist()
            mask = None if pose.mask is None else cv2.resize(pose.mask, image)
            people.append(replace(pose, box=(x0, y0, x1, y1), mask=mask))
        return people


class LandmarkPipeline(TopDownPipeline):
    """Runs a landmark network on the rotated square around each hand or face."""

    _options: LandmarkOptions

    @property
    def can_track(self) -> bool:
        """Whether a detector runs; its hands or faces are then tracked through a video."""
        return self._detector is not None

    def steps_for_boxes(self, image: Image, boxes: Sequence[Box]) -> PipelineSteps:
        """The steps for the hands or faces in these boxes of an image."""
        return super().steps_for_boxes(image, [square_around(box) for box in boxes])

    def _detect(self, image: Image) -> Steps[list[Box]]:
        if not isinstance(self._detector, FacePipeline):
            boxes = yield from super()._detect(image)
            return [square_around(box) for box in boxes]
        detections = yield from self._detector.detect(image)
        detections = detections[: self._options.max_people]
        squares = []
        for box, keypoints in zip(detections.boxes, detections.keypoints, strict=True):
            squares += self._options.find_squares(box, keypoints)
        squares = find_distinct_squares(squares)
        if self._options.refines_squares:
            people = yield from self._estimate_and_follow(image, squares)
            squares = [square for _, square in people]
        return squares

    def track(self) -> FrameSteps:
        """As ``detect_every``, with the detector on each frame."""
        return self.detect_every(1)

    def detect_every(self, number: int) -> FrameSteps:
        """The steps for the frames of one video, in which ``RegionSteps`` tracks hands or faces."""
        steps = RegionSteps(
            self._detect, self._estimate_and_follow, find_new_squares, self._options.max_people
        )
        return steps.follow(number)

    def _estimate_and_follow(
        self, image: Image, squares: Sequence[Box]
    ) -> Steps[list[tuple[Pose, Box]]]:
        people = yield from self._estimate_people(image, squares, self._padding)
        follow = self._options.follow
        return [(pose, follow(pose.keypoints[:, :2], square)) for pose, square in people]
