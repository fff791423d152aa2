"""Networks on OpenVINO: an IR is read as a ``Graph``, fitted to its use, and compiled to a ``Network``."""

from __future__ import annotations

from posezoo.inference.devices import available_devices, check_device
from posezoo.inference.graph import Graph, Preprocessing, Shape, shape_text
from posezoo.inference.network import Array, Network, Outputs
from posezoo.inference.runtime import Runtime

__all__ = [
    "Array",
    "Graph",
    "Network",
    "Outputs",
    "Preprocessing",
    "Runtime",
    "Shape",
    "available_devices",
    "check_device",
    "shape_text",
]
