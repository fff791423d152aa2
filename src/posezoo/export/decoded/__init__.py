"""The decoder inside an IR (``--decode``), whose outputs are then people instead of the network's
maps.

A record in ``graphs`` names the function that builds a decoder, in the modules NAME_graph or
``people_graphs``; ``posezoo.poses`` defines the results, which the self-check compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import FunctionType
from typing import TYPE_CHECKING

from posezoo.core.convert.formats import image_layout
from posezoo.core.declarations.model import Decoder, Decoding, Input, ModelSpec, Output
from posezoo.core.errors import Advice, ConversionError
from posezoo.core.ir.openvino_import import (
    error_text,
    fold_constants,
    import_openvino,
    static_sizes,
)
from posezoo.core.plugins import import_part
from posezoo.core.resolve.graph_decoder import USUAL
from posezoo.core.resolve.input_options import InputOptions
from posezoo.export.decoded.graphs import GRAPHS
from posezoo.poses.decoder_type import DecoderType
from posezoo.poses.letterbox import Size

if TYPE_CHECKING:
    from openvino import Model

#: The outputs of an IR with a decoder: [N, K, 3], or of a detector [N, 4]; and [N].
KEYPOINTS = "keypoints"
BOXES = "boxes"
SCORES = "scores"


def decoding_of(spec: ModelSpec) -> Decoding:
    """The decoder that is put into the IR of this model, which has one."""
    assert spec.decoding
    return spec.decoding


def match_roles(spec: ModelSpec, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    """The names of the network's outputs that its decoder takes, by role; ``shapes`` are all by
    name.

    Raises:
        ConversionError: the network does not have them.
    """
    from posezoo.poses.decoders import find_decoder

    decoder = find_decoder(decoding_of(spec).decoder.name)
    network = find_decoder_network(spec, decoder)
    assert network, "a model without it is refused before it is converted"
    needed = {output.role: output.name for output in network}
    declared = {port.role: port.name for port in spec.outputs if port.role in needed}
    names = declared
    if declared.keys() != needed.keys():
        names = decoder.match_outputs(shapes) or needed
    if not set(names.values()) <= shapes.keys():
        given = ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
        raise ConversionError(
            f"{spec.full_name}: its decoder needs {decoder.needs}; the network has {given}",
            hint="declare the roles of its outputs in model.yml",
        )
    return names


def _input_size(network: Model, spec: ModelSpec) -> Size:
    """Width and height of the image that the network takes, after a resize in the graph."""
    port = spec.first_input
    shape = port.shape or tuple(static_sizes(network.inputs[0].partial_shape))
    layout = port.layout or image_layout(spec.framework)
    sides = dict(zip(layout, shape, strict=False))
    is_one_image = len(network.inputs) == 1 and len(shape) == 4 and sides.get("N") == 1
    if not is_one_image or min(shape) < 1:
        raise ConversionError(
            f"{spec.full_name}: a decoder needs one input with one image of a fixed size, not"
            f" {list(shape)}",
            hint="declare its shape and layout, and remove --dynamic",
        )
    return sides["W"], sides["H"]


def append_decoder(network: Model, spec: ModelSpec) -> Model:
    """A network whose outputs are people: ``keypoints`` or ``boxes``, and ``scores``, highest score
    first.

    Coordinates are continuous, in pixels of the IR's image from the corner of its top left pixel; a
    missing keypoint, and a row without a person, is 0.

    Args:
        spec: the model, from ``with_decoding``.

    Raises:
        ConversionError: the decoder does not fit the network's inputs and outputs.
    """
    from posezoo.export.decoded import nodes
    from posezoo.export.decoded.frames import FrameFit
    from posezoo.poses.decoders import find_decoder, resolve_options

    decoding = decoding_of(spec)
    ov = import_openvino()
    size = _input_size(network, spec)
    record = find_decoder(decoding.decoder.name)
    graph = GRAPHS.find(decoding.decoder.name)
    assert graph
    if not spec.is_ir:  # folding would make INT8 weights f32
        # Else OpenVINO does not know in FP16 which sizes follow from the image's.
        fold_constants(network)
    ports = {name: port for port in network.outputs for name in port.names}
    shapes = {name: static_sizes(port.partial_shape) for name, port in ports.items()}
    maps = {
        role: nodes.to_float(ports[name].node.input_value(0))
        for role, name in match_roles(spec, shapes).items()
    }
    for port in network.outputs:  # the names of the outputs become free for those of the decoder
        port.node.input_value(0).set_names(set(map(inner_name, port.names)))
    build = import_part(graph.build, FunctionType)
    options = resolve_options(decoding.decoder)
    try:
        values, scores = build(maps, size, options, decoding.max_people)
        if record.has_pixel_centers:
            values = values + nodes.constant([0.5, 0.5, 0])
        if spec.inputs and spec.inputs[0].resize:
            values = FrameFit.of(spec).to_frame(values, network.inputs[0])
        values, scores = nodes.keep_people(values, scores, decoding.min_score)
    except (RuntimeError, ValueError) as error:
        raise ConversionError(
            f"{spec.full_name}: {error_text(error)}",
            hint="check the shapes of its outputs, and --max_people",
        ) from error
    title = KEYPOINTS if len(values.shape) == 3 else BOXES
    results = []
    for name, node in ((title, values), (SCORES, scores)):
        node.output(0).set_names({name})
        results.append(ov.opset13.result(node))
    return ov.Model(results, network.get_parameters(), network.get_friendly_name())


def inner_name(name: str) -> str:
    """The name inside the graph of a network's output."""
    return f"network_{name}" if name in (KEYPOINTS, BOXES, SCORES) else name


