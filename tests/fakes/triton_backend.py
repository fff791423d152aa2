"""How Triton's OpenVINO backend loads a model when the server starts with its defaults, without a server.

The steps are those of ``ModelState`` in src/openvino.cc of triton-inference-server/openvino_backend:
``AutoCompleteConfig``, ``ValidateInputs`` and ``ValidateOutputs``.
"""

from __future__ import annotations

from typing import Any

from posezoo.core.ir.openvino_import import import_openvino

#: What the server gives to its backends as default-max-batch-size.
DEFAULT_MAX_BATCH_SIZE = 4


class LoadError(Exception):
    """The backend refuses the model."""


def load(folder: Any, config: Any) -> Any:
    """The compiled network of the version folder 1 and a ``ModelConfig``."""
    ov = import_openvino()
    core = ov.Core()
    network = core.read_model(folder / "1" / config.default_model_filename)
    batch = config.max_batch_size
    ports = [*network.inputs, *network.outputs]
    layouts = ov.layout_helpers
    if batch == 0 and all(layouts.has_batch(layouts.get_layout(port)) for port in ports):
        batch = DEFAULT_MAX_BATCH_SIZE
    _compare(network.inputs, config.input, batch, is_exact=False)
    if batch:
        for parameter in network.get_parameters():
            parameter.set_layout(ov.Layout("N..."))
        ov.set_batch(network, batch)
    _compare(network.outputs, config.output, batch, is_exact=True)
    return core.compile_model(network, "CPU")


def _compare(ports: Any, declared: Any, batch: int, *, is_exact: bool) -> None:
    if len(ports) != len(declared):
        raise LoadError(f"{len(declared)} tensors are declared, the network has {len(ports)}")
    shapes = {port.any_name: port.partial_shape for port in ports}
    for each in declared:
        shape = [side.get_length() if side.is_static else -1 for side in shapes[each.name]]
        dims = [batch, *each.dims] if batch else [*each.dims]
        first = 0 if is_exact or not batch else 1
        if len(shape) != len(dims) or shape[first:] != dims[first:]:
            raise LoadError(
                f"{each.name}: the model expects {shape}, the configuration specifies {dims}"
            )
