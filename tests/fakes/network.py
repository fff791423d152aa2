"""A real network of two layers as TFLite, ONNX and TensorFlow write it, made in milliseconds without them.

    image [1, H, W, 3] ── conv 3x3, ReLU ── [1, H, W, 4] ─┬─ conv 1x1 ── heatmaps [1, H, W, 2]
                                                          └─ conv 1x1 ── pafs     [1, H, W, 2]

In ONNX the channels stand before height and width. Nothing about it is symmetric: not the kernels, not
height and width, not the channels; and its two outputs have one shape, so that only their values tell
them apart.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as tflite
from onnx import helper

from fakes import graphs
from fakes.tflite_writer import TfliteWriter, options_of
from posezoo.core.declarations.model import (
    ColorOrder,
    Digest,
    Family,
    Framework,
    Input,
    License,
    ModelSpec,
    Output,
    SourceFile,
)
from posezoo.core.declarations.sources import FileSource
from posezoo.core.layout import ModelLayout

HEIGHT, WIDTH = 12, 20
MEAN, SCALE = (100.0, 120.0, 140.0), (50.0, 60.0, 70.0)
OUTPUTS = ("heatmaps", "pafs")
OUTPUT_SHAPE = (1, HEIGHT, WIDTH, 2)
KINDS = ("tflite", "onnx", "pb")

Array = np.ndarray


def network(
    kind: str = "tflite",
    *,
    seed: int = 0,
    largest_weight: float | None = None,
    open_sizes: bool = False,
) -> bytes:
    """The bytes of a file; the same for the same arguments.

    Args:
        kind: what the file's name ends in: tflite, onnx or pb.
        seed: draws the weights.
        largest_weight: the value of one weight of ``pafs``, where it shall stand out.
        open_sizes: whether the height may be any.
    """
    rng = np.random.default_rng(seed)
    stem, heatmaps, pafs = (
        _away_from_zero(rng, shape) for shape in ((4, 3, 3, 3), (2, 1, 1, 4), (2, 1, 1, 4))
    )
    # Small kernels and large biases: a percent of any of them is to be seen in the outputs.
    stem, heatmaps, pafs = stem / 10, heatmaps / 3, pafs / 3
    biases = [_away_from_zero(rng, (count,)) for count in (4, 2, 2)]
    if largest_weight is not None:
        pafs[1, 0, 0, 2] = largest_weight

    return _WRITERS[kind]([stem, heatmaps, pafs], biases, open_sizes)


def _tflite(kernels: list[Array], biases: list[Array], open_sizes: bool) -> bytes:
    writer = TfliteWriter(open_axis=1 if open_sizes else None)
    image = writer.tensor("image", (1, HEIGHT, WIDTH, 3))
    features = writer.tensor("features", (1, HEIGHT, WIDTH, 4))
    heads = [writer.tensor(name, OUTPUT_SHAPE) for name in OUTPUTS]
    _add_convolution(writer, image, features, kernels[0], biases[0], relu=True)
    _add_convolution(writer, features, heads[0], kernels[1], biases[1])
    _add_convolution(writer, features, heads[1], kernels[2], biases[2])
    return writer.finish([image], heads)


def _onnx(kernels: list[Array], biases: list[Array], open_sizes: bool) -> bytes:
    weights = {
        f"{name}{number}": np.ascontiguousarray(values, np.float32)
        for name, arrays in (
            ("kernel", [kernel.transpose(0, 3, 1, 2) for kernel in kernels]),
            ("bias", biases),
        )
        for number, values in enumerate(arrays)
    }
    nodes = [
        helper.make_node(
            "Conv", ["image", "kernel0", "bias0"], ["stem"], "stem", pads=[1, 1, 1, 1]
        ),
        helper.make_node("Relu", ["stem"], ["features"], "features"),
        *(
            helper.make_node("Conv", ["features", f"kernel{number}", f"bias{number}"], [name], name)
            for number, name in enumerate(OUTPUTS, 1)
        ),
    ]
    height = "height" if open_sizes else HEIGHT
    ports = [
        (name, graphs.FLOAT, (1, channels, height, WIDTH))
        for name, channels in (("image", 3), *((name, 2) for name in OUTPUTS))
    ]
    return graphs.written("tiny", nodes, ports[:1], ports[1:], weights)


def _frozen_graph(kernels: list[Array], biases: list[Array], open_sizes: bool) -> bytes:
    """A GraphDef, field by field, as graph.proto, node_def.proto, attr_value.proto and tensor.proto say."""
    float32 = _attribute("T", _field(6, 1))
    shape = _shape((1, -1 if open_sizes else HEIGHT, WIDTH, 3))
    nodes = [
        _node(
            "image",
            "Placeholder",
            [],
            _attribute("dtype", _field(6, 1)),
            _attribute("shape", shape),
        )
    ]

    def constant(name: str, values: Array) -> str:
        tensor = (
            _field(1, 1)
            + _shape(values.shape, number=2)
            + _field(4, values.astype("<f4").tobytes())
        )
        dtype = _attribute("dtype", _field(6, 1))
        nodes.append(_node(name, "Const", [], dtype, _attribute("value", _field(8, tensor))))
        return name

    def convolution(source: str, target: str, number: int) -> None:
        kernel = constant(f"kernel{number}", kernels[number].transpose(1, 2, 3, 0))
        strides = _attribute("strides", _field(1, _field(3, b"\1\1\1\1")))
        padding = _attribute("padding", _field(2, b"SAME"))
        name = f"{target}/convolution"
        nodes.append(_node(name, "Conv2D", [source, kernel], float32, strides, padding))
        bias = constant(f"bias{number}", biases[number])
        nodes.append(_node(target, "BiasAdd", [name, bias], float32))

    convolution("image", "stem", 0)
    nodes.append(_node("features", "Relu", ["stem"], float32))
    for number, name in enumerate(OUTPUTS, 1):
        convolution("features", name, number)
    return b"".join(_field(1, node) for node in nodes)


def _node(name: str, operation: str, inputs: list[str], *attributes: bytes) -> bytes:
    return b"".join(
        [
            _field(1, name.encode()),
            _field(2, operation.encode()),
            *(_field(3, port.encode()) for port in inputs),
            *attributes,
        ]
    )


def _attribute(name: str, value: bytes) -> bytes:
    return _field(5, _field(1, name.encode()) + _field(2, value))


def _shape(sizes: tuple[int, ...], *, number: int = 7) -> bytes:
    return _field(number, b"".join(_field(2, _field(1, size)) for size in sizes))


def _field(number: int, value: int | bytes) -> bytes:
    """A field of a Protocol Buffers message: an integer, or anything else with its length before it."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value % (1 << 64))
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    groups = [value >> shift & 0x7F for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])


