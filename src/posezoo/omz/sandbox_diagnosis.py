"""What ``posezoo doctor`` reports about the sandbox of ``--allow_upstream_code``."""

from __future__ import annotations

from collections.abc import Mapping

from posezoo.cli.diagnosis import DoctorIssue, FeatureReport, Findings, PackageStatus
from posezoo.core.settings import Setting
from posezoo.omz.sandbox import HINT, bwrap_version, explain_missing_sandbox


def _report(_settings: Mapping[str, Setting]) -> Findings:
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


REPORT = FeatureReport(_report)
