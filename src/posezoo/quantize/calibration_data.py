"""What a network is shown of a folder of photos: some calibrate it, others tell how far INT8 is off.

Both are what the model's own pipeline asks its network about a photo, with its own fitting, colour order and
crops. No photo serves both: what was calibrated on flatters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posezoo import images
from posezoo.errors import ImageError, QuantizationError
from posezoo.events import Listener, WarningIssued, ignore_event
from posezoo.files import verified_files
from posezoo.pose.letterbox import Image
from posezoo.quantize.quantization_target import QuantizationTarget
from posezoo.runtime.compiled_network import Array
from posezoo.runtime.estimator import Estimator
from posezoo.runtime.load_options import LoadOptions
from posezoo.runtime.loading import load_estimator
from posezoo.spec.model import ColorOrder, Input

#: One photo in three is kept apart to measure on, but never more than so many.
KEPT_APART = 3
MAX_MEASURED = 100

_HINT = "name a folder of photos with people in them: two at least, a hundred do well"

#: What a pipeline would show its network of a photo.
PhotoSampler = Callable[[Image], list["CalibrationSample"]]


@dataclass(frozen=True, slots=True)
class PhotoSplit:
    """The photos of a folder that are used.

    Attributes:
        calibration: to measure activations on.
        measured: to hold INT8 against FP32 on; none is also among the others.
        digest: SHA-384 in hex of what they hold, in their order.
    """

    calibration: tuple[Path, ...]
    measured: tuple[Path, ...]
    digest: str


@dataclass(frozen=True, eq=False, slots=True)
class CalibrationSample:
    """One input of a network, as its pipeline gives it: uint8 (1, height, width, 3), BGR."""

    picture: NDArray[np.uint8]
    port: Input  # as model.yml declares it

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.picture.shape[2], self.picture.shape[1]

    def inputs(self) -> dict[str, Array]:
        """The same by the IR's input: float32, in its own layout and colour order."""
        reverse = self.port.ir_color is ColorOrder.RGB
        image = self.picture[..., ::-1] if reverse else self.picture
        if self.port.ir_layout == "NCHW":
            image = image.transpose(0, 3, 1, 2)
        return {self.port.name: np.ascontiguousarray(image, np.float32)}


@dataclass(frozen=True, eq=False, slots=True)
class CalibrationData:
    """What a network is shown: to calibrate it, and to measure it; and how many photos each came from."""

    calibration: tuple[CalibrationSample, ...]
    measured: tuple[CalibrationSample, ...]
    calibration_photos: int
    measured_photos: int


def split_photos(folder: Path, subset_size: int) -> PhotoSplit:
    """The pictures in a folder and below that are used: one in three is kept apart, and none is taken twice.

    The same files under the same names give the same choice.

    Args:
        folder: where to look.
        subset_size: the most photos to calibrate on.

    Raises:
        QuantizationError: there is no folder, or there are fewer than two pictures in it.
    """
    if not folder.is_dir():
        raise QuantizationError(f"{folder}: is no folder", hint=_HINT)
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in images.SUFFIXES]
    found = [path for path in paths if path.is_file()]
    if len(found) < 2:
        few = "only one picture" if found else f"no pictures (looked for {' '.join(sorted(images.SUFFIXES))})"
        raise QuantizationError(f"{folder}: holds {few}", hint=_HINT)
    apart = found[KEPT_APART - 1 :: KEPT_APART] or found[1:]
    others = [path for path in found if path not in set(apart)]
    return _distinct(_spread(others, subset_size), _spread(apart, MAX_MEASURED))


def _spread(paths: Sequence[Path], number: int) -> Sequence[Path]:
    """At most so many, from all over the list."""
    return paths if len(paths) <= number else [paths[at * len(paths) // number] for at in range(number)]


def _distinct(*lots: Sequence[Path]) -> PhotoSplit:
    digests: dict[str, None] = {}
    hasher = hashlib.sha384()
    kept: list[tuple[Path, ...]] = []
    for lot in lots:
        new = []
        for path in lot:
            try:
                digest = verified_files.compute_digest(path).value
            except OSError:
                digest = f"unreadable {path.name}"  # told when it is read
            if digest not in digests:
                digests[digest] = None
                new.append(path)
                hasher.update(digest.encode())
        hasher.update(b"|")
        kept.append(tuple(new))
    return PhotoSplit(kept[0], kept[1], hasher.hexdigest())


def collect_calibration_data(
    target: QuantizationTarget, photos: PhotoSplit, *, listener: Listener = ignore_event
) -> CalibrationData:
    """Read photos and ask the model's pipeline what it would show its network of them.

    Args:
        target: what is to be quantized.
        photos: which ones.
        listener: is told of photos that cannot be read, and are left out.

    Raises:
        QuantizationError: none can be read, none is left to measure on, or the network is never asked.
        InferenceError: the FP32 IR is missing, damaged or another network's.
        MissingPackageError: OpenVINO or OpenCV is not installed.
    """
    ask, found = select_sampler(target), []
    for paths in (photos.calibration, photos.measured):
        readable, samples = 0, []
        for image in _readable(paths, listener):
            readable += 1
            samples += ask(image)
        found.append((readable, tuple(samples)))
    (calibration_photos, calibration), (measured_photos, measured) = found
    if not calibration_photos or not measured_photos:
        total, number = calibration_photos + measured_photos, len(photos.calibration) + len(photos.measured)
        raise QuantizationError(
            f"{photos.calibration[0].parent}: {total} of {number} different pictures can be read", hint=_HINT
        )
    if not calibration or not measured:
        raise QuantizationError(
            f"{target.spec.full_name}: {target.model.full_name} finds nobody to show it in "
            f"{photos.calibration[0].parent}",
            hint=_HINT,
        )
    size = target.quantization_settings.subset_size
    return CalibrationData(calibration[:size], measured, calibration_photos, measured_photos)


def _readable(paths: Sequence[Path], listener: Listener) -> Iterator[Image]:
    for path in paths:
        try:
            yield images.read_image(path)
        except ImageError as error:
            listener(WarningIssued(f"left out: {error.problem}"))


def create_estimator(target: QuantizationTarget, options: LoadOptions | None = None) -> Estimator:
    """The model in FP32, with its person detector.

    Raises:
        InferenceError: an FP32 IR cannot be run, or nothing here runs the model's pipeline.
    """
    estimator = load_estimator(target.model, target.irs, options)
    return estimator if target.detector is None else estimator.with_detector(load_estimator(*target.detector))


def select_sampler(target: QuantizationTarget) -> PhotoSampler:
    """What says how a network is shown a photo.

    Raises:
        InferenceError: the FP32 IR cannot be run, or nothing here runs the model's pipeline.
    """
    if not target.spec.inputs:
        raise QuantizationError(
            f"{target.spec.full_name}: declares no inputs, so nobody knows what it is shown",
            hint="declare inputs in its model.yml",
        )
    port = target.spec.inputs[0]
    estimator = create_estimator(target)
    return lambda image: [
        CalibrationSample(picture, port)
        for asked in estimator.collect_network_inputs(image, target.network_index)
        for picture in asked.values()
    ]
