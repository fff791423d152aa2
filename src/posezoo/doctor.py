"""What is installed, what is missing or does not fit together, and how to mend it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from posezoo.errors import PosezooError, SettingsError, install_command
from posezoo.settings import Setting
from posezoo.versions import explain_nncf_mismatch, package_version, parse_version, version

#: Distribution, what it is for, the extra that brings it ("" where every installation has it), and the
#: versions that fit: from the first, below the second; no first where another package decides.
PACKAGES = (
    ("numpy", "arrays", "", "1.24", ""),
    ("pyyaml", "reading model.yml", "", "6", ""),
    ("requests", "downloads over http", "", "2.31", ""),
    ("tqdm", "progress bars", "", "4.64", ""),
    ("openvino", "conversion and inference", "convert", "2025.2", ""),
    ("opencv-python-headless", "reading and drawing pictures", "run", "4.8", "5"),
    ("opencv-python", "pictures and windows", "window", "4.8", "5"),
    ("faster-coco-eval", "COCO's figures", "evaluate", "1.6", ""),
    ("ai-edge-litert", "independent self-check of TFLite models", "proof", "2.1", ""),
    ("nncf", "quantization to INT8", "quantize", "", ""),
    ("model-signing", "signing a posezoo.lock", "sign", "1.1", ""),
)
OPENCV = (
    "opencv-python-headless",
    "opencv-python",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)


@dataclass(frozen=True, slots=True)
class PackageStatus:
    """A package that posezoo can use; an empty version where it is not installed."""

    name: str
    version: str
    purpose: str


@dataclass(frozen=True, slots=True)
class DoctorIssue:
    """Something that does not work, and what mends it."""

    message: str
    mend: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything that doctor looks at."""

    posezoo: str
    python: str
    system: str
    packages: tuple[PackageStatus, ...]
    settings: tuple[Setting, ...]
    devices: dict[str, str]  # OpenVINO's devices by name, with the hardware's own
    problems: tuple[DoctorIssue, ...]


def diagnose(settings: dict[str, Setting], complaints: Sequence[SettingsError] = ()) -> Diagnosis:
    """Look at this installation; nothing is changed and no server is asked.

    Args:
        settings: what is set, as far as it can be used.
        complaints: about what cannot.
    """
    packages = tuple(PackageStatus(name, package_version(name), purpose) for name, purpose, *_ in PACKAGES)
    devices, device_problems = _devices()
    problems = (
        *(
            DoctorIssue(complaint.problem, complaint.hint or "set it otherwise, or not at all")
            for complaint in complaints
        ),
        *_package_problems(),
        *_nncf_problems(),
        *_opencv_problems(),
        *_pip_problems(),
        *device_problems,
        *_folder_problems(settings),
        *_device_setting_problems(settings, devices),
    )
    return Diagnosis(
        posezoo=version(),
        python=f"{platform.python_version()} ({sys.executable})",
        system=platform.platform(),
        packages=packages,
        settings=tuple(settings.values()),
        devices=devices,
        problems=problems,
    )


def _package_problems() -> Iterator[DoctorIssue]:
    for name, purpose, extra, lowest, below in PACKAGES:
        found = package_version(name)
        requested = f"{name}>={lowest}" + (f",<{below}" if below else "")
        if not found:
            if not extra:
                yield DoctorIssue(f"{name} is not installed: {purpose}", f'pip install "{requested}"')
        elif not lowest:
            continue  # it is one of a pair
        elif parse_version(found) < parse_version(lowest) or (
            below and parse_version(found) >= parse_version(below)
        ):
            yield DoctorIssue(f"{name} {found} does not fit: {requested} does", f'pip install "{requested}"')
    if not package_version("openvino"):
        yield DoctorIssue(
            "no openvino: models can be downloaded, not converted or run", install_command("run")
        )


def _opencv_problems() -> Iterator[DoctorIssue]:
    found = [name for name in OPENCV if package_version(name)]
    if len(found) > 1:
        yield DoctorIssue(
            f"{' and '.join(found)} are both installed: they overwrite each other's files",
            f"pip uninstall {' '.join(found)}, then install one: posezoo[run] without windows, "
            "posezoo[window] with them",
        )
    elif not found:
        yield DoctorIssue("no OpenCV: models can be converted, not run on pictures", install_command("run"))


def _nncf_problems() -> Iterator[DoctorIssue]:
    if reason := explain_nncf_mismatch():
        yield DoctorIssue(f"nncf: {reason}: models cannot be quantized", install_command("quantize"))


def _pip_problems() -> Iterator[DoctorIssue]:
    if find_spec("pip") is None:
        yield DoctorIssue("no pip in this environment: files inside Python packages cannot be fetched",
                      "python -m ensurepip, or use --mirror")  # fmt: skip


def _devices() -> tuple[dict[str, str], tuple[DoctorIssue, ...]]:
    if not package_version("openvino"):
        return {}, ()
    from posezoo.runtime.devices import available_devices

    try:
        return available_devices(), ()
    except PosezooError as error:
        return {}, (DoctorIssue(error.problem, error.hint),)


def _device_setting_problems(settings: dict[str, Setting], devices: dict[str, str]) -> Iterator[DoctorIssue]:
    if not devices:
        return
    from posezoo.runtime.devices import require_device

    device = settings["device"]
    try:
        require_device(device.value)
    except PosezooError as error:
        yield DoctorIssue(f"device ({device.origin}): {error.problem}", error.hint)


def _folder_problems(settings: dict[str, Setting]) -> Iterator[DoctorIssue]:
    for name in ("output_dir", "cache_dir"):
        setting = settings[name]
        folder, where = _nearest_existing(setting.value), f"{name} {setting.value} ({setting.origin})"
        otherwise = f"set POSEZOO_{name.upper()}, or {name} in posezoo.cfg"
        if not os.path.isdir(folder):
            yield DoctorIssue(f"{where}: {folder} is no folder", otherwise)
        elif not os.access(folder, os.W_OK):
            yield DoctorIssue(f"{where}: {folder} cannot be written", otherwise)
        elif (free := shutil.disk_usage(folder).free) < 1 << 30:
            yield DoctorIssue(f"{where}: only {free >> 20} MiB are free", f"make room, or {otherwise}")
    for place in settings["mirror"].value:
        if "://" not in place and not os.path.isdir(place):
            origin = settings["mirror"].origin
            yield DoctorIssue(f"mirror {place} ({origin}) is no folder", "mount it, or drop it")


def _nearest_existing(path: Path) -> Path:
    path = path.absolute()
    while not os.path.exists(path):
        path = path.parent
    return path
