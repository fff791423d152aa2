"""Bottom-up: one network processes the whole image and finds all people at once."""

from __future__ import annotations

from posezoo.errors import InferenceError, TargetSizeError
from posezoo.pose.decoders import decode_with_options, find_decoder
from posezoo.pose.keypoints import Pose
from posezoo.pose.letterbox import Image, ImageTransform, Size, letterbox_image, to_image_pixels
from posezoo.runtime.compiled_network import Outputs
from posezoo.runtime.graph import Graph
from posezoo.runtime.inference_pipeline import PipelineSteps
from posezoo.runtime.network_pipeline import NetworkPipeline
from posezoo.runtime.pipeline_config import PipelineConfig, image_input


class BottomUpPipeline(NetworkPipeline):
    """Runs a network on the whole image, letterboxed."""

    def __init__(self, config: PipelineConfig) -> None:
        self._sizing = find_decoder(config.decoder).input_sizing
        self._target = config.options.target_size or self._sizing.default_target
        super().__init__(config)

    def __call__(self, image: Image) -> PipelineSteps:
        """The steps for one image."""
        image_size: Size = image.shape[1::-1]
        size = self.input_size or self._sizing.input_size(self._target, image_size)
        transform, letterboxed = letterbox_image(image, size, self._sizing.padding)
        maps = yield from self._infer(letterboxed)
        return self._decode(maps, transform, image_size)

    def _decode(self, maps: Outputs, transform: ImageTransform, image: Size) -> list[Pose]:
        """Decode outputs by role to poses in pixels of the image; ``image`` is its size."""
        poses = decode_with_options(self._decoder, maps, transform.size, self._options)
        return to_image_pixels(poses, transform, image)

    def _fit_input(self, graph: Graph, config: PipelineConfig) -> Size | None:
        options = config.options
        name, layout = image_input(graph, config.preprocessing)
        own = graph.image_size(name, layout)
        is_dynamic = -1 in own
        aspect = options.aspect_size or (None if is_dynamic else own)
        if (options.target_size is None and options.aspect_size is None) or aspect is None:
            return None if is_dynamic else own
        target = options.target_size or (
            self._sizing.default_target if is_dynamic else self._sizing.target_size(own)
        )
        size = self._sizing.input_size(target, aspect)
        try:
            graph.resize(name, layout, size)
        except InferenceError as error:
            if options.target_size is not None:
                raise TargetSizeError(error.problem, hint="leave out the target size") from error
            if is_dynamic:
                raise
            return own  # the aspect is optional: the letterbox fits any image
        return size
