"""The base of pipelines that run one network: its configuration, its input and outputs, and
inference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.declarations.model import Model
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.declarations.skeletons import SKELETONS, skeleton_of
from posezoo.core.errors import DecoderError, InferenceError, TargetSizeError, sanitize
from posezoo.core.values import frozen
from posezoo.poses.classification import CENTRAL_SHARE, IMAGENET
from posezoo.poses.decoder_type import DecoderType
from posezoo.poses.decoders import decode_with_options, find_decoder
from posezoo.poses.keypoints import Pose, read_people, require_count
from posezoo.poses.letterbox import (
    Image,
    ImageTransform,
    Size,
    center_transform,
    fit_image,
    image_size,
    to_image_pixels,
)
from posezoo.poses.ssd_detection import create_box_poses
from posezoo.run.runtime.compiled_network import CompiledNetwork, Outputs
from posezoo.run.runtime.decoder_matching import format_outputs, match_output_roles
from posezoo.run.runtime.graph import Graph, Preprocessing, format_shape, read_graph
from posezoo.run.runtime.inference_pipeline import InferenceRequest, PipelineSteps, Steps
from posezoo.run.runtime.input_description import InputDescription, are_channels_last, usual_sizing
from posezoo.run.runtime.runtime_config import LoadOptions

_NAME_DECODER = "decoder in a model.yml names one for such outputs"


@frozen
class PipelineConfig:
    """A model, its IRs, and how they are run.

    Attributes:
        irs: the .xml or graph of each network, in the order in which they run.
        decoder: a name of ``poses.decoders.DECODERS``.
        decoder_options: an instance of the decoder's ``options``.
        description: how images get into the networks, and the names of what they find.
        options: where and how the model runs.
    """

    model: Model
    irs: tuple[Path | Graph, ...]
    decoder: str
    decoder_options: Any
    description: InputDescription
    options: LoadOptions

    def read_graph(self, place: int = 0) -> Graph:
        """Read one of the IRs, unless it has already been read.

        Raises:
            InferenceError: it is missing or damaged.
        """
        return read_graph(self.irs[place])

    @property
    def target_size(self) -> int | None:
        """The size to which images are resized: the user's, else the declared one."""
        return self.options.target_size or self.model.target_size

    def refuse_target_size(self) -> None:
        """Refuse a target size, as the input size is fixed.

        Raises:
            TargetSizeError: a target size is given.
        """
        if self.options.target_size is not None:
            raise TargetSizeError(f"{self.model.full_name}: its input size is fixed")


def image_input(graph: Graph, preprocessing: Preprocessing) -> tuple[str, str]:
    """The name of the input that takes images, and its layout: NCHW or NHWC.

    Raises:
        InferenceError: the IR does not have exactly one input, or the layout is unknown or does not
            fit the input's shape.
    """
    names = list(graph.inputs)
    if len(names) != 1:
        raise InferenceError(f"{graph.path}: takes {', '.join(names) or 'nothing'}, not one image")
    ((name, shape),) = graph.inputs.items()
    layout = preprocessing.layout or graph.image_layout(name)
    if not layout or len(shape) != 4 or shape[layout.index("C")] not in (3, -1):
        raise InferenceError(
            f"{graph.path}: its input {name}, {format_shape(shape)}, takes no images of three"
            " colors" + (f" as {layout}" if layout else ""),
            hint="give the layout, NCHW or NHWC, if you know it",
        )
    return name, layout


def compile_image_network(graph: Graph, config: PipelineConfig) -> CompiledNetwork:
    """Compile a network that takes one image without preprocessing: uint8 (1, height, width, 3),
    BGR.

    Raises:
        InferenceError: the IR takes no images, or the device refuses it.
    """
    preprocessing = config.description.preprocessing
    name, _ = image_input(graph, preprocessing)
    graph.embed_preprocessing(name, preprocessing)
    return CompiledNetwork(graph, config.options.runtime)


def _roles_with_channels_last(
    graph: Graph, record: DecoderType, roles: Mapping[str, str]
) -> list[str]:
    """The roles of maps of keypoints in NHWC, which the decoder takes in NCHW."""
    if not record.takes_boxes or graph.decoded_outputs:
        return []
    of_maps = [output.role for output in record.networks[-1] if output.shape == (1, -1, -1, -1)]
    return [role for role in of_maps if are_channels_last(graph, graph.outputs[roles[role]])]


