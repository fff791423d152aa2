"""The versions that constraints.txt pins."""

from __future__ import annotations

import sys

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fakes.checkout import ROOT

PINS = ROOT / "constraints.txt"


def read_pins(python: str = f"{sys.version_info[0]}.{sys.version_info[1]}") -> dict[str, str]:
    """The version of each package for a Python, by the normalized name of the package."""
    lines = PINS.read_text("utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
        for pin in pins
        if pin.marker is None or pin.marker.evaluate({"python_version": python})
    }
