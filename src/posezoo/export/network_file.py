"""The file of a network that a user exports instead of a model: an IR, ONNX or Paddle.

It becomes a model with this file as its source, and what its metadata and the user say.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from posezoo.core.declarations.model import (
    ORIGINALS,
    ColorOrder,
    Framework,
    Input,
    ModelSpec,
    Precision,
    SourceFile,
)
from posezoo.core.declarations.safe_names import avoid_reserved
from posezoo.core.declarations.sources import FileSource
from posezoo.core.errors import DecoderError, ExportError, shell_word
from posezoo.core.files.verified_files import compute_digest
from posezoo.core.resolve.input_options import InputOptions
from posezoo.core.values import frozen
from posezoo.poses.letterbox import LETTERBOX, RESIZE_TYPES, InputSizing
from posezoo.quantize.int8_layers import count_layers, layers_in_float
from posezoo.run.model_info import build_model_info
from posezoo.run.preparation import FLAGS_THAT_STATE_IT, explain_unstated, find_statement
from posezoo.run.runtime.decoder_matching import describe_ir, describe_undecoded
from posezoo.run.runtime.graph import Graph
from posezoo.run.runtime.input_description import InputDescription
from posezoo.run.runtime.runtime_config import LoadOptions


@frozen
class NetworkFile:
    """A file, and what it and the user say of it.

    Attributes:
        spec: the model that it is; without a decoder if no decoder takes its outputs.
        undecoded: why it has no decoder; empty if it has one.
    """

    spec: ModelSpec
    undecoded: str

    @property
    def unstated(self) -> str:
        """The warning if nothing says how images are prepared; else empty."""
        return explain_unstated(self.spec.path) if self.spec.first_input.is_unstated else ""

    def require(self, inputs: InputOptions) -> None:
        """Check that it says what is put into the IR.

        Raises:
            ExportError: a flag has to say it.
        """
        path = self.spec.path
        if inputs != InputOptions() and self.unstated:
            raise ExportError(self.unstated, hint=f"--as MODEL, or {FLAGS_THAT_STATE_IT}")
        if inputs.decode and self.undecoded:
            raise ExportError(
                self.undecoded,
                hint="--decoder NAME says what reads them; --to folder, ovms and triton"
                " without --decode take any outputs",
            )
        if inputs.decode and self.spec.first_input.resize_type == "crop":
            raise ExportError(
                f"{path}: its resize_type is crop, and a decoder in an IR takes whole pictures",
                hint="--to folder, ovms and triton without --decode take it",
            )
        sizes = self.spec.first_input.shape
        if (inputs.decode or inputs.resize) and min(sizes, default=1) < 0:
            original = "ORIGINAL" if self.spec.is_ir else path
            raise ExportError(
                f"{path}: takes images of any size, {list(sizes)}, and this export needs a fixed"
                " one",
                hint=f"posezoo convert {shell_word(original)} --input_shape [1,3,HEIGHT,WIDTH]"
                " -o fixed.xml",
            )


def describe_network_file(
    path: Path, like: ModelSpec | None, given: LoadOptions, *, fixes_size: bool
) -> NetworkFile:
    """The file as a model of its own.

    Args:
        like: a model with such images and outputs.
        fixes_size: whether a network for images of any size gets the stated one, as Ultralytics'
            ``imgsz``.

    Raises:
        InferenceError: it cannot be read, or what is stated contradicts the network.
    """
    graph = Graph(path)
    is_stated = bool(like or given.states_preprocessing) or bool(find_statement(graph))
    undecoded = ""
    if graph.decoding:
        undecoded = f"{path}: contains its decoder already"
    elif not is_stated:
        undecoded = explain_unstated(path)
    else:
        try:
            spec, description = describe_ir(graph, None, like, options=given)
        except DecoderError as error:
            if like:
                raise
            undecoded = error.problem
    if undecoded:
        spec, description = describe_undecoded(graph, given)
    spec = replace(spec, inputs=(*_describe_image(spec, description, is_stated),))
    if fixes_size and description.sizing and description.sizing.window:
        width, height = description.sizing.window
        sides = {"N": 1, "C": 3, "H": height, "W": width}
        port = spec.first_input
        shape = tuple(sides[axis] for axis in port.layout)
        spec = replace(spec, inputs=(replace(port, shape=shape, reshaped=True),))
    spec = _with_stated_names(spec, description.labels)
    return NetworkFile(_with_files(spec, graph), undecoded)


def _describe_image(
    spec: ModelSpec, description: InputDescription, is_stated: bool
) -> Iterator[Input]:
    preprocessing = description.preprocessing
    for port in spec.inputs:
        layout = preprocessing.layout or port.layout
        if not layout or not is_stated:
            yield replace(port, layout=layout, is_unstated=not is_stated)
            continue
        color = ColorOrder.RGB if preprocessing.reverse_input_channels else ColorOrder.BGR
        port = replace(
            port, layout=layout, color=color, mean=preprocessing.mean, scale=preprocessing.scale
        )
        yield _with_sizing(port, description.sizing)


def _with_sizing(port: Input, sizing: InputSizing | None) -> Input:
    if sizing is None:
        return port
    if not sizing.keeps_scale:  # it states only the value beside an image
        return replace(port, pad_value=sizing.padding)
    is_centered = sizing.centered or sizing.fit != LETTERBOX
    words = {fitted: word for word, fitted in RESIZE_TYPES.items()}
    word = words[sizing.fit, is_centered]
    return replace(port, resize_type=word, pad_value=sizing.padding)


def _with_stated_names(spec: ModelSpec, labels: Collection[str]) -> ModelSpec:
    if not labels:
        return spec
    outputs = {port.name: port.shape for port in spec.outputs}
    info = build_model_info(outputs, spec, spec.decoder)
    info["labels"] = " ".join(re.sub(r"[\s,;]+", "_", name) for name in labels)
    return replace(spec, model_info=info)


def _with_files(spec: ModelSpec, graph: Graph) -> ModelSpec:
    path = graph.path
    name = avoid_reserved(re.sub(r"[^A-Za-z0-9_.]+", "-", path.stem).strip("-.") or "network")
    framework = ORIGINALS.get(path.suffix.lower(), Framework.DLDT)
    folder = ""
    if framework is Framework.DLDT:
        folder = f"{_stored_precision(graph)}/"
    files = []
    for file in graph.files:
        beside = file.relative_to(path.parent).as_posix()
        is_named_in_original = framework is Framework.ONNX and file != path
        file_name = beside if is_named_in_original else f"{name}{file.suffix}"
        digest = compute_digest(file)
        source = FileSource(file.absolute())
        size = file.stat().st_size
        files.append(SourceFile(f"{folder}{file_name}", size, digest, sources=(source,)))
    return replace(spec, name=name, framework=framework, files=tuple(files))


def _stored_precision(graph: Graph) -> Precision:
    network = graph.model
    constants = (node for node in network.get_ops() if node.get_type_name() == "Constant")
    has_halves = any(node.get_element_type().get_type_name() == "f16" for node in constants)
    if len(layers_in_float(network)) < count_layers(network):
        return Precision.FP16_INT8 if has_halves else Precision.FP32_INT8
    return Precision.FP16 if has_halves else Precision.FP32
