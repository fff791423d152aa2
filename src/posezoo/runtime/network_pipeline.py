"""The base of all pipelines that run one network: its outputs by role, its input size, and inference."""

from __future__ import annotations

from collections.abc import Generator

from posezoo.pose.letterbox import Image, Size
from posezoo.runtime.compiled_network import Array, CompiledNetwork, Outputs
from posezoo.runtime.decoder_matching import match_output_roles
from posezoo.runtime.graph import Graph
from posezoo.runtime.inference_pipeline import InferenceRequest
from posezoo.runtime.pipeline_config import PipelineConfig, compile_image_network, fixed_input_size


class NetworkPipeline:
    """A pipeline around one network that takes images."""

    def __init__(self, config: PipelineConfig) -> None:
        self._decoder, self._options = config.decoder, config.decoder_options
        graph = config.read_graph()
        self._roles = match_output_roles(config.model, config.decoder, graph)
        graph.keep_outputs(list(self._roles.values()))
        self.input_size = self._fit_input(graph, config)
        self._network = compile_image_network(graph, config)
        self.networks: tuple[CompiledNetwork, ...] = (self._network,)
        (self._input,) = self._network.inputs

    def _fit_input(self, graph: Graph, config: PipelineConfig) -> Size | None:
        """Resize the input if requested; returns its size, or None if each image has its own size."""
        return fixed_input_size(graph, config)

    def _infer(self, image: Image) -> Generator[InferenceRequest, Outputs, dict[str, Array]]:
        """The outputs by role for an image of the input's size."""
        outputs = yield InferenceRequest(self._network, {self._input: image[None]})
        return {role: outputs[name] for role, name in self._roles.items()}
