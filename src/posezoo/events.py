"""Events that long tasks report to a listener, as frozen values.

The command line shows them as text, as progress bars, or as JSON lines. Each field is a key in JSON, and
``cli.omz.event_output.EVENT_TYPES`` has the ``$type`` of each class. The download events are those of Open
Model Zoo, since scripts read them: fields may be added, never removed or renamed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """The base class of all events."""


@dataclass(frozen=True, slots=True)
class TaskFinished(Event):
    """The fields of events that end a task of a model."""

    model: str
    successful: bool
    reason: str = ""


Listener = Callable[[Event], None]


def ignore_event(event: Event) -> None:
    """The listener that does nothing."""


@dataclass(frozen=True, slots=True)
class WarningIssued(Event):
    """There is a problem, but the task continues."""

    message: str


@dataclass(frozen=True, slots=True)
class DownloadStarted(Event):
    """The download of a model's files starts; ``revision`` counts up if the files change meanwhile."""

    model: str
    num_files: int
    revision: int = 1


class DownloadFinished(TaskFinished):
    """All files of a model are here and verified, or the download failed."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class FileDownloadStarted(Event):
    """The download of a file from a source starts; not sent for a file that is already here.

    ``size`` is in bytes; 0 if the publisher does not state it.
    """

    model: str
    model_file: str
    size: int
    source: str = ""


@dataclass(frozen=True, slots=True)
class FileDownloadProgress(Event):
    """``size`` bytes of a file have been received."""

    model: str
    model_file: str
    size: int


@dataclass(frozen=True, slots=True)
class FileDownloadFinished(Event):
    """A file is downloaded and verified, or its download failed."""

    model: str
    model_file: str
    successful: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FileUpToDate(Event):
    """A file was here already, is verified, and was kept."""

    model: str
    model_file: str


@dataclass(frozen=True, slots=True)
class CachedFileUsed(Event):
    """A file was copied from the cache or from a mirror, by its digest."""

    model: str
    model_file: str
    origin: str


@dataclass(frozen=True, slots=True)
class PostprocessingStarted(Event):
    """The steps start that unpack or change the downloaded files, as the model.yml says."""

    model: str


@dataclass(frozen=True, slots=True)
class FilePostprocessingStarted(Event):
    """A step starts that unpacks or changes a file: ``action`` is ``unpack`` or ``replace_text``."""

    model: str
    model_file: str
    action: str


class PostprocessingFinished(TaskFinished):
    """All such steps are done, or one failed."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ConversionStarted(Event):
    """The conversion of a model starts."""

    model: str
    precisions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SelfCheckPassed(Event):
    """An IR computes what its original computes.

    ``difference`` is the largest one of all outputs, as a share of that output's largest value;
    ``reference`` names the runtime that computed the original.
    """

    model: str
    precision: str
    difference: float
    tolerance: float
    reference: str


class ConversionFinished(TaskFinished):
    """The IR of a model are in their folders, or the conversion failed."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class QuantizationStarted(Event):
    """The quantization of a model starts: it is calibrated on some photos and measured on others."""

    model: str
    precisions: tuple[str, ...]
    calibration_photos: int
    measured_photos: int


@dataclass(frozen=True, slots=True)
class CalibrationProgress(Event):
    """``samples`` of the samples for calibration have been through the network."""

    model: str
    samples: int
    of: int


@dataclass(frozen=True, slots=True)
class DisplacementMeasured(Event):
    """How far results of INT8 are from those of FP32, on photos that were not used for calibration.

    ``shift_p50_px`` and ``shift_p90_px`` are in pixels of the network's input, over the keypoints or corners
    of all people that both networks found; ``agreement`` is the share of these among the people that at least
    one of them found.
    """

    model: str
    precision: str
    shift_p50_px: float
    shift_p90_px: float
    max_shift_px: float
    found_fp32: int
    found_int8: int
    agreement: float
    min_agreement: float


@dataclass(frozen=True, slots=True)
class AccuracyCompared(Event):
    """COCO's AP before and after quantization, 0..1, on photos that were not used for calibration."""

    model: str
    precision: str
    ap_fp32: float
    ap_int8: float
    people: int


@dataclass(frozen=True, slots=True)
class LayerNoise:
    """The quantization noise in one layer's output, as a share of the root mean square of FP32's output.

    ``own`` is the noise that the layer adds if its inputs are those of FP32; ``total`` includes the noise of
    all layers before it.
    """

    layer: str
    type: str
    own: float
    total: float


@dataclass(frozen=True, slots=True)
class LayerNoiseMeasured(Event):
    """The quantization noise of each layer of a model, in the order in which the layers run."""

    model: str
    layers: tuple[LayerNoise, ...]


class QuantizationFinished(TaskFinished):
    """The INT8 IR of a model are in their folders, or the quantization failed."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ConversionUpToDate(Event):
    """The IR were here already, made from the same files with the same tools and options."""

    model: str
    precisions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConversionSkipped(Event):
    """The model needs no conversion: it is published as IR."""

    model: str
    reason: str


@dataclass(frozen=True, slots=True)
class EvaluationProgress(Event):
    """A model has processed ``images`` of the ``total`` images that it is evaluated on."""

    model: str
    images: int
    total: int


@dataclass(frozen=True, slots=True)
class BenchmarkStarted(Event):
    """A speed measurement starts, in a process of its own."""

    name: str
    rounds: int


@dataclass(frozen=True, slots=True)
class BenchmarkProgress(Event):
    """A round of a speed measurement is done; rounds count from 1."""

    name: str
    round: int
    rounds: int
    throughput_fps: float
