"""A network's inputs from a folder of photos: some for calibration, others to compare INT8 with FP32.

The model's own pipeline makes the inputs, with its own resizing, colour order and crops. No photo is used for
both purposes, since INT8 is better than usual on the photos that it was calibrated on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posezoo import images
from posezoo.errors import ImageError, QuantizationError
from posezoo.events import Listener, WarningIssued, ignore_event
from posezoo.files import verified_files
from posezoo.quantize.quantization_target import QuantizationTarget
from posezoo.runtime.compiled_network import Array
from posezoo.runtime.estimator import Estimator
from posezoo.runtime.load_options import LoadOptions
from posezoo.runtime.loading import load_estimator
from posezoo.spec.model import ColorOrder, Input

#: One photo in three is used only for comparison, up to this many.
KEPT_APART = 3
MAX_MEASURED = 100

_HINT = "name a folder of photos with people in them: at least two, a hundred give good results"


@dataclass(frozen=True, slots=True)
class PhotoSplit:
    """The photos of a folder that are used.

    Attributes:
        calibration: the photos that are used to measure the ranges of activations.
        measured: the photos that are used to compare INT8 with FP32, but not for calibration.
        digest: the SHA-384 of their contents in order, in hex.
    """

    calibration: tuple[Path, ...]
    measured: tuple[Path, ...]
    digest: str


@dataclass(frozen=True, eq=False, slots=True)
class CalibrationSample:
    """One input of a network, as its pipeline makes it: uint8 (1, height, width, 3), BGR."""

    image: NDArray[np.uint8]
    port: Input  # as declared in model.yml

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.image.shape[2], self.image.shape[1]

    def inputs(self) -> dict[str, Array]:
        """The input by the name of the IR's input: float32, in the IR's layout and colour order."""
        image = self.image[..., ::-1] if self.port.ir_color is ColorOrder.RGB else self.image
        if self.port.ir_layout == "NCHW":
            image = image.transpose(0, 3, 1, 2)
        return {self.port.name: np.ascontiguousarray(image, np.float32)}


@dataclass(frozen=True, eq=False, slots=True)
class CalibrationData:
    """The samples for calibration and for comparison, and the number of their photos."""

    calibration: tuple[CalibrationSample, ...]
    measured: tuple[CalibrationSample, ...]
    calibration_photos: int
    measured_photos: int


def split_photos(folder: Path, subset_size: int) -> PhotoSplit:
    """Choose photos in a folder and its subfolders: one in three is for comparison; no content is used twice.

    The same files with the same names give the same choice.

    Args:
        subset_size: the largest number of photos for calibration.

    Raises:
        QuantizationError: there is no such folder, or it has fewer than two images.
    """
    if not folder.is_dir():
        raise QuantizationError(f"{folder}: is not a folder", hint=_HINT)
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in images.SUFFIXES]
    photos = [path for path in paths if path.is_file()]
    if len(photos) < 2:
        suffixes = " ".join(sorted(images.SUFFIXES))
        few = "only one image" if photos else f"no images (looked for {suffixes})"
        raise QuantizationError(f"{folder}: has {few}", hint=_HINT)
    kept_apart = photos[KEPT_APART - 1 :: KEPT_APART] or photos[1:]
    others = [path for path in photos if path not in set(kept_apart)]
    seen: set[str] = set()
    hasher = hashlib.sha384()
    used: list[tuple[Path, ...]] = []
    for group, size in ((others, subset_size), (kept_apart, MAX_MEASURED)):
        distinct = []
        # At most ``size`` photos, evenly spread over the group.
        count = min(size, len(group))
        for path in (group[index * len(group) // count] for index in range(count)):
            try:
                digest = verified_files.compute_digest(path).value
            except OSError:
                digest = f"unreadable {path.name}"  # reported when the photo is read
            if digest not in seen:
                seen.add(digest)
                distinct.append(path)
                hasher.update(digest.encode())
        hasher.update(b"|")
        used.append(tuple(distinct))
    return PhotoSplit(used[0], used[1], hasher.hexdigest())


def collect_calibration_data(
    target: QuantizationTarget, photos: PhotoSplit, *, listener: Listener = ignore_event
) -> CalibrationData:
    """Read photos, and collect the inputs that the model's pipeline makes for the network.

    Args:
        photos: the photos for calibration and for comparison.
        listener: receives a warning for each photo that cannot be read and is left out.

    Raises:
        QuantizationError: the model declares no inputs, no photo of one kind can be read, or the pipeline
            never runs the network.
        InferenceError: the FP32 IR is missing, damaged or another network's, or the pipeline cannot be run.
        MissingPackageError: OpenVINO or OpenCV is not installed.
    """
    name = target.spec.full_name
    if not target.spec.inputs:
        raise QuantizationError(
            f"{name}: declares no inputs, so it is unknown how to prepare its input images",
            hint="declare inputs in its model.yml",
        )
    port = target.spec.inputs[0]
    estimator = create_estimator(target)

    def collect(paths: Sequence[Path]) -> tuple[int, tuple[CalibrationSample, ...]]:
        readable = 0
        samples: list[CalibrationSample] = []
        for path in paths:
            try:
                image = images.read_image(path)
            except ImageError as error:
                listener(WarningIssued(f"left out: {error.problem}"))
                continue
            readable += 1
            for inputs in estimator.collect_network_inputs(image, target.network_index):
                samples += [CalibrationSample(array, port) for array in inputs.values()]
        return readable, tuple(samples)

    calibration_photos, calibration = collect(photos.calibration)
    measured_photos, measured = collect(photos.measured)
    folder = photos.calibration[0].parent
    if not calibration_photos or not measured_photos:
        total, count = calibration_photos + measured_photos, len(photos.calibration) + len(photos.measured)
        raise QuantizationError(f"{folder}: {total} of {count} different images can be read", hint=_HINT)
    if not calibration or not measured:
        raise QuantizationError(
            f"{name}: {target.model.full_name} finds no person to run it on in {folder}", hint=_HINT
        )
    size = target.settings.subset_size
    return CalibrationData(calibration[:size], measured, calibration_photos, measured_photos)


def create_estimator(target: QuantizationTarget, options: LoadOptions | None = None) -> Estimator:
    """The model in FP32, with its person detector.

    Raises:
        InferenceError: an FP32 IR cannot be run, or there is no pipeline for the model.
    """
    estimator = load_estimator(target.model, target.irs, options)
    return estimator if target.detector is None else estimator.with_detector(load_estimator(*target.detector))
