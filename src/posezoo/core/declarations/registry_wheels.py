"""The wheels of the registries that are read out of wheels. Features name them."""

from __future__ import annotations

from posezoo.core.declarations.sources import PythonPackageSource
from posezoo.core.plugins import FeatureParts

_WHEELS: FeatureParts[PythonPackageSource] = FeatureParts("registries", PythonPackageSource)


def wheel_of(name: str) -> PythonPackageSource:
    """The wheel of a registry of ``WHEEL_REGISTRIES``, and the folder in it with the models."""
    return _WHEELS.by_name()[name]
