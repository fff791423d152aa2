"""Top-down: a detector processes the whole image, the pose network a crop of each person it
finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from itertools import count

import numpy as np

from posezoo.errors import InferenceError
from posezoo.pose.decoder_type import Corners
from posezoo.pose.keypoints import Pose
from posezoo.pose.letterbox import Image, Size, image_size, to_image_pixels
from posezoo.pose.ssd_detection import Box
from posezoo.pose.top_down import Color, TopDownOptions, crop_as_stated, suppress_by_oks
from posezoo.runtime.inference_pipeline import (
    FrameSteps,
    Pipeline,
    PipelineSteps,
    Steps,
)
from posezoo.runtime.network_pipeline import NetworkPipeline, PipelineConfig, copy_outputs
from posezoo.spec.model import WHOLE_IMAGE, ColorOrder, ModelSpec

_BLACK: Color = (0, 0, 0)

# COCO's boxes reach so far beyond the keypoints, as a share of the longer side (median of 12 people
# in photos whose keypoints are nearly all labelled: 0.07 to 0.10).
_MARGIN = 0.1

# As mmpose: with fewer keypoints, a person cannot be recognized in the next frame.
_MIN_VISIBLE = 3


class TopDownPipeline(NetworkPipeline):
    """Runs a network on one person at a time.

    Attributes:
        can_track: whether the crop of a person can follow from the last frame of a video.
    """

    _options: TopDownOptions

    def __init__(self, config: PipelineConfig) -> None:
        super().__init__(config)
        assert self.input_size is not None
        self._size: Size = self.input_size
        self._crop = self._options.crop
        if (stated := config.description.sizing) is not None:
            self._crop = partial(crop_as_stated, sizing=stated)
        self._blank = _mean_color(config) if self._options.blank_is_mean else _BLACK
        self._next_crop = self._record.next_crop
        self._visible_score = self._record.visible_score
        self._detector: Pipeline | None = None
        self._whole_image: float | None = None
        self.can_track = self._next_crop is not None

    def with_detector(
        self, detector: Pipeline, *, tracks_videos: bool = False, whole_image: float | None = None
    ) -> TopDownPipeline:
        """A pipeline of the same network that runs on the boxes from another pipeline.

        Args:
            tracks_videos: whether the crop of a person still follows from the last frame of a
                video.
            whole_image: as in ``spec.model.People``.
        """
        pipeline = copy(self)
        pipeline._detector = detector
        pipeline._whole_image = whole_image
        pipeline.networks = (*detector.networks, self._network)
        pipeline.can_track = self.can_track and tracks_videos
        return pipeline

    def __call__(self, image: Image) -> PipelineSteps:
        """The steps for one image; without a detector, the whole image is treated as one person."""
        if self._detector is None:
            return (yield from self._estimate_whole(image))
        boxes = yield from self._detect(image)
        if boxes or self._whole_image is None:
            return (yield from self.steps_for_boxes(image, boxes))
        poses = yield from self._estimate_whole(image)
        return [
            replace(pose, people_from=WHOLE_IMAGE)
            for pose in poses
            if pose.score >= self._whole_image
        ]

    def _estimate_whole(self, image: Image) -> PipelineSteps:
        whole = Box(0, 0, image.shape[1], image.shape[0])
        return (yield from self._estimate(image, [whole], padding=1))

    def detect_every(self, number: int) -> FrameSteps:
        """As ``track``, for any number of people: the detector runs on each ``number``-th frame; in
        between, boxes follow from the last keypoints.

        Raises:
            InferenceError: there is no detector.
        """
        if self._detector is None:
            raise InferenceError(
                "no detector runs, so it cannot run on each Nth frame",
                hint="name a --detector, such as nanodet-g",
            )
        last = []
        frames = count()

        def steps(image: Image) -> PipelineSteps:
            nonlocal last
            if next(frames) % number == 0:
                last = yield from self._detect(image)
            people = yield from self._estimate_people(
                image, self._highest(last), self._options.padding
            )
            last = [
                _next_box(pose, box.score, self._visible_score)
                for pose, box in people
                if self._is_found(pose)
            ]
            return [pose for pose, _ in people]

        return steps

    def _detect(self, image: Image) -> Steps[list[Box]]:
        assert self._detector
        people = yield from self._detector(image)
        return [Box(*pose.box, pose.score) for pose in people]

    def steps_for_boxes(self, image: Image, boxes: Sequence[Box]) -> PipelineSteps:
        """The steps for the people in these boxes of an image, at most ``max_people``."""
        return (yield from self._estimate(image, self._highest(boxes), self._options.padding))

    def _highest(self, boxes: Sequence[Box]) -> list[Box]:
        return sorted(boxes, key=lambda box: -box.score)[: self._options.max_people]

    def track(self) -> FrameSteps:
        """The steps for the frames of one video, in which the crop follows one person."""
        crop: Corners | None = None

        def steps(image: Image) -> PipelineSteps:
            nonlocal crop
            size = image_size(image)
            poses = yield from self._estimate(image, [Box(*(crop or (0, 0, *size)))], padding=1)
            assert self._next_crop
            crop = self._next_crop(poses[0].keypoints, size, crop) if poses else None
            return poses

        return steps

    def _estimate(self, image: Image, boxes: Sequence[Box], padding: float) -> PipelineSteps:
        people = yield from self._estimate_people(image, boxes, padding)
        return [pose for pose, _ in people]

    def _estimate_people(
        self, image: Image, boxes: Sequence[Box], padding: float
    ) -> Steps[list[tuple[Pose, Box]]]:
        """The pose in each box, without duplicates."""
        size = image_size(image)
        people = []
        areas = []
        for box in boxes:
            visible = box.clip(size)
            # Not `<= 0`: a side may be NaN.
            if not (visible.width > 0 and visible.height > 0):
                continue
            crop = self._crop(box, size, self._size, padding)
            picture = crop.extract(image, self._blank)
            maps = yield from self._infer(picture)
            if self._options.runs_mirrored:
                maps = copy_outputs(maps)
                mirrored = yield from self._infer(np.ascontiguousarray(picture[:, ::-1]))
                maps |= {f"flipped_{role}": output for role, output in mirrored.items()}
            for pose in to_image_pixels(self._decode_outputs(maps, self._size), crop.view, size):
                people.append((replace(pose, score=pose.score * box.score), box))
                areas.append(crop.area)
        poses = [pose for pose, _ in people]
        kept = suppress_by_oks(poses, areas, max_similarity=self._options.max_similarity)
        return [people[index] for index in kept]

    def _is_found(self, pose: Pose) -> bool:
        """Whether enough of a person is seen to expect them there in the next frame."""
        visible = int((pose.keypoints[:, 2] >= self._visible_score).sum())
        return visible >= _MIN_VISIBLE


def _next_box(pose: Pose, score: float, visible_score: float) -> Box:
    """The box around the visible keypoints of a person, which are inside the body's outline."""
    points = pose.keypoints[pose.keypoints[:, 2] >= visible_score, :2]
    x0, y0 = points.min(axis=0).tolist()
    x1, y1 = points.max(axis=0).tolist()
    margin = _MARGIN * max(x1 - x0, y1 - y0)
    return Box(x0 - margin, y0 - margin, x1 + margin, y1 + margin, score=score)


def _mean_color(config: PipelineConfig) -> Color:
    """The color, BGR, that the network sees as zero."""
    preprocessing = config.description.preprocessing
    mean = preprocessing.mean
    is_rgb = preprocessing.reverse_input_channels
    if not mean and isinstance(config.model, ModelSpec) and config.model.inputs:
        declared = config.model.inputs[0]
        mean = declared.mean
        is_rgb = declared.color is ColorOrder.RGB
    first, second, third = mean * 3 if len(mean) == 1 else mean or _BLACK
    return (third, second, first) if is_rgb else (first, second, third)
