"""The machine that a speed was measured on, and the memory of a process."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path


def describe_machine(hardware: Mapping[str, str]) -> str:
    """Processor, usable cores, operating system, and the other devices that were used, on one line.

    Args:
        hardware: the full names of OpenVINO's devices; CPU is always among them.
    """
    processor = " ".join(hardware.get("CPU", platform.processor() or platform.machine()).split())
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    others = (f"{device} {' '.join(name.split())}" for device, name in hardware.items() if device != "CPU")
    return ", ".join([processor, f"{cores} {'core' if cores == 1 else 'cores'}", platform.system(), *others])


def peak_memory_mib() -> float | None:
    """The peak memory of this process; None if the system does not report it.

    On Linux from /proc: getrusage gives a child its parent's peak (exec keeps the larger of both).
    """
    try:
        peak = re.search(r"^VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text("utf-8"), re.MULTILINE)
    except OSError:
        peak = None
    if peak:
        return int(peak[1]) / 1024
    if platform.system() == "Darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return None
