"""A detector alone: people as boxes."""

from __future__ import annotations

from posezoo.pose.decoders import decode_with_options
from posezoo.pose.letterbox import Image, Size, stretch_transform
from posezoo.runtime.decoder_matching import match_output_roles
from posezoo.runtime.inference_pipeline import InferenceRequest, PipelineSteps
from posezoo.runtime.pipeline_config import PipelineConfig, compile_image_network, fixed_input_size


class DetectorPipeline:
    """The steps of a detector: it sees the whole image, stretched to its input as in its training."""

    def __init__(self, config: PipelineConfig) -> None:
        self._decoder, self._options = config.decoder, config.decoder_options
        graph = config.read_graph(0)
        self._roles = match_output_roles(config.model, config.decoder, graph)
        graph.keep_outputs(list(self._roles.values()))
        self._size = fixed_input_size(graph, config)
        self.input_size: Size | None = self._size
        self._network = compile_image_network(graph, config)
        self.networks = (self._network,)
        (self._input,) = self._network.inputs

    def __call__(self, image: Image) -> PipelineSteps:
        """The steps for one image."""
        seen: Size = image.shape[1::-1]
        transform = stretch_transform(seen, self._size)
        outputs = yield InferenceRequest(self._network, {self._input: transform.warp(image)[None]})
        maps = {role: outputs[name] for role, name in self._roles.items()}
        # Boxes come as shares of what was seen: the image.
        return decode_with_options(self._decoder, maps, seen, self._options)
