"""The speeds that ``posezoo benchmark`` measured for this user: a measured.yml by model in the
user's data folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from posezoo.core.declarations.model import Model
from posezoo.core.errors import MissingPackageError, SpecError
from posezoo.core.files.staging import create_parent
from posezoo.core.files.verified_files import writing
from posezoo.core.settings import user_folder
from posezoo.figures.measured import (
    NAME,
    THIS_MACHINE,
    Measurement,
    read_measured,
    update_measured_yml,
)
from posezoo.run.machine import Machine

NOTE = "# written by `posezoo benchmark`: measured, never typed"

#: The newest measurements of each model are kept, up to this number: a measured.yml may have 250.
MOST = 150


def keep_measurements(model: Model, measurements: Iterable[Measurement]) -> None:
    """Add measurements of a model to the user's, in place of those with the same key.

    Raises:
        SettingsError: this user has no home folder.
        SpecError: the file there is not valid; it stays as it is.
        OutputError: the file cannot be written.
    """
    path = _measured_yml(model)
    tagged = [replace(each, tag=model.tag) for each in measurements]
    with writing(path):
        create_parent(path)
        try:
            update_measured_yml(path, tagged, note=NOTE, most=MOST)
        except SpecError as error:
            error.hint = "remove that file, and measure again: posezoo benchmark"
            raise


def read_own_speeds(
    models: Iterable[Model], warn: Callable[[str], None]
) -> list[tuple[str, Measurement]]:
    """The user's measurements of models on this machine, each with the name of its model and the
    ``record`` ``THIS_MACHINE``; none without OpenVINO, which names the processor. ``warn`` receives
    why those of a model cannot be read.

    Raises:
        SettingsError: this user has no home folder.
    """
    measured = []
    for model in models:
        try:
            measurements = read_measured(_measured_yml(model))
        except SpecError as error:  # the others are right
            warn(f"{error}: left out; remove that file, and measure again: posezoo benchmark")
            continue
        for each in measurements:
            if each.kind == "speed" and each.tag == model.tag:
                measured.append((model.full_name, replace(each, record=THIS_MACHINE)))
    if not measured:
        return []
    try:
        machine = Machine.here()
    except MissingPackageError:
        return []
    devices = {str(each.settings.get("device", "CPU")) for _, each in measured}
    machines = set(map(machine.describe, devices))
    return [pair for pair in measured if pair[1].machine in machines]


def own_folder() -> Path:
    """The folder with a folder for each measured model; a SettingsError without a home folder."""
    return user_folder("data") / "measured"


def _measured_yml(model: Model) -> Path:
    return own_folder() / model.name / NAME
