"""What the processor of these tests can do."""

from __future__ import annotations

from pathlib import Path

import pytest

from posezoo.run.machine import processor_details

FEATURES = processor_details(Path("/proc/cpuinfo"))
HAS_VNNI = "vnni" in FEATURES

#: OpenVINO 2026.4.1 computes INT8 with AMX in another way: an AP differs by up to 0.007 from that with AVX-512 VNNI.
HAS_VNNI_WITHOUT_AMX = HAS_VNNI and "amx" not in FEATURES

HAS_BF16_WITHOUT_AMX = "avx512_bf16" in FEATURES and "amx" not in FEATURES

#: For a test of poses or classes in INT8: they differ where sums of 8-bit products saturate.
needs_vnni = pytest.mark.skipif(not HAS_VNNI, reason="needs a CPU with VNNI")
