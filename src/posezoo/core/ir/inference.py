"""Run a compiled network once, so that each failure is an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from posezoo.core.arrays import Array, NamedArrays, widen_bfloat16

if TYPE_CHECKING:
    from openvino import CompiledModel


def run_request(
    request: Any, inputs: Mapping[Any, Array], *, share_inputs: bool = False
) -> list[Array]:
    """The outputs of an inference, in the order of the network's ports.

    The request's next inference overwrites them.

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
    are those of ``run_request``. Those in bfloat16 are in float32.
    """
    outputs = run_request(compiled.create_infer_request(), feed)
    results: dict[str, Array] = {}
    for port, output in zip(compiled.outputs, outputs, strict=True):
        is_half = port.get_element_type().get_type_name() == "bf16"  # OpenVINO calls it float16
        values = widen_bfloat16(output.view(np.uint16)) if is_half else output.copy()
        results |= dict.fromkeys(port.names, values)
    return results
