"""Describe the machine on which something is measured, in one line."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path

from posezoo.core.operating_system import PROC, available_cores
from posezoo.core.values import frozen
from posezoo.run.runtime.runtime_config import available_devices

#: The instruction sets by which OpenVINO's CPU plug-in chooses its kernels, as Linux names them.
INSTRUCTIONS = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")


@frozen
class Machine:
    """Hardware that a model can run on.

    Attributes:
        devices: OpenVINO's devices by name, each with the full name of its hardware.
        details: as ``processor_details``.
    """

    devices: Mapping[str, str]
    cores: int
    details: str

    @classmethod
    def here(cls) -> Machine:
        """This machine.

        Raises:
            MissingPackageError: OpenVINO is not installed or does not load.
        """
        return cls(available_devices(), available_cores(), processor_details(PROC / "cpuinfo"))

    @property
    def processor(self) -> str:
        """The name of the processor, and its details."""
        name = self.devices.get("CPU") or platform.processor() or platform.machine()
        details = f" ({self.details})" if self.details else ""
        return " ".join(name.split()) + details

    def describe(self, device: str = "CPU") -> str:
        """Processor, usable cores, operating system, and the used devices, in one line.

        Args:
            device: their names, separated by commas.
        """
        cores = f"{self.cores} core{'s' * (self.cores != 1)}"
        others = (
            f"{each} {' '.join(name.split())}"
            for each, name in self.devices.items()
            if each != "CPU" and each in device.split(",")
        )
        return ", ".join([self.processor, cores, platform.system(), *others])


def processor_details(cpuinfo: Path) -> str:
    """What distinguishes processors of the same name, as in virtual machines: family, model,
    stepping, and the instruction sets with which OpenVINO is faster; empty if Linux does not state
    them.
    """
    if not cpuinfo.is_file():
        return ""
    first = cpuinfo.read_text(encoding="utf-8").partition("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    values = {key.strip(): value.strip() for key, _, value in pairs}
    numbers = [
        f"{title} {values[key]}"
        for key, title in (("cpu family", "family"), ("model", "model"), ("stepping", "stepping"))
        if key in values
    ]
    instructions = set(values.get("flags", "").split())
    return ", ".join([*numbers, *(each for each in INSTRUCTIONS if each in instructions)])
