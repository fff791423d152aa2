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
from posezoo.poses.decoder_type import Corners
from posezoo.poses.keypoints import Pose, bounding_box, bounds_of, with_detector_score
from posezoo.poses.letterbox import Image, Size, image_size, to_image_pixels
from posezoo.poses.ssd_detection import Box
from posezoo.poses.top_down import (
    Color,
    TopDownOptions,
    crop_as_stated,
    suppress_by_oks,
)
from posezoo.run.runtime.inference_pipeline import (
    FrameSteps,
    ParallelSteps,
    Pipeline,
    PipelineSteps,
    Steps,
)
from posezoo.run.runtime.network_pipeline import NetworkPipeline, PipelineConfig, copy_outputs

_BLACK: Color = (0, 0, 0)

#: How far COCO's boxes extend beyond the keypoints, as a share of the longer side: the medians of
#: 12 people in photos, nearly all of whose keypoints are labelled, are 0.07 to 0.10.
MARGIN = 0.1

#: If the whole image was taken as one person, the network looks once more, at a box of this size
# relative to the extent of all keypoints found, and the score must be at least this share of the
# least score of the first look. Chosen on 66 crops of photos with a person and 259 photos and crops
# without people, in all of which nanodet-g finds nobody: movenet-thunder finds 13 people both with
# and without the second look, and sees a person in none of the others instead of in 2.
SECOND_LOOK = 1.35
SECOND_SCORE = 5 / 6

# As in mmpose: a person with fewer visible keypoints is not tracked to the next frame.
_MIN_VISIBLE = 3


