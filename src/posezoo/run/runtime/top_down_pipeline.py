"""Top-down pose estimation: a detector finds the people in an image, and the pose network runs on a
crop of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from functools import partial

import numpy as np

from posezoo.core.declarations.model import WHOLE_IMAGE, ColorOrder, ModelSpec
from posezoo.core.values import frozen
from posezoo.poses.decoder_type import Corners
from posezoo.poses.keypoints import Pose
from posezoo.poses.letterbox import Image, Size, image_size, to_image_pixels
from posezoo.poses.ssd_detection import Box
from posezoo.poses.top_down import Color, TopDownOptions, crop_as_stated, suppress_by_oks
from posezoo.run.runtime.camera_motion import CameraMotion
from posezoo.run.runtime.inference_pipeline import (
    FrameSteps,
    ParallelSteps,
    Pipeline,
    PipelineSteps,
    Steps,
)
from posezoo.run.runtime.network_pipeline import NetworkPipeline, PipelineConfig, copy_outputs

_BLACK: Color = (0, 0, 0)

# By default, the detector runs on each third frame of a video.
_USUALLY_DETECT_EVERY = 3

# The detector also runs if the camera has moved by this share of the frame's width or height since
# it last ran, as new people may be visible. Six of ten people in COCO's photos are wider than this.
_NEW_VIEW = 0.05

# How far COCO's boxes extend beyond the keypoints, as a share of the longer side: the medians of 12
# people in photos, nearly all of whose keypoints are labelled, are 0.07 to 0.10.
_MARGIN = 0.1

# As in mmpose: a person with fewer visible keypoints is not tracked to the next frame.
_MIN_VISIBLE = 3


@frozen
class _SeenPeople:
    """The people found in a frame of a video.

    Attributes:
        boxes: where to look for them in the next frame.
        number: of those with enough visible keypoints to be tracked there.
        frames_left: the number of frames until the detector runs.
    """

    boxes: tuple[Box, ...] = ()
    number: int = 0
    frames_left: int = 0


class TopDownPipeline(NetworkPipeline):
    """Runs a network on one person at a time.

    Attributes:
        follows_one_person: whether it tracks one person through a video without a detector: the
            crop is computed from the keypoints in the last frame.
    """

    _options: TopDownOptions

    def __init__(self, config: PipelineConfig) -> None:
        super().__init__(config)
        assert self.input_size is not None
        self._size: Size = self.input_size
        self._crop = self._options.crop
        if (sizing := config.description.sizing) is not None:
            self._crop = partial(crop_as_stated, sizing=sizing)
        self._padding = self._options.padding
        self._blank = _mean_color(config) if self._options.blank_is_mean else _BLACK
        self._next_crop = self._record.next_crop
        self._visible_score = self._record.visible_score
        self._detector: Pipeline | None = None
        self._whole_image: float | None = None
        self._whole_score = 1.0
        self.follows_one_person = self.can_track

    @property
    def can_track(self) -> bool:
        """Whether the crop of a person can be computed from the keypoints in the last frame."""
        return self._next_crop is not None

    def with_detector(
        self,
        detector: Pipeline,
        *,
        tracks_videos: bool = False,
        whole_image: float | None = None,
        whole_score: float = 1.0,
    ) -> TopDownPipeline:
        """A pipeline of the same network that runs on the boxes from another pipeline.

        Args:
            tracks_videos: whether one person is still tracked through a video without the detector.
            whole_image: as in ``core.declarations.model.People``.
            whole_score: the score of the whole image as a box: the detector's threshold, since it
                found no person with a higher score.
        """
        pipeline = copy(self)
        pipeline._detector = detector
        pipeline._whole_image = whole_image
        pipeline._whole_score = whole_score
        pipeline.networks = (*detector.networks, self._network)
        pipeline.follows_one_person = self.follows_one_person and tracks_videos
        return pipeline

    def __call__(self, image: Image) -> PipelineSteps:
        """The steps for one image; without a detector, the whole image is treated as one person."""
        if self._detector is None:
            return (yield from self._estimate_whole(image))
        boxes = yield from self._detect(image)
        if boxes:
            return (yield from self._estimate(image, self._highest(boxes), self._padding))
        return (yield from self._take_whole(image))

    def _take_whole(self, image: Image) -> PipelineSteps:
        """The pose in the whole image, for a model that uses it if the detector finds no person."""
        if self._whole_image is None:
            return []
        poses = yield from self._estimate_whole(image)
        return [
            replace(pose, people_from=WHOLE_IMAGE, score=pose.score * self._whole_score)
            for pose in poses
            if pose.score >= self._whole_image
        ]

    def _estimate_whole(self, image: Image) -> PipelineSteps:
        whole = Box(0, 0, image.shape[1], image.shape[0])
        return (yield from self._estimate(image, [whole], padding=1))

    def detect_every(self, number: int) -> FrameSteps:
        """The steps for the frames of one video with any number of people.

        The detector runs on each ``number``-th frame; it also runs after a frame in which a person
        is lost, if no person is visible, and if the camera has moved so far that new people may be
        visible. On the other frames, the boxes are computed from the last keypoints. There must be
        a detector.
        """
        last = _SeenPeople()
        motion = CameraMotion()

        def steps(image: Image) -> PipelineSteps:
            nonlocal last
            new_view = motion.add(image) if number > 1 else 0.0
            if last.frames_left and new_view < _NEW_VIEW:
                people = yield from self._estimate_people(image, last.boxes, self._padding)
                seen = self._expect(people, last.frames_left - 1)
                if seen.number:
                    is_one_lost = seen.number < last.number
                    last = replace(seen, frames_left=0) if is_one_lost else seen
                    return _poses(people)
            motion.begin()
            boxes = yield from self._detect(image)
            people = yield from self._estimate_people(image, self._highest(boxes), self._padding)
            last = self._expect(people, number - 1)
            if boxes:
                return _poses(people)
            return (yield from self._take_whole(image))

        return steps

    def _expect(self, people: Sequence[tuple[Pose, Box]], frames_left: int) -> _SeenPeople:
        """Where to look for people in the next frame: around their keypoints, or in the same box if
        too few keypoints are visible.
        """
        boxes = []
        number = 0
        for pose, box in people:
            is_seen = self._is_found(pose)
            number += is_seen
            boxes.append(_next_box(pose, box.score, self._visible_score) if is_seen else box)
        return _SeenPeople(tuple(boxes), number, frames_left if number else 0)

    def _detect(self, image: Image) -> Steps[list[Box]]:
        assert self._detector
        people = yield from self._detector(image)
        return [Box(*pose.box, pose.score) for pose in people]

    def steps_for_boxes(self, image: Image, boxes: Sequence[Box]) -> PipelineSteps:
        """The steps for the people in these boxes of an image, at most ``max_people``."""
        return (yield from self._estimate(image, self._highest(boxes), self._padding))

    def _highest(self, boxes: Sequence[Box]) -> list[Box]:
        return sorted(boxes, key=lambda box: -box.score)[: self._options.max_people]

    def track(self) -> FrameSteps:
        """The steps for the frames of one video: of one person if the model can track one without a
        detector, else as ``detect_every`` for each third frame.
        """
        if not self.follows_one_person:
            return self.detect_every(_USUALLY_DETECT_EVERY)
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
        return _poses((yield from self._estimate_people(image, boxes, padding)))

    def _estimate_people(
        self, image: Image, boxes: Sequence[Box], padding: float
    ) -> Steps[list[tuple[Pose, Box]]]:
        """The pose in each box, without duplicates."""
        size = image_size(image)
        steps = []
        for box in boxes:
            visible = box.clip(size)
            # Not `<= 0`: a side may be NaN.
            if visible.width > 0 and visible.height > 0:
                steps.append(self._estimate_person(image, box, padding))
        if not steps:
            return []
        people = []
        areas = []
        for poses, box, area in (yield ParallelSteps(steps)):
            people += [(pose, box) for pose in poses]
            areas += [area] * len(poses)
        poses = [pose for pose, _ in people]
        kept = suppress_by_oks(poses, areas, max_similarity=self._options.max_similarity)
        return [people[index] for index in kept]

    def _estimate_person(
        self, image: Image, box: Box, padding: float
    ) -> Steps[tuple[list[Pose], Box, float]]:
        """The poses in a box, the box, and the area of its crop."""
        size = image_size(image)
        crop = self._crop(box, size, self._size, padding)
        picture = crop.extract(image, self._blank)
        maps = yield from self._infer(picture)
        if self._options.runs_mirrored:
            maps = copy_outputs(maps)
            mirrored = yield from self._infer(np.ascontiguousarray(picture[:, ::-1]))
            maps |= {f"flipped_{role}": output for role, output in mirrored.items()}
        poses = to_image_pixels(self._decode_outputs(maps, self._size), crop.view, size)
        scored = [replace(pose, score=pose.score * box.score) for pose in poses]
        return scored, box, crop.area

    def _is_found(self, pose: Pose) -> bool:
        """Whether enough keypoints of a person are visible to track them to the next frame."""
        visible = int((pose.keypoints[:, 2] >= self._visible_score).sum())
        return visible >= _MIN_VISIBLE


def _poses(people: Sequence[tuple[Pose, Box]]) -> list[Pose]:
    return [pose for pose, _ in people]


def _next_box(pose: Pose, score: float, visible_score: float) -> Box:
    """The box around a person's visible keypoints, with a margin, as the body is larger."""
    points = pose.keypoints[pose.keypoints[:, 2] >= visible_score, :2]
    x0, y0 = points.min(axis=0).tolist()
    x1, y1 = points.max(axis=0).tolist()
    margin = _MARGIN * max(x1 - x0, y1 - y0)
    return Box(x0 - margin, y0 - margin, x1 + margin, y1 + margin, score=score)


def _mean_color(config: PipelineConfig) -> Color:
    """The mean color in BGR, which preprocessing turns into zeros."""
    preprocessing = config.description.preprocessing
    mean = preprocessing.mean
    is_rgb = preprocessing.reverse_input_channels
    if not mean and isinstance(config.model, ModelSpec) and config.model.inputs:
        declared = config.model.inputs[0]
        mean = declared.mean
        is_rgb = declared.color is ColorOrder.RGB
    first, second, third = mean * 3 if len(mean) == 1 else mean or _BLACK
    return (third, second, first) if is_rgb else (first, second, third)
