"""Which devices OpenVINO has here."""

from __future__ import annotations

from typing import Any

from posezoo.errors import InferenceError, suggest
from posezoo.ir.openvino_import import import_openvino

# OpenVINO's plugins that hand the work on to real devices.
VIRTUAL_DEVICES = ("AUTO", "BATCH", "HETERO", "MULTI")

_DRIVERS = "its driver is installed apart from OpenVINO; posezoo doctor lists what is seen"
_MISSING_DEVICES = {"GPU": _DRIVERS, "NPU": _DRIVERS}


def available_devices() -> dict[str, str]:
    """OpenVINO's devices on this machine by name, each with what its hardware calls itself.

    Raises:
        MissingPackageError: OpenVINO is not installed or does not load.
    """
    core = import_openvino(extra="run").Core()
    return {name: str(core.get_property(name, "FULL_DEVICE_NAME")) for name in core.available_devices}


def require_device(device: str, core: Any = None) -> None:
    """Make sure that OpenVINO has a device of this name here.

    Args:
        device: as OpenVINO names it; what HETERO and its like hand the work to is not asked.
        core: an ``openvino.Core`` to ask; a new one where None.

    Raises:
        InferenceError: it has not; the problem lists those that it has.
        MissingPackageError: OpenVINO is not installed or does not load.
    """
    core = core or import_openvino(extra="run").Core()
    known = [*core.available_devices, *VIRTUAL_DEVICES]
    names = [name.split(".")[0] for name in known]
    if device.split(":")[0].split(".")[0] not in names:
        raise InferenceError(
            f"no device {device!r} here: there is {', '.join(core.available_devices)}",
            hint=_MISSING_DEVICES.get(device.split(".")[0]) or suggest(device.upper(), known),
        )
