"""Tensors of a network by name, and a network that computes no more than those."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from posezoo.ir.openvino_import import import_openvino


def find_input(network: Any, name: str) -> Any | None:
    """The input of that name, an ``openvino.Output``; None where there is none.

    TensorFlow's tensor ``image:0`` is also called by its operation, ``image``; the name is then added.
    """
    return _named(network.inputs, name)


def find_output(network: Any, name: str) -> Any | None:
    """The tensor of that name, an ``openvino.Output``: one of the network's outputs, else one inside it.

    ``operation:1`` is the second output of an operation, as for Model Optimizer.
    """
    port = _named((result.input_value(0) for result in network.get_results()), name)
    if port is None:
        port = _named(_ports_inside(network), name)
    operation, _, number = name.rpartition(":")
    if port is None and operation and number.isdecimal():
        port = next((each for each in _ports_inside(network) if _is_output(each, operation, number)), None)
        if port is not None:
            port.add_names({name})
    return port


def _ports_inside(network: Any) -> Iterator[Any]:
    return (port for operation in network.get_ordered_ops() for port in operation.outputs())


def _is_output(port: Any, operation: str, number: str) -> bool:
    return bool(port.get_node().get_friendly_name() == operation and port.get_index() == int(number))


def cut_outputs(network: Any, names: Sequence[str], title: str) -> Any:
    """A network with these outputs, in this order, or with all that it has where none is named.

    Args:
        network: an ``openvino.Model``; it must not be used any more.
        names: of outputs or inner tensors that are there.
        title: the name of the new network.
    """
    ov = import_openvino()
    ends = {name: result for result in network.get_results() for name in result.output(0).names}
    results = [
        ends[name] if name in ends else ov.op.Result(find_output(network, name)) for name in names
    ] or network.get_results()
    # A new model also leaves behind what OpenVINO noted of the conversion, with the original's path in it.
    return ov.Model(results, network.get_parameters(), title)


def _named(ports: Iterable[Any], name: str) -> Any | None:
    """The port whose tensor has that name; else the first one of the operation that has it."""
    by_operation = None
    for port in ports:
        if name in port.names:
            return port
        if by_operation is None and (
            f"{name}:0" in port.names or name == port.get_node().get_friendly_name()
        ):
            by_operation = port
    if by_operation is not None:
        by_operation.add_names({name})
    return by_operation
