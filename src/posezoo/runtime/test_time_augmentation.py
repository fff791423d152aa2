"""Test-time augmentation: a network runs on an image several times, mirrored and at other scales."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from posezoo.errors import InferenceError
from posezoo.pose.augmentation_merge import AugmentedOutputs
from posezoo.pose.decoders import DECODERS, find_decoder
from posezoo.pose.letterbox import Image, ImageTransform, Size, letterbox_image
from posezoo.runtime.bottom_up_pipeline import BottomUpPipeline
from posezoo.runtime.inference_pipeline import PipelineSteps
from posezoo.runtime.pipeline_config import PipelineConfig


class TestTimeAugmentation(BottomUpPipeline):
    """Runs a bottom-up network in several passes and merges their outputs."""

    def __init__(self, config: PipelineConfig) -> None:
        decoder = find_decoder(config.decoder)
        if decoder.merge_passes is None:
            names = [name for name, other in DECODERS.items() if other.merge_passes is not None]
            raise InferenceError(
                f"{config.model.full_name}: test-time augmentation is not supported for decoder "
                f"{config.decoder}",
                hint=f"it is supported for {', '.join(names)}, and a flip for heatmap",
            )
        self._merge_passes, self._convert_outputs = decoder.merge_passes, decoder.convert_outputs
        self._flip, self._scales = config.options.flip, config.options.scales
        if 1.0 not in self._scales or min(self._scales) <= 0:
            scales = ", ".join(map(str, self._scales))
            raise InferenceError(f"scales: expected numbers above 0, 1 among them, got {scales}")
        super().__init__(config)
        self._at_scale = {scale: self._pipeline_at_scale(scale, config) for scale in self._scales}
        self.networks = tuple(
            dict.fromkeys((self._network, *(pipeline._network for pipeline in self._at_scale.values())))
        )

    def __call__(self, image: Image) -> PipelineSteps:
        """The steps for one image."""
        image_size: Size = image.shape[1::-1]
        size = self.input_size or self._sizing.input_size(self._target, image_size)
        transform, letterboxed = letterbox_image(image, size, self._sizing.padding)
        passes = []
        for scale, pipeline in self._at_scale.items():
            # The input shows the same part of the image at another size; its sides are rounded to the stride.
            own_size = pipeline.input_size or self._scale(size, scale)
            stretch = np.array([[own_size[0] / transform.size[0]], [own_size[1] / transform.size[1]]])
            scaled = ImageTransform(transform.matrix * stretch, own_size)
            picture = letterboxed if scale == 1 else scaled.warp(image, self._sizing.padding)
            for mirrored in (False, True) if self._flip else (False,):
                outputs = yield from pipeline._infer(
                    np.ascontiguousarray(picture[:, ::-1]) if mirrored else picture
                )
                # The outputs are copied: they are valid only until the network's next request.
                maps = {role: output.copy() for role, output in outputs.items()}
                converted = maps if self._convert_outputs is None else self._convert_outputs(maps)
                passes.append(AugmentedOutputs(converted, mirrored, scale))
        return self._decode(self._merge_passes(passes), transform, image_size)

    def _pipeline_at_scale(self, scale: float, config: PipelineConfig) -> BottomUpPipeline:
        """A pipeline of the same network with another input size; this one if the network takes any size."""
        if self.input_size is None or scale == 1:
            return self
        size = self._scale(self.input_size, scale)
        options = replace(config.options, target_size=self._sizing.target_size(size), aspect_size=size)
        return BottomUpPipeline(replace(config, graphs=(), options=options))

    def _scale(self, size: Size, scale: float) -> Size:
        if scale == 1:
            return size
        return self._sizing.input_size(round(self._sizing.target_size(size) * scale), size)
