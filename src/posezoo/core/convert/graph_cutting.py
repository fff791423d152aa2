"""Cut a network at the inputs and outputs that a model declares, and freeze inputs to constants."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from posezoo.core.declarations import supported_mo_args
from posezoo.core.declarations.model import Input, ModelSpec
from posezoo.core.declarations.supported_mo_args import FrozenValue
from posezoo.core.errors import ConversionError
from posezoo.core.ir.openvino_import import error_text, import_openvino, static_sizes

if TYPE_CHECKING:
    from openvino import Model, Node, Output

#: The most values of a constant that an input can be frozen to; flags and lengths have far fewer.
MAX_SIZE = 1 << 24


def find_output(network: Model, name: str) -> Output | None:
    """The output or else the inner tensor of that name, an ``openvino.Output``; ``operation:1`` is
    an operation's second output, as for Model Optimizer. None if there is none.
    """
    port = find_port((result.input_value(0) for result in network.get_results()), name)
    if port is not None:
        return port
    inner = [port for operation in network.get_ordered_ops() for port in operation.outputs()]
    port = find_port(inner, name)
    operation, _, number = name.rpartition(":")
    if port is not None or not number.isdecimal():
        return port
    wanted = (operation, int(number))
    for candidate in inner:
        if (candidate.get_node().get_friendly_name(), candidate.get_index()) == wanted:
            candidate.add_names({name})
            return candidate
    return None


def find_port(ports: Iterable[Output], name: str) -> Output | None:
    """The port whose tensor has that name, an ``openvino.Output``; None if there is none.

    TensorFlow's tensor ``image:0`` is also found by its operation's name, ``image``, which is then
    added to the tensor's names.
    """
    by_operation = None
    for port in ports:
        if name in port.names:
            return port
        is_named = f"{name}:0" in port.names or name == port.get_node().get_friendly_name()
        if is_named and by_operation is None:
            by_operation = port
    if by_operation is not None:
        by_operation.add_names({name})
    return by_operation


def name_input(port: Output) -> str:
    """The name that the file has for an input; OpenVINO's first name of a tensor may be that of an
    operation that it left out.
    """
    name = port.get_node().get_friendly_name()
    return name if name in port.names else str(port.any_name)


def join_names(ports: Iterable[Output]) -> str:
    """The names of tensors, for a message; those of one tensor are joined by ``=``."""
    return ", ".join("=".join(sorted(port.names)) for port in ports)


def cut_outputs(network: Model, names: Sequence[str], title: str) -> Model:
    """A network with these outputs or inner tensors, called ``title``; without names, with all of
    its own. The given one must not be used afterwards.

    Raises:
        ConversionError: there is no output or tensor of a name.
    """
    ov = import_openvino()
    ends = {name: result for result in network.get_results() for name in result.output(0).names}
    chosen = {}  # OpenVINO ends the process if a network has a result twice
    for name in names:
        if name in ends:
            result = ends[name]
        elif port := find_output(network, name):
            result = ov.op.Result(port)
        else:
            raise ConversionError(
                f"{title}: the network has no tensor named {name} when it is read again",
                hint="name a tensor of the file; OpenVINO numbers its own at each reading",
            )
        chosen[result.get_name()] = result
    results = [*chosen.values()] or network.get_results()
    # A new model has no record of OpenVINO's conversion, which would contain the original's path.
    return ov.Model(results, network.get_parameters(), title)


def cut_inputs(network: Model, spec: ModelSpec) -> Model:
    """A network with the inputs that a model declares; the given one, an ``openvino.Model`` as
    read, must not be used afterwards.

    Raises:
        ConversionError: an input to be frozen does not exist, a value does not fit it, or the
            network cannot begin at a declared input.
    """
    frozen = supported_mo_args.frozen_inputs(spec.mo_args)
    inner = [
        port for port in spec.inputs if port.name and find_port(network.inputs, port.name) is None
    ]
    if not frozen and not inner:
        return network
    ov = import_openvino()
    try:
        names = spec.output_names
        if all(find_output(network, name) for name in names):  # a later check reports a missing one
            network = cut_outputs(network, names, spec.name)
        _freeze(network, frozen, spec)
        new_parameters = _insert_parameters(network, inner)
        results = network.get_results()
        used = _reachable_nodes(results)
        kept = [parameter for parameter in network.get_parameters() if parameter.get_name() in used]
        cut = ov.Model(results, [*kept, *new_parameters], network.get_friendly_name())
        cut.validate_nodes_and_infer_types()  # without it, a wrong shape would only fail at writing
    except RuntimeError as error:
        raise ConversionError(
            f"{spec.full_name}: the network does not match the requested inputs:"
            f" {error_text(error)}",
            hint="check the declared inputs, their shapes, and the inputs that become constants",
        ) from error
    return cut


def to_frozen_array(
    value: FrozenValue, shape: Sequence[int] | None, dtype: np.dtype[Any]
) -> npt.NDArray[Any]:
    """The constant that an input is frozen to; its shape has -1 for dynamic sizes, or is None if
    unknown.

    A ValueError if the value does not fit, or the constant has more than ``MAX_SIZE`` values.
    """
    declared = np.asarray(value, np.float64)
    with np.errstate(all="ignore"):
        array = declared.astype(dtype)
    if dtype.kind in "biu" and not np.array_equal(array.astype(np.float64), declared):
        raise ValueError(value)
    if shape is None or (-1 in shape and len(shape) == array.ndim):
        return array
    sizes = list(map(abs, shape))  # a dynamic size becomes 1
    if math.prod(sizes) > MAX_SIZE:
        raise ValueError(value)
    if array.size == math.prod(sizes):
        return array.reshape(sizes)
    return np.ascontiguousarray(np.broadcast_to(array, sizes))


def _freeze(network: Model, frozen: Mapping[str, FrozenValue], spec: ModelSpec) -> None:
    for name, value in frozen.items():
        port = find_port(network.inputs, name)
        if port is None:
            raise ConversionError(
                f"{spec.full_name}: the network has no input named {name} that could be frozen",
                hint=f"its inputs: {join_names(network.inputs)}",
            )
        shape = port.partial_shape
        try:
            sizes = None if shape.rank.is_dynamic else static_sizes(shape)
            array = to_frozen_array(value, sizes, port.element_type.to_dtype())
        except ValueError as error:
            raise ConversionError(
                f"{spec.full_name}: {name} is {shape}, and cannot be frozen to {value}"
            ) from error
        constant = import_openvino().op.Constant(array)
        constant.set_friendly_name(name)
        for target in port.get_target_inputs():
            target.replace_source_output(constant.output(0))


def _insert_parameters(network: Model, inputs: Sequence[Input]) -> list[Node]:
    """New parameters instead of inner tensors; a later check reports a name that does not
    exist.
    """
    ov = import_openvino()
    parameters = []
    for declared in inputs:
        targets = _find_consumers(network, declared.name)
        if not targets:
            continue
        if all(target.get_node().get_type_name() == "Result" for target in targets):
            raise ConversionError(f"{declared.name}: is an output of the network, and no input")
        requested = declared.bounds or list(declared.shape)
        shape = ov.PartialShape(requested) if requested else targets[0].get_partial_shape()
        parameter = ov.op.Parameter(targets[0].get_element_type(), shape)
        parameter.set_friendly_name(declared.name)
        for target in targets:
            target.replace_source_output(parameter.output(0))
        parameter.output(0).set_names({declared.name})
        parameters.append(parameter)
    return parameters


def _find_consumers(network: Model, name: str) -> list[Any]:
    """All inputs that read the tensor of that name; ``0:operation`` is the first input of an
    operation.
    """
    port = find_output(network, name)
    if port is not None:
        return list(port.get_target_inputs())
    number, _, title = name.partition(":")
    if not number.isdecimal():
        return []
    by_name = {operation.get_friendly_name(): operation for operation in network.get_ordered_ops()}
    # OpenVINO reads ONNX's convolution with bias as two operations; the second one has the original
    # name.
    operation = by_name.get(f"{title}/WithoutBiases", by_name.get(title))
    if operation and int(number) < operation.get_input_size():
        return [operation.input(int(number))]
    return []


def _reachable_nodes(results: Sequence[Node]) -> set[str]:
    visited = set[str]()
    pending = list(results)
    while pending:
        node = pending.pop()
        if node.get_name() not in visited:
            visited.add(node.get_name())
            pending += [port.get_source_output().get_node() for port in node.inputs()]
    return visited
