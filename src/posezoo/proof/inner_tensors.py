"""The tensors inside of a network (``openvino.Model``): their order, names and values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from posezoo.core.arrays import Array, NamedArrays
from posezoo.core.convert.formats import Tensor
from posezoo.core.ir.inference import run_request
from posezoo.core.ir.openvino_import import import_openvino, openvino_core

if TYPE_CHECKING:
    from openvino import Model, Node


class OperationOrder:
    """The operations of a network that depend on its inputs, in order.

    Attributes:
        kinds: the type of each operation that depends on an input, by its name, in order.
        tensors: of these operations, the results in floating point.
    """

    def __init__(self, network: Model) -> None:
        self.kinds: dict[str, str] = {}
        self.tensors: dict[str, list[Tensor]] = {}
        for node in network.get_ordered_ops():
            kind = node.get_type_name()
            names = [port.get_node().get_friendly_name() for port in node.input_values()]
            depends_on_input = any(name in self.kinds for name in names)
            if kind == "Result" or not (depends_on_input or kind == "Parameter"):
                continue
            name = node.get_friendly_name()
            self.kinds[name] = kind
            if kind != "Parameter" and (tensors := _find_real(node)):
                self.tensors[name] = tensors


def _find_real(node: Node) -> list[Tensor]:
    name = node.get_friendly_name()
    ports = enumerate(node.outputs())
    return [(name, place) for place, port in ports if port.get_element_type().is_real()]


def compile_tensors(
    network: Model,
    tensors: Sequence[Tensor | str],
    config: Mapping[str, Any],
    *,
    fed: Mapping[str, Tensor] | None = None,
) -> Callable[[NamedArrays], list[Array]]:
    """What computes these tensors from the inputs by name, on the CPU; a RuntimeError if it
    cannot.

    Args:
        fed: the tensors that become inputs with these names, for what is after them.
    """
    part = network.clone()
    # A tensor that is an output already gets no second result.
    names = [port.get_node().get_friendly_name() for port in part.add_outputs(list(tensors))]
    results = [port.get_node().get_friendly_name() for port in part.outputs]
    columns = list(map(results.index, names))
    if fed:
        part = _begin_at(part, fed)
    request = openvino_core().compile_model(part, "CPU", dict(config)).create_infer_request()

    def run(feed: NamedArrays) -> list[Array]:
        values = run_request(request, feed)
        return [values[column].copy() for column in columns]

    return run


def _begin_at(network: Model, fed: Mapping[str, Tensor]) -> Model:
    ov = import_openvino()
    nodes = {node.get_friendly_name(): node for node in network.get_ops()}
    added = []
    for name, (operation, place) in fed.items():
        port = nodes[operation].output(place)
        parameter = ov.op.Parameter(port.get_element_type(), port.get_partial_shape())
        parameter.output(0).set_names({name})
        for target in port.get_target_inputs():
            if target.get_node().get_type_name() != "Result":
                target.replace_source_output(parameter.output(0))
        added.append(parameter)
    return ov.Model(network.get_results(), [*network.get_parameters(), *added])
