"""Which posezoo this is."""

from __future__ import annotations

import configparser
import re
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path


@cache
def version() -> str:
    """The installed version; in a bare checkout the one that setup.cfg names."""
    try:
        return installed_version("posezoo")
    except PackageNotFoundError:
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(Path(__file__).resolve().parents[2] / "setup.cfg", encoding="utf-8")
        return parser.get("metadata", "version", fallback="unknown")


def parse_version(text: str) -> tuple[int, ...]:
    """The leading numbers of a version: enough to compare releases.

    >>> parse_version("2026.4.1-dev")
    (2026, 4, 1)
    """
    return tuple(int(number) for number in re.findall(r"\d+", text.split("+")[0])[:3])


@cache
def package_version(name: str) -> str:
    """The version of an installed distribution, without importing it; empty where it is not installed.

    As this process first found it: to read it takes a millisecond, and a conversion asks twenty times.
    """
    try:
        return installed_version(name)
    except PackageNotFoundError:
        return ""


#: What was tested together. NNCF 3.4 dies on OpenVINO 2025.4 for want of ``ov.Type.u2``.
NNCF, NNCF_NEEDS_OPENVINO = "3.4.0", "2026.4"


def explain_nncf_mismatch() -> str:
    """Why the installed NNCF and OpenVINO do not go together; empty where they do, or there is no NNCF."""
    found, openvino = package_version("nncf"), package_version("openvino")
    if found and parse_version(found) != parse_version(NNCF):
        return f"version {found} was not tested, {NNCF} was"
    if found and openvino and parse_version(openvino) < parse_version(NNCF_NEEDS_OPENVINO):
        return f"version {found} needs OpenVINO {NNCF_NEEDS_OPENVINO} or newer, here is {openvino}"
    return ""
