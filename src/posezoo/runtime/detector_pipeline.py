"""A detector without a pose network: it returns people as boxes."""

from __future__ import annotations

from posezoo.pose.decoders import decode_with_options
from posezoo.pose.letterbox import Image, Size, stretch_transform
from posezoo.runtime.inference_pipeline import PipelineSteps
from posezoo.runtime.network_pipeline import NetworkPipeline


class DetectorPipeline(NetworkPipeline):
    """Runs a detector on the whole image, stretched to its input as in its training."""

    def __call__(self, image: Image) -> PipelineSteps:
        """The steps for one image."""
        size: Size = image.shape[1::-1]
        assert self.input_size is not None
        maps = yield from self._infer(stretch_transform(size, self.input_size).warp(image))
        # Boxes are relative to the whole image.
        return decode_with_options(self._decoder, maps, size, self._options)
