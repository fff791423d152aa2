"""MediaPipe's networks for hands, faces, masks and poses (BlazePose): a detector, and a landmark
network on a rotated square around each detection.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import count

import numpy as np

from posezoo.core.arrays import Array, Floats
from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.core.errors import InferenceError, import_cv2
from posezoo.poses import blazepose
from posezoo.poses.blazeface import (
    BlazeFaceOptions,
    Detections,
    Region,
    decode_maps,
    find_new,
)
from posezoo.poses.blazepose import BlazePoseOptions
from posezoo.poses.keypoints import MIN_SCORE, Pose, read_people
from posezoo.poses.landmarks import (
    LandmarkOptions,
    find_distinct_squares,
    square_around,
    square_bounds,
)
from posezoo.poses.letterbox import (
    Image,
    ImageTransform,
    Size,
    image_size,
    letterbox_transform,
    stretch_transform,
    to_image_pixels,
)
from posezoo.poses.ssd_detection import Box
from posezoo.run.runtime.compiled_network import CompiledNetwork, Outputs
from posezoo.run.runtime.graph import format_shape
from posezoo.run.runtime.inference_pipeline import (
    FrameSteps,
    InferenceRequest,
    PipelineSteps,
    Steps,
    best_first,
)
from posezoo.run.runtime.network_pipeline import (
    NetworkPipeline,
    PipelineConfig,
    compile_image_network,
)
from posezoo.run.runtime.top_down_pipeline import TopDownPipeline

#: A pose, and the region of its person in the next frame of a video; None if there is none.
_Person = tuple[Pose, ImageTransform | None]


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


def _follow_regions(
    detect: Callable[[Image], Steps[list[Region]]],
    estimate: Callable[[Image, Sequence[Region]], Steps[Sequence[tuple[Pose, Region | None]]]],
    bounds: Callable[[Sequence[Region]], Array],
    most: int,
    number: int,
) -> FrameSteps:
    """The steps for the frames of one video, in which people are tracked from their landmarks in
    the frame before, as MediaPipe does.

    Args:
        detect: the steps to the regions in an image.
        estimate: the steps to the pose in each region, and to its region in the next frame, or
            None.
        bounds: the boxes of regions, as for ``find_new``.
        most: the maximum number of regions in a frame.
        number: the detector runs on each ``number``-th frame and whenever no person is followed,
            but not while as many as possible are.
    """
    followed: list[Region] = []
    frames = count()

    def steps(image: Image) -> PipelineSteps:
        nonlocal followed
        regions = followed
        is_turn = next(frames) % number == 0 or not followed
        if is_turn and len(followed) < most:
            detected = yield from detect(image)
            regions = [*followed, *find_new(followed, detected, bounds)]
        people = yield from estimate(image, regions[:most])
        followed = [region for _, region in people if region]
        return best_first(pose for pose, _ in people)

    return steps


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
        detections = detections[detections.scores >= self._least_box_score]
        detections = detections[: self._options.max_people]
        squares = []
        for place, score in enumerate(detections.scores.tolist()):
            found = self._options.find_squares(detections.boxes[place], detections.keypoints[place])
            squares += [replace(square, score=score) for square in found]
        squares = find_distinct_squares(squares)
        if self._options.refines_squares:
            people = yield from self._estimate_and_follow(image, squares)
            squares = [square for _, square in people]
        return squares

    def _estimate_in_boxes(
        self, image: Image, boxes: Sequence[Box]
    ) -> Steps[list[tuple[Pose, Box]]]:
        """The hands, faces or eyes in their squares, which are no boxes of theirs."""
        people = yield from self._estimate_people(image, boxes, self._padding)
        return [
            (replace(pose, label=square.side) if square.side else pose, square)
            for pose, square in people
        ]

    def track(self) -> FrameSteps:
        """As ``detect_every``, with the detector on each frame."""
        return self.detect_every(1)

    def detect_every(self, number: int) -> FrameSteps:
        """The steps for the frames of one video, in which hands or faces are tracked."""
        most = self._options.max_people
        return _follow_regions(self._detect, self._estimate_and_follow, square_bounds, most, number)

    def _estimate_and_follow(
        self, image: Image, squares: Sequence[Box]
    ) -> Steps[list[tuple[Pose, Box]]]:
        people = yield from self._estimate_in_boxes(image, squares)
        follow = self._options.follow
        return [
            (pose, replace(follow(pose.keypoints[:, :2], square), score=square.score))
            for pose, square in people
        ]


class BlazePosePipeline:
    """Runs BlazePose's two networks. People are tracked unless the networks contain their decoders,
    which do not return the points for that.
    """

    def __init__(self, config: PipelineConfig) -> None:
        config.refuse_target_size()
        self._options: BlazePoseOptions = config.decoder_options
        networks = []
        detections, landmarks = blazepose.DECODER.networks
        optional = blazepose.DECODER.optional
        if not self._options.segmentation:
            optional = tuple(output for output in optional if output != blazepose.SEGMENTATION)
        self._outputs = (*landmarks, *optional)
        graphs = [config.read_graph(place) for place in range(2)]
        self._is_decoded = all(graph.decoded_outputs for graph in graphs)
        self._least_score = config.options.min_person_score or 0.0
        self.can_track = not self._is_decoded
        read = ((), ()) if self._is_decoded else (detections, self._outputs)
        for graph, outputs in zip(graphs, read, strict=True):
            if outputs:
                graph.keep_outputs([output.name for output in outputs])
            for output in outputs:
                shape = graph.outputs[output.name]
                if shape != output.shape:
                    raise InferenceError(
                        f"{graph.path}: is another network: its output {output.name} is "
                        f"{format_shape(shape)}, not {format_shape(output.shape)}"
                    )
            networks.append(compile_image_network(graph, config))
        self.networks = tuple(networks)
        self._detector, self._landmarks = networks
        self.input_size: Size | None = blazepose.LANDMARK_SIZE

    def __call__(self, image: Image) -> PipelineSteps:
        """The steps for one image."""
        regions = yield from self._detect(image)
        people = yield from self._estimate(image, regions, is_video=False)
        return best_first(pose for pose, _ in people)

    def track(self) -> FrameSteps:
        """As ``detect_every``, with the detector on each frame."""
        return self.detect_every(1)

    def detect_every(self, number: int) -> FrameSteps:
        """The steps for the frames of one video, in which people are tracked."""
        return _follow_regions(
            self._detect,
            partial(self._estimate, is_video=True),
            blazepose.region_bounds,
            self._options.max_people,
            number,
        )

    def _detect(self, image: Image) -> Steps[list[ImageTransform]]:
        options = self._options
        seen = []
        for view in blazepose.detector_views(image_size(image), quarters=options.quarters):
            outputs = yield _request(self._detector, view.sample(image))
            seen.append(self._read_faces(outputs).to_image(view))
        faces = blazepose.merge_views(seen, options) if options.quarters else seen[0]
        return blazepose.body_regions(faces[: options.max_people])

    def _read_faces(self, outputs: Outputs) -> Detections:
        if not self._is_decoded:
            return blazepose.decode_faces(outputs["Identity"], outputs["Identity_1"], self._options)
        keypoints, scores = _values(outputs)
        faces = Detections(np.zeros((len(scores), 4), np.float32), keypoints[..., :2], scores)
        return faces[scores > self._least_score]

    def _estimate(
        self, image: Image, regions: Sequence[ImageTransform], *, is_video: bool
    ) -> Steps[list[_Person]]:
        options = self._options
        people: list[_Person] = []
        for region in regions[: options.max_people]:
            picture = region.sample(image, repeats_edges=True)
            outputs = yield _request(self._landmarks, picture)
            if self._is_decoded:
                size = image_size(image)
                found = read_people(*_values(outputs), SKELETONS[blazepose.SKELETON], region.size)
                poses = to_image_pixels(found, region, size, seen_from=MIN_SCORE)
                people += [(pose, None) for pose in poses]
                continue
            maps = {output.role: outputs[output.name] for output in self._outputs}
            pose = blazepose.decode_pose(maps, region, image_size(image))
            if pose and pose.score >= options.min_presence:
                following = None
                if is_video:
                    following = blazepose.body_region(*blazepose.next_axis(maps, region))
                people.append((pose, following))
        poses = [pose for pose, _ in people]
        kept = blazepose.find_distinct_poses(poses, max_similarity=options.max_similarity)
        return [people[place] for place in kept]


def _values(outputs: Outputs) -> tuple[Floats, Floats]:
    return outputs["keypoints"].copy(), outputs["scores"].copy()


def _request(network: CompiledNetwork, picture: Image) -> InferenceRequest:
    (name,) = network.inputs
    return InferenceRequest(network, {name: picture[None]})
