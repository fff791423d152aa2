"""Figures of the user's own, and which of all measured ones are wanted: flags that several verbs share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.errors import PosezooError

if TYPE_CHECKING:
    from posezoo.facts.measurement_selection import MeasurementSelection
    from posezoo.registry import Registry


def add_measurement_flags(parser: argparse.ArgumentParser) -> None:
    """Whose figures."""
    parser.add_argument(
        "--figures",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="a .json file of posezoo benchmark --output, in place of what measured.yml says of its kind; "
        "may be given several times",
    )
    parser.add_argument(
        "--machine", default="", metavar="TEXT", help="speeds of machines with these words in their line"
    )
    parser.add_argument(
        "--setting",
        type=_setting,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="speeds measured so, such as hint=LATENCY or batch=8 (default: the way most of them were)",
    )


def measurement_selection(args: argparse.Namespace, registry: Registry) -> MeasurementSelection:
    """What the flags say.

    Raises:
        PosezooError: a file is missing, says what cannot be meant, or tells of a model that is not there.
    """
    from posezoo.facts.measurement_selection import MeasurementSelection
    from posezoo.measured import read_measurement_file

    own = []
    for file in args.figures:
        if not file.is_file():
            raise PosezooError(f"{file}: no such file", hint="posezoo benchmark --output FILE writes one")
        for name, found in read_measurement_file(file):
            try:
                own.append((flags.require_single_model(registry, name).full_name, found))
            except PosezooError as error:
                raise type(error)(f"{file}: {error.problem}", hint=error.hint) from error
    return MeasurementSelection(tuple(own), args.machine, dict(args.setting))


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals or not value:
        raise argparse.ArgumentTypeError(f"expected a setting such as batch=8, got {text!r}")
    return name, value
