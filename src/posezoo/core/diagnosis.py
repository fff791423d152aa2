"""Checks an installation (packages, plug-ins, settings, devices, folders), with a fix for each
problem.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from importlib.util import find_spec

from packaging.requirements import Requirement

from posezoo.core.errors import SettingsError, explain_broken_cv2, is_cv2_broken
from posezoo.core.install_commands import (
    OPENCV,
    install_command,
    is_installed,
    list_requirements,
    pip_command,
)
from posezoo.core.neighbours import find_broken_requirements, find_overwritten_opencv
from posezoo.core.plugins import PLUGIN_GROUPS, LazyTable, installed
from posezoo.core.settings import SETTINGS, Setting
from posezoo.core.values import frozen
from posezoo.core.versions import package_version, version

#: Distribution, and purpose; setup.cfg has their versions.
PACKAGES = {
    "numpy": "arrays",
    "pyyaml": "reading model.yml",
    "requests": "downloads over http",
    "tqdm": "progress bars",
    "truststore": "certificate authorities of the system",
    "openvino": "conversion and inference",
    "ai-edge-litert": "independent self-check of TFLite models",
    "onnxruntime": "independent self-check of ONNX models",
    "onnx": "operations of ONNX that OpenVINO reads wrongly",
    **dict.fromkeys(OPENCV, "reading and drawing images"),
    "faster-coco-eval": "COCO's metrics",
    "nncf": "quantization to INT8",
}
#: The extras with which most verbs work.
_EXTRAS = ("own-opencv", "run", "convert")
#: The packages that read the original for the self-check, and the models that each reads.
_COMPARED = {"ai-edge-litert": "TFLite", "onnxruntime": "ONNX"}


@frozen
class PackageStatus:
    """A package that posezoo can use; the version is empty if it is not installed."""

    name: str
    version: str
    purpose: str


@frozen
class InstalledPlugin:
    """A plug-in of another package; using it runs that package's code."""

    group: str  # the group of its entry point, such as ``posezoo.decoders``
    name: str  # the name of the entry point
    package: str  # the distribution that contains it, with the version


@frozen
class DoctorIssue:
    """A problem, and how to fix it."""

    message: str
    mend: str


@frozen
class NpmRegistry:
    """A registry that npm is configured with."""

    scope: str  # such as ``@mediapipe``; empty for the registry of all other packages
    url: str  # its URL, without secrets; empty if none is configured and npm is not installed
    origin: str  # the file that names it, ``environment``, or ``default``
    has_login: bool  # whether credentials are configured for it


@frozen
class DefaultReport:
    """The model that runs if none is named.

    Attributes:
        name: empty if none is chosen yet.
        file: where the choice is kept; empty if this user has no home folder.
        models: of the registry's list: where each one's files are, or what it needs.
    """

    name: str
    why: str
    file: str
    models: Mapping[str, str]


@frozen
class Findings:
    """What a feature reports of an installation; the fields are those of ``Diagnosis``."""

    packages: tuple[PackageStatus, ...] = ()
    devices: dict[str, str] = field(default_factory=dict)
    problems: tuple[DoctorIssue, ...] = ()
    default: DefaultReport | None = None
    npm_registries: tuple[NpmRegistry, ...] = ()
    package_indexes: tuple[str, ...] = ()


@frozen
class FeatureReport:
    """What a feature finds out about an installation."""

    #: Gets the settings, and changes nothing.
    find: Callable[[Mapping[str, Setting]], Findings]


_REPORTS = LazyTable("diagnoses", FeatureReport, {})


@frozen
class Diagnosis:
    """The state of an installation; ``devices`` maps OpenVINO's device names to the names of the
    hardware.
    """

    posezoo: str
    python: str
    system: str
    packages: tuple[PackageStatus, ...]
    plugins: tuple[InstalledPlugin, ...]
    settings: tuple[Setting, ...]
    devices: dict[str, str]
    default: DefaultReport | None  # None if a setting is wrong
    problems: tuple[DoctorIssue, ...]
    #: What works, and may surprise.
    notes: tuple[DoctorIssue, ...]
    #: Extras that are not installed, which is no problem for who does not use what they are for.
    not_installed: tuple[DoctorIssue, ...]
    npm_registries: tuple[NpmRegistry, ...]
    package_indexes: tuple[str, ...]  # and folders of wheels, of pip's and uv's settings


