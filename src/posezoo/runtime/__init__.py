"""Networks on OpenVINO: an IR is read as a ``Graph``, fitted to its use, and compiled to a ``Network``."""

from __future__ import annotations

from posezoo.runtime.compiled_network import Array, CompiledNetwork, Outputs
from posezoo.runtime.devices import available_devices, require_device
from posezoo.runtime.graph import Graph, Preprocessing, Shape, format_shape
from posezoo.runtime.runtime_config import RuntimeConfig

__all__ = [
    "Array",
    "CompiledNetwork",
    "Graph",
    "Outputs",
    "Preprocessing",
    "RuntimeConfig",
    "Shape",
    "available_devices",
    "format_shape",
    "require_device",
]
