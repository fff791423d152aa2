"""Select the measurements of a model that can be compared with those of others."""

from __future__ import annotations

import json
from collections.abc import Sequence

from posezoo.console.labels import format_pairs, join
from posezoo.core.declarations.model import Model
from posezoo.core.values import frozen
from posezoo.figures.measured import (
    CROPS,
    DETECTOR_PRECISION,
    REGISTRY,
    SHOWN,
    TARGET_SIZE,
    USUALLY_SHOWN,
    Measurement,
    measurements_of,
)
from posezoo.poses.people import people_from
from posezoo.run.runtime.runtime_config import declared_type

#: Settings that the tool chooses, or that follow from the model; they may differ between models.
_MODEL_DEPENDENT = (
    "requests", "streams", "executed_precision", "inference_precision", "people", "people_from",
    CROPS, DETECTOR_PRECISION, "height", "width", "input", "arithmetic", TARGET_SIZE,
)  # fmt: skip


@frozen
class MeasurementSelection:
    """The user's own measurements, and the selection of measurements to use.

    ``user_measurements``, with their model's name, are used beside those of measured.yml; their
    ``record`` says whose they are. With ``one_request``, measurements of speed must be of one
    request at a time.
    """

    user_measurements: Sequence[tuple[str, Measurement]] = ()
    one_request: bool = False

    def select(self, model: Model, kind: str) -> list[Measurement]:
        """All selected measurements of one kind of a model."""
        of_user = [each for name, each in self.user_measurements if name == model.full_name]
        measurements = [each for each in of_user if each.kind == kind]
        measurements += measurements_of(model, kind)
        if kind != "speed" or not self.one_request:
            return measurements
        return list(filter(is_of_one_request, measurements))

    def select_of_pipeline(
        self,
        model: Model,
        kind: str,
        shown: int = USUALLY_SHOWN,
        *,
        target_size: int | None = None,
    ) -> list[Measurement]:
        """The measurements of the whole pipeline with the model's usual detector at one target
        size, in the type in which ``posezoo run`` computes. Speeds are those on an image with this
        number of people. Those with a detector in INT8 or bf16 are preferred to others of the
        same machine.

        Args:
            target_size: that of ``run --height``; None for the declared size.
        """
        usual = people_from(model)
        measurements = [
            each
            for each in self.select(model, kind)
            if is_of_pipeline(each)
            and is_of_run(each, model)
            and each.settings.get("people_from", "") == usual
            and _shows(each, shown)
            and each.settings.get(TARGET_SIZE) == target_size
        ]
        return _prefer_types_of_run(measurements)

    def target_sizes(self, model: Model) -> list[int]:
        """The further target sizes that its AP was measured at, in ascending order."""
        sizes = {each.settings.get(TARGET_SIZE) for each in self.select(model, "accuracy")}
        return sorted(size for size in sizes if isinstance(size, int))

    def select_of_network(self, model: Model) -> list[Measurement]:
        """The speeds of the network alone."""
        return [
            each
            for each in self.select(model, "speed")
            if not is_of_pipeline(each) and is_of_run(each, model)
        ]


def _prefer_types_of_run(measurements: Sequence[Measurement]) -> list[Measurement]:
    """Those with a detector in INT8 or bf16, then the others, without those of the registry that
    one of the first replaces on the same machine.
    """
    preferred = [
        each
        for each in measurements
        if DETECTOR_PRECISION in each.settings or "bf16" in executed_type(each)
    ]
    replaced = {(each.precision, each.machine) for each in preferred if each.record == REGISTRY}
    others = [each for each in measurements if each not in preferred]
    return preferred + [
        each
        for each in others
        if each.record != REGISTRY or (each.precision, each.machine) not in replaced
    ]


def _shows(measurement: Measurement, people: int) -> bool:
    """Whether a speed is of a picture of this number of people; true of what is no speed. A speed
    of several people that does not state its crops is of a former picture, in which some detectors
    saw more people.
    """
    if measurement.kind != "speed":
        return True
    settings = measurement.settings
    return settings.get(SHOWN) == people and (people == 1 or CROPS in settings)


def is_of_run(measurement: Measurement, model: Model) -> bool:
    """Whether a record of the registry is of what ``posezoo run`` computes: a speed in f32 only if
    the model declares no bf16, or the CPU does not have it. AP has no machine and may be in either.
    The user's own measurements are in the type that the user chose.
    """
    executed = executed_type(measurement)
    if measurement.record != REGISTRY or not executed or "bf16" in executed:
        return True
    return (
        "bf16" not in measurement.machine or declared_type(model, measurement.precision) != "bf16"
    )


def executed_type(measurement: Measurement) -> str:
    """The types in which the networks were computed, such as ``f32,i8``; empty if not stated."""
    settings = measurement.settings
    return str(settings.get("arithmetic") or settings.get("executed_precision") or "")


def is_of_one_request(measurement: Measurement) -> bool:
    """Whether no other request ran at the same time, which would make a latency longer."""
    return measurement.settings.get("requests", 1) == 1


def is_of_pipeline(measurement: Measurement) -> bool:
    """Whether the whole pipeline was measured, from an image to poses, and not a network alone."""
    return measurement.kind in ("accuracy", "situations") or "pipeline" in measurement.settings


def format_measurement_setting(measurement: Measurement) -> str:
    """The machine and the settings that comparable measurements share, in one line."""
    return join(measurement.machine, format_comparable_settings(measurement), separator="; ")


def format_comparable_settings(measurement: Measurement) -> str:
    """The settings that comparable measurements share on all machines, in one line."""
    settings = {}
    for name, value in sorted(measurement.settings.items()):
        is_usual = name == SHOWN and value == USUALLY_SHOWN
        if name not in _MODEL_DEPENDENT and not is_usual:
            settings[name] = value if isinstance(value, str) else json.dumps(value)
    return format_pairs(settings)
