"""A network between the inputs that are asked for: some are frozen to a value, some lie inside of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from posezoo.convert.cut_graph import cut_outputs, find_input, find_output
from posezoo.errors import ConversionError
from posezoo.ir.openvino_import import error_text, import_openvino
from posezoo.spec import supported_mo_args
from posezoo.spec.model import Input, ModelSpec
from posezoo.spec.supported_mo_args import FrozenValue

#: More values than any flag or length that is frozen has.
MAX_SIZE = 1 << 24


def cut_inputs(network: Any, spec: ModelSpec) -> Any:
    """The network that takes what a model declares, before its sizes are set and its outputs chosen.

    Args:
        network: an ``openvino.Model`` as read; it must not be used any more.
        spec: the model.

    Raises:
        ConversionError: there is no input to be frozen of that name, a value does not fit it, or the network
            cannot begin where it is asked to.
    """
    frozen = supported_mo_args.frozen_inputs(spec.mo_args)
    member = [port for port in spec.inputs if port.name and find_input(network, port.name) is None]
    if not frozen and not member:
        return network
    try:
        return _carved(network, spec, frozen, member)
    except RuntimeError as error:
        raise ConversionError(
            f"{spec.full_name}: the network does not go with the inputs that are asked for: "
            f"{error_text(error)}",
            hint="check --input, --input_shape and --freeze_placeholder_with_value in model.yml",
        ) from error


def _carved(network: Any, spec: ModelSpec, frozen: Mapping[str, FrozenValue], member: Sequence[Input]) -> Any:
    names = [port.name for port in spec.outputs]
    if all(find_output(network, name) for name in names):  # else who checks the outputs says so
        network = cut_outputs(network, names, spec.name)
    _freeze(network, frozen, spec)
    beginnings = _insert_parameters(network, member)
    ov = import_openvino()
    results = network.get_results()
    used = _parameters_of(results)
    kept = [parameter for parameter in network.get_parameters() if parameter.get_name() in used]
    carved = ov.Model(results, [*kept, *beginnings], network.get_friendly_name())
    carved.validate_nodes_and_infer_types()  # else a shape that does not fit would show when it is written
    return carved


def to_frozen_array(
    value: FrozenValue, shape: Sequence[int] | None, dtype: np.dtype[Any]
) -> npt.NDArray[Any]:
    """The constant that an input is frozen to.

    Args:
        value: as the argument says it.
        shape: of the input, with -1 where any size will do; None where nothing is known of it.
        dtype: of the input.

    Raises:
        ValueError: the value does not fit the shape or the type, or the constant would be huge.
    """
    said = np.asarray(value, np.float64)
    with np.errstate(all="ignore"):
        array = said.astype(dtype)
    if dtype.kind in "biu" and not np.array_equal(array.astype(np.float64), said):
        raise ValueError(value)
    if shape is None or (-1 in shape and len(shape) == array.ndim):
        return array
    sizes = [1 if size < 0 else size for size in shape]
    if math.prod(sizes) > MAX_SIZE:
        raise ValueError(value)
    return np.ascontiguousarray(np.broadcast_to(array, sizes))


def _freeze(network: Any, frozen: Mapping[str, FrozenValue], spec: ModelSpec) -> None:
    ov = import_openvino()
    for name, value in frozen.items():
        port = find_input(network, name)
        if port is None:
            known = ", ".join("=".join(sorted(each.names)) for each in network.inputs)
            raise ConversionError(
                f"{spec.full_name}: the network has no input named {name} that could be frozen",
                hint=f"its inputs: {known}",
            )
        try:
            array = to_frozen_array(value, _shape_of(port), port.element_type.to_dtype())
        except ValueError as error:
            raise ConversionError(
                f"{spec.full_name}: {name} is {port.partial_shape}, and cannot be frozen to {value}"
            ) from error
        constant = ov.op.Constant(array)
        constant.set_friendly_name(name)
        for target in port.get_target_inputs():
            target.replace_source_output(constant.output(0))


def _shape_of(port: Any) -> tuple[int, ...] | None:
    shape = port.partial_shape
    if shape.rank.is_dynamic:
        return None
    return tuple(-1 if size.is_dynamic else size.get_length() for size in shape)


def _insert_parameters(network: Any, member: Sequence[Input]) -> list[Any]:
    """New parameters in place of inner tensors; a name that nothing has is left to who checks the inputs."""
    ov = import_openvino()
    parameters = []
    for declared in member:
        targets = _targets_of(network, declared.name)
        if not targets:
            continue
        shape = ov.PartialShape(list(declared.shape)) if declared.shape else targets[0].get_partial_shape()
        parameter = ov.op.Parameter(targets[0].get_element_type(), shape)
        parameter.set_friendly_name(declared.name)
        for target in targets:
            target.replace_source_output(parameter.output(0))
        parameter.output(0).set_names({declared.name})
        parameters.append(parameter)
    return parameters


def _targets_of(network: Any, name: str) -> list[Any]:
    """What takes a tensor: all that do, by its name; or one input of an operation, by ``0:operation``."""
    port = find_output(network, name)
    if port is not None:
        return list(port.get_target_inputs())
    number, _, operation = name.partition(":")
    if not number.isdecimal():
        return []
    by_name = {each.get_friendly_name(): each for each in network.get_ordered_ops()}
    # OpenVINO reads ONNX's convolution with biases as two operations, of which the second has its name.
    found = by_name.get(f"{operation}/WithoutBiases", by_name.get(operation))
    return [found.input(int(number))] if found and int(number) < found.get_input_size() else []


def _parameters_of(results: Sequence[Any]) -> set[str]:
    """The parameters that some result depends on, by the names that OpenVINO gives to each node."""
    found, seen = set[str](), set[str]()
    on_wait = list(results)
    while on_wait:
        node = on_wait.pop()
        name = node.get_name()
        if name in seen:
            continue
        seen.add(name)
        if node.get_type_name() == "Parameter":
            found.add(name)
        on_wait += [port.get_source_output().get_node() for port in node.inputs()]
    return found
