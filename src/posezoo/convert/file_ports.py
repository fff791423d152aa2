"""What Model Optimizer does to the inputs and outputs that its command line names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from posezoo.core.convert.graph_cutting import find_output, find_port
from posezoo.core.convert.preprocess import fill_in_inputs, find_others
from posezoo.core.declarations.model import Input, ModelSpec, Output
from posezoo.core.errors import ConversionError, sanitize
from posezoo.core.ir.openvino_import import error_text, import_openvino, static_sizes

if TYPE_CHECKING:
    from openvino import Model


def require_all_inputs(spec: ModelSpec, network: Model) -> None:
    """Refuse means, shapes or layouts without names for fewer inputs than the network has, as Model
    Optimizer does.

    Raises:
        ConversionError: it has more inputs.
    """
    names = find_others(spec, network, ())
    if len(spec.inputs) < len(names):
        raise ConversionError(
            f"{spec.full_name}: the network has {len(names)} inputs, and the arguments have values,"
            f" shapes or layouts without names for {len(spec.inputs)}",
            hint=f"give the names, such as {sanitize(names[0])}[...]; the inputs:"
            f" {', '.join(map(sanitize, names))}",
        )


def keep_order(spec: ModelSpec, network: Model) -> ModelSpec:
    """The model with its outputs in the order of the network, if they are all that it has, as Model
    Optimizer does it.
    """
    for name in spec.output_names:
        find_output(network, name)  # it adds TensorFlow's short name
    ports = network.outputs
    ordered = [output for port in ports for output in spec.outputs if output.name in port.names]
    if len(ordered) == len(ports) == len(spec.outputs):
        return replace(spec, outputs=tuple(ordered))
    return spec


def move_output_layouts(spec: ModelSpec, network: Model) -> tuple[ModelSpec, list[Input]]:
    """The model with the layouts of its outputs, which Model Optimizer takes among those of the
    inputs; and those of them that get another layout in the IR.

    Raises:
        ConversionError: more than a layout is given of an output.
    """
    ends = set[str]().union(*(port.names for port in network.outputs))
    inputs = tuple(port for port in spec.inputs if port.name not in ends)
    moved = [port for port in spec.inputs if port.name in ends]
    for port in moved:
        if port != Input(port.name, (), port.layout, to_layout=port.to_layout):
            raise ConversionError(
                f"{port.name}: is an output of the network, and takes a layout only"
            )
    if not moved:
        return spec, []
    layouts = {port.name: port.layout for port in moved}
    outputs = spec.outputs or [
        Output(next(iter(port.names & layouts.keys()), port.any_name), ())
        for port in network.outputs
    ]
    outputs = tuple(replace(port, layout=layouts.get(port.name, port.layout)) for port in outputs)
    transposed = [port for port in moved if port.to_layout]
    return replace(spec, inputs=inputs, outputs=outputs), transposed


def transpose_outputs(network: Model, outputs: Sequence[Input]) -> None:
    """Give the outputs from ``move_output_layouts`` their other layout; the network is changed.

    Raises:
        ConversionError: a layout does not fit its output.
    """
    ov = import_openvino()
    steps = ov.preprocess.PrePostProcessor(network)
    for output in outputs:
        steps.output(output.name).model().set_layout(ov.Layout(output.layout))
        steps.output(output.name).tensor().set_layout(ov.Layout(output.to_layout))
    try:
        steps.build()
    except RuntimeError as error:
        names = ", ".join(output.name for output in outputs)
        raise ConversionError(
            f"--layout: does not fit the outputs {names}: {error_text(error)}"
        ) from error


def with_batch(spec: ModelSpec, network: Model, batch: int) -> ModelSpec:
    """The model with a new size of N, or of the first dimension of inputs without a layout.

    The other sizes are those of the network, an ``openvino.Model`` as read.

    Raises:
        ConversionError: an input has a batch size that is part of the network, or no known number
            of sizes.
    """
    spec = fill_in_inputs(spec, network)
    ports = {port.name: find_port(network.inputs, port.name) for port in spec.inputs}
    others = [Input(name, ()) for name in find_others(spec, network, ports)]
    inputs = []
    for declared in (*spec.inputs, *others):
        port = ports.get(declared.name) or find_port(network.inputs, declared.name)
        if port is None:  # the network will begin inside
            inputs.append(declared)
            continue
        problem = f"{spec.full_name}: {declared.name} cannot get a batch size"
        if port.partial_shape.rank.is_dynamic:
            raise ConversionError(
                f"{problem}: its number of sizes is unknown", hint="declare its shape"
            )
        sizes = list(static_sizes(port.partial_shape))
        axis = declared.layout.find("N") if declared.layout else 0
        if not declared.layout and sizes and sizes[0] > 1:
            raise ConversionError(
                f"{problem}: its first size is {sizes[0]}, which may not be a batch",
                hint="declare its layout, or its shape instead",
            )
        if sizes and axis >= 0:
            sizes[axis] = batch
        inputs.append(replace(declared, shape=tuple(sizes), reshaped=True))
    return replace(spec, inputs=tuple(inputs))
