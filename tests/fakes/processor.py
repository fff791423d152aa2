"""What the processor of these tests can do."""

from __future__ import annotations

from pathlib import Path

import pytest

from posezoo.run.machine import processor_details

HAS_VNNI = "vnni" in processor_details(Path("/proc/cpuinfo"))

#: For a test of poses or classes in INT8: they differ where sums of 8-bit products saturate.
needs_vnni = pytest.mark.skipif(not HAS_VNNI, reason="needs a CPU with VNNI")
