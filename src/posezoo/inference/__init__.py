"""Networks on OpenVINO: an IR is read as a ``Graph``, fitted to its use, and compiled to a ``Network``."""

from __future__ import annotations

from posezoo.inference.devices import available_devices, require_device
from posezoo.inference.graph import Graph, Preprocessing, Shape, format_shape
from posezoo.inference.network import Array, CompiledNetwork, Outputs
from posezoo.inference.runtime import RuntimeConfig

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
