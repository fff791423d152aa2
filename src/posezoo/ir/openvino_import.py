"""OpenVINO, imported in one place: recent enough, and without its telemetry."""

from __future__ import annotations

import sys
import threading
from types import ModuleType
from typing import cast

from posezoo.errors import MissingPackageError, import_optional
from posezoo.versions import package_version, parse_version

#: Older ones convert MoveNet wrongly, without a word.
MINIMUM = (2025, 2)

# One thread at a time may be the first.
_FIRST = threading.Lock()


def import_openvino(*, extra: str = "convert") -> ModuleType:
    """The ``openvino`` package.

    Args:
        extra: the extra of ours that the caller's user should install where it is missing.

    Raises:
        MissingPackageError: it is not installed, does not load, or is older than 2025.2.
    """
    found = package_version("openvino")
    if found and parse_version(found) < MINIMUM:
        oldest = ".".join(map(str, MINIMUM))
        reason = f"version {found} is too old ({oldest} or newer converts every model rightly)"
        raise MissingPackageError("openvino", extra=extra, reason=reason)
    # Its converter would start threads, look up a host and write to the home folder (0.95 s instead of
    # 0.32 s for a tiny model). With None here its import fails, and OpenVINO falls back to a stub.
    cast("dict[str, ModuleType | None]", sys.modules).setdefault("openvino_telemetry", None)
    # The first call fills a table in C++ under a lock and lets go of Python's own meanwhile: two threads that
    # infer for the first time at once would wait for each other for ever (7 of 20 processes in 2026.4.1).
    with _FIRST:
        module = import_optional("openvino", extra=extra)
        module.Type.f32.to_dtype()
    return module


def error_text(error: BaseException) -> str:
    """What OpenVINO says went wrong, in one line.

    Its messages begin with the failed check and a place in its own sources; the last line is for people.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__
