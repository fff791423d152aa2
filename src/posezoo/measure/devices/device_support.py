"""Whether a device can run an IR: by the answer of its plug-in, or for an NPU by a list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.errors import PosezooError
from posezoo.core.ir.openvino_import import error_text, openvino_core
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from openvino import Core, Model

#: The device that can be checked although it is not there.
NPU = "NPU"

_LIST = Path(__file__).with_name("npu_operations.txt")


@frozen
class DeviceSupport:
    """What a device cannot run.

    Attributes:
        device: its name in OpenVINO.
        dynamic: the inputs and outputs with a dynamic size. An NPU needs static ones.
        refused: the number of operations that are not supported, by their types.
        source: the plug-in or the list that states this.
    """

    device: str
    dynamic: tuple[str, ...]
    refused: Mapping[str, int]
    source: str


def check_support(xml: Path, device: str) -> DeviceSupport:
    """What a device cannot run of an IR, which is read, but not compiled.

    Raises:
        PosezooError: the device is not there, and no list of its operations is known.
        MissingPackageError: OpenVINO is not installed.
    """
    core = openvino_core()
    here = {name.split(".")[0] for name in core.available_devices}
    is_here = device in core.available_devices or device in here
    if not is_here and device != NPU:
        there = ", ".join(core.available_devices)
        raise PosezooError(f"there is no device {device}", hint=f"the devices here: {there}")
    try:
        network = core.read_model(xml)
    except RuntimeError as error:
        problem = f"{xml}: cannot be read as an IR: {error_text(error)}"
        raise PosezooError(problem, hint="convert the model again") from error
    operations = network.get_ordered_ops()
    if is_here:
        supported = _ask(core, network, device)
        refused = [each for each in operations if each.get_friendly_name() not in supported]
        source = f"the plug-in of {device}"
    else:
        known_types = _read_list()
        refused = [each for each in operations if each.get_type_name() not in known_types]
        source = "the list of operations in the source of the NPU's compiler; no NPU is here"
    ports = [*network.inputs, *network.outputs]
    dynamic = tuple(port.any_name for port in ports if port.partial_shape.is_dynamic)
    return DeviceSupport(
        device, dynamic, Counter(sorted(each.get_type_name() for each in refused)), source
    )


def _ask(core: Core, network: Model, device: str) -> Collection[str]:
    """The names of the operations that a device supports."""
    try:
        return set(core.query_model(network, device))
    except RuntimeError as error:
        raise PosezooError(f"{device} cannot check this network: {error_text(error)}") from error


def _read_list() -> frozenset[str]:
    lines = _LIST.read_text("utf-8").splitlines()
    return frozenset(" ".join(line for line in lines if not line.startswith("#")).split())
