"""The row of ``posezoo doctor`` about openvino-dev."""

from __future__ import annotations

from collections.abc import Mapping

from posezoo.cli.diagnosis import FeatureReport, Findings, PackageStatus
from posezoo.core.settings import Setting
from posezoo.core.versions import package_version
from posezoo.omz.model_optimizer import is_stand_in_version


def _report(_settings: Mapping[str, Setting]) -> Findings:
    """Whose commands omz_downloader and the others are, if they are installed."""
    installed_version = package_version("openvino-dev")
    if not installed_version:
        return Findings()
    is_ours = is_stand_in_version(installed_version)
    purpose = "omz_* and mo: " + ("posezoo's stand-in" if is_ours else "the original, not ours")
    return Findings(packages=(PackageStatus("openvino-dev", installed_version, purpose),))


REPORT = FeatureReport(_report)
