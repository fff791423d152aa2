"""A network that passes at the whole image several times: mirrored, and at other scales."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from posezoo.errors import InferenceError
from posezoo.pose.augmentation_merge import AugmentedOutputs
from posezoo.pose.decoders import DECODERS, find_decoder
from posezoo.pose.letterbox import Image, ImageTransform, Size, letterbox_image
from posezoo.runtime.bottom_up_pipeline import BottomUpPipeline
from posezoo.runtime.compiled_network import CompiledNetwork
from posezoo.runtime.inference_pipeline import InferenceRequest, PipelineSteps
from posezoo.runtime.pipeline_config import PipelineConfig


class TestTimeAugmentation(BottomUpPipeline):
    """The steps of a network whose answers to several passes at an image are averaged."""

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
        self._others = {scale: self._network_at_scale(scale, config) for scale in self._scales if scale != 1}
        others = (each._network for each in self._others.values())
        self.networks: tuple[CompiledNetwork, ...] = tuple(dict.fromkeys((self._network, *others)))

    def __call__(self, image: Image) -> PipelineSteps:
        """The steps for one image."""
        seen: Size = image.shape[1::-1]
        size = self.input_size or self._sizing.input_size(self._target, seen)
        default, first = letterbox_image(image, size, self._sizing.padding)
        passes = []
        for scale in self._scales:
            network = self._others.get(scale, self)
            transform = _stretched(default, network.input_size or self._scaled(size, scale))
            picture = first if scale == 1 else transform.warp(image, self._sizing.padding)
            for mirrored in (False, True) if self._flip else (False,):
                shown = np.ascontiguousarray(picture[:, ::-1]) if mirrored else picture
                outputs = yield InferenceRequest(network._network, {network._input: shown[None]})
                # What was sent is the network's own memory, and good until the next ask alone.
                maps = {role: outputs[name].copy() for role, name in self._roles.items()}
                passes.append(
                    AugmentedOutputs(
                        maps if self._convert_outputs is None else self._convert_outputs(maps),
                        mirrored,
                        scale,
                    )
                )
        return self._poses(self._merge_passes(passes), default, seen)

    def _network_at_scale(self, scale: float, config: PipelineConfig) -> BottomUpPipeline:
        """The same network at another scale; itself where it takes pictures of any size."""
        if self.input_size is None:
            return self
        width, height = self._scaled(self.input_size, scale)
        target = self._sizing.target_size((width, height))
        return BottomUpPipeline(
            replace(
                config,
                graphs=(),
                options=replace(config.options, target_size=target, aspect_size=(width, height)),
            )
        )

    def _scaled(self, size: Size, scale: float) -> Size:
        return (
            size
            if scale == 1
            else self._sizing.input_size(round(self._sizing.target_size(size) * scale), size)
        )


def _stretched(transform: ImageTransform, size: Size) -> ImageTransform:
    """The same part of the image in an input of another size, whose sides are rounded to the stride."""
    stretch = np.array([[size[0] / transform.size[0]], [size[1] / transform.size[1]]])
    return ImageTransform(transform.matrix * stretch, size)
