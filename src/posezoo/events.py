"""What happened, as frozen values, told to whoever listens.

Stages tell, the command line draws: as text, as bars on a terminal, or as JSON lines. Each field
is a key in JSON, and ``cli.omz.reports.EVENT_TYPES`` has the ``$type`` of each class. Those of the download
events are Open Model Zoo's, since scripts read them; fields may be added, never removed or renamed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """Anything worth telling."""


Listener = Callable[[Event], None]


def ignore_event(event: Event) -> None:
    """The listener that does not care."""


@dataclass(frozen=True, slots=True)
class WarningIssued(Event):
    """Something is odd, but work goes on."""

    message: str


@dataclass(frozen=True, slots=True)
class DownloadStarted(Event):
    """The files of a model are about to be fetched; ``revision`` counts up when they change."""

    model: str
    num_files: int
    revision: int = 1


@dataclass(frozen=True, slots=True)
class DownloadFinished(Event):
    """The files of a model are all here and verified, or not."""

    model: str
    successful: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FileDownloadStarted(Event):
    """A file is about to come from a source (never told for a file that is already here).

    ``size`` is in bytes; 0 where the publisher does not state it.
    """

    model: str
    model_file: str
    size: int
    source: str = ""


@dataclass(frozen=True, slots=True)
class FileDownloadProgress(Event):
    """So many bytes of a file have come."""

    model: str
    model_file: str
    size: int


@dataclass(frozen=True, slots=True)
class FileDownloadFinished(Event):
    """A file has come and is verified, or not."""

    model: str
    model_file: str
    successful: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FileUpToDate(Event):
    """A good file was here already and was left alone."""

    model: str
    model_file: str


@dataclass(frozen=True, slots=True)
class CachedFileUsed(Event):
    """A file came from the cache or from a mirror, by its digest."""

    model: str
    model_file: str
    origin: str


@dataclass(frozen=True, slots=True)
class PostprocessingStarted(Event):
    """The downloaded files of a model are about to be unpacked or changed, as its model.yml says."""

    model: str


@dataclass(frozen=True, slots=True)
class FilePostprocessingStarted(Event):
    """A file is about to be unpacked or changed: ``action`` is ``unpack`` or ``replace_text``."""

    model: str
    model_file: str
    action: str


@dataclass(frozen=True, slots=True)
class PostprocessingFinished(Event):
    """The files of a model are as its model.yml wants them, or not."""

    model: str
    successful: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ConversionStarted(Event):
    """A model is about to be converted."""

    model: str
    precisions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SelfCheckPassed(Event):
    """An IR computes what its original computes.

    ``difference`` is the largest of all outputs, as a share of that output's largest value;
    ``reference`` names the runtime that computed the original.
    """

    model: str
    precision: str
    difference: float
    tolerance: float
    reference: str


@dataclass(frozen=True, slots=True)
class ConversionFinished(Event):
    """The IR of a model are published, or not."""

    model: str
    successful: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class QuantizationStarted(Event):
    """A model is about to be quantized: calibrated on some photos, measured on others."""

    model: str
    precisions: tuple[str, ...]
    calibration_photos: int
    measured_photos: int


@dataclass(frozen=True, slots=True)
class CalibrationProgress(Event):
    """So many of the samples that activations are measured on have been through the network."""

    model: str
    samples: int
    of: int


@dataclass(frozen=True, slots=True)
class DisplacementMeasured(Event):
    """How far what INT8 finds lies from what FP32 finds, in photos that were not calibrated on.

    ``shift_p50_px`` and ``shift_p90_px`` are in pixels of the network's input, over the keypoints or corners
    of all people that both found; ``agreement`` is the share that both found of all that either did.
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
    """COCO's AP before and after quantization, 0..1, on photos that were not calibrated on."""

    model: str
    precision: str
    ap_fp32: float
    ap_int8: float
    people: int


@dataclass(frozen=True, slots=True)
class LayerNoise:
    """What quantization does to one layer's output, as a share of the FP32 output's root mean square.

    ``own`` is what the layer adds where its inputs are FP32's; ``total`` what has come together there.
    """

    layer: str
    type: str
    own: float
    total: float


@dataclass(frozen=True, slots=True)
class LayerNoiseMeasured(Event):
    """Where quantization does harm: the layers of a model in the order they run in."""

    model: str
    layers: tuple[LayerNoise, ...]


@dataclass(frozen=True, slots=True)
class QuantizationFinished(Event):
    """The INT8 IR of a model are published, or not."""

    model: str
    successful: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ConversionUpToDate(Event):
    """The IR were here already, made from the same bytes by the same means."""

    model: str
    precisions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConversionSkipped(Event):
    """Nothing to convert: the model is published as IR."""

    model: str
    reason: str


@dataclass(frozen=True, slots=True)
class EvaluationProgress(Event):
    """A model has seen so many of the images that it is measured on."""

    model: str
    images: int
    total: int


@dataclass(frozen=True, slots=True)
class BenchmarkStarted(Event):
    """Something is about to be loaded in a process of its own, and its speed to be measured."""

    name: str
    rounds: int


@dataclass(frozen=True, slots=True)
class BenchmarkProgress(Event):
    """A round has been measured; rounds count from 1."""

    name: str
    round: int
    rounds: int
    throughput_fps: float
