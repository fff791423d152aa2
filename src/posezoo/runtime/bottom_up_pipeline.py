"""One network that looks at the whole image: OpenPose, associative embedding."""

from __future__ import annotations

from posezoo.errors import InferenceError, TargetSizeError
from posezoo.pose.decoders import decode_with_options, find_decoder
from posezoo.pose.keypoints import Pose
from posezoo.pose.letterbox import Image, ImageTransform, Size, letterbox_image, to_image_pixels
from posezoo.runtime.compiled_network import CompiledNetwork, Outputs
from posezoo.runtime.decoder_matching import match_output_roles
from posezoo.runtime.graph import Graph
from posezoo.runtime.inference_pipeline import InferenceRequest, PipelineSteps
from posezoo.runtime.pipeline_config import PipelineConfig, compile_image_network, image_input, image_layout


class BottomUpPipeline:
    """The steps of a network that looks at the whole image, letterboxed."""

    def __init__(self, config: PipelineConfig) -> None:
        self._decoder, self._options = config.decoder, config.decoder_options
        self._sizing = find_decoder(config.decoder).input_sizing
        graph = config.read_graph()
        roles = match_output_roles(config.model, config.decoder, graph)
        graph.keep_outputs(list(roles.values()))
        self.input_size = self._sized(graph, config)
        self._target = config.options.target_size or self._sizing.default_target
        network = compile_image_network(graph, config)
        self._network, self._roles = network, roles
        self.networks: tuple[CompiledNetwork, ...] = (network,)
        (self._input,) = network.inputs

    def __call__(self, image: Image) -> PipelineSteps:
        """The steps for one image."""
        seen: Size = image.shape[1::-1]
        size = self.input_size or self._sizing.input_size(self._target, seen)
        transform, picture = letterbox_image(image, size, self._sizing.padding)
        outputs = yield InferenceRequest(self._network, {self._input: picture[None]})
        maps = {role: outputs[name] for role, name in self._roles.items()}
        return self._poses(maps, transform, seen)

    def _poses(self, maps: Outputs, transform: ImageTransform, image: Size) -> list[Pose]:
        """From outputs by role to poses in pixels of the image, whose size is given."""
        return to_image_pixels(
            decode_with_options(self._decoder, maps, transform.size, self._options), transform, image
        )

    def _sized(self, graph: Graph, config: PipelineConfig) -> Size | None:
        """Give the input its size, and tell it; None where each image has its own."""
        name, layout = image_input(graph), image_layout(graph, config.preprocessing)
        own = graph.image_size(name, layout)
        varies = -1 in own
        aspect = config.options.aspect_size or (None if varies else own)
        if (config.options.target_size is None and config.options.aspect_size is None) or aspect is None:
            return None if varies else own
        target = config.options.target_size or (
            self._sizing.default_target if varies else self._sizing.target_size(own)
        )
        size = self._sizing.input_size(target, aspect)
        try:
            graph.resize(name, layout, size)
        except InferenceError as error:
            if config.options.target_size is not None:
                raise TargetSizeError(error.problem, hint="leave out the target size") from error
            if varies:
                raise
            return own  # the aspect is a wish only: the letterbox does the rest
        return size
