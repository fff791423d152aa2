"""A real TFLite network of two layers, made in milliseconds without TensorFlow.

    image [1, H, W, 3] ── conv 3x3, ReLU ── [1, H, W, 4] ─┬─ conv 1x1 ── heatmaps [1, H, W, 2]
                                                          └─ conv 1x1 ── pafs     [1, H, W, 2]

Nothing about it is symmetric: not the kernels, not height and width, not the channels; and its two
outputs have one shape, so that only their values tell them apart.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as tflite

from posezoo.layout import Layout
from posezoo.spec.model import (
    ColorOrder,
    Digest,
    Family,
    FileSource,
    Framework,
    Input,
    License,
    ModelSpec,
    Output,
    SourceFile,
)

HEIGHT, WIDTH = 12, 20
MEAN, SCALE = (100.0, 120.0, 140.0), (50.0, 60.0, 70.0)
OUTPUTS = ("heatmaps", "pafs")
OUTPUT_SHAPE = (1, HEIGHT, WIDTH, 2)

Array = np.ndarray


def network(*, seed: int = 0, largest_weight: float | None = None, open_sizes: bool = False) -> bytes:
    """The bytes of a .tflite file; the same for the same arguments.

    Args:
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

    writer = _Writer(open_sizes)
    image = writer.tensor("image", (1, HEIGHT, WIDTH, 3))
    features = writer.tensor("features", (1, HEIGHT, WIDTH, 4))
    heads = [writer.tensor(name, OUTPUT_SHAPE) for name in OUTPUTS]
    writer.convolution(image, features, stem, biases[0], relu=True)
    writer.convolution(features, heads[0], heatmaps, biases[1])
    writer.convolution(features, heads[1], pafs, biases[2])
    return writer.finish([image], heads)


def _away_from_zero(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(1, 2, shape)


def spec_of(content: bytes, folder: Path, **changes: object) -> ModelSpec:
    """The model.yml, as read, of a network that lies in ``folder``; any field may be changed."""
    fields: dict[str, object] = {
        "name": "tiny-pose",
        "family": Family.PUBLIC,
        "path": folder / "model.yml",
        "description": "Two layers.",
        "task": "human_pose_estimation",
        "framework": Framework.TFLITE,
        "license": License("Apache-2.0"),
        "files": (source_file("tiny.tflite", content, folder),),
        "inputs": (Input("image", (1, HEIGHT, WIDTH, 3), "NHWC", ColorOrder.RGB, MEAN, SCALE, True),),
        "outputs": tuple(Output(name, OUTPUT_SHAPE) for name in OUTPUTS),
    }
    return ModelSpec(**{**fields, **changes})  # type: ignore[arg-type]


def source_file(name: str, content: bytes, folder: Path) -> SourceFile:
    """A published file whose digest is that of its bytes."""
    digest = Digest("sha384", hashlib.sha384(content).hexdigest())
    return SourceFile(name, len(content), digest, (FileSource(folder / name),))


def downloaded(spec: ModelSpec, content: bytes, root: Path) -> Layout:
    """A layout below ``root`` that holds the first file of a model, as a download leaves it."""
    layout = Layout(root, root)
    original = layout.file(spec, spec.files[0])
    original.parent.mkdir(parents=True, exist_ok=True)
    original.write_bytes(content)
    return layout


class _Writer:
    """One subgraph, written with the schema's own classes."""

    def __init__(self, open_sizes: bool) -> None:
        self.open_sizes = open_sizes
        self.tensors: list[object] = []
        self.operators: list[object] = []
        self.buffers = [tflite.BufferT()]  # the first one is empty by convention: "no data"

    def tensor(self, name: str, shape: tuple[int, ...], values: Array | None = None) -> int:
        tensor = tflite.TensorT()
        tensor.name, tensor.shape, tensor.type = name, list(shape), tflite.TensorType.FLOAT32
        tensor.buffer = 0
        if self.open_sizes and values is None:
            tensor.shapeSignature = [shape[0], -1, *shape[2:]]
        if values is not None:
            buffer = tflite.BufferT()
            buffer.data = np.frombuffer(values.astype("<f4").tobytes(), np.uint8)
            self.buffers.append(buffer)
            tensor.buffer = len(self.buffers) - 1
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def convolution(
        self, source: int, target: int, kernel: Array, bias: Array, *, relu: bool = False
    ) -> None:
        options = tflite.Conv2DOptionsT()
        options.padding, options.strideH, options.strideW = tflite.Padding.SAME, 1, 1
        options.fusedActivationFunction = (
            tflite.ActivationFunctionType.RELU if relu else tflite.ActivationFunctionType.NONE
        )
        operator = tflite.OperatorT()
        operator.opcodeIndex = 0
        operator.inputs = [
            source,
            self.tensor(f"kernel{target}", kernel.shape, kernel),
            self.tensor(f"bias{target}", bias.shape, bias),
        ]
        operator.outputs = [target]
        operator.builtinOptionsType, operator.builtinOptions = tflite.BuiltinOptions.Conv2DOptions, options
        self.operators.append(operator)

    def finish(self, inputs: list[int], outputs: list[int]) -> bytes:
        code = tflite.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = tflite.BuiltinOperator.CONV_2D
        code.version = 1
        graph = tflite.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs, graph.name = inputs, outputs, "main"
        model = tflite.ModelT()
        model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], self.buffers
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())
