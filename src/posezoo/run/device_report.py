"""What ``posezoo doctor`` says about devices."""

from __future__ import annotations

from collections.abc import Mapping

from posezoo.core.diagnosis import DoctorIssue, FeatureReport, Findings
from posezoo.core.errors import PosezooError
from posezoo.core.settings import Setting
from posezoo.core.versions import package_version
from posezoo.run.runtime.runtime_config import available_devices, require_device


def _report(settings: Mapping[str, Setting]) -> Findings:
    if not package_version("openvino"):
        return Findings()
    setting = settings["device"]
    devices: dict[str, str] = {}
    problems = []
    try:
        devices = available_devices()
        if devices:
            require_device(setting.value)
    except PosezooError as error:
        # Without any device OpenVINO does not start, whatever the setting is.
        subject = f"device ({setting.origin}): " if devices else ""
        problems.append(DoctorIssue(f"{subject}{error.problem}", error.hint))
    return Findings(devices=devices, problems=tuple(problems))


REPORT = FeatureReport(_report)
