"""What an IR with a decoder must put out: computed in numpy, with ``posezoo.poses``, for the
self-check.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from posezoo.core.arrays import Array, NamedArrays
from posezoo.core.convert.formats import image_layout
from posezoo.core.convert.graph_cutting import find_output
from posezoo.core.declarations.model import Input, ModelSpec
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.export.decoded import BOXES, KEYPOINTS, SCORES, decoding_of, inner_name, match_roles
from posezoo.export.decoded.frames import FrameFit
from posezoo.export.decoded.graphs import GRAPHS
from posezoo.poses.decoders import decode_with_options, find_decoder, resolve_options
from posezoo.poses.keypoints import Pose
from posezoo.poses.letterbox import ImageTransform, Size, letterbox_image

if TYPE_CHECKING:
    from openvino import Model

#: The allowed differences from the numpy decoder: of coordinates in pixels of the network's input,
#: of scores.
PIXELS = 0.2
SCORE = 1e-4


def add_network_outputs(ir: Model, names: Sequence[str]) -> Model:
    """An IR with a decoder, with the outputs of its network first; its own are ``decoded 0`` and
    1.
    """
    ov = import_openvino()
    ports: dict[str, Any] = {name: find_output(ir, inner_name(name)) for name in names}
    ports |= {f"decoded {place}": port.node.input_value(0) for place, port in enumerate(ir.outputs)}
    for name, port in ports.items():
        port.set_names({name})
    # Results keep the names that they were made with.
    return ov.Model(list(map(ov.opset13.result, ports.values())), ir.get_parameters())


def fit_frame(frame: Array, spec: ModelSpec, port: Input) -> Array:
    """A frame f32, in the layout of the network's input, fitted into that."""
    fit = FrameFit.of(spec)
    axes = list(map(port.layout.index, "NHWC"))
    image: Any = frame.transpose(axes)[0]
    _, fitted = _letterbox(image, fit)
    restored: Array = fitted[None].transpose(np.argsort(axes))
    return restored


def _letterbox(image: Any, fit: FrameFit) -> tuple[ImageTransform, Any]:
    return letterbox_image(image, fit.size, fit.color, sizing=fit.sizing, stretches=fit.stretches)


def view_of(spec: ModelSpec, frame: tuple[int, ...], prepared: tuple[int, ...]) -> ImageTransform:
    """The transform from the IR's input to the network's, which have these shapes."""
    port = spec.first_input
    layout = port.layout or image_layout(spec.framework)
    if port.resize:
        axes = port.ir_layout
        fit = FrameFit.of(spec)
        height = frame[axes.index("H")]
        width = frame[axes.index("W")]
        image = np.zeros((height, width, 3), np.uint8)
        return _letterbox(image, fit)[0]
    size = (prepared[layout.index("W")], prepared[layout.index("H")])
    return ImageTransform(np.eye(2, 3), size)


def compare_decoding(
    spec: ModelSpec, outputs: NamedArrays, decoded: Sequence[Array], view: ImageTransform
) -> dict[str, tuple[float, float]]:
    """The largest differences of an IR's two outputs from those that numpy decodes, and their
    limits: of coordinates, relative to the longer side of the network's input; of scores.
    """
    decoding = decoding_of(spec)
    values, scores = decoded
    poses = _decode(spec, outputs, view.size)
    poses = [pose for pose in poses if pose.score >= decoding.min_score][: len(scores)]
    record = find_decoder(decoding.decoder.name)
    wanted = np.zeros_like(values)
    wanted_scores = np.zeros_like(scores)
    for row, pose in enumerate(poses):
        wanted_scores[row] = pose.score
        if values.ndim == 2:
            corners = np.reshape(pose.box, (2, 2))
            wanted[row] = view.to_image(corners).ravel()
            continue
        points = pose.keypoints[:, :2] + 0.5 * record.has_pixel_centers
        wanted[row, :, :2] = view.to_image(points)
        wanted[row, :, 2] = pose.keypoints[:, 2]
    title = BOXES
    apart = np.abs(wanted_scores - scores)
    if values.ndim == 3:
        title = KEYPOINTS
        wanted[wanted[..., 2] <= 0] = 0
        apart = np.append(apart, np.abs(wanted - values)[..., 2])
        values = values[..., :2]
        wanted = wanted[..., :2]
    scales = np.resize(view.scales, values.shape[-1])
    moved = np.abs(wanted - values) * scales
    longest_move = float(moved.max(initial=0))
    largest_change = float(apart.max(initial=0))
    longer = max(view.size)
    return {
        title: (longest_move / longer, PIXELS / longer),
        SCORES: (largest_change, SCORE),
    }


def _decode(spec: ModelSpec, outputs: NamedArrays, size: Size) -> list[Pose]:
    decoder = decoding_of(spec).decoder
    roles = match_roles(spec, {name: array.shape for name, array in outputs.items()})
    maps = {role: outputs[name] for role, name in roles.items()}
    record = find_decoder(decoder.name)
    options = resolve_options(decoder)
    graph = GRAPHS.find(decoder.name)
    decode_first = graph.decode_first if graph else None
    is_last = {output.role for output in record.networks[-1]} <= maps.keys()
    if decode_first is not None and not is_last:
        return decode_first(maps, size, options)
    return decode_with_options(decoder.name, maps, size, options)
