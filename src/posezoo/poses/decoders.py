"""Decode the outputs of a network to poses, with one of the decoders in the table ``DECODERS``.

A new decoder is a module with a ``DECODER`` record and a line in ``DECODERS``, or an entry point of
another package in the group ``posezoo.decoders``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from posezoo.core.declarations.model import Decoder, Input, Model, Output, fits
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.errors import DecoderError, InferenceError, suggest
from posezoo.core.plugins import LazyTable
from posezoo.poses.decoder_type import DecoderType, Maps, OutputRule, Shape, has_shape
from posezoo.poses.keypoints import Pose
from posezoo.poses.letterbox import STRETCH, InputSizing, Size
from posezoo.poses.top_down import crop_stretch

Option = str | int | float | bool

#: The option with which a decoder adds ``mask`` to its poses.
MASKS = "segmentation"

#: The order matters: an IR is assigned to the first decoder that its outputs fit. For example, the
#: outputs for lifting_3d also fit openpose.
DECODERS = LazyTable(
    "posezoo.decoders",
    DecoderType,
    {
        "blazepose": "posezoo.poses.blazepose:DECODER",
        "blazeface": "posezoo.poses.blazeface:DECODER",
        "hand_landmarks": "posezoo.poses.landmarks:HAND",
        "face_landmarks": "posezoo.poses.landmarks:FACE",
        "iris_landmarks": "posezoo.poses.landmarks:IRIS",
        "segmentation": "posezoo.poses.segmentation:DECODER",
        "lifting_3d": "posezoo.poses.lifting:DECODER",
        "openpose": "posezoo.poses.openpose:DECODER",
        "associative_embedding": "posezoo.poses.associative_embedding:DECODER",
        "movenet": "posezoo.poses.movenet:DECODER",
        "movenet_multipose": "posezoo.poses.movenet:MULTIPOSE",
        "posenet": "posezoo.poses.posenet:DECODER",
        "heatmap": "posezoo.poses.heatmap:DECODER",
        "simcc": "posezoo.poses.simcc:DECODER",
        "detection": "posezoo.poses.ssd_detection:DECODER",
        "nanodet": "posezoo.poses.nanodet:DECODER",
        "picodet": "posezoo.poses.picodet:DECODER",
        "rtmo": "posezoo.poses.rtmo:DECODER",
        "rtmdet": "posezoo.poses.rtmdet:DECODER",
        "yolox": "posezoo.poses.yolox_boxes:DECODER",
        "rf_detr": "posezoo.poses.rf_detr:DECODER",
        "detrpose": "posezoo.poses.rf_detr:DETRPOSE",
        "centernet": "posezoo.poses.centernet:DECODER",
        "yolo_pose": "posezoo.poses.yolo_pose:DECODER",
        "boxes_labels": "posezoo.poses.rtmdet:BOXES_LABELS",
        "coordinates": "posezoo.poses.coordinates:DECODER",
        "yolo_anchors": "posezoo.poses.yolo_anchors:DECODER",
        "classification": "posezoo.poses.classification:DECODER",
    },
)


#: A rule for each output, in any order.
_NETWORKS: Mapping[str, Sequence[OutputRule]] = {
    # Boxes, labels, scores, keypoints and their scores.
    "Keypoint R-CNN": (
        has_shape(-1, 4),
        has_shape(-1),
        has_shape(-1),
        has_shape(-1, -1, 3),
        has_shape(-1, -1),
    ),
    # The number of people, boxes, scores and joints.
    "YOLO-NAS-pose": (
        has_shape(-1, 1),
        has_shape(-1, -1, 4),
        has_shape(-1, -1),
        has_shape(-1, -1, -1, 3),
    ),
    "YOLO-NAS-pose in the flat format": (has_shape(-1, -1, word="flat_predictions"),),
    "DeepLabCut": (
        has_shape(-1, -1, -1, -1, word="heatmap"),
        has_shape(-1, -1, -1, -1, word="locref"),
    ),
}


_HEADS = "a detector such as RTMDet without its last step, which makes boxes of its maps"


def explain_unread_network(network: str) -> str:
    """What to do with a network that ``name_unread_network`` names."""
    if network != _HEADS:
        return "posezoo recommend lists models that it reads"
    return (
        "export it with that step, such as with MMDeploy's configs/mmdet/detection/"
        "detection_onnxruntime_static.py, whose outputs are dets and labels"
    )


def name_unread_network(outputs: Mapping[str, Shape]) -> str:
    """The network that has such outputs; empty if none is known."""
    if _are_heads(outputs.values()):
        return _HEADS
    for network, rules in _NETWORKS.items():
        fitting = (any(rule(*output) for output in outputs.items()) for rule in rules)
        if len(outputs) == len(rules) and all(fitting):
            return network
    return ""


def _are_heads(shapes: Collection[Shape]) -> bool:
    """Whether outputs are the maps of a detector's heads, for each stride one with box and score in
    the last axis, or one of boxes and one of the scores of classes, in either layout.
    """
    if not all(len(shape) == 4 for shape in shapes):
        return False
    if all(shape[1] == shape[2] > 5 == shape[3] for shape in shapes):
        return True
    for height, width, channel in ((2, 3, 1), (1, 2, 3)):
        channels: dict[tuple[int, int], list[int]] = {}
        for shape in shapes:
            channels.setdefault((shape[height], shape[width]), []).append(shape[channel])
        levels = sorted(channels)
        are_halves = all((2 * low[0], 2 * low[1]) == high for low, high in pairwise(levels))
        kinds = [sorted(channels[level]) for level in levels]
        has_boxes = all(kind == kinds[0] and (kind == [5] or len(kind) > 1) for kind in kinds)
        if len(levels) >= 3 and are_halves and has_boxes and {4, 5} & {*kinds[0]}:
            return True
    return False


def recognize_decoder(outputs: Mapping[str, Shape]) -> str:
    """The first decoder that a network's outputs fit, by their names and shapes; empty if there is
    none.
    """
    if name_unread_network(outputs):
        return ""
    for name, decoder in DECODERS.items():
        if not decoder.needs_task and decoder.recognize_outputs(outputs):
            return name
    return ""


def find_decoder(name: str) -> DecoderType:
    """The decoder with this name.

    Raises:
        InferenceError: there is no such decoder.
        PluginError: it is a plug-in that cannot be imported.
    """
    return DECODERS.require(name, "decoder", InferenceError)


def decode(
    decoder: str,
    outputs: Mapping[str, ArrayLike],
    input_size: Size,
    skeleton: Skeleton | None = None,
    **options: Option,
) -> list[Pose]:
    """Decode the outputs of a network: the people, highest score first, in pixels of the network's
    input.

    Coordinates are continuous: (0, 0) is the top left corner of the input, (width, height) its
    bottom right corner, and (0.5, 0.5) the center of its top left pixel. Three decoders return the
    numbers of their published code, which are 0.5 px less on both axes: for heatmap, posenet and
    simcc, (0, 0) is the center of the top left pixel. The poses of ``load`` are in image pixels,
    and continuous for every model.

    The outputs that each decoder takes:

    - openpose: ``heatmaps`` (1, K + 1, H, W) and ``pafs`` (1, 2 L, H, W) of the L limbs of the
      skeleton; without one, 19 and 38, or both in one output of 57 channels, first or last
    - associative_embedding: ``heatmaps`` and ``embeddings`` (1, K, H, W)
    - heatmap: ``heatmaps`` (1, K, H, W), with any number of keypoints K, and ``flipped_heatmaps``
      if the mirrored image was also run
    - simcc: ``simcc_x`` and ``simcc_y`` (1, K, bins), with any number of keypoints K, and
      optionally ``simcc_z`` (1, K, bins)
    - coordinates: ``coordinates`` (1, K, 2), (1, K, 3), (1, 2 K) or (1, 3 K): x, y and perhaps a
      score of any number of keypoints K
    - movenet: ``keypoints`` (1, 1, 17, 3)
    - movenet_multipose: ``people`` (1, 6, 56)
    - posenet: ``heatmaps`` (1, H, W, 17), ``offsets`` (1, H, W, 34), ``displacements_fwd`` and
      ``displacements_bwd`` (1, H, W, 32)
    - blazepose: ``landmarks`` (1, 195), ``presence`` (1, 1) and ``heatmaps`` (1, 64, 64, 39), and
      optionally ``world_landmarks`` (1, 117) and ``segmentation`` (1, 256, 256, 1)
    - blazeface: ``boxes`` (1, N, 4 + 2 K) and ``scores`` (1, N, 1) of the anchors of an input of
      128 x 128 or 192 x 192; it returns boxes with K keypoints
    - hand_landmarks: ``landmarks`` (1, 63), ``presence`` and ``handedness`` (1, 1), and optionally
      ``world_landmarks`` (1, 63)
    - face_landmarks: ``landmarks`` (1, 1, 1, 1404) and ``presence`` (1, 1, 1, 1)
    - iris_landmarks: ``contour`` (1, 213) and ``iris`` (1, 15)
    - segmentation: ``person_mask`` (1, H, W, 1); it returns one pose without keypoints, whose
      ``mask`` (H, W) is that of the input
    - lifting_3d: ``heatmaps`` and ``pafs`` as for openpose, and ``coordinates`` (1, 57, H, W); it
      returns ``Pose3D``
    - detection: ``detections`` (1, 1, N, 7); it returns poses without keypoints. As the other
      detectors, it finds people, or with the option ``all_classes`` objects whose label is the
      number of their class.
    - nanodet: ``scores_8`` (1, cells, classes) and ``distances_8`` (1, cells, 4 n), and the same
      with 16 and 32; it returns poses without keypoints
    - picodet: ``boxes`` (1, N, 4) and ``scores`` (1, classes, N); it returns poses without
      keypoints
    - rtmo: ``dets`` (1, N, 5) and ``keypoints`` (1, N, K, 3)
    - rtmdet: ``dets`` (1, N, 5) and ``labels`` (1, N); it returns poses without keypoints
    - yolox: ``predictions`` (1, cells, 5 + classes); it returns poses without keypoints
    - rf_detr: ``dets`` (1, N, 4), ``labels`` (1, N, classes) and ``keypoints`` (1, N, K, 8)
    - detrpose: ``scores`` and ``labels`` (1, N), and ``keypoints`` (1, N, K, 2)
    - yolo_pose: ``predictions`` (1, 5 + 3 K, N) or (1, N, 6 + 3 K), with any number of keypoints K;
      before or after the suppression of overlapping people
    - centernet: ``centers`` (1, 80, H, W), ``sizes`` and ``offsets`` (1, 2, H, W); it returns
      poses without keypoints
    - yolo_anchors: ``maps_32``, optionally ``maps_16`` and ``maps_8`` (1, A (5 + classes), H, W),
      and the option ``anchors`` with A anchors of each; it returns poses without keypoints
    - boxes_labels: ``dets`` (N, 5) and ``labels`` (N,); it returns poses without keypoints
    - classification: ``scores`` (1, classes), optionally ``more_scores`` of other classes and
      ``value`` (1, 1); it returns poses without keypoints, with labels

    Args:
        decoder: a name of ``DECODERS``.
        outputs: by role, with a batch of one; they are not changed.
        input_size: width and height of the network's input, in pixels.
        skeleton: of the K keypoints; None: the usual one of the decoder, or that of K keypoints.
        options: of the decoder.

    Raises:
        InferenceError: there is no such decoder or option, or the outputs are not those of such a
            network.
        MissingPackageError: OpenCV is not installed.
    """
    resolved = resolve_options(Decoder(decoder, options, skeleton))
    return decode_with_options(decoder, outputs, input_size, resolved)


def decode_with_options(
    name: str, outputs: Mapping[str, ArrayLike], input_size: Size, options: Any
) -> list[Pose]:
    """As ``decode``, also in its errors, with options that ``resolve_options`` returned."""
    decoder = find_decoder(name)
    try:
        width, height = input_size
        is_valid = width > 0 and height > 0
    except (TypeError, ValueError):
        is_valid = False
    if not is_valid:
        raise InferenceError(f"input_size: expected width and height above 0, got {input_size!r}")
    arrays = {}
    for role, output in outputs.items():
        try:
            arrays[role] = np.asarray(output)
        except ValueError as error:  # lists whose rows differ in length
            raise InferenceError(f"{name}: {role} cannot be read as an array: {error}") from error
    if decoder.convert_outputs:
        arrays = dict(decoder.convert_outputs(arrays))
    maps = _checked_maps(name, decoder, arrays, getattr(options, "skeleton", None))
    return decoder.decode(maps, (width, height), options)


def _checked_maps(
    name: str, decoder: DecoderType, outputs: Mapping[str, Any], skeleton: Skeleton | None
) -> Maps:
    """The outputs that the decoder takes, without their batch axes, as float32."""
    required = decoder.outputs_for(skeleton)
    for output in required:
        if output.role not in outputs:
            given = ", ".join(outputs) or "none"
            raise InferenceError(
                f"{name} needs {_describe(required)}; the outputs given are {given}",
                hint=suggest(output.role, outputs),
            )
    optional = [output for output in decoder.optional if output.role in outputs]
    taken = (*required, *optional)
    maps = {output.role: outputs[output.role] for output in taken}
    if not all(_fits(maps[output.role].shape, output) for output in taken):
        shapes = " and ".join(_format_shape(array.shape) for array in maps.values())
        raise InferenceError(
            f"{name} needs {_describe(taken)}; given are {shapes}",
            hint=_other_decoders(name, maps),
        )
    if any(array.dtype.kind not in "fiu" for array in maps.values()):
        raise InferenceError(f"{name}: outputs must be numbers")
    _refuse_different_sizes(name, maps, [*decoder.networks[-1], *optional])
    return {role: np.ascontiguousarray(array[0], np.float32) for role, array in maps.items()}


def _refuse_different_sizes(name: str, maps: Mapping[str, Any], outputs: Sequence[Output]) -> None:
    sizes = {}
    for output in outputs:
        sides = _sides_of_map(output.shape)
        if sides:
            sizes[output.role] = maps[output.role].shape[sides]
    if len(set(sizes.values())) > 1:
        given = ", ".join(
            f"{role} {'x'.join(map(str, size[::-1]))}" for role, size in sizes.items()
        )
        raise InferenceError(f"{name}: maps of one image have one size, these do not: {given}")


def _sides_of_map(shape: Shape) -> slice | None:
    """Where a map has its height and width, NCHW or NHWC; None for other outputs. A number of
    channels may be open, too.
    """
    if len(shape) != 4:
        return None
    if shape[2:] == (-1, -1):
        return slice(2, 4)
    return slice(1, 3) if shape[1:3] == (-1, -1) else None


def _fits(shape: Shape, output: Output) -> bool:
    if output.role == "embeddings" and len(shape) == 5:
        shape = shape[:4]  # several tags for each cell
    return fits(shape, output.shape) and 0 not in shape


def _describe(outputs: tuple[Output, ...]) -> str:
    return " and ".join(f"{output.role} {_format_shape(output.shape)}" for output in outputs)


def _format_shape(shape: Shape) -> str:
    return ",".join("?" if side == -1 else str(side) for side in shape)


def _other_decoders(name: str, maps: Mapping[str, Any]) -> str:
    channels = {array.shape[1] for array in maps.values() if array.ndim >= 4}
    if not channels:
        return ""
    names = []
    for other, decoder in DECODERS.items():
        shapes = [output.shape for output in decoder.networks[-1] if len(output.shape) == 4]
        taken = {shape[1] for shape in shapes if shape[-2:] == (-1, -1)}
        if taken == channels or (taken == {-1} and len(channels) == 1):
            names.append(other)
    if not names or name in names:
        return ""
    return f"such maps are for {' or '.join(names)}"


def fit_to_input(decoder: Decoder, port: Input) -> tuple[bool, tuple[float, ...]]:
    """How images are fitted into a network's first input.

    Returns whether their aspect may change, otherwise they are letterboxed; and the color beside a
    letterboxed image, 0..255 for each of the IR's channels.
    """
    record = find_decoder(decoder.name)
    options = resolve_options(decoder)
    sizing = sizing_of_input(decoder, port)
    color: tuple[float, ...] = (float(sizing.padding),) * 3
    if port.resize_type:
        return sizing.fit == STRETCH, color
    if not record.takes_boxes:
        return record.stretches, color
    if options.blank_is_mean and port.mean:
        mean = port.mean * (3 // len(port.mean))
        color = mean[::-1] if port.reverse_input_channels else mean
    return options.crop is crop_stretch, color


def sizing_of_input(decoder: Decoder, port: Input) -> InputSizing:
    """How images are fitted into a network's first input, by its decoder or its file."""
    usual = find_decoder(decoder.name).input_sizing
    if port.resize_type:
        return usual.as_stated(port.resize_type, port.pad_value or 0)
    return usual if port.pad_value is None else replace(usual, padding=port.pad_value)


