"""The file of a network that a user names instead of a model: an IR, ONNX or Paddle.

It becomes a model with this file as its source, and what its metadata and the user say.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace

from posezoo.core.declarations.model import (
    ORIGINALS,
    ColorOrder,
    Framework,
    Input,
    ModelSpec,
    SourceFile,
)
from posezoo.core.declarations.safe_names import avoid_reserved
from posezoo.core.declarations.sources import FileSource
from posezoo.core.errors import ExportError, shell_word
from posezoo.core.files.verified_files import compute_digest
from posezoo.core.resolve.input_options import InputOptions
from posezoo.poses.letterbox import LETTERBOX, RESIZE_TYPES, InputSizing
from posezoo.run.model_info import build_model_info
from posezoo.run.preparation import advise_preparation, explain_unstated, find_statement
from posezoo.run.runtime.graph import Graph
from posezoo.run.runtime.input_description import InputDescription
from posezoo.run.subject import Subject


def describe_network_file(subject: Subject, inputs: InputOptions) -> Subject:
    """The file of a network as a model of its own, whose source it is.

    Args:
        inputs: a network for images of any size gets the stated one, as Ultralytics' ``imgsz``, if
            they need a fixed size.

    Raises:
        InferenceError: what is stated contradicts the network.
        ExportError: the inputs need what nobody says.
    """
    graph = subject.graph
    assert graph
    options = subject.said.options
    is_stated = bool(subject.like or options.states_preprocessing or find_statement(graph))
    if graph.decoding:
        subject = replace(subject, undecoded=f"{graph.path}: contains its decoder already")
    undecoded = subject.undecoded
    spec, description = subject.describe()
    spec = replace(spec, inputs=(*_describe_image(spec, description, is_stated),))
    if inputs.decode or inputs.resize:
        spec = replace(spec, inputs=(_with_fixed_size(spec.first_input, description.sizing),))
    spec = _with_files(_with_stated_names(spec, description.labels), graph)
    if inputs != InputOptions():
        _require_stated(spec, undecoded, inputs)
    return replace(subject, model=spec)


def _with_fixed_size(port: Input, sizing: InputSizing | None) -> Input:
    """The input for one image, of the stated size if it is one of any size."""
    sides = {"N": 1}
    if sizing and sizing.window:
        width, height = sizing.window
        sides |= {"C": 3, "H": height, "W": width}
    axes = zip(port.layout, port.shape, strict=False)
    shape = tuple(sides.get(axis, side) for axis, side in axes)
    if not port.layout or shape == port.shape:
        return port
    return replace(port, shape=shape, reshaped=True)


def _require_stated(spec: ModelSpec, undecoded: str, inputs: InputOptions) -> None:
    path = spec.path
    if spec.first_input.is_unstated:
        raise ExportError(explain_unstated(path), hint=advise_preparation(path))
    if inputs.decode and undecoded:
        raise ExportError(
            undecoded,
            hint="--to folder, ovms and triton without --decode take any outputs",
        )
    if inputs.decode and spec.first_input.resize_type == "crop":
        raise ExportError(
            f"{path}: its resize_type is crop, and a decoder in an IR takes whole pictures",
            hint="--to folder, ovms and triton without --decode take it",
        )
    sizes = spec.first_input.shape
    if (inputs.decode or inputs.resize) and min(sizes, default=1) < 0:
        original = "ORIGINAL" if spec.is_ir else path
        raise ExportError(
            f"{path}: takes images of any size, {list(sizes)}, and this export needs a fixed one",
            hint=f"posezoo convert {shell_word(original)} --input_shape [1,3,HEIGHT,WIDTH]"
            " -o fixed.xml",
        )


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
        folder = f"{graph.stored_precision}/"
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
