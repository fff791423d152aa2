"""The devices of this machine, and on which one, how precisely and how parallel a network runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posezoo.errors import InferenceError, suggest
from posezoo.ir.openvino_import import import_openvino

# OpenVINO's plug-ins that distribute work to real devices.
VIRTUAL_DEVICES = ("AUTO", "BATCH", "HETERO", "MULTI")

_DRIVERS = "its driver is not part of OpenVINO; posezoo doctor lists the devices that are found"
_MISSING_DEVICES = {"GPU": _DRIVERS, "NPU": _DRIVERS}

HINTS = ("LATENCY", "THROUGHPUT", "NONE")


@dataclass(frozen=True, slots=True)
class RuntimeConfig:
    """Where and how a network runs.

    Attributes:
        device: as OpenVINO names it: CPU, GPU, AUTO, HETERO:GPU,CPU, ...
        inference_precision: the requested precision of the computation: f32, bf16, f16, or ``default`` for
            the device's own choice. On CPUs with AVX512-BF16 or AMX this is bf16, which moves BlazePose's
            keypoints by a median of 5 px of 512.
        cache_dir: the folder in which compiled networks are stored for the next start, for the CPU by
            posezoo, for other devices by OpenVINO; None: they are not stored.
        requests: how many inferences may run at the same time; 0: the device's optimal number.
        streams: how many of them the device runs in parallel: a number, AUTO, or a number for each device,
            such as ``CPU:4,GPU:2``; empty: the device chooses according to the hint.
        threads: the number of CPU threads; 0: the number of cores.
        hint: LATENCY, THROUGHPUT or NONE; empty: LATENCY for one request, else THROUGHPUT.
    """

    device: str = "CPU"
    inference_precision: str = "f32"
    cache_dir: Path | None = None
    requests: int = 1
    streams: str = ""
    threads: int = 0
    hint: str = ""

    def __post_init__(self) -> None:
        for name in ("requests", "threads"):
            if getattr(self, name) < 0:
                raise InferenceError(f"{name}: expected 0 or more, got {getattr(self, name)}")
        if self.hint not in ("", *HINTS):
            raise InferenceError(f"hint: expected {', '.join(HINTS)}, got {self.hint!r}")

    def to_openvino_config(self) -> dict[str, Any]:
        """The configuration as OpenVINO properties.

        Raises:
            InferenceError: the streams are invalid.
        """
        config: dict[str, Any] = {}
        hint = self.hint or ("LATENCY" if self.requests == 1 else "THROUGHPUT")
        if hint != "NONE":
            config["PERFORMANCE_HINT"] = hint
        if self.inference_precision != "default":
            config["INFERENCE_PRECISION_HINT"] = self.inference_precision
        if self.cache_dir is not None and self.device != "CPU":
            config["CACHE_DIR"] = str(self.cache_dir)
        properties: dict[str, dict[str, str]] = {}  # by real device
        if self.threads and "CPU" in _real_devices(self.device):
            properties["CPU"] = {"INFERENCE_NUM_THREADS": str(self.threads)}
        streams: dict[str, str] = {}
        if _is_number(self.streams):
            streams = dict.fromkeys(_real_devices(self.device), self.streams)
        elif self.streams:
            for part in self.streams.split(","):
                device, _, number = part.strip().rpartition(":")
                if not device or not _is_number(number):
                    raise InferenceError(
                        f"streams: expected a number, AUTO, or one for each device, got {self.streams!r}",
                        hint="4, or CPU:4,GPU:2",
                    )
                streams[device] = number
        for device, number in streams.items():
            properties.setdefault(device, {})["NUM_STREAMS"] = number
        if self.device.split(":")[0] in VIRTUAL_DEVICES:
            config.update({f"DEVICE_PROPERTIES_{name}": values for name, values in properties.items()})
        else:
            config.update(properties.get(self.device, {}))
        return config


def _is_number(text: str) -> bool:
    return text == "AUTO" or (text.isdecimal() and int(text) > 0)


def _real_devices(device: str) -> list[str]:
    """The real devices that a device uses: GPU and CPU for HETERO:GPU,CPU."""
    first, _, others = device.partition(":")
    if first not in VIRTUAL_DEVICES:
        return [device]
    return [name.split("(")[0].lstrip("-") for name in others.split(",") if name] or ["CPU"]


def available_devices() -> dict[str, str]:
    """OpenVINO's devices on this machine by name, each with the name of its hardware.

    Raises:
        MissingPackageError: OpenVINO is not installed or does not load.
    """
    core = import_openvino(extra="run").Core()
    return {name: str(core.get_property(name, "FULL_DEVICE_NAME")) for name in core.available_devices}


def require_device(device: str) -> None:
    """Make sure that OpenVINO finds a device with this name on this machine.

    Args:
        device: as OpenVINO names it; the real devices behind HETERO and similar ones are not checked.

    Raises:
        InferenceError: there is no such device; the message lists the available ones.
        MissingPackageError: OpenVINO is not installed or does not load.
    """
    core = import_openvino(extra="run").Core()
    names = [*core.available_devices, *VIRTUAL_DEVICES]
    if device.split(":")[0].split(".")[0] not in {name.split(".")[0] for name in names}:
        raise InferenceError(
            f"no device {device!r} was found, only {', '.join(core.available_devices)}",
            hint=_MISSING_DEVICES.get(device.split(".")[0]) or suggest(device.upper(), names),
        )
