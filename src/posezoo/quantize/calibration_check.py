"""Checks that a calibration set fits what the model declares: the range of values, the order of the
channels, and the classes.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from posezoo.core.declarations.model import ColorOrder, Input
from posezoo.core.errors import QuantizationError
from posezoo.core.events import Listener, WarningIssued
from posezoo.quantize.accuracy_evaluator import AccuracyEvaluator
from posezoo.quantize.calibration_data import CalibrationData
from posezoo.quantize.quantization_plan import PhotoSplit

# Photos have a standard deviation of 40 to 80 of 255 levels.
_LEAST_SPREAD = 4.0

# Channels are suspected to be exchanged at this many standard errors; the accuracy then decides.
_SUSPICIOUS = 1.0
_BETTER = 0.01

# A random choice of images lacks a class less often than this.
_UNLIKELY = 0.01


def check_calibration_data(
    data: CalibrationData, evaluator: AccuracyEvaluator | None, photos: PhotoSplit, warn: Listener
) -> None:
    """Refuse a calibration set that does not fit the model.

    Args:
        warn: receives a warning if it may not fit, but no annotations decide.

    Raises:
        QuantizationError: the reason.
    """
    port = data.calibration[0].port
    if 0 < max(port.mean, default=0) <= 1 or 0 < min(port.scale, default=1) < 1:
        raise QuantizationError(
            f"input {port.name}: mean {port.mean} and scale {port.scale} are for values from 0 to"
            " 1, and images have 0 to 255",
            hint="multiply both by 255",
        )
    values = np.concatenate([sample.image.ravel() for sample in data.calibration])
    spread = float(values.std())
    if spread < _LEAST_SPREAD:
        raise QuantizationError(
            f"the images for calibration use only the values {values.min()} to {values.max()} of 0"
            f" to 255 (standard deviation {spread:.1f})",
            hint="save them as usual images, without the preparation for a network",
        )
    if evaluator:
        _check_classes(evaluator, photos)
        evaluator.compute_fp32_metric()  # an error if it is about 0
    _check_channel_order(data, port, evaluator, warn)


def _check_channel_order(
    data: CalibrationData, port: Input, evaluator: AccuracyEvaluator | None, warn: Listener
) -> None:
    """Compare the colors with the declared mean; if they are opposite, FP32 itself decides."""
    means = np.array([sample.image.mean(axis=(0, 1, 2)) for sample in data.calibration])
    warmth = means[:, 2] - means[:, 0]
    error = float(warmth.std(ddof=1)) / math.sqrt(len(warmth)) if len(warmth) > 1 else 0.0
    if not error or float(warmth.mean()) / error * _declared_warmth(port) > -_SUSPICIOUS:
        return
    colors = f"the images for calibration have {-warmth.mean():.0f} levels more blue than red"
    if _declared_warmth(port) < 0:
        colors = f"the images for calibration have {warmth.mean():.0f} levels more red than blue"
    if evaluator is None:
        warn(WarningIssued(f"{colors}: are red and blue exchanged?"))
        return
    before = evaluator.compute_fp32_metric()
    after = evaluator.compute_fp32_metric(reverse=True)
    if after > before + _BETTER:
        raise QuantizationError(
            f"{colors}, and FP32 has {evaluator.metric} {after:.3f} with red and blue exchanged,"
            f" {before:.3f} as declared ({port.color or 'no color'})",
            hint="save the images in the usual order, or declare the other color",
        )


def _declared_warmth(port: Input) -> int:
    """1 if red is usually larger than blue, or -1."""
    if len(port.mean) != 3 or port.mean[0] == port.mean[2]:
        return 1
    first, _, last = port.mean
    red, blue = (first, last) if port.color is ColorOrder.RGB else (last, first)
    return 1 if red > blue else -1


def _check_classes(evaluator: AccuracyEvaluator, photos: PhotoSplit) -> None:
    """Refuse a set without a class that a random one would have."""
    calibrated = {path.resolve() for path in photos.calibration}
    used = calibrated | {path.resolve() for path in photos.measured}
    in_calibration: Counter[int] = Counter()
    in_both: Counter[int] = Counter()
    for image in evaluator.annotated.images:
        path = image.path.resolve()
        for number in {each.category for each in image.people}:
            in_both[number] += path in used
            in_calibration[number] += path in calibrated
    measured_share = len(photos.measured) / (len(photos.measured) + len(photos.calibration))
    categories = evaluator.annotated.categories
    for name, number in categories.items():
        chance = len(categories) * measured_share ** in_both[number]
        if not in_calibration[number] and in_both[number] and chance < _UNLIKELY:
            raise QuantizationError(
                f"the class {name} is in {in_both[number]} of {len(photos.measured)} images to"
                f" measure on, and in none of the {len(photos.calibration)} for calibration",
                hint="every third image, by name, is measured on: rename images to mix the classes",
            )
