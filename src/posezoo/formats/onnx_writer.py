"""Write an OpenVINO network as ONNX: one that posezoo's readers of Caffe and Darknet built, or an
IR that contains its decoder.

``onnx_operations.OPERATIONS`` has what each operation becomes. Most need to know the sizes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.errors import import_optional
from posezoo.core.ir.openvino_import import fold_constants, is_quantized
from posezoo.core.versions import version
from posezoo.formats.onnx_graph import OnnxGraph
from posezoo.formats.onnx_operations import OPERATIONS

if TYPE_CHECKING:
    from openvino import Model

# Also has the opset: 18, the first with Mish, which ONNX Runtime reads since 1.14, and OpenCV 5.
_FUNCTIONS = Path(__file__).with_name("onnx_functions.txt")


def write_onnx(network: Model, metadata: Mapping[str, str]) -> bytes:
    """The content of an ONNX file, whose inputs and outputs have the network's names, types and
    sizes.

    It computes in f32. Weights that half floats have exactly are stored as such; those of quantized
    layers keep their bytes.

    Args:
        network: an ``openvino.Model``; parts that read no input become constants.
        metadata: further facts for the file, by their names.

    Raises:
        ConversionError: an operation cannot be written; the error names the layer.
        MissingPackageError: the package onnx is not installed.
    """
    onnx = import_optional("onnx", extra="convert")
    inliner = import_optional("onnx.inliner", extra="convert")
    if not is_quantized(network):  # folding would make bytes f32
        fold_constants(network)
    model = onnx.parser.parse_model(_FUNCTIONS.read_text("utf-8"))
    functions = [function.name for function in model.functions]
    tensors = [port for node in network.get_ops() for port in node.outputs()]
    graph = OnnxGraph(onnx, functions, {name for port in tensors for name in port.names})
    _add_operations(graph, network)
    inputs, outputs = (
        list(map(graph.describe_port, ports)) for ports in (network.inputs, network.outputs)
    )
    constants = [
        onnx.numpy_helper.from_array(array, name) for name, array in graph.constants.items()
    ]
    model.graph.CopyFrom(
        onnx.helper.make_graph(
            graph.nodes, network.get_friendly_name(), inputs, outputs, initializer=constants
        )
    )
    model.producer_name = "posezoo"
    model.producer_version = version()
    onnx.helper.set_model_props(model, metadata)
    model = inliner.inline_local_functions(model)
    del model.opset_import[1:]  # that of the functions
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _add_operations(graph: OnnxGraph, network: Model) -> None:
    for node in network.get_ordered_ops():
        kind = node.get_type_name()
        if kind == "Parameter":
            graph.add_input(node)
        elif kind not in ("Constant", "Result"):
            graph.begin(node)
            if kind not in OPERATIONS:
                raise graph.make_error("cannot be written as ONNX")
            try:
                OPERATIONS[kind](graph)
            except RuntimeError as error:  # of OpenVINO, which does not know a side
                raise graph.make_error("of unknown sides cannot be written as ONNX") from error
            except KeyError as error:
                problem = f"a version without the attribute {error} cannot be written as ONNX"
                raise graph.make_error(problem) from error
            graph.set_outputs()
