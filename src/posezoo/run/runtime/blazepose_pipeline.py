"""BlazePose: a detector finds the people in an image, and a landmark network runs on the region of
each.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from posezoo.core.arrays import Floats
from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.core.errors import InferenceError
from posezoo.poses import blazepose
from posezoo.poses.blazeface import Detections
from posezoo.poses.blazepose import BlazePoseOptions
from posezoo.poses.keypoints import Pose, read_people
from posezoo.poses.letterbox import Image, ImageTransform, Size, image_size, to_image_pixels
from posezoo.run.runtime.compiled_network import CompiledNetwork, Outputs
from posezoo.run.runtime.graph import format_shape
from posezoo.run.runtime.inference_pipeline import (
    FrameSteps,
    InferenceRequest,
    PipelineSteps,
    RegionSteps,
    Steps,
    best_first,
)
from posezoo.run.runtime.network_pipeline import PipelineConfig, compile_image_network

#: A pose, and the region of its person in the next frame of a video; None if there is none.
_Person = tuple[Pose, ImageTransform | None]


class BlazePosePipeline:
    """Runs BlazePose's two networks.

    Attributes:
        can_track: whether people are tracked through a video: networks that contain their decoders
            do not return the points for that.
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
        for graph, outputs in zip(graphs, (detections, self._outputs), strict=True):
            if self._is_decoded:
                networks.append(compile_image_network(graph, config))
                continue
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
        """The steps for the frames of one video, in which ``RegionSteps`` tracks people."""
        steps = RegionSteps(
            self._detect,
            partial(self._estimate, is_video=True),
            blazepose.find_new_regions,
            self._options.max_people,
        )
        return steps.follow(number)

    def _detect(self, image: Image) -> Steps[list[ImageTransform]]:
        """The region of each person whose face is found."""
        options = self._options
        seen = []
        for view in blazepose.detector_views(image_size(image), quarters=options.quarters):
            outputs = yield _request(self._detector, view.sample(image))
            seen.append(self._read_faces(outputs).to_image(view))
        faces = blazepose.merge_views(seen, options) if options.quarters else seen[0]
        return blazepose.body_regions(faces[: options.max_people])

    def _read_faces(self, outputs: Outputs) -> Detections:
        """The faces that the detector finds in its input."""
        if not self._is_decoded:
            return blazepose.decode_faces(outputs["Identity"], outputs["Identity_1"], self._options)
        keypoints, scores = _values(outputs)
        faces = Detections(np.zeros((len(scores), 4), np.float32), keypoints[..., :2], scores)
        return faces[scores > self._least_score]

    def _estimate(
        self, image: Image, regions: Sequence[ImageTransform], *, is_video: bool
    ) -> Steps[list[_Person]]:
        """The pose in each region, without duplicates, and its region in the next frame."""
        options = self._options
        people: list[_Person] = []
        for region in regions[: options.max_people]:
            picture = region.sample(image, repeats_edges=True)
            outputs = yield _request(self._landmarks, picture)
            if self._is_decoded:
                size = image_size(image)
                found = read_people(*_values(outputs), SKELETONS[blazepose.SKELETON], region.size)
                people += [(pose, None) for pose in to_image_pixels(found, region, size)]
                continue
            maps = {output.role: outputs[output.name] for output in self._outputs}
            pose = blazepose.decode_pose(maps, region, image_size(image))
            if pose and pose.score >= options.min_presence:
                following = blazepose.next_region(maps, region) if is_video else None
                people.append((pose, following))
        poses = [pose for pose, _ in people]
        kept = blazepose.find_distinct_poses(poses, max_similarity=options.max_similarity)
        return [people[place] for place in kept]


def _values(outputs: Outputs) -> tuple[Floats, Floats]:
    """The keypoints and scores of a network with its decoder."""
    return outputs["keypoints"].copy(), outputs["scores"].copy()


def _request(network: CompiledNetwork, picture: Image) -> InferenceRequest:
    (name,) = network.inputs
    return InferenceRequest(network, {name: picture[None]})
