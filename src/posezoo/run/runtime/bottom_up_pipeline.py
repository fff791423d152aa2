"""Bottom-up: one network processes the whole image, in one or more passes, and finds all people at
once.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from posezoo.core.errors import InferenceError, TargetSizeError
from posezoo.poses.augmentation_merge import AugmentedOutputs
from posezoo.poses.decoder_type import Maps
from posezoo.poses.decoders import DECODERS, find_decoder
from posezoo.poses.keypoints import Pose
from posezoo.poses.letterbox import Image, ImageTransform, Size, image_size
from posezoo.poses.lifting import lift_poses
from posezoo.run.runtime.compiled_network import Outputs
from posezoo.run.runtime.graph import Graph
from posezoo.run.runtime.inference_pipeline import PipelineSteps
from posezoo.run.runtime.network_pipeline import (
    NetworkPipeline,
    PipelineConfig,
    copy_outputs,
    image_input,
)


class BottomUpPipeline(NetworkPipeline):
    """Runs a network on the whole image, letterboxed to an input that may be resized."""

    def _fit_input(self, graph: Graph, config: PipelineConfig) -> Size | None:
        options = config.options
        name, layout = image_input(graph, config.description.preprocessing)
        declared_size = graph.image_size(name, layout)
        is_dynamic = -1 in declared_size
        aspect = options.aspect_size or (None if is_dynamic else declared_size)
        wanted = config.target_size
        if (wanted is None and options.aspect_size is None) or aspect is None:
            return None if is_dynamic else declared_size
        target = self._target
        if wanted is None and not is_dynamic:
            target = self._sizing.target_size(declared_size)
        size = self._sizing.input_size(target, aspect)
        try:
            graph.resize(name, layout, size)
        except InferenceError as error:
            if options.target_size is not None:
                raise TargetSizeError(error.problem) from error
            if is_dynamic:
                raise
            return declared_size  # the aspect is optional: the letterbox fits any image
        return size


class LiftingPipeline(BottomUpPipeline):
    """Runs human-pose-estimation-3d-0001: a camera model gives 3D positions."""

    def _decode(self, maps: Outputs, transform: ImageTransform, image: Size) -> list[Pose]:
        # Decoded directly in pixels of the image: the camera points at the image's middle, not the
        # input's.
        arrays = {role: array[0] for role, array in maps.items()}
        return lift_poses(arrays, transform, image, self._options)


class TestTimeAugmentation(BottomUpPipeline):
    """Runs a bottom-up network in several passes, mirrored and at other scales, and merges their
    outputs.
    """

    def __init__(self, config: PipelineConfig) -> None:
        decoder = find_decoder(config.decoder)
        if decoder.merge_passes is None:
            names = [name for name, other in DECODERS.items() if other.merge_passes]
            raise InferenceError(
                f"{config.model.full_name}: test-time augmentation is not supported for decoder "
                f"{config.decoder}",
                hint=f"it is supported for {', '.join(names)}, and a flip for heatmap and simcc",
            )
        self._merge_passes = decoder.merge_passes
        self._convert_outputs = decoder.convert_outputs
        self._flip = config.options.flip
        self._scales = config.options.scales
        if 1.0 not in self._scales or min(self._scales) <= 0:
            scales = ", ".join(map(str, self._scales))
            raise InferenceError(f"scales: expected numbers above 0, 1 among them, got {scales}")
        super().__init__(config)
        self._at_scale = {scale: self._resize(config, scale) for scale in self._scales}
        networks = (pipeline._network for pipeline in self._at_scale.values())
        self.networks = tuple(dict.fromkeys((self._network, *networks)))

    def _resize(self, config: PipelineConfig, scale: float) -> BottomUpPipeline:
        if self.input_size is None or scale == 1:
            return self
        size = self._scale(self.input_size, scale)
        target = self._sizing.target_size(size)
        options = replace(config.options, target_size=target, aspect_size=size)
        return BottomUpPipeline(replace(config, irs=(self._network.path,), options=options))

    def __call__(self, image: Image) -> PipelineSteps:
        """The steps for one image."""
        transform, letterboxed = self._fit_image(image)
        passes = []
        for scale, pipeline in self._at_scale.items():
            # The input shows the same part of the image at another size; its sides are rounded to
            # the stride.
            own_size = pipeline.input_size or self._scale(transform.size, scale)
            across = own_size[0] / transform.size[0]
            down = own_size[1] / transform.size[1]
            stretch = np.array([[across], [down]])
            scaled = ImageTransform(transform.matrix * stretch, own_size)
            picture = letterboxed
            if scale != 1:
                picture = scaled.warp(image, self._sizing.padding)
            for mirrored in (False, True) if self._flip else (False,):
                taken = picture
                if mirrored:
                    taken = np.ascontiguousarray(picture[:, ::-1])
                maps: Maps = copy_outputs((yield from pipeline._infer(taken)))
                if self._convert_outputs:
                    maps = self._convert_outputs(maps)
                passes.append(AugmentedOutputs(maps, mirrored, scale))
        return self._decode(
            self._merge_passes(passes, self._options.skeleton), transform, image_size(image)
        )

    def _scale(self, size: Size, scale: float) -> Size:
        if scale == 1:
            return size
        return self._sizing.input_size(round(self._sizing.target_size(size) * scale), size)