class TopDownPipeline(NetworkPipeline):
    """Runs a network on one person at a time.

    Attributes:
        follows_one_person: whether it tracks one person through a video without a detector: the
            crop is computed from the keypoints in the last frame.
        runs_mirrored: whether the network also processes each crop mirrored.
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
        self._least_box_score = 0.0
        self._least_score = 0.0
        self.follows_one_person = self._next_crop is not None
        self.runs_mirrored = self._options.runs_mirrored

    @property
    def can_track(self) -> bool:
        """Whether it follows one person."""
        return self.follows_one_person

    def with_detector(
        self,
        detector: Pipeline,
        *,
        tracks_videos: bool = False,
        whole_image: float | None = None,
        min_person_score: float = 0.0,
        min_pose_score: float = 0.0,
    ) -> TopDownPipeline:
        """A pipeline of the same network that runs on the boxes from another pipeline.

        Args:
            tracks_videos: whether one person is still tracked without it.
            whole_image: as in ``core.declarations.model.People``.
            min_person_score: boxes with lower scores are left out.
            min_pose_score: as in ``core.declarations.model.PairLimits``.
        """
        pipeline = copy(self)
        pipeline._detector = detector
        pipeline._whole_image = whole_image
        pipeline._least_box_score = min_person_score
        pipeline._least_score = min_pose_score
        pipeline.networks = (*detector.networks, self._network)
        pipeline.follows_one_person = self.follows_one_person and tracks_videos
        return pipeline

    def __call__(self, image: Image) -> PipelineSteps:
        """The steps for one image; without a detector, the whole image is treated as one person."""
        if self._detector is None:
            return (yield from self._estimate_whole(image))
        boxes = yield from self._detect(image)
        if boxes:
            return _poses((yield from self._estimate_detected(image, self._highest(boxes))))
        return (yield from self._take_whole(image))

    def _take_whole(self, image: Image) -> PipelineSteps:
        """The pose in the whole image, for a model that uses it if the detector finds no person: it
        is looked at once more, in a box around its keypoints. What is no person has a low score
        there, and the keypoints of a person become more exact.
        """
        least = self._whole_image
        if least is None:
            return []
        first = yield from self._estimate_whole(image)
        size = image_size(image)
        likely = [pose.keypoints for pose in first if pose.score >= least]
        boxes = [_enlarge(Box(*bounding_box(each, size, 0.0)), SECOND_LOOK) for each in likely]
        second = yield from self._estimate(image, boxes, padding=1)
        found = [pose for pose in second if pose.score >= SECOND_SCORE * least]
        return [
            replace(
                pose,
                people_from=WHOLE_IMAGE,
                box=_box_around(bounds_of(pose.keypoints, self._visible_score)).clip(size).sides,
            )
            for pose in found
        ]

    def _estimate_whole(self, image: Image) -> PipelineSteps:
        whole = Box(0, 0, image.shape[1], image.shape[0])
        return (yield from self._estimate(image, [whole], padding=1))

    def detect_every(self, number: int) -> FrameSteps:
        """The steps for the frames of one video with any number of people.

        The detector, which there must be, runs on each ``number``-th frame, and if nobody is
        followed. On other frames, boxes are those around the last
        keypoints; a person with too few visible
        ones is lost until the next detection.
        """
        boxes: list[Box] = []
        frames_left = 0

        def steps(image: Image) -> PipelineSteps:
            nonlocal boxes, frames_left
            frames_left -= 1
            if not boxes or frames_left < 0:
                frames_left = number - 1
                detected = yield from self._detect(image)
                if not detected:
                    return (yield from self._take_whole(image))
                boxes = self._highest(detected)
            people = yield from self._estimate_detected(image, boxes)
            boxes = []
            for pose, box in people:
                visible = pose.keypoints[pose.keypoints[:, 2] >= self._visible_score, :2]
                if len(visible) >= _MIN_VISIBLE:
                    corners = (*visible.min(axis=0).tolist(), *visible.max(axis=0).tolist())
                    boxes.append(replace(_box_around(corners), score=box.score))
            return _poses(people)

        return steps

    def _detect(self, image: Image) -> Steps[list[Box]]:
        assert self._detector
        people = yield from self._detector(image)
        return [Box(*pose.box, pose.score) for pose in people]

    def steps_for_boxes(self, image: Image, boxes: Sequence[Box]) -> PipelineSteps:
        """The steps for the people in these boxes of an image, at most ``max_people``."""
        return _poses((yield from self._estimate_in_boxes(image, self._highest(boxes))))

    def _highest(self, boxes: Sequence[Box]) -> list[Box]:
        """The boxes with the highest scores; one without a score comes first."""
        scored = [(1.0 if box.score is None else box.score, box) for box in boxes]
        scored.sort(key=lambda each: -each[0])
        return [box for score, box in scored if score >= self._least_box_score][
            : self._options.max_people
        ]

    def _estimate_detected(
        self, image: Image, boxes: Sequence[Box]
    ) -> Steps[list[tuple[Pose, Box]]]:
        """As ``_estimate_in_boxes``, with the limit of the pair of networks."""
        people = yield from self._estimate_in_boxes(image, boxes)
        return [(pose, box) for pose, box in people if pose.score >= self._least_score]

    def _estimate_in_boxes(
        self, image: Image, boxes: Sequence[Box]
    ) -> Steps[list[tuple[Pose, Box]]]:
        """The people in their boxes, who get these as ``Pose.box``."""
        size = image_size(image)
        people = yield from self._estimate_people(image, boxes, self._padding)
        return [(replace(pose, box=box.clip(size).sides), box) for pose, box in people]

    def track(self) -> FrameSteps:
        """The steps for the frames of one video, in which one person is followed."""
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
        most = self._options.max_similarity
        kept = suppress_by_oks(_poses(people), areas, max_similarity=most)
        return [people[index] for index in kept]

    def _estimate_person(
        self, image: Image, box: Box, padding: float
    ) -> Steps[tuple[list[Pose], Box, float]]:
        size = image_size(image)
        crop = self._crop(box, size, self._size, padding)
        picture = crop.extract(image, self._blank)
        maps = yield from self._infer(picture)
        if self.runs_mirrored:
            maps = copy_outputs(maps)
            mirrored = yield from self._infer(np.ascontiguousarray(picture[:, ::-1]))
            maps |= {f"flipped_{role}": output for role, output in mirrored.items()}
        found = self._decode_outputs(maps, self._size)
        poses = to_image_pixels(found, crop.view, size, seen_from=self._record.visible_score)
        if box.score is not None:
            poses = [with_detector_score(pose, box.score) for pose in poses]
        least = self._options.min_pose_score
        return [pose for pose in poses if pose.score >= least], box, crop.area


def _poses(people: Sequence[tuple[Pose, Box]]) -> list[Pose]:
    return [pose for pose, _ in people]


def _enlarge(box: Box, factor: float) -> Box:
    across = (factor - 1) / 2 * box.width
    down = (factor - 1) / 2 * box.height
    return Box(box.x0 - across, box.y0 - down, box.x1 + across, box.y1 + down)


def _box_around(corners: Corners) -> Box:
    """The box of a person, around that of the visible keypoints: the body is larger."""
    x0, y0, x1, y1 = corners
    margin = MARGIN * max(x1 - x0, y1 - y0)
    return Box(x0 - margin, y0 - margin, x1 + margin, y1 + margin)


def _mean_color(config: PipelineConfig) -> Color:
    """The mean color in BGR, which preprocessing turns into zeros."""
    preprocessing = config.description.preprocessing
    mean = preprocessing.mean or config.description.own_mean
    is_rgb = bool(preprocessing.mean) and preprocessing.reverse_input_channels
    if not mean and isinstance(config.model, ModelSpec) and config.model.inputs:
        declared = config.model.inputs[0]
        mean = declared.mean
        is_rgb = declared.color is ColorOrder.RGB
    first, second, third = mean * 3 if len(mean) == 1 else mean or _BLACK
    return (third, second, first) if is_rgb else (first, second, third)
