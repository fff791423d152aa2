"""The devices that OpenVINO finds on this machine."""

from __future__ import annotations

from typing import Any

from posezoo.errors import InferenceError, suggest
from posezoo.ir.openvino_import import import_openvino

# OpenVINO's plug-ins that distribute work to real devices.
VIRTUAL_DEVICES = ("AUTO", "BATCH", "HETERO", "MULTI")

_DRIVERS = "its driver is not part of OpenVINO; posezoo doctor lists the devices that are found"
_MISSING_DEVICES = {"GPU": _DRIVERS, "NPU": _DRIVERS}


def available_devices() -> dict[str, str]:
    """OpenVINO's devices on this machine by name, each with the name of its hardware.

    Raises:
        MissingPackageError: OpenVINO is not installed or does not load.
    """
    core = import_openvino(extra="run").Core()
    return {name: str(core.get_property(name, "FULL_DEVICE_NAME")) for name in core.available_devices}


def require_device(device: str, core: Any = None) -> None:
    """Make sure that OpenVINO finds a device with this name on this machine.

    Args:
        device: as OpenVINO names it; the real devices behind HETERO and similar ones are not checked.
        core: an ``openvino.Core``; None: a new one.

    Raises:
        InferenceError: there is no such device; the message lists the available ones.
        MissingPackageError: OpenVINO is not installed or does not load.
    """
    core = core or import_openvino(extra="run").Core()
    names = [*core.available_devices, *VIRTUAL_DEVICES]
    if device.split(":")[0].split(".")[0] not in {name.split(".")[0] for name in names}:
        raise InferenceError(
            f"no device {device!r} was found, only {', '.join(core.available_devices)}",
            hint=_MISSING_DEVICES.get(device.split(".")[0]) or suggest(device.upper(), names),
        )
