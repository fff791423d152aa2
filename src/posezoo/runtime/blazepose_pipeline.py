"""BlazePose: a detector processes the whole image, a landmark network a region for each person it
finds.
"""

from __future__ import annotations

from posezoo.errors import InferenceError
from posezoo.pose import blazepose
from posezoo.pose.blazepose import BlazePoseOptions
from posezoo.pose.letterbox import Image, Size
from posezoo.runtime.compiled_network import CompiledNetwork
from posezoo.runtime.graph import format_shape
from posezoo.runtime.inference_pipeline import InferenceRequest, PipelineSteps
from posezoo.runtime.network_pipeline import PipelineConfig, compile_image_network


class BlazePosePipeline:
    """Runs BlazePose's two networks."""

    def __init__(self, config: PipelineConfig) -> None:
        config.refuse_target_size()
        self._options: BlazePoseOptions = config.decoder_options
        networks = []
        detections, landmarks = blazepose.DECODER.networks
        optional = blazepose.DECODER.optional
        if not self._options.segmentation:
            optional = tuple(output for output in optional if output != blazepose.SEGMENTATION)
        self._outputs = (*landmarks, *optional)
        for place, outputs in enumerate((detections, self._outputs)):
            graph = config.read_graph(place)
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
        options = self._options
        seen = []
        for view in blazepose.detector_views(image.shape[1::-1], quarters=options.quarters):
            outputs = yield _request(self._detector, view.sample(image))
            faces = blazepose.decode_detections(outputs["Identity"], outputs["Identity_1"], options)
            seen.append(faces.to_image(view))
        faces = blazepose.merge_views(seen, options) if options.quarters else seen[0]
        poses = []
        for region in blazepose.body_regions(faces[: options.max_people]):
            picture = region.sample(image, repeats_edges=True)
            outputs = yield _request(self._landmarks, picture)
            maps = {output.role: outputs[output.name] for output in self._outputs}
            pose = blazepose.decode_pose(maps, region, image.shape[1::-1])
            if pose is not None and pose.score >= options.min_presence:
                poses.append(pose)
        poses = blazepose.remove_duplicate_poses(poses, max_similarity=options.max_similarity)
        return sorted(poses, key=lambda pose: -pose.score)


def _request(network: CompiledNetwork, picture: Image) -> InferenceRequest:
    (name,) = network.inputs
    return InferenceRequest(network, {name: picture[None]})
