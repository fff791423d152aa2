"""What ``posezoo doctor`` reports about the sandbox of upstream code, and about openvino-dev and
mediapipe.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib.metadata import distribution

from posezoo.core.diagnosis import (
    DoctorIssue,
    FeatureReport,
    Findings,
    PackageStatus,
    find_overwriting,
)
from posezoo.core.install_commands import pip_command
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


def _report_stand_ins(_settings: Mapping[str, Setting]) -> Findings:
    packages = []
    problems: list[DoctorIssue] = []
    for original, purpose in (("openvino-dev", "omz_* and mo"), ("mediapipe", "mp.solutions")):
        names = (f"posezoo-{original}", original)
        problems += find_overwriting(names)
        for name in filter(package_version, names):
            installed_version = package_version(name)
            is_ours = name != original or is_stand_in_version(installed_version)
            whose = "posezoo's stand-in" if is_ours else "the original, not ours"
            packages.append(PackageStatus(name, installed_version, f"{purpose}: {whose}"))
            # pip removes modules with another package that has the same; newer Pythons leave
            # missing files out of ``files``.
            package = distribution(name)
            modules = re.findall(r"^(.+\.py),", package.read_text("RECORD") or "", re.MULTILINE)
            removed = [
                path for path in modules if not os.path.exists(str(package.locate_file(path)))
            ]
            if removed:
                problem = DoctorIssue(
                    f"{name} {installed_version} lacks {removed[0]}, which was uninstalled with"
                    " another package",
                    f"{pip_command()} install --force-reinstall --no-deps"
                    f" {name}=={installed_version}",
                )
                problems.append(problem)
    return Findings(packages=tuple(packages), problems=tuple(problems))


SANDBOX_REPORT = FeatureReport(_report_sandbox)
STAND_INS_REPORT = FeatureReport(_report_stand_ins)
