"""Which NNCF is used with which OpenVINO, and what ``posezoo doctor`` reports about them."""

from __future__ import annotations

from collections.abc import Mapping

from posezoo.core.diagnosis import DoctorIssue, FeatureReport, Findings
from posezoo.core.install_commands import install_command
from posezoo.core.settings import Setting
from posezoo.core.versions import package_version, parse_version

#: Versions that were tested together. NNCF 3.4 fails with OpenVINO 2025.4, which has no
#: ``ov.Type.u2``.
NNCF = "3.4"
NNCF_NEEDS_OPENVINO = "2026.4"


def explain_nncf_mismatch() -> str:
    """Why the installed NNCF and OpenVINO are incompatible; empty if they are not, or if NNCF is
    missing.
    """
    nncf = package_version("nncf")
    openvino = package_version("openvino")
    if nncf and parse_version(nncf)[:2] != parse_version(NNCF):
        return f"version {nncf} was not tested, {NNCF} was"
    if nncf and openvino and parse_version(openvino) < parse_version(NNCF_NEEDS_OPENVINO):
        return (
            f"version {nncf} needs OpenVINO {NNCF_NEEDS_OPENVINO} or newer, {openvino} is installed"
        )
    return ""


def _report(_settings: Mapping[str, Setting]) -> Findings:
    if reason := explain_nncf_mismatch():
        problem = f"nncf: {reason}: models cannot be quantized"
        return Findings(problems=(DoctorIssue(problem, install_command("quantize")),))
    return Findings()


REPORT = FeatureReport(_report)
