"""Flags of several verbs that add the user's own measurements, and select the speeds to show."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.flags import Flag
from posezoo.errors import PosezooError

if TYPE_CHECKING:
    from posezoo.facts.comparison import MeasurementSelection
    from posezoo.registry import Registry


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals or not value:
        raise argparse.ArgumentTypeError(f"expected a setting such as batch=8, got {text!r}")
    return name, value


#: --figures, --machine and --setting.
MEASUREMENT_FLAGS = (
    Flag(
        "--figures FILE",
        "a .json file of posezoo benchmark --output, which replaces the measurements of its kind in "
        "measured.yml; may be given several times",
        repeats=True,
        default=[],
    ),
    Flag("--machine TEXT", "speeds of machines whose description contains this text", default=""),
    Flag(
        "--setting KEY=VALUE",
        "speeds measured with this setting, such as hint=LATENCY or batch=8 (default: the most frequent "
        "settings)",
        _setting,
        repeats=True,
        default=[],
    ),
)


def measurement_selection(args: argparse.Namespace, registry: Registry) -> MeasurementSelection:
    """The measurements that the flags select.

    Raises:
        PosezooError: a file is missing, has an invalid value, or names an unknown model.
    """
    from posezoo.facts.comparison import MeasurementSelection
    from posezoo.measured import read_measurement_file

    measurements = []
    for file in args.figures:
        if not file.is_file():
            raise PosezooError(f"{file}: no such file", hint="posezoo benchmark --output FILE writes one")
        for name, measurement in read_measurement_file(file):
            try:
                model = flags.require_single_model(registry, name)
            except PosezooError as error:
                raise type(error)(f"{file}: {error.problem}", hint=error.hint) from error
            measurements.append((model.full_name, measurement))
    return MeasurementSelection(tuple(measurements), args.machine, dict(args.setting))