def diagnose(settings: dict[str, Setting], complaints: Sequence[SettingsError]) -> Diagnosis:
    """Check this installation, without changes and network access; ``complaints`` are the errors of
    settings.
    """
    packages = [
        PackageStatus(name, package_version(name), purpose) for name, purpose in PACKAGES.items()
    ]
    devices: dict[str, str] = {}
    default: DefaultReport | None = None
    npm_registries: tuple[NpmRegistry, ...] = ()
    package_indexes: tuple[str, ...] = ()
    hint = "change or remove this setting"
    problems = [DoctorIssue(error.problem, error.hint or hint) for error in complaints]
    problems += _package_problems()
    problems += (DoctorIssue(each.problem, each.command) for each in find_broken_requirements())
    if any(map(package_version, OPENCV)) and is_cv2_broken():
        broken = explain_broken_cv2()
        problems.append(DoctorIssue(broken.problem, broken.hint))
    for _, report in _REPORTS.items():
        findings = report.find(settings)
        packages += findings.packages
        devices |= findings.devices
        default = default or findings.default
        npm_registries += findings.npm_registries
        package_indexes += findings.package_indexes
        problems += findings.problems
    problems += _folder_problems(settings)
    plugins = []
    for group in PLUGIN_GROUPS:
        for name, entry_point in sorted(installed(group).items()):
            package = entry_point.dist
            origin = (
                f"{package.name} {package.version}" if package is not None else entry_point.value
            )
            plugins.append(InstalledPlugin(group, name, origin))
    return Diagnosis(
        posezoo=version(),
        python=f"{platform.python_version()} ({sys.executable})",
        system=platform.platform(),
        packages=tuple(packages),
        plugins=tuple(plugins),
        settings=tuple(settings[name] for name in SETTINGS),
        devices=devices,
        default=default,
        problems=tuple(problems),
        notes=tuple(_notes()),
        not_installed=tuple(_missing_extras()),
        npm_registries=npm_registries,
        package_indexes=package_indexes,
    )


def _package_problems() -> Iterator[DoctorIssue]:
    for required in map(Requirement, list_requirements([""])):
        if not package_version(required.name):
            problem = f"{required.name} is not installed, which every verb needs"
            yield DoctorIssue(problem, f'{pip_command()} install "{required}"')
    for required in map(Requirement, list_requirements(["", *_EXTRAS])):
        present = package_version(required.name)
        if present and not is_installed(required.name, required.specifier):
            supported = f"{required.name}{required.specifier}"
            problem = f"{required.name} {present} is not supported, {supported} is"
            yield DoctorIssue(problem, f'{pip_command()} install "{supported}"')


def find_overwriting(names: Sequence[str]) -> Iterator[DoctorIssue]:
    """A problem if several of these packages, which have the same files, are installed."""
    present = list(filter(package_version, names))
    if len(present) > 1:
        yield DoctorIssue(
            f"{' and '.join(present)} are both installed: they overwrite each other's files",
            f"{pip_command()} uninstall {' '.join(present)}, then install the one that you need",
        )


def _notes() -> Iterator[DoctorIssue]:
    if conflict := find_overwritten_opencv():
        yield DoctorIssue(conflict.problem, conflict.command)


def _missing_extras() -> Iterator[DoctorIssue]:
    if not package_version("openvino"):
        message = "openvino is not installed: models can be downloaded, but not converted or run"
        yield DoctorIssue(message, install_command("run"))
        return
    if find_spec("cv2") is None:
        message = "OpenCV is not installed: models can be converted, but not run on images"
        yield DoctorIssue(message, install_command("run"))
    for name, kind in _COMPARED.items():
        if not package_version(name):
            message = f"{name} is not installed: IR of {kind} models are not compared with these"
            extra = "convert" if kind == "TFLite" else "run"
            yield DoctorIssue(message, install_command(extra))


def _folder_problems(settings: dict[str, Setting]) -> Iterator[DoctorIssue]:
    for name in ("weights_dir", "cache_dir"):
        setting = settings[name]
        place = f"{name} {setting.value} ({setting.origin})"
        change = f"set POSEZOO_{name.upper()}, or {name} in posezoo.cfg"
        folder = setting.value.absolute()
        while not os.path.exists(folder):
            folder = folder.parent
        if not os.path.isdir(folder):
            yield DoctorIssue(f"{place}: {folder} is not a folder", change)
        elif not os.access(folder, os.W_OK):
            yield DoctorIssue(f"{place}: {folder} cannot be written", change)
        elif (free := shutil.disk_usage(folder).free) < 1 << 30:
            yield DoctorIssue(
                f"{place}: only {free / 1e6:,.1f} MB are free", f"free some space, or {change}"
            )
