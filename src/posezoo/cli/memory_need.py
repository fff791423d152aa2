"""How much memory the conversion of a model needs."""

from __future__ import annotations

from posezoo.core.declarations.model import ModelSpec, Route
from posezoo.core.declarations.routes import select_route

# Bytes for any model, and for each byte of its files. The measured peaks of 14 models are below:
# 0.2 to 0.5 GB for files of 2 to 136 MB that OpenVINO reads; 0.7 to 2.6 GB for checkpoints of 20 to
# 275 MB, for which a process with PyTorch runs, too.
_OPENVINO = (300_000_000, 4)
_PYTORCH = (900_000_000, 8)
# The bytes of a file whose size is not declared: of the largest file that was measured.
_UNDECLARED = 275_000_000


def memory_need(spec: ModelSpec) -> int:
    """The bytes of memory that the conversion of a model to FP32 and FP16 needs, with its
    self-check.
    """
    base, factor = _PYTORCH if select_route(spec)[0] is Route.NETWORK else _OPENVINO
    return base + factor * sum(file.size or _UNDECLARED for file in spec.files)
