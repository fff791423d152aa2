"""Top-down: a detector looks at the whole image, the model at every person it found."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from copy import copy
from dataclasses import replace

import numpy as np

from posezoo.pose import crops
from posezoo.pose.crops import Color, CropFunction, PersonCrop
from posezoo.pose.decoders import decode_with_options, find_decoder
from posezoo.pose.heatmap import CONVENTIONS, HeatmapOptions
from posezoo.pose.keypoints import Pose
from posezoo.pose.letterbox import Image, Size, to_image_pixels
from posezoo.pose.ssd_detection import Box
from posezoo.pose.top_down import TopDownOptions, suppress_by_oks
from posezoo.runtime.compiled_network import Array, CompiledNetwork, Outputs
from posezoo.runtime.decoder_matching import match_output_roles
from posezoo.runtime.inference_pipeline import InferenceRequest, Pipeline, PipelineSteps
from posezoo.runtime.pipeline_config import PipelineConfig, compile_image_network, fixed_input_size
from posezoo.spec.model import ColorOrder, ModelSpec

_BLACK: Color = (0, 0, 0)


class TopDownPipeline:
    """The steps of a network that is shown one person at a time."""

    def __init__(self, config: PipelineConfig) -> None:
        self._decoder = config.decoder
        self._has_pixel_centers = find_decoder(config.decoder).has_pixel_centers
        self._options: TopDownOptions = config.decoder_options
        self._crop, self._blank = _cropping(config)
        graph = config.read_graph(0)
        self._roles = match_output_roles(config.model, config.decoder, graph)
        graph.keep_outputs(list(self._roles.values()))
        self._size = fixed_input_size(graph, config)
        self._network = compile_image_network(graph, config)
        (self._input,) = self._network.inputs
        self._detector: Pipeline | None = None
        self.networks: tuple[CompiledNetwork, ...] = (self._network,)
        self.input_size: Size | None = self._size

    def with_detector(self, detector: Pipeline) -> TopDownPipeline:
        """The same network, shown the people whose boxes another pipeline finds first."""
        both = copy(self)
        both._detector = detector
        both.networks = (*detector.networks, self._network)
        both.input_size = detector.input_size
        return both

    def __call__(self, image: Image) -> PipelineSteps:
        """The steps for one image; without a detector it is all of one person."""
        if self._detector is None:
            everything = Box(0, 0, image.shape[1], image.shape[0])
            return (yield from self._seen(image, [everything], padding=1))
        found = yield from self._detector(image)
        return (yield from self.steps_for_boxes(image, [Box(*pose.box, pose.score) for pose in found]))

    def steps_for_boxes(self, image: Image, boxes: Sequence[Box]) -> PipelineSteps:
        """The steps for the people in these boxes of an image, the surest of them."""
        surest = sorted(boxes, key=lambda box: -box.score)[: self._options.max_people]
        return (yield from self._seen(image, surest, self._options.padding))

    def _seen(self, image: Image, boxes: Sequence[Box], padding: float) -> PipelineSteps:
        size: Size = image.shape[1::-1]
        poses, areas = [], []
        for box in boxes:
            seen = box.clip(size)
            if not (seen.width > 0 and seen.height > 0):
                continue
            crop = self._crop(box, size, self._size, padding)
            for pose in (yield from self._predict_crop(crop, image)):
                poses.append(replace(pose, score=pose.score * box.score))
                areas.append(crop.area)
        return suppress_by_oks(poses, areas, max_similarity=self._options.max_similarity)

    def _predict_crop(
        self, crop: PersonCrop, image: Image
    ) -> Generator[InferenceRequest, Outputs, list[Pose]]:
        """The one pose in a crop, in image pixels, or none."""
        picture = crop.extract(image, self._blank)
        maps = yield from self._ask(picture)
        if isinstance(self._options, HeatmapOptions) and self._options.flip:
            maps = {role: each.copy() for role, each in maps.items()}  # ours only until the next ask
            mirrored = yield from self._ask(np.ascontiguousarray(picture[:, ::-1]))
            maps["flipped_heatmaps"] = mirrored["heatmaps"]
        poses = decode_with_options(self._decoder, maps, self._size, self._options)
        if self._has_pixel_centers:
            for pose in poses:
                pose.keypoints[pose.keypoints[:, 2] > 0, :2] += 0.5
        return to_image_pixels(poses, crop.view, image.shape[1::-1])

    def _ask(self, image: Image) -> Generator[InferenceRequest, Outputs, dict[str, Array]]:
        outputs = yield InferenceRequest(self._network, {self._input: image[None]})
        return {role: outputs[name] for role, name in self._roles.items()}


def _cropping(config: PipelineConfig) -> tuple[CropFunction, Color]:
    """How people are cut out, and what is put where a crop shows nothing, BGR."""
    if not isinstance(config.decoder_options, HeatmapOptions):
        return crops.crop_fit, _BLACK
    convention = CONVENTIONS[config.decoder_options.convention]
    return convention.crop, _mean(config) if convention.blank_is_mean else _BLACK


def _mean(config: PipelineConfig) -> Color:
    """What becomes zero in the network, BGR."""
    mean, is_rgb = config.preprocessing.mean, config.preprocessing.reverse_input_channels
    if not mean and isinstance(config.model, ModelSpec) and config.model.inputs:
        declared = config.model.inputs[0]
        mean, is_rgb = declared.mean, declared.color is ColorOrder.RGB
    first, second, third = mean * 3 if len(mean) == 1 else mean or _BLACK
    return (third, second, first) if is_rgb else (first, second, third)