def with_decoding(
    spec: ModelSpec,
    decoder: Decoder | None,
    options: InputOptions = USUAL,
) -> ModelSpec:
    """The model, changed so that its IR contains its decoder. Its input has the size to which
    ``posezoo run`` resizes images; one of any size has its usual size.

    Args:
        spec: the model.
        decoder: its decoder, or that of its composite.
        options: the user's ``max_people``, ``min_score``, ``target_size`` and ``decoder_options``;
            without them the outputs have the most people that the network finds, with the
            decoder's score and the model's size.

    Raises:
        ConversionError: the model has no decoder, it cannot be put into a graph, or it finds one
            person; or its size is fixed.
        InferenceError: the decoder or one of its options does not exist.
    """
    from posezoo.poses.decoders import DECODERS, resolve_options, with_decoder_options

    if decoder is None:
        raise _refused(spec, "has no decoder to put into its IR")
    decoder = with_decoder_options(decoder, dict(options.decoder_options))
    kind = DECODERS.find(decoder.name)
    graph = GRAPHS.find(decoder.name)
    if kind is None or graph is None:
        names = sorted(GRAPHS.names())
        hint = Advice(f"remove --decode; these decoders can: {', '.join(names)}", "--decode")
        raise _refused(spec, f"its decoder {decoder.name} cannot be put into an IR", hint)
    option = _find_score_option(spec, kind, decoder.name, options.max_people)
    min_score = options.min_score
    values = {**graph.options, **decoder.options}
    if option and min_score is not None:
        values[option] = min_score
    decoder = replace(decoder, options=values)
    if option and min_score is None:
        min_score = float(getattr(resolve_options(decoder), option))
    if options.target_size and kind.approach != "bottom-up":
        raise _refused(spec, "its input size is fixed, and --height changes it", "")
    decoding = Decoding(decoder, options.max_people or 0, min_score or 0.0)
    target = options.target_size or spec.target_size
    return replace(_with_fixed_sizes(spec, decoder, target), decoding=decoding)


def _with_fixed_sizes(spec: ModelSpec, decoder: Decoder, target: int | None) -> ModelSpec:
    """The model with the usual sizes of its inputs, or the size that the decoder wants."""
    inputs = tuple(map(_with_usual_size, spec.inputs))
    if target:
        inputs = tuple(_with_target_size(port, decoder, target) for port in inputs)
    # Their sizes follow from those of the inputs.
    outputs = tuple(
        replace(port, shape=()) if target or -1 in port.shape else port for port in spec.outputs
    )
    return replace(spec, inputs=inputs, outputs=outputs)


def _refused(
    spec: ModelSpec, problem: str, hint: str = Advice("remove --decode", "--decode")
) -> ConversionError:
    return ConversionError(f"{spec.full_name}: {problem}", hint=hint)


def _find_score_option(
    spec: ModelSpec, decoder: DecoderType, name: str, max_people: int | None
) -> str:
    network = find_decoder_network(spec, decoder)
    if network is None:
        raise _refused(spec, f"its outputs are not those of the decoder {name}")
    if network is not decoder.networks[-1]:  # finds the people whom the last network processes
        return decoder.person_score
    if max_people is not None and decoder.approach == "top-down":
        problem = f"finds one person, so --max_people {max_people} cannot be used"
        raise _refused(spec, problem, "remove --max_people")
    graph = GRAPHS.find(name)
    return graph.score_option if graph else ""


def _with_usual_size(port: Input) -> Input:
    if port.usual_size is None:
        return port
    usual = dict(zip("HW", port.usual_size, strict=True))
    sides = zip(port.layout, port.shape, strict=True)
    return replace(port, shape=tuple(usual.get(axis, side) for axis, side in sides), reshaped=True)


def _with_target_size(port: Input, decoder: Decoder, target: int) -> Input:
    from posezoo.poses.decoders import sizing_of_input

    sides = port.sides
    if min(sides.values(), default=-1) < 1:
        return port
    sizing = sizing_of_input(decoder, port)
    sides["W"], sides["H"] = sizing.input_size(target, (sides["W"], sides["H"]))
    return replace(port, shape=tuple(sides.values()), reshaped=True)


def find_decoder_network(spec: ModelSpec, decoder: DecoderType) -> tuple[Output, ...] | None:
    """The outputs of the decoder's network whose roles the model declares; without roles, the last
    one's.
    """
    roles = {port.role for port in spec.outputs}
    if not roles - {""} or any(rule.keys() <= roles for rule in decoder.rules):
        return decoder.networks[-1]  # a rule may have roles of its own: all maps in one output
    fitting = (each for each in decoder.networks if {output.role for output in each} <= roles)
    return next(fitting, None)
