"""BlazePose: a detector looks at the whole image, a landmark network at every person it found."""

from __future__ import annotations

from collections.abc import Generator

from posezoo.errors import InferenceError
from posezoo.pose import blazepose
from posezoo.pose.blazepose import BlazePoseOptions
from posezoo.pose.keypoints import Pose
from posezoo.pose.letterbox import Image, ImageTransform, Size, letterbox_transform
from posezoo.runtime.compiled_network import CompiledNetwork, Outputs
from posezoo.runtime.graph import Graph, format_shape
from posezoo.runtime.inference_pipeline import InferenceRequest, PipelineSteps
from posezoo.runtime.pipeline_config import PipelineConfig, compile_image_network
from posezoo.spec.model import Output


class BlazePosePipeline:
    """The steps of BlazePose's two networks."""

    def __init__(self, config: PipelineConfig) -> None:
        config.refuse_target_size()
        self._options: BlazePoseOptions = config.decoder_options
        self._detector, self._landmarks = (
            compile_image_network(_fitting(config.read_graph(place), outputs), config)
            for place, outputs in enumerate(blazepose.DECODER.networks)
        )
        self.networks = (self._detector, self._landmarks)
        self.input_size: Size | None = blazepose.DETECTOR_SIZE

    def __call__(self, image: Image) -> PipelineSteps:
        """The steps for one image."""
        options = self._options
        transform = letterbox_transform(image.shape[1::-1], blazepose.DETECTOR_SIZE)
        outputs = yield _look(self._detector, transform, image)
        found = blazepose.decode_detections(
            outputs["Identity"],
            outputs["Identity_1"],
            min_score=options.min_detection_score,
            max_overlap=options.max_overlap,
            weighted=options.weighted,
        )
        squares = blazepose.body_regions(found[: options.max_people], transform)
        poses = []
        for square in squares:
            pose = yield from self._pose(square, image)
            if pose is not None:
                poses.append(pose)
        poses = blazepose.remove_duplicate_faces(poses, max_similarity=options.max_similarity)
        return sorted(poses, key=lambda pose: -pose.score)

    def _pose(
        self, square: ImageTransform, image: Image
    ) -> Generator[InferenceRequest, Outputs, Pose | None]:
        outputs = yield _look(self._landmarks, square, image)
        presence = float(outputs["Identity_1"].item())
        if presence < self._options.min_presence:
            return None
        return blazepose.decode_pose(outputs["Identity"], presence, square, image.shape[1::-1])


def _fitting(graph: Graph, outputs: tuple[Output, ...]) -> Graph:
    graph.keep_outputs([output.name for output in outputs])
    for output in outputs:
        found = graph.outputs[output.name]
        if found != output.shape:
            raise InferenceError(
                f"{graph.path}: is another network: its output {output.name} is {format_shape(found)}, "
                f"not {format_shape(output.shape)}"
            )
    return graph


def _look(network: CompiledNetwork, transform: ImageTransform, image: Image) -> InferenceRequest:
    (name,) = network.inputs
    return InferenceRequest(network, {name: transform.warp(image)[None]})
