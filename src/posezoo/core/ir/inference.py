"""Run a compiled network once, so that each failure is an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from posezoo.core.arrays import Array, NamedArrays

if TYPE_CHECKING:
    from openvino import CompiledModel


def run_request(
    request: Any, inputs: Mapping[Any, Array], *, share_inputs: bool = False
) -> list[Array]:
    """The outputs of an inference, in the order of the network's ports.

    They are in the memory of the request: its next inference overwrites them.

    Args:
        request: an ``openvino.InferRequest``.
        inputs: the arrays by the name or number of the input.
        share_inputs: let OpenVINO read the arrays, not copies of them.

    Raises:
        RuntimeError: the device fails, or refuses an input.
        TypeError, ValueError: OpenVINO cannot read an input.
    """
    # With one thread or one CPU, OpenVINO 2026.4.1 computes in the caller's thread if the request's
    # `infer` or the compiled network is called. A failure then raises nothing, and the outputs are
    # those of the inference before. openvino.AsyncInferQueue does not report a failure either.
    request.start_async(dict(inputs), share_inputs=share_inputs)
    request.wait()
    return [tensor.data for tensor in request.output_tensors]


def run_compiled(compiled: CompiledModel, feed: NamedArrays) -> dict[str, Array]:
    """All outputs of an ``openvino.CompiledModel`` by name, copied out of its memory; the errors
    are those of ``run_request``.
    """
    outputs = run_request(compiled.create_infer_request(), feed)
    ports = zip(compiled.outputs, outputs, strict=True)
    return {name: output.copy() for port, output in ports for name in port.names}
