"""Turn off what packages report about their use to their makers."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import cast


def disable_telemetry() -> None:
    """Turn off the reports of the packages that are imported afterwards; each of them reads this
    only while it is imported.
    """
    # ONNX Runtime 1.31 would write an identifier to the user's cache and report to its makers; its
    # function that turns events off comes too late (Privacy.md in its package).
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    # OpenVINO and NNCF report with this package: they would write an identifier to the home folder,
    # start threads and look up a host (0.95 s instead of 0.32 s for a tiny model). With None here
    # its import fails, also if a program has imported it before, and they use a stub.
    cast("dict[str, ModuleType | None]", sys.modules)["openvino_telemetry"] = None