def finds_boxes(decoder: Decoder | None) -> bool:
    """Whether a model with this decoder finds only the boxes of people, and no keypoints."""
    record = DECODERS.find(decoder.name) if decoder else None
    return record is not None and record.finds_boxes


def named_task(decoder: Decoder) -> str:
    """The task of objects or images whose classes have names; empty for people."""
    record = find_decoder(decoder.name)
    return record.task if record.finds_classes or decoder.options.get("all_classes") else ""


def with_all_classes(decoder: Decoder) -> Decoder:
    """A decoder of boxes for objects of all classes, not only for people; any other as it is."""
    return replace(decoder, options={**decoder.options, **find_decoder(decoder.name).task_options})


def require_top_down(decoder: str, model: str) -> None:
    """Raise an InferenceError if a model processes whole images, so that boxes or a detector cannot
    be given.

    An unknown name of a decoder is reported when the model is loaded.
    """
    record = DECODERS.find(decoder)
    if record and not record.takes_boxes:
        raise InferenceError(
            f"{model} processes whole images: it takes neither boxes nor a detector"
        )


def require_detector(argument: str, decoder: str, model: str, *, is_whole: bool) -> None:
    """Raise an InferenceError if a model runs on whole images, not on what a detector finds.

    Args:
        argument: the argument or flag that the user gave for it, which an error names.
        is_whole: whether it takes the whole image instead.
    """
    if find_decoder(decoder).approach != "top-down":
        raise InferenceError(
            f"{argument}: {model} finds people itself, without a detector of its own"
        )
    if is_whole:
        raise InferenceError(
            f"{argument} needs a detector, and {model} runs without one",
            hint="name a detector, such as nanodet-g",
        )