_WRITERS = {"tflite": _tflite, "onnx": _onnx, "pb": _frozen_graph}
_FRAMEWORKS = {"tflite": Framework.TFLITE, "onnx": Framework.ONNX, "pb": Framework.TF}


def _away_from_zero(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(1, 2, shape)


def with_weights_beside(location: str) -> tuple[bytes, bytes]:
    """The ONNX network whose second kernel lies in another file, and what that file holds."""

    model = onnx.load_from_string(network("onnx"))
    weights = next(each for each in model.graph.initializer if each.name == "kernel1")
    content = weights.raw_data
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(len(content)))):
        weights.external_data.add(key=key, value=value)
    return model.SerializeToString(), content


def spec_of(content: bytes, folder: Path, **changes: object) -> ModelSpec:
    """The model.yml, as read, of a network that lies in ``folder``; any field may be changed."""
    kind = {b"\x08": "onnx", b"\x0a": "pb"}.get(content[:1], "tflite")
    framework = changes.get("framework", _FRAMEWORKS[kind])
    fields: dict[str, object] = {
        "name": "tiny-pose",
        "family": Family.PUBLIC,
        "path": folder / "model.yml",
        "description": "Two layers.",
        "task": "human_pose_estimation",
        "framework": framework,
        "license": License("Apache-2.0"),
        "files": (source_file(f"tiny.{kind}", content, folder),),
        "inputs": (image_of(framework),),
        "outputs": tuple(output_of(framework, name) for name in OUTPUTS),
    }
    return ModelSpec(**{**fields, **changes})  # type: ignore[arg-type]


def image_of(framework: object) -> Input:
    """The input of the network."""
    shape, layout = (1, HEIGHT, WIDTH, 3), "NHWC"
    if framework is Framework.ONNX:
        shape, layout = (1, 3, HEIGHT, WIDTH), "NCHW"
    return Input("image", shape, layout, ColorOrder.RGB, MEAN, SCALE, True)


def output_of(framework: object, name: str) -> Output:
    """An output of the network."""
    return Output(name, (1, 2, HEIGHT, WIDTH) if framework is Framework.ONNX else OUTPUT_SHAPE)


def digest_of(content: bytes) -> Digest:
    """The digest that model.yml states of a file with this content."""
    return Digest("sha384", hashlib.sha384(content).hexdigest())


def source_file(name: str, content: bytes, folder: Path) -> SourceFile:
    """A published file whose digest is that of its bytes."""
    return SourceFile(name, len(content), digest_of(content), (FileSource(folder / name),))


def downloaded(spec: ModelSpec, content: bytes, root: Path) -> ModelLayout:
    """A layout below ``root`` that holds the first file of a model, as a download leaves it."""
    layout = ModelLayout(root, root)
    original = layout.file_path(spec, spec.files[0])
    original.parent.mkdir(parents=True, exist_ok=True)
    original.write_bytes(content)
    return layout


def _add_convolution(
    writer: TfliteWriter,
    source: int,
    target: int,
    kernel: Array,
    bias: Array,
    *,
    relu: bool = False,
) -> None:
    activations = tflite.ActivationFunctionType
    options = options_of(
        "Conv2DOptions",
        padding=tflite.Padding.SAME,
        strideH=1,
        strideW=1,
        fusedActivationFunction=activations.RELU if relu else activations.NONE,
    )
    weights = writer.tensor(f"kernel{target}", kernel.shape, kernel)
    biases = writer.tensor(f"bias{target}", bias.shape, bias)
    writer.operator("CONV_2D", options, [source, weights, biases], [target])


def saved_model() -> tuple[bytes, bytes]:
    """The frozen graph as a SavedModel (saved_model.pb) and as a MetaGraph, field by field as their .proto say."""

    def port(name: str, channels: int) -> bytes:
        info = (
            _field(1, f"{name}:0".encode())
            + _field(2, 1)
            + _shape((1, HEIGHT, WIDTH, channels), number=3)
        )
        return _field(1, name.encode()) + _field(2, info)

    signature = _field(1, port("image", 3)) + b"".join(_field(2, port(name, 2)) for name in OUTPUTS)
    signature += _field(3, b"tensorflow/serving/predict")
    served = _field(1, b"serving_default") + _field(2, signature)
    meta = _field(1, _field(4, b"serve")) + _field(2, network("pb")) + _field(5, served)
    return _field(1, 1) + _field(2, meta), meta