def copy_outputs(outputs: Outputs) -> dict[str, Array]:
    """Copies of a network's outputs, which are valid only until its next request."""
    return {role: output.copy() for role, output in outputs.items()}


class NetworkPipeline:
    """Runs one network on the whole image, stretched or letterboxed as in its training.

    Attributes:
        labels: the names of its classes, by their numbers; empty if they are unknown.
        min_person_score: the least score of a person, 0..1; 0 if the decoder has none.
    """

    def __init__(self, config: PipelineConfig) -> None:
        self._decoder = config.decoder
        self._record = find_decoder(config.decoder)
        description = config.description
        self._sizing = description.sizing or usual_sizing(self._record)
        if config.target_size:
            self._sizing = replace(self._sizing, window=None)
        self._target = config.target_size or self._sizing.default_target
        self.labels = description.labels
        self._options = config.decoder_options
        graph = config.read_graph()
        self._roles = match_output_roles(config.model, config.decoder, graph)
        graph.keep_outputs(list(self._roles.values()))
        self._channels_last = _roles_with_channels_last(graph, self._record, self._roles)
        self._is_decoded = bool(graph.decoded_outputs)
        self.min_person_score: float = getattr(self._options, self._record.person_score, 0.0)
        self._min_score = 0.0
        if self._is_decoded:
            self._skeleton = self._find_skeleton(graph, config)
            self.min_person_score = self._min_score = self._decoded_min_score(graph, config)
        self.input_size = description.size or self._fit_input(graph, config)
        self._network = compile_image_network(graph, config)
        self.networks: tuple[CompiledNetwork, ...] = (self._network,)
        (self._input,) = self._network.inputs
        if self.input_size and not self._is_decoded:
            self._require_decodable(graph, self.input_size)

    def _decoded_min_score(self, graph: Graph, config: PipelineConfig) -> float:
        """The least score of a person: what the user wants, else that of the decoder in the IR."""
        least = graph.read_decoding_score()
        wanted = config.options.min_person_score
        if wanted is None:
            return least
        if wanted < least:
            raise InferenceError(
                f"{graph.path}: contains its decoder, which drops people with a score below"
                f" {least:g}",
                hint=f"convert it with --min_score {wanted:g}",
            )
        return wanted

    def _find_skeleton(self, graph: Graph, config: PipelineConfig) -> Skeleton:
        count = next(iter(graph.outputs.get("keypoints", ())[1:2]), 0)
        if (declared := config.model.own_skeleton) is not None:
            require_count(declared, count)
            return declared
        fixed = "" if self._record.takes_skeleton else self._record.skeleton
        skeleton = SKELETONS[fixed or skeleton_of(count)]
        needed = len(skeleton.keypoints)
        if count not in (0, needed):
            raise InferenceError(
                f"{graph.path}: finds no poses by itself: its people have {count} keypoints, not"
                f" {needed}",
                hint="run the model that it is a part of",
            )
        return skeleton

    def _fit_input(self, graph: Graph, config: PipelineConfig) -> Size | None:
        config.refuse_target_size()
        size = graph.image_size(*image_input(graph, config.description.preprocessing))
        if -1 in size:
            raise InferenceError(
                f"{graph.path}: its input size is dynamic, so the expected size of a person is"
                " unknown",
                hint="convert it with a fixed size: with --input_shape, without --dynamic",
            )
        return size

    def _require_decodable(self, graph: Graph, size: Size) -> None:
        """Decode outputs of zeros, so that other sizes or types are an error before the first
        image.
        """
        outputs = {}
        for name in self._roles.values():
            shape = graph.outputs[name]
            if -1 in shape[1:]:
                return
            sides = [abs(side) for side in shape]  # one image of a batch of any size
            outputs[name] = np.zeros(sides, graph.model.output(name).get_element_type().to_dtype())
        try:
            self._decode_outputs(self._by_role(outputs), size)
        except (ValueError, IndexError, InferenceError) as error:
            reason, hint = sanitize(str(error)), ""
            if isinstance(error, InferenceError):
                reason, hint = error.problem, error.hint
            raise DecoderError(
                f"{graph.path}: the decoder {self._decoder} does not fit its outputs"
                f" {format_outputs(graph)}: {reason}",
                decoder=self._decoder,
                hint=hint or _NAME_DECODER,
            ) from error

    def __call__(self, image: Image) -> PipelineSteps:
        """The steps for one image."""
        transform, picture = self._fit_image(image)
        maps = yield from self._infer(picture)
        return self._decode(maps, transform, image_size(image))

    def _fit_image(self, image: Image) -> tuple[ImageTransform, Image]:
        size = self.input_size or self._sizing.input_size(self._target, image_size(image))
        return fit_image(image, size, self._sizing)

    def _decode(self, maps: Outputs, transform: ImageTransform, image: Size) -> list[Pose]:
        """Decode outputs by role to poses in pixels of the image, whose size is ``image``, with the
        names of their classes.
        """
        poses = self._decode_outputs(maps, transform.size)
        has_own_boxes = self._record.has_own_boxes and not self._is_decoded
        poses = to_image_pixels(
            poses,
            transform,
            image,
            seen_from=self._record.visible_score,
            has_own_boxes=has_own_boxes,
        )
        if self._record.has_classes and not self.labels:  # of a single class, that nobody names
            return [replace(pose, class_id=None) for pose in poses]
        return self._name_classes(poses)

    def _infer(self, image: Image) -> Steps[dict[str, Array]]:
        outputs = yield InferenceRequest(self._network, {self._input: image[None]})
        return self._by_role(outputs)

    def _by_role(self, outputs: Outputs) -> dict[str, Array]:
        maps = {role: outputs[name] for role, name in self._roles.items()}
        for role in self._channels_last:
            maps[role] = maps[role].transpose(0, 3, 1, 2)
        return maps

    def _name_classes(self, objects: list[Pose]) -> list[Pose]:
        named = []
        for each in objects:
            number = each.class_id
            if number is None:
                return objects
            is_known = 0 <= number < len(self.labels)
            label = self.labels[number] if is_known else f"class {number}"
            named.append(replace(each, label=label))
        return named

    def _decode_outputs(self, maps: Outputs, size: Size) -> list[Pose]:
        """The people in outputs by role, in continuous coordinates of an input of this size."""
        if self._is_decoded:
            values, scores = (maps[role].copy() for role in self._roles)
            people = read_people(values, scores, self._skeleton, size)
            return [pose for pose in people if pose.score >= self._min_score]
        poses = decode_with_options(self._decoder, maps, size, self._options)
        if self._record.has_pixel_centers:
            for pose in poses:
                pose.keypoints[pose.keypoints[:, 2] > 0, :2] += 0.5
        return poses


