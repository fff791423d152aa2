"""The flags that select measurements, for recommend."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli.flags import Flag
from posezoo.cli.parsers import Args
from posezoo.core.declarations.model import Model
from posezoo.core.errors import PosezooError, SettingsError, shell_word
from posezoo.core.regular_files import is_open_pipe

if TYPE_CHECKING:
    from posezoo.console.console import Console
    from posezoo.core.registry import Registry
    from posezoo.pages.facts.comparison import ModelComparison
    from posezoo.pages.facts.model_facts import ModelFacts
    from posezoo.run.measured import Measurement
    from posezoo.run.measurement_selection import MeasurementSelection


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals or not value:
        raise argparse.ArgumentTypeError(f"expected a setting such as batch=8, got {text!r}")
    return name, value


#: --figures, --machine and --setting.
MEASUREMENT_FLAGS = (
    Flag(
        "--figures FILE",
        "a .json file that benchmark --output or evaluate --output wrote: its measurements stand"
        " first, beside those of the zoo; may be given several times",
        repeats=True,
        default=[],
    ),
    Flag(
        "--machine TEXT",
        "only use speeds that were measured on machines whose description contains TEXT",
        default="",
    ),
    Flag(
        "--setting KEY=VALUE",
        "only use speeds that were measured with this setting, such as hint=LATENCY or batch=8; may"
        " be given several times (default: the most frequent settings)",
        _setting,
        repeats=True,
        default=[],
    ),
)


class MeasurementArgs(Args):
    """The values of ``MEASUREMENT_FLAGS``."""

    figures: list[Path]
    machine: str
    setting: list[tuple[str, str]]


def read_measurements(file: Path, registry: Registry) -> Iterator[tuple[Model, Measurement]]:
    """The measurements in a file, with their models.

    Raises:
        SpecError: the file is not valid.
        UnknownModelError: the registry has no model of a name.
    """
    from posezoo.run.measured import read_measurement_file

    for name, measurement in read_measurement_file(file):
        try:
            yield registry.find(name), measurement
        except PosezooError as error:
            raise error.within(file) from error


def measurement_selection(args: MeasurementArgs, registry: Registry) -> MeasurementSelection:
    """The measurements that the flags select."""
    from posezoo.run.measured import FIGURES_FILE
    from posezoo.run.measurement_selection import MeasurementSelection

    measurements = []
    for file in args.figures:
        if not file.is_file() and not is_open_pipe(file):
            hint = f"posezoo benchmark MODEL --output {shell_word(file)}"
            raise PosezooError(f"{file}: no such file", hint=hint)
        for model, measurement in read_measurements(file, registry):
            measurements.append((model.full_name, replace(measurement, record=FIGURES_FILE)))
    return MeasurementSelection(tuple(measurements), args.machine, dict(args.setting))


def add_own_speeds(
    selection: MeasurementSelection, models: Iterable[ModelFacts], console: Console
) -> MeasurementSelection:
    """With what ``posezoo benchmark`` measured for the user on this machine."""
    from posezoo.run.own_measurements import read_own_speeds

    try:
        kept = read_own_speeds((facts.model for facts in models), console.warn)
    except SettingsError:  # a user without a home folder
        return selection
    return replace(selection, user_measurements=(*kept, *selection.user_measurements))


def warn_if_none_matched(
    args: MeasurementArgs, comparison: ModelComparison, console: Console
) -> None:
    """Warn that no speed was found, if the flags ask for some."""
    found = (comparison.speed_setting, comparison.single_setting, comparison.network_setting)
    if (args.setting or args.machine) and not any(found):
        console.warn("no speed measurement matches --machine and --setting")
