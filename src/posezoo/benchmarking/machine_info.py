"""What figures of speed depend on: the machine, and how much memory of it a process takes."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path


def describe_machine(hardware: Mapping[str, str]) -> str:
    """Processor, cores that we may use, system, and other devices that took part, in one line.

    Args:
        hardware: what OpenVINO's devices call themselves; CPU always among them.
    """
    processor = " ".join(hardware.get("CPU", platform.processor() or platform.machine()).split())
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    others = (f"{name} {' '.join(told.split())}" for name, told in hardware.items() if name != "CPU")
    return ", ".join([processor, f"{cores} {'core' if cores == 1 else 'cores'}", platform.system(), *others])


def peak_memory_mib() -> float | None:
    """The most memory that this process has held at once; None where the system does not tell.

    Linux's getrusage hands a child its parent's peak (exec keeps the larger of both), /proc does not.
    """
    try:
        found = re.search(r"^VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text("utf-8"), re.MULTILINE)
    except OSError:
        found = None
    if found:
        return int(found[1]) / 1024
    if platform.system() == "Darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return None