class ClassifierPipeline(NetworkPipeline):
    """Runs a classifier on the central square of an image if its classes are ImageNet's, and its
    metadata do not say otherwise; else on the whole image, stretched.
    """

    def __init__(self, config: PipelineConfig) -> None:
        super().__init__(config)
        self._is_stated = config.description.sizing is not None
        sizes = map(math.prod, self._network.outputs.values())
        self._is_imagenet = any(size in IMAGENET for size in sizes)

    def _fit_image(self, image: Image) -> tuple[ImageTransform, Image]:
        if not self._is_imagenet or self._is_stated:
            return super()._fit_image(image)
        assert self.input_size is not None
        transform = center_transform(image_size(image), self.input_size, CENTRAL_SHARE)
        return transform, transform.warp(image)

    def _decode(self, maps: Outputs, transform: ImageTransform, image: Size) -> list[Pose]:
        width, height = image
        box = (0.0, 0.0, float(width), float(height))
        classes = self._decode_outputs(maps, transform.size)
        return self._name_classes([replace(pose, box=box) for pose in classes])


class DetectorPipeline(NetworkPipeline):
    """Runs a detector on the whole image, stretched or letterboxed as in its training."""

    def _decode(self, maps: Outputs, transform: ImageTransform, image: Size) -> list[Pose]:
        people = self._decode_outputs(maps, transform.size)
        corners = np.array([pose.box for pose in people], np.float64).reshape(-1, 2, 2)
        scores = np.array([pose.score for pose in people])
        boxes = transform.to_image(corners).reshape(-1, 4)
        classes = None
        if any(pose.class_id is not None for pose in people):
            classes = np.array([pose.class_id for pose in people])
        return self._name_classes(create_box_poses(boxes, scores, image, classes))
