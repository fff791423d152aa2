"""Measurements that can be compared: those of one machine, with the same settings."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from posezoo.facts.model_facts import measurements_of
from posezoo.measured import Measurement
from posezoo.spec.model import ModelSpec

SubjectT = TypeVar("SubjectT", bound=Hashable)

#: Settings that the tool finds itself, or that follow from the model: they may differ between models.
_OWN = frozenset({"requests", "streams", "executed_precision", "people", "height", "width"})


@dataclass(frozen=True, slots=True)
class MeasurementSelection:
    """The user's own measurements, and which of all measurements are used.

    Attributes:
        user_measurements: each with its model's name. They replace measured.yml for the kinds that they hold.
        machine: text that the description of the machine must contain.
        settings: the settings with which speeds must have been measured.
    """

    user_measurements: Sequence[tuple[str, Measurement]] = ()
    machine: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)

    def select(self, spec: ModelSpec, kind: str) -> list[Measurement]:
        """All selected measurements of a model, of one kind.

        Raises:
            SpecError: its measured.yml is not valid.
        """
        if any(each.kind == kind for _, each in self.user_measurements):
            measurements = [
                each for name, each in self.user_measurements if name == spec.full_name and each.kind == kind
            ]
        else:
            measurements = list(measurements_of(spec, kind))
        if kind != "speed":
            return measurements
        return [
            each
            for each in measurements
            if self.machine.casefold() in each.machine.casefold()
            and all(str(each.settings.get(name)) == value for name, value in self.settings.items())
        ]


def format_measurement_setting(measurement: Measurement) -> str:
    """The machine and the settings that comparable measurements have in common, in one line."""
    settings = ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value)}"
        for name, value in sorted(measurement.settings.items())
        if name not in _OWN
    )
    return "; ".join(filter(None, [measurement.machine, settings]))


def select_most_common_setting(
    measurements: Mapping[SubjectT, Sequence[Measurement]], metric: str
) -> tuple[str, dict[SubjectT, Measurement]]:
    """The setting with which most subjects were measured, and the measurement of each of them.

    Args:
        measurements: all measurements of one kind, by their subjects.
        metric: its name. Of two settings that are equally common, the one with the larger sum of it is
            chosen; of two measurements of a subject, the larger one.

    Returns:
        The setting in one line, empty if nothing was measured; and one measurement for each subject that
        was measured with it.
    """
    by_setting: dict[str, dict[SubjectT, Measurement]] = {}
    for subject, of_subject in measurements.items():
        for measurement in of_subject:
            if metric not in measurement.figures:
                continue
            best = by_setting.setdefault(format_measurement_setting(measurement), {})
            if subject not in best or measurement.figures[metric] > best[subject].figures[metric]:
                best[subject] = measurement
    if not by_setting:
        return "", {}

    def commonness(setting: str) -> tuple[int, float]:
        best = by_setting[setting]
        return len(best), sum(measurement.figures[metric] for measurement in best.values())

    chosen = max(by_setting, key=commonness)
    return chosen, by_setting[chosen]