def require_named_decoder(name: str | None, model: Model) -> None:
    """Raise a DecoderError if a model has another decoder than the user named; None if none was
    named.
    """
    own = model.decoder.name if model.decoder else ""
    if name and own not in ("", name):
        raise DecoderError(
            f"{model.full_name} is decoded by {own}, not by {name}", decoder=name, fitting=own
        )


def require_masks(decoder: str, model: str) -> None:
    """Raise an InferenceError if a decoder cannot find the people's masks."""
    record = DECODERS.find(decoder)
    if record is None or not hasattr(record.options, MASKS):
        raise InferenceError(
            f"{model}: its network finds no masks",
            hint="run BlazePose, which does: blazepose-full, of the registry posezoo",
        )


def with_decoder_options(decoder: Decoder, options: Mapping[str, Option]) -> Decoder:
    """A decoder with the options that the user gives, which replace those that it declares.

    Raises:
        InferenceError: as for ``resolve_options``.
    """
    resolve_options(decoder, options)
    return replace(decoder, options={**decoder.options, **options})


def resolve_options(decoder: Decoder, overrides: Mapping[str, Option] | None = None) -> Any:
    """The decoder's options: defaults, overridden by those that the model declares, then by
    ``overrides``.

    Raises:
        InferenceError: there is no such decoder or option, or a value is invalid.
    """
    record = find_decoder(decoder.name)
    options_type = record.options
    options = {**decoder.options, **(overrides or {})}
    skeleton = {}
    if record.takes_skeleton:
        skeleton = {"skeleton": decoder.skeleton}
    elif decoder.skeleton:
        raise InferenceError(
            f"decoder {decoder.name} finds the keypoints of {record.skeleton}, and no other"
            f" skeleton: {decoder.skeleton.name}",
            hint="these take any: " + ", ".join(n for n, d in DECODERS.items() if d.takes_skeleton),
        )
    defaults = {field.name: field.default for field in fields(options_type)}
    defaults.pop("skeleton", None)
    for name, value in options.items():
        if name not in defaults:
            names = ", ".join(defaults) or "none"
            raise InferenceError(
                f"decoder {decoder.name} has no option {name}: it has {names}",
                hint=suggest(name, defaults),
            )
        expected = type(defaults[name])
        # In Python True is an int, but here it is not a number.
        accepted = (int, float) if expected is float else expected
        is_wrong_bool = isinstance(value, bool) != (expected is bool)
        if is_wrong_bool or not isinstance(value, accepted):
            raise InferenceError(
                f"decoder option {name}: expected {_TYPE_NAMES[expected]}, got {value!r}"
            )
    return options_type(**options, **skeleton)


_TYPE_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}
