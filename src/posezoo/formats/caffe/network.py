"""A Caffe network as an ``openvino.Model``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from posezoo.core.declarations.model import Input
from posezoo.core.errors import sanitize
from posezoo.core.ir.openvino_graph import Model, Node, Output
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.core.values import frozen
from posezoo.formats.activations import Activation, find_activation
from posezoo.formats.caffe.caffemodel import read_weights
from posezoo.formats.caffe.layers import LAYERS, Layer, LayerBuilder
from posezoo.formats.caffe.prototxt import Message, read_prototxt
from posezoo.formats.layers_text import MAX_VALUES

# Layers that change nothing in a network that is only run, and those whose results are not read.
_IDENTITIES = ("Dropout", "Split")
_IGNORED = ("Silence", "Accuracy")

# The types of layers in files from before 2014, if only their spelling differs: INNER_PRODUCT.
_OLD_NAMES = {
    name.upper(): name
    for name in (
        "Concat", "Convolution", "Deconvolution", "Dropout", "Eltwise", "Flatten", "LRN", "Pooling",
        "Power", "ReLU", "Sigmoid", "Silence", "Slice", "Softmax", "Split", "TanH",
    )
} | {"INNER_PRODUCT": "InnerProduct"}  # fmt: skip

#: The most layers of a network; ResNet-152 has 516 with its normalizations.
_MAX_LAYERS = 5000
#: The most tensors that a layer reads or makes.
_MAX_PORTS = 1000


def read_caffe(prototxt: Path, caffemodel: Path, inputs: Sequence[Input] = ()) -> Model:
    """The network of both files; its tensors have the names of Caffe's tops, its operations those
    of the layers.

    Args:
        inputs: declarations whose static shapes replace those of the .prototxt, by name or else in
            order: OpenPose declares images of one pixel.

    Raises:
        ConversionError: a file is damaged, or a layer has a type or parameter that is not
            supported; nothing has been built then.
    """
    net = read_prototxt(prototxt)
    layers = list(select_layers(net))
    _refuse_too_many(layers)
    builders = _find_builders(layers)
    weights = read_weights(caffemodel)
    ports = describe_ports(net)
    shapes = dict(ports.inputs)
    for name, asked in zip(ports.inputs, inputs, strict=False):
        if asked.shape and min(asked.shape) > 0:
            shapes[asked.name or name] = asked.shape
    for name in ports.inputs:
        if math.prod(shapes[name]) > MAX_VALUES:
            problem = f"the input {sanitize(name)} {list(shapes[name])} is too large"
            declared = next((layer for layer in layers if name in layer.texts("top")), net)
            raise declared.make_error(problem, "input_dim", "input_shape", "input_param")
    ov = import_openvino()
    parameters = []
    tensors: dict[str, Output] = {}
    for name in ports.inputs:
        parameter = ov.op.Parameter(ov.Type.f32, ov.PartialShape(list(shapes[name])))
        parameter.set_friendly_name(name)
        parameters.append(parameter)
        tensors[name] = parameter.output(0)
    for declared in layers:
        if type_of(declared) != "Input":
            outputs = _build_layer(declared, builders, tensors, weights)
            tensors |= zip(declared.texts("top"), outputs, strict=False)
    for top, output in tensors.items():
        output.add_names({top})
    results = [ov.op.Result(tensors[end]) for end in ports.ends if end in tensors]
    return ov.Model(results, parameters, net.text("name", "caffe"))


@frozen
class CaffePorts:
    """What a network takes and makes, by names of its .prototxt.

    Attributes:
        ends: the tops that no layer reads; Silence reads them, Accuracy does not.
        writers: the layer that makes a top last, by the top and by the layer's own name.
        detections: how many rows a layer of detections makes, by its top and its own name.
    """

    inputs: Mapping[str, tuple[int, ...]]
    ends: Sequence[str]
    writers: Mapping[str, str]
    detections: Mapping[str, int]


def describe_ports(net: Message) -> CaffePorts:
    """The inputs and outputs of a network; a ConversionError if they are not declared correctly."""
    inputs = dict(_read_inputs(net))
    ends: dict[str, None] = {}
    writers: dict[str, str] = {}
    detections: dict[str, int] = {}
    for layer in _select_phase(net):
        if type_of(layer) in ("Input", "Accuracy"):
            continue
        name = layer.text("name")
        tops = layer.texts("top")
        for bottom in layer.texts("bottom"):
            ends.pop(bottom, None)
        ends |= dict.fromkeys(tops)
        if len(tops) == 1:
            writers |= {tops[0]: name, name: name}
        if type_of(layer) == "DetectionOutput":
            rows = layer.message("detection_output_param").integer("keep_top_k", -1)
            detections |= dict.fromkeys((name, *tops), rows)
    return CaffePorts(inputs, list(ends), writers, detections)


def select_layers(net: Message) -> Iterator[Message]:
    """The layers that compute something in a network that is run, not trained, in their order."""
    return (layer for layer in _select_phase(net) if type_of(layer) not in _IGNORED)


def _select_phase(net: Message) -> Iterator[Message]:
    for layer in [*net.messages("layer"), *net.messages("layers")]:
        phases = {rule.text("phase") for rule in layer.messages("include")} - {""}
        excluded = {rule.text("phase") for rule in layer.messages("exclude")}
        is_for_training = (phases and "TEST" not in phases) or "TEST" in excluded
        if not is_for_training:
            yield layer


def type_of(layer: Message) -> str:
    """The type of a layer, by its present name."""
    kind = layer.text("type")
    return _OLD_NAMES.get(kind, kind)


def _refuse_too_many(layers: Sequence[Message]) -> None:
    if len(layers) > _MAX_LAYERS:
        raise layers[_MAX_LAYERS].make_error(f"more than {_MAX_LAYERS} layers")
    for layer in layers:
        for kind in ("bottom", "top"):
            if len(layer.texts(kind)) > _MAX_PORTS:
                raise layer.make_error(f"more than {_MAX_PORTS} times {kind}")


def _find_builders(layers: Sequence[Message]) -> dict[str, LayerBuilder]:
    """What builds each type of layer; a ConversionError names all types that nothing builds."""
    builders = dict(LAYERS)
    spelled = {kind.lower() for kind in builders}  # Relu is no type of Caffe
    for kind in {type_of(layer) for layer in layers}:
        activate = find_activation(kind)
        if activate and kind.lower() not in spelled:
            builders[kind] = partial(_activate, activate)
    known_types = {*builders, *_IDENTITIES, "Input"}
    unknown = [layer for layer in layers if type_of(layer) not in known_types]
    if unknown:
        kinds = sorted({sanitize(type_of(layer)) for layer in unknown})
        raise unknown[0].make_error(f"posezoo has no layers of type {', '.join(kinds)}")
    return builders


def _activate(activate: Activation, layer: Layer) -> Node:
    parameters = [name for name in layer.declared.fields if name.endswith("_param")]
    if parameters:
        raise layer.make_error(f"its {sanitize(parameters[0])} is not supported")
    return activate(layer.input)


def _read_inputs(net: Message) -> Iterator[tuple[str, tuple[int, ...]]]:
    names = net.texts("input")
    sizes = net.integers("input_dim")
    shapes = [shape.integers("dim") for shape in net.messages("input_shape")]
    shapes = shapes or [sizes[at : at + 4] for at in range(0, len(sizes), 4)]
    if len(names) != len(shapes):
        raise net.make_error(f"{len(names)} inputs have {len(shapes)} shapes")
    yield from zip(names, map(tuple, shapes), strict=True)
    for layer in select_layers(net):
        if type_of(layer) == "Input":
            shape = layer.message("input_param").message("shape").integers("dim")
            if not shape:
                raise layer.make_error("an input needs a shape")
            yield layer.text("top", layer.text("name")), tuple(shape)


def _build_layer(
    declared: Message,
    builders: dict[str, LayerBuilder],
    tensors: dict[str, Output],
    weights: dict[str, list[Any]],
) -> Sequence[Output]:
    name = declared.text("name")
    kind = type_of(declared)
    missing = [bottom for bottom in declared.texts("bottom") if bottom not in tensors]
    if missing:
        raise declared.make_error(
            f"layer {sanitize(name)} reads {sanitize(missing[0])}, which no layer before it makes"
        )
    inputs = [tensors[bottom] for bottom in declared.texts("bottom")]
    layer = Layer(name, kind, declared, inputs, blobs=weights.get(name, ()))
    if kind in _IDENTITIES:
        return [layer.input] * len(declared.texts("top"))
    try:
        node = builders[kind](layer)
    except (RuntimeError, ValueError, IndexError) as error:
        reason = str(error).strip().splitlines()[-1]
        hint = ""
        if inputs and list(inputs[0].get_shape()[2:]) == [1, 1]:  # as in OpenPose's own files
            hint = "the .prototxt leaves the size of the image open: give the shape of the input"
        raise layer.make_error(f"cannot be built: {sanitize(reason)}", hint) from error
    outputs: Sequence[Output] = node.outputs()
    for output in outputs:
        shape = output.get_partial_shape()
        if shape.is_static and math.prod(shape.to_shape()) > MAX_VALUES:
            raise layer.make_error(f"its output {list(shape.to_shape())} is too large")
    node.set_friendly_name(name)
    return outputs
