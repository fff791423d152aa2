"""What ``posezoo doctor`` reports about package indexes and npm registries."""

from __future__ import annotations

from collections.abc import Mapping

from posezoo.core.diagnosis import DoctorIssue, FeatureReport, Findings, NpmRegistry
from posezoo.core.errors import PosezooError
from posezoo.core.settings import Setting
from posezoo.packages.npm_config import read_npm_config
from posezoo.packages.package_indexes import read_index_settings


def _report(settings: Mapping[str, Setting]) -> Findings:
    problems = []
    indexes: tuple[str, ...] = ()
    registries: tuple[NpmRegistry, ...] = ()
    try:
        wheels = read_index_settings()
        indexes = (*wheels.find_links, *wheels.indexes)
    except PosezooError as error:
        problems.append(DoctorIssue(error.problem, error.hint))
    try:
        npm = read_npm_config()
        registries = npm.find_registries()
        if not settings["mirror"].value:
            npm.registry_for("")
    except PosezooError as error:
        problems.append(DoctorIssue(error.problem, error.hint))
    return Findings(problems=tuple(problems), npm_registries=registries, package_indexes=indexes)


REPORT = FeatureReport(_report)
