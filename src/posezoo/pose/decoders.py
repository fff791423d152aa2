"""Which ways there are from a network's outputs to poses, and what each one needs.

A new decoder is a line of ``DECODERS``, and one of ``estimator.loading.PIPELINES`` that runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from posezoo.errors import InferenceError, suggest
from posezoo.pose import (
    associative_embedding,
    blazepose,
    heatmap,
    lifting,
    movenet,
    omz_compatible,
    openpose,
    simcc,
    ssd_detection,
)
from posezoo.pose.associative_embedding import AssociativeEmbeddingOptions
from posezoo.pose.blazepose import BlazePoseOptions
from posezoo.pose.heatmap import HeatmapOptions
from posezoo.pose.keypoints import MIN_SCORE, Floats, Pose
from posezoo.pose.letterbox import Size, identity_transform
from posezoo.pose.lifting import LiftingOptions
from posezoo.pose.movenet import MovenetOptions
from posezoo.pose.openpose import OpenPoseOptions
from posezoo.pose.simcc import SimccOptions
from posezoo.pose.ssd_detection import DetectionOptions
from posezoo.spec.model import Decoder, Output

Option = str | int | float | bool
Maps = Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class DecoderType:
    """What a decoder needs, and what it does.

    Attributes:
        networks: for each network, in the order they run in, the outputs that are decoded; their
            ``role`` is the name that the decoder knows them by. An output without a name is called by
            each model as it likes, and -1 stands for any size.
        options: a frozen dataclass whose fields are the options, with their defaults.
        decode: from outputs by role, the size of the input and the options to poses in its pixels; of
            several networks, the last one's outputs.
        optional: outputs of the last network that need not be there.
        detector: whether a detector may look at images first (``possible``), or does unless it is told not to
            (``usual``); empty: never.
        has_pixel_centers: whole numbers among the coordinates are centres of pixels, not their corners.
        convert_outputs: another form of the outputs, turned into this one; None leaves them.
        visible_score: keypoints of a lower score are guesses, which pictures leave out.
    """

    networks: tuple[tuple[Output, ...], ...]
    options: type[Any]
    decode: Callable[[Maps, Size, Any], list[Pose]]
    optional: tuple[Output, ...] = ()
    detector: str = ""
    has_pixel_centers: bool = False
    convert_outputs: Callable[[Maps], Maps] | None = None
    visible_score: float = MIN_SCORE


def decode(decoder: str, outputs: Mapping[str, ArrayLike], input_size: Size, **options: Option) -> list[Pose]:
    """The people in what a network put out, surest first, in pixels of its input.

    openpose takes ``heatmaps`` (1, 19, H, W) and ``pafs`` (1, 38, H, W), or both in one output of 57
    channels, first or last; associative_embedding ``heatmaps`` and ``merge_embeddings`` (1, 17, H, W), and
    ``nms_heatmaps`` where there are some; heatmap ``heatmaps`` (1, 17, H, W), and ``flipped_heatmaps``
    where the mirrored image was seen, too; simcc ``simcc_x`` and ``simcc_y`` (1, 17, bins); movenet
    ``keypoints`` (1, 1, 17, 3); blazepose ``landmarks`` (1, 195) and ``presence`` (1, 1). lifting_3d takes
    what openpose takes, as two outputs, and ``coordinates`` (1, 57, H, W), and returns ``Pose3D``; detection
    ``detections`` (1, 1, N, 7), and returns poses without keypoints.

    Args:
        decoder: a name of ``DECODERS``.
        outputs: by role, with a batch of one; read, never changed.
        input_size: width and height of the network's input, in pixels.
        options: the decoder's. ``compatible=True`` of openpose and associative_embedding returns what Open
            Model Zoo's decoder does.

    Raises:
        InferenceError: there is no such decoder or option, or the outputs are another network's.
        MissingPackageError: OpenCV is not installed.
    """
    chosen = resolve_options(Decoder(decoder, options))
    return decode_with_options(decoder, outputs, input_size, chosen)


def decode_with_options(
    decoder: str, outputs: Mapping[str, ArrayLike], input_size: Size, chosen: Any
) -> list[Pose]:
    """The same as ``decode``, with options that ``resolve_options`` made.

    Raises:
        InferenceError: there is no such decoder, or the outputs are another network's.
        MissingPackageError: OpenCV is not installed.
    """
    needs = decoder_type(Decoder(decoder))
    size = _size(input_size)
    given = {role: _array(decoder, role, output) for role, output in outputs.items()}
    if needs.convert_outputs is not None:
        given = dict(needs.convert_outputs(given))
    return needs.decode(_checked(decoder, needs, given), size, chosen)


def _size(input_size: Size) -> Size:
    try:
        width, height = input_size
        fits = width > 0 and height > 0
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise InferenceError(f"input_size: expected width and height above 0, got {input_size!r}")
    return width, height


def _array(decoder: str, role: str, output: ArrayLike) -> Any:
    try:
        return np.asarray(output)
    except ValueError as error:  # lists whose rows differ in length
        raise InferenceError(f"{decoder}: {role} are no array: {error}") from error


def _checked(decoder: str, needs: DecoderType, given: Mapping[str, Any]) -> Maps:
    """The outputs without their batch axes, as float32, for what the decoder takes."""
    required = needs.networks[-1]
    for output in required:
        if output.role not in given:
            there = ", ".join(given) or "none"
            raise InferenceError(
                f"{decoder} needs {_listed(required)}; the outputs given are {there}",
                hint=suggest(output.role, given),
            )
    found = {
        output.role: given[output.role] for output in (*required, *needs.optional) if output.role in given
    }
    if not all(_fits(found[output.role].shape, output) for output in required):
        shapes = " and ".join(_shape(each.shape) for each in found.values())
        raise InferenceError(
            f"{decoder} needs {_listed(required)}; given are {shapes}", hint=_other(decoder, found)
        )
    for output in needs.optional:
        if output.role in found and not _fits(found[output.role].shape, output):
            raise InferenceError(
                f"{decoder}: {output.role} are {_shape(found[output.role].shape)}, not {_shape(output.shape)}"
            )
    if any(each.dtype.kind not in "fiu" for each in found.values()):
        raise InferenceError(f"{decoder}: outputs must be numbers")
    _same_size(decoder, found)
    return {role: np.ascontiguousarray(each[0], np.float32) for role, each in found.items()}


def _fits(shape: tuple[int, ...], output: Output) -> bool:
    if output.role == "embeddings" and len(shape) == 5:
        shape = shape[:4]  # they may have several tags a cell
    return len(shape) == len(output.shape) and all(
        have == want or (want == -1 and have > 0) for have, want in zip(shape, output.shape, strict=True)
    )


def _same_size(decoder: str, found: Mapping[str, Any]) -> None:
    """Maps lie over each other."""
    sizes = {role: each.shape[2:4] for role, each in found.items() if each.ndim >= 4}
    if len(set(sizes.values())) > 1:
        said = ", ".join(f"{role} {width}x{height}" for role, (height, width) in sizes.items())
        raise InferenceError(f"{decoder}: maps of one image have one size, these do not: {said}")


def _listed(outputs: tuple[Output, ...]) -> str:
    return " and ".join(f"{output.role} {_shape(output.shape)}" for output in outputs)


def _shape(shape: tuple[int, ...]) -> str:
    return ",".join("?" if side == -1 else str(side) for side in shape)


def _other(decoder: str, found: Mapping[str, Any]) -> str:
    """A hint at the decoder that such maps are for."""
    shapes = {each.shape[1] for each in found.values() if each.ndim >= 4}
    by_channels = {frozenset({19, 38}): "openpose", frozenset({17}): "associative_embedding, or heatmap"}
    names = by_channels.get(frozenset(shapes), "")
    return f"such maps are for {names}" if names and decoder not in names else ""


def _split_heatmaps_and_pafs(outputs: Maps) -> Maps:
    """OpenPose's maps in one output, as the original has them (57 channels, first or last), as two.

    Two outputs with their channels last are turned, too.
    """
    if len(outputs) == 1:  # of two, a side of 57 cells is no number of channels
        (both,) = (_channels_first(output, _BOTH) for output in outputs.values())
        if both.shape[1:2] == (_BOTH,) and both.ndim == 4:
            return {"heatmaps": both[:, :_HEATMAPS], "pafs": both[:, _HEATMAPS:]}
    channels = {"heatmaps": _HEATMAPS, "pafs": _PAFS}
    return {role: _channels_first(each, channels.get(role, 0)) for role, each in outputs.items()}


_HEATMAPS, _PAFS, _BOTH = 19, 38, 57


def _channels_first(maps: Any, channels: int) -> Any:
    if maps.ndim == 4 and maps.shape[1] != channels == maps.shape[3]:
        return maps.transpose(0, 3, 1, 2)
    return maps


def _openpose(maps: Maps, size: Size, options: OpenPoseOptions) -> list[Pose]:
    follow = omz_compatible.decode_openpose_omz if options.compatible else openpose.decode_openpose
    return follow(maps["heatmaps"], maps["pafs"], size, options)


def _associative_embedding(maps: Maps, size: Size, options: AssociativeEmbeddingOptions) -> list[Pose]:
    heatmaps, tags = maps["heatmaps"], maps["embeddings"]
    nms_heatmaps = maps.get("nms_heatmaps", heatmaps)
    if options.compatible:
        return omz_compatible.decode_associative_embedding_omz(heatmaps, nms_heatmaps, tags, size, options)
    return associative_embedding.decode_associative_embedding(heatmaps, tags, size, options)


def _heatmap(maps: Maps, size: Size, options: HeatmapOptions) -> list[Pose]:
    return heatmap.decode_heatmap(maps["heatmaps"], maps.get("flipped_heatmaps"), size, options)


def _simcc(maps: Maps, size: Size, options: SimccOptions) -> list[Pose]:
    return simcc.decode_simcc(maps["simcc_x"], maps["simcc_y"], size, options)


def _movenet(maps: Maps, size: Size, options: MovenetOptions) -> list[Pose]:
    return movenet.decode_movenet(maps["keypoints"], size, options)


def _lifting(maps: Maps, size: Size, options: LiftingOptions) -> list[Pose]:
    return lifting.decode_lifting(
        maps["coordinates"], maps["heatmaps"], maps["pafs"], identity_transform(size), size, options
    )


def _detection(maps: Maps, size: Size, options: DetectionOptions) -> list[Pose]:
    return [box.to_pose() for box in ssd_detection.decode_ssd(maps["detections"], size, options)]


def _blazepose(maps: Maps, size: Size, options: BlazePoseOptions) -> list[Pose]:
    presence = float(maps["presence"].item())
    if not presence >= options.min_presence:
        return []
    pose = blazepose.decode_pose(maps["landmarks"], presence, identity_transform(size), size)
    return [] if pose is None else [pose]


_COCO_MAPS = (1, 17, -1, -1)

# A peak that its decoder took is one: their own threshold. A maximum there always is; 0.2 is what counts in
# SimpleBaseline (``IN_VIS_THRE``).
_PEAK, _MAXIMUM = 0.1, 0.2

DECODERS: dict[str, DecoderType] = {
    "blazepose": DecoderType(
        networks=(
            (
                Output("Identity", (1, 2254, 12), role="boxes"),
                Output("Identity_1", (1, 2254, 1), role="scores"),
            ),
            (Output("Identity", (1, 195), role="landmarks"), Output("Identity_1", (1, 1), role="presence")),
        ),
        options=BlazePoseOptions,
        decode=_blazepose,
    ),
    "openpose": DecoderType(
        networks=(
            (
                Output("", (1, _HEATMAPS, -1, -1), role="heatmaps"),
                Output("", (1, _PAFS, -1, -1), role="pafs"),
            ),
        ),
        options=OpenPoseOptions,
        decode=_openpose,
        convert_outputs=_split_heatmaps_and_pafs,
        visible_score=_PEAK,
    ),
    "lifting_3d": DecoderType(
        networks=(
            (
                Output("", (1, 57, -1, -1), role="coordinates"),
                Output("", (1, _HEATMAPS, -1, -1), role="heatmaps"),
                Output("", (1, _PAFS, -1, -1), role="pafs"),
            ),
        ),
        options=LiftingOptions,
        decode=_lifting,
        visible_score=_PEAK,
    ),
    "associative_embedding": DecoderType(
        networks=((Output("", _COCO_MAPS, role="heatmaps"), Output("", _COCO_MAPS, role="embeddings")),),
        options=AssociativeEmbeddingOptions,
        decode=_associative_embedding,
        optional=(Output("", _COCO_MAPS, role="nms_heatmaps"),),
        visible_score=_PEAK,
    ),
    "heatmap": DecoderType(
        networks=((Output("", _COCO_MAPS, role="heatmaps"),),),
        options=HeatmapOptions,
        decode=_heatmap,
        optional=(Output("", _COCO_MAPS, role="flipped_heatmaps"),),
        detector="usual",
        has_pixel_centers=True,
        visible_score=_MAXIMUM,
    ),
    "simcc": DecoderType(
        networks=((Output("", (1, 17, -1), role="simcc_x"), Output("", (1, 17, -1), role="simcc_y")),),
        options=SimccOptions,
        decode=_simcc,
        detector="usual",
        has_pixel_centers=True,
        visible_score=_MAXIMUM,
    ),
    "movenet": DecoderType(
        networks=((Output("", (1, 1, 17, 3), role="keypoints"),),),
        options=MovenetOptions,
        decode=_movenet,
        detector="possible",
        visible_score=_MAXIMUM,
    ),
    "detection": DecoderType(
        networks=((Output("", (1, 1, -1, 7), role="detections"),),),
        options=DetectionOptions,
        decode=_detection,
    ),
}


def decoder_type(decoder: Decoder) -> DecoderType:
    """What the decoder that a model names needs.

    Raises:
        InferenceError: there is none of that name.
    """
    if decoder.name not in DECODERS:
        raise InferenceError(
            f"no decoder {decoder.name}: there is {', '.join(DECODERS)}", hint=suggest(decoder.name, DECODERS)
        )
    return DECODERS[decoder.name]


def require_top_down(decoder: str, model: str) -> None:
    """Make sure that a model is shown one person at a time, so that others may say where the people are.

    Args:
        decoder: its decoder's name; one that is unknown is told where the model is loaded.
        model: its own.

    Raises:
        InferenceError: it finds people itself.
    """
    if decoder in DECODERS and not DECODERS[decoder].detector:
        raise InferenceError(f"{model} finds people itself: it takes neither boxes nor a detector")


def resolve_options(decoder: Decoder, overrides: Mapping[str, Option] | None = None) -> Any:
    """The decoder's options: its defaults, what the model declares, and what the caller says, in that order.

    Raises:
        InferenceError: there is no such decoder or option, or a value cannot be meant.
    """
    kind = decoder_type(decoder).options
    given = {**decoder.options, **(overrides or {})}
    known = {field.name: field.default for field in fields(kind)}
    for name, value in given.items():
        if name not in known:
            raise InferenceError(
                f"decoder {decoder.name} has no option {name}: it has {', '.join(known) or 'none'}",
                hint=suggest(name, known),
            )
        expected = type(known[name])
        if not _is_a(value, expected):
            raise InferenceError(f"decoder option {name}: expected {_WORDS[expected]}, got {value!r}")
    return kind(**given)


_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}


def _is_a(value: Option, kind: type) -> bool:
    if isinstance(value, bool) or kind is bool:  # True is an int to Python, but nobody means 1
        return isinstance(value, bool) and kind is bool
    return isinstance(value, (int, float) if kind is float else kind)
