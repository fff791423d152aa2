"""The row of ``posezoo doctor`` about openvino-dev."""

from __future__ import annotations

from collections.abc import Iterator

from posezoo.cli.diagnosis import PackageStatus
from posezoo.core.versions import package_version
from posezoo.omz.model_optimizer import STAND_IN_VERSION


def describe_openvino_dev() -> Iterator[PackageStatus]:
    """Whose commands omz_downloader and the others are, if they are installed."""
    installed_version = package_version("openvino-dev")
    if installed_version:
        is_ours = installed_version.endswith(f"+{STAND_IN_VERSION}")
        purpose = "omz_* and mo: " + ("posezoo's stand-in" if is_ours else "the original, not ours")
        yield PackageStatus("openvino-dev", installed_version, purpose)
