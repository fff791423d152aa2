"""What ``posezoo doctor`` reports about the sandbox of upstream code, and about openvino-dev."""

from __future__ import annotations

from collections.abc import Mapping

from posezoo.cli.diagnosis import DoctorIssue, FeatureReport, Findings, PackageStatus
from posezoo.core.settings import Setting
from posezoo.core.versions import package_version
from posezoo.omz.model_optimizer import is_stand_in_version
from posezoo.omz.sandbox import HINT, bwrap_version, explain_missing_sandbox


def _report_sandbox(_settings: Mapping[str, Setting]) -> Findings:
    """The version of bubblewrap, and why it cannot be started.

    Without bubblewrap everything else works, so that it is a problem only if it is installed.
    """
    version = bwrap_version()
    status = PackageStatus("bubblewrap", version, "the sandbox of --allow_upstream_code (Linux)")
    reason = explain_missing_sandbox() if version else ""
    if not reason:
        return Findings(packages=(status,))
    issue = DoctorIssue(f"{reason}: code that comes with a model cannot be run", HINT)
    return Findings(packages=(status,), problems=(issue,))


def _report_openvino_dev(_settings: Mapping[str, Setting]) -> Findings:
    """Whose commands omz_downloader and the others are, if they are installed."""
    installed_version = package_version("openvino-dev")
    if not installed_version:
        return Findings()
    is_ours = is_stand_in_version(installed_version)
    purpose = "omz_* and mo: " + ("posezoo's stand-in" if is_ours else "the original, not ours")
    return Findings(packages=(PackageStatus("openvino-dev", installed_version, purpose),))


SANDBOX_REPORT = FeatureReport(_report_sandbox)
OPENVINO_DEV_REPORT = FeatureReport(_report_openvino_dev)
