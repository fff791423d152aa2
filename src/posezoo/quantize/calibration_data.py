"""A network's inputs from photos, resized and cropped by the model's own pipeline, in its colour
order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from posezoo.core.arrays import Array
from posezoo.core.declarations.model import ColorOrder, Input
from posezoo.core.errors import ImageError, QuantizationError, import_optional
from posezoo.core.events import Listener, WarningIssued
from posezoo.core.ir.ir_writer import MODEL_INFO
from posezoo.core.values import frozen_with_arrays
from posezoo.media import images
from posezoo.poses.decoders import find_decoder
from posezoo.quantize.quantization_plan import (
    MAX_MEASURED,
    PHOTOS_HINT,
    PhotoSplit,
    QuantizationTarget,
    spread,
)
from posezoo.run.runtime.estimator import Estimator, collect_network_inputs
from posezoo.run.runtime.loading import load_detector, load_estimator
from posezoo.run.runtime.runtime_config import LoadOptions

if TYPE_CHECKING:
    from openvino import Model

#: The inputs of a network for a photo, by name for each of its inferences.
_CollectInputs = Callable[[NDArray[np.uint8]], Iterable[Mapping[str, Array]]]

#: The types of inputs that are not float32, in OpenVINO's words.
_TYPES = {"u8": np.uint8, "f16": np.float16}


@frozen_with_arrays
class CalibrationSample:
    """One input of a network, as its pipeline makes it: uint8 (1, height, width, 3), BGR."""

    image: NDArray[np.uint8]
    port: Input  # as declared in model.yml
    is_own: bool = False  # whether the IR leaves the mean and scale of the port to the caller

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.image.shape[2], self.image.shape[1]

    def inputs(self) -> dict[str, Array]:
        """The input by the name of the IR's input, in the IR's layout, type and colour order."""
        image: Array = self.image
        if self.port.ir_color is ColorOrder.RGB:
            image = image[..., ::-1]
        if self.is_own:
            image = image - np.array(self.port.mean or 0, np.float32)
            image = image / np.array(self.port.scale or 1, np.float32)
        if self.port.ir_layout == "NCHW":
            image = image.transpose(0, 3, 1, 2)
        dtype = _TYPES.get(self.port.element_type, np.float32)
        return {self.port.name: np.ascontiguousarray(image, dtype)}


@frozen_with_arrays
class CalibrationData:
    """The samples for calibration and for comparison, and the number of their photos."""

    calibration: tuple[CalibrationSample, ...]
    measured: tuple[CalibrationSample, ...]
    calibration_photos: int
    measured_photos: int


def collect_calibration_data(
    target: QuantizationTarget, photos: PhotoSplit, *, listener: Listener
) -> CalibrationData:
    """Read photos, and collect the inputs that the model's pipeline makes for the network; an
    unreadable photo causes a warning.

    Raises:
        QuantizationError: the model declares no inputs, no photo of one kind can be read, or the
            pipeline never runs the network.
        InferenceError: the FP32 IR is missing, damaged or another network's, or the pipeline cannot
            be run.
        MissingPackageError: OpenVINO or OpenCV is not installed.
    """
    name = target.spec.full_name
    if not target.spec.inputs:
        raise QuantizationError(
            f"{name}: declares no inputs, so it is unknown how to prepare its input images",
            hint="declare inputs in its model.yml",
        )
    port = target.port
    # Whatever finds more people gives more samples: BlazePose then looks at quarters of the photo,
    # too.
    collect_inputs: _CollectInputs = partial(_stretch_to_input, port)
    if target.decoder:
        options = find_decoder(target.decoder.name).detector_options
        estimator = create_estimator(target, LoadOptions(decoder_options=options))
        collect_inputs = partial(collect_network_inputs, estimator, place=target.network_index)

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
            for inputs in collect_inputs(image):
                arrays = inputs.values()
                samples += [CalibrationSample(array, port, target.is_own) for array in arrays]
        return readable, tuple(samples)

    calibration_photos, calibration = collect(photos.calibration)
    measured_photos, measured = collect(spread(photos.measured, MAX_MEASURED))
    folder = photos.calibration[0].parent
    if not all((calibration_photos, measured_photos)):
        total = calibration_photos + measured_photos
        count = len(photos.calibration) + len(photos.measured)
        raise QuantizationError(
            f"{folder}: {total} of {count} different images can be read", hint=PHOTOS_HINT
        )
    if not all((calibration, measured)):
        raise QuantizationError(
            f"{name}: {target.model.full_name} finds no person to run it on in {folder}",
            hint=PHOTOS_HINT,
        )
    size = target.settings.subset_size
    return CalibrationData(calibration[:size], measured, calibration_photos, measured_photos)


def _stretch_to_input(port: Input, image: NDArray[np.uint8]) -> list[dict[str, Array]]:
    """A photo for a network whose outputs no decoder reads: whole, with its input's sides."""
    cv2 = import_optional("cv2", extra="run")
    size = port.sides["W"], port.sides["H"]
    return [{port.name: cv2.resize(image, size)[None]}]


def set_labels(network: Model, labels: Iterable[str]) -> None:
    """Write the names of the classes into a network's metadata, where the pipelines read them."""
    names = (re.sub(r"\s", "_", label) for label in labels)
    network.set_rt_info(" ".join(names), [MODEL_INFO, "labels"])


def create_estimator(target: QuantizationTarget, options: LoadOptions) -> Estimator:
    """The model in FP32, with its person detector.

    Raises:
        InferenceError: an FP32 IR cannot be run, or there is no pipeline for the model.
    """
    estimator = load_estimator(target.model, target.irs, options, description=target.description)
    detector = target.pipeline.detector
    if detector is None:
        return estimator
    return estimator.with_detector(load_detector(detector, target.irs))
