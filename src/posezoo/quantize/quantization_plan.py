"""The network to quantize, its photos, and which of its INT8 IR must be made; this does not need
NNCF.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, field, replace
from pathlib import Path
from typing import Any

from posezoo.core.convert.conversion_plan import PlannedIr
from posezoo.core.declarations.model import (
    UNREAD_FRAMEWORKS,
    Decoder,
    Input,
    Model,
    ModelSpec,
    Precision,
    QuantizationSettings,
)
from posezoo.core.errors import DatasetError, QuantizationError
from posezoo.core.files import verified_files
from posezoo.core.ir import provenance
from posezoo.core.layout import ModelLayout
from posezoo.core.lockfile import LockFile
from posezoo.core.registry import Registry
from posezoo.core.resolve.resolved import INT8_PRECISIONS, Converter, Target
from posezoo.core.values import frozen
from posezoo.core.versions import package_version
from posezoo.media import images
from posezoo.poses.decoders import DECODERS, finds_boxes, named_task
from posezoo.run.pipeline_spec import PipelineSpec
from posezoo.run.runtime.decoder_matching import (
    explain_undecoded,
    undeclared_task,
    with_task_decoder,
)
from posezoo.run.runtime.graph import Graph
from posezoo.run.runtime.input_description import InputDescription
from posezoo.run.runtime.runtime_config import RuntimeConfig
from posezoo.run.subject import Statement

#: One photo in three is used only for comparison; displacements are measured on up to this many.
KEPT_APART = 3
MAX_MEASURED = 100

_LATER_KEYS = ("refused",)

#: The tasks of models that declare no decoder, by the metric of their accuracy.
TASKS = {"map": "detection", "top1": "classification"}

#: What the annotation files of a metric have in their names, where there are several.
_WORDS = {"ap": "keypoints", "map": "instances"}

#: The hint of the errors that other photos avoid.
PHOTOS_HINT = (
    "name a folder of photos with people in them: at least two, a hundred give good results"
)


@frozen
class QuantizationTarget:
    """One network to quantize.

    Attributes:
        pipeline: that of the network's model, or of its composite. Without a detector, each photo
            is one person for a top-down model.
        irs: the .xml of each network of this pipeline, by its model's name; in FP32, the detector's
            in FP16.
        description: of an IR of the user's: mean and scale are left to the caller; None for a model
            of the zoo.
    """

    spec: ModelSpec
    pipeline: PipelineSpec
    irs: Mapping[str, Path]
    description: InputDescription | None = None

    @property
    def model(self) -> Model:
        """The model of the pipeline."""
        return self.pipeline.model

    @property
    def is_own(self) -> bool:
        """Whether the network is an IR of the user's."""
        return self.description is not None

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes of an IR of the user's; empty if nothing names them."""
        return self.description.labels if self.description else ()

    @property
    def fp32_xml(self) -> Path:
        """The FP32 IR."""
        return self.irs[self.spec.name]

    @property
    def network_index(self) -> int:
        """The network's index in the pipeline, counted from the end: -1 is the last network."""
        stages = self.model.stages or (self.spec.name,)
        return stages.index(self.spec.name) - len(stages)

    @property
    def decoder(self) -> Decoder | None:
        """The decoder of the pipeline's outputs; if the model declares none, that of its task."""
        model = self.model
        if self.is_own or model.decoder or not isinstance(model, ModelSpec):
            return model.decoder
        return with_task_decoder(model, self.irs)[0].decoder

    @property
    def port(self) -> Input:
        """The network's input, with its layout in the IR."""
        declared = self.spec.inputs[0]
        if declared.ir_layout:
            return declared
        return replace(declared, layout=Graph(self.fp32_xml).image_layout(declared.name))

    @property
    def task(self) -> str:
        """As ``undeclared_task`` of the model; of the user's own IR, that of its decoder."""
        if self.is_own and self.model.decoder:
            return named_task(self.model.decoder)
        return undeclared_task(self.model)

    @property
    def is_detector(self) -> bool:
        """Whether the network finds boxes, not keypoints."""
        return finds_boxes(self.decoder)

    @property
    def metric(self) -> str:
        """The metric: ``ap`` of keypoints, ``map`` of boxes, ``top1`` of classes."""
        if self.task == "classification":
            return "top1"
        return "map" if self.task or self.is_detector else "ap"

    @property
    def settings(self) -> QuantizationSettings:
        """How the network is quantized, and how much INT8 may differ from FP32."""
        return self.spec.quantization or QuantizationSettings()


def explain_unsupported(spec: ModelSpec, registry: Registry) -> str:
    """Why a model cannot be quantized, independent of which files exist; empty if it can."""
    if spec.quantized:
        return "its weights are quantized already"
    if spec.quantization and spec.quantization.refused:
        return spec.quantization.refused
    if spec.framework in UNREAD_FRAMEWORKS:
        return f"{spec.framework} cannot be converted"
    model = registry.composite_of(spec)
    if reason := explain_undecoded(model):
        return f"{model.name} {reason}"
    if model.decoder and DECODERS.find(model.decoder.name) is None:
        return "quantization not supported: there is no decoder for its outputs"
    return ""


@frozen
class QuantizationOptions:
    """How a model is quantized.

    Attributes:
        target_device: as NNCF names it: ANY, CPU, GPU, NPU or CPU_SPR.
        force: make IR again even if they are up to date.
        compare_layers: report the noise of each layer, even if the result is accepted.
        annotations: in COCO's format, or a list of classes; if given, the accuracy before and after
            is reported.
        max_drop: the largest allowed drop of the metric, 0..1; layers return to floating point
            until the drop is within it.
        metric: as in ``QuantizationTarget``; if given, the accuracy is reported, with annotations
            from the images' folder. Empty: that of the model.
        runtime: where the speeds of FP16 and INT8 are measured.
        said: what the user says of the network.
    """

    precisions: tuple[Precision, ...] = (Precision.FP16_INT8,)
    target_device: str = "ANY"
    force: bool = False
    compare_layers: bool = False
    annotations: Path | None = None
    max_drop: float | None = None
    metric: str = ""
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    said: Statement = Statement()

    @property
    def measures_accuracy(self) -> bool:
        """Whether the accuracy is measured, and not only the displacement."""
        return bool(self.annotations or self.metric)


@frozen
class PhotoSplit:
    """The photos of a folder that are used.

    Attributes:
        calibration: those that measure the ranges of activations.
        measured: those that compare INT8 with FP32.
        digest: the SHA-384 of their contents in order, in hex.
    """

    calibration: tuple[Path, ...]
    measured: tuple[Path, ...]
    digest: str


@frozen
class QuantizationPlan:
    """The quantization of one model.

    Attributes:
        layout: the folders of its INT8 IR.
        dataset_dir: the folder of the photos.
        key: all values that determine the bytes of an INT8 IR, from ``quantization_key``.
        annotations_digest: the SHA-384 of the annotations, in hex; empty if no accuracy is
            measured.
        irs: the requested IR, and which of them must be made.
    """

    target: QuantizationTarget
    layout: ModelLayout
    options: QuantizationOptions
    dataset_dir: Path
    photos: PhotoSplit
    key: Mapping[str, Any]
    annotations_digest: str
    irs: tuple[PlannedIr, ...]


def plan_quantization(
    target: QuantizationTarget,
    layout: ModelLayout,
    lock: LockFile,
    dataset_dir: Path,
    options: QuantizationOptions,
) -> QuantizationPlan:
    """Choose the photos, and decide which IR must be made; nothing is written.

    Raises:
        DatasetError: there is not one file of annotations.
        QuantizationError: there are too few photos, a precision is not one of ``INT8_PRECISIONS``,
            or an IR would replace the publisher's IR.
    """
    if options.metric not in ("", target.metric):
        raise QuantizationError(
            f"{target.spec.full_name}: its metric is {target.metric}, not {options.metric}",
            hint=f"--metric {target.metric}",
        )
    most = None if options.measures_accuracy else MAX_MEASURED
    photos = split_photos(dataset_dir, target.settings.subset_size, most)
    key = quantization_key(target, photos, options.target_device, options.max_drop)
    annotations_digest = _digest_annotations(target, dataset_dir, photos, options)
    spec = target.spec
    irs = []
    for precision in dict.fromkeys(options.precisions):
        if precision not in INT8_PRECISIONS:
            raise QuantizationError(
                f"{spec.full_name}: no quantization makes {precision}",
                hint=f"it makes {' and '.join(INT8_PRECISIONS)}",
            )
        xml = layout.converted_ir_path(spec, precision)
        if spec.is_ir and precision in spec.precisions and xml == layout.ir_path(spec, precision):
            raise QuantizationError(
                f"{xml}: would replace the {precision} IR of its publisher",
                hint="name another output folder",
            )
        record = provenance.read_ir_record(xml)
        reason = "it was requested"
        if not options.force:
            reason = provenance.explain_stale_record(xml, record, lambda: key)
            measured = record.accuracy.annotations if record and record.accuracy else ""
            if not reason and annotations_digest not in ("", measured):
                reason = "its accuracy was not measured with these annotations"
        ir = Target(precision, xml, Converter.QUANTIZATION, agreed=lock.agreed_ir(spec, precision))
        irs.append(PlannedIr(ir, reason, record))
    return QuantizationPlan(
        target,
        layout,
        options,
        dataset_dir,
        photos=photos,
        key=key,
        annotations_digest=annotations_digest,
        irs=tuple(irs),
    )


def find_annotations(
    target: QuantizationTarget, folder: Path, options: QuantizationOptions
) -> Path | None:
    """The file of annotations that the options name, or in the folder of the data set or its folder
    ``annotations``; None if the folders of images are the classes.

    Raises:
        DatasetError: there is not one such file.
    """
    if options.annotations or target.metric == "top1":
        return options.annotations
    word = _WORDS[target.metric]
    files = sorted((*folder.glob("*.json"), *folder.glob("annotations/*.json")))
    if len(files) > 1:
        files = [path for path in files if word in path.name]
    if len(files) == 1:
        return files[0]
    listed = ", ".join(path.name for path in files) or "none"
    raise DatasetError(
        f"{folder}: expected one file of annotations in COCO's format, *{word}*.json;"
        f" there is {listed}",
        hint="--annotations FILE names it",
    )


def _digest_annotations(
    target: QuantizationTarget, folder: Path, photos: PhotoSplit, options: QuantizationOptions
) -> str:
    """The SHA-384 of the annotations, in hex; empty if the accuracy is not measured."""
    if not options.measures_accuracy:
        return ""
    annotations = find_annotations(target, folder, options)
    if annotations:
        return _content_digest(annotations)
    paths = (*photos.calibration, *photos.measured)  # their folders are the classes
    names = "\n".join(path.relative_to(folder).as_posix() for path in paths)
    return hashlib.sha384(names.encode()).hexdigest()


def split_photos(
    folder: Path, subset_size: int, max_measured: int | None = MAX_MEASURED
) -> PhotoSplit:
    """Choose photos in a folder and its subfolders: one in three is for comparison; no content is
    used twice, and hidden files (macOS's ``._me.jpg``) are left out.

    INT8 is better than usual on the photos that it was calibrated on. The choice depends on the
    files and their names alone.

    Args:
        subset_size: the largest number of photos for calibration.
        max_measured: that for comparison; None: all that are kept apart.

    Raises:
        QuantizationError: there is no such folder, or it has fewer than two images.
    """
    if not folder.is_dir():
        raise QuantizationError(f"{folder}: is not a folder", hint=PHOTOS_HINT)
    paths = [path for path in sorted(folder.rglob("[!.]*")) if path.is_file()]
    photos = [path for path in paths if path.suffix.lower() in images.SUFFIXES]
    if len(photos) < 2:
        suffixes = " ".join(sorted(images.SUFFIXES))
        few = "only one image" if photos else f"no images (looked for {suffixes})"
        raise QuantizationError(f"{folder}: has {few}", hint=PHOTOS_HINT)
    kept_apart = photos[KEPT_APART - 1 :: KEPT_APART] or photos[1:]
    others = [path for path in photos if path not in set(kept_apart)]
    seen: set[str] = set()
    hasher = hashlib.sha384()
    groups = []
    for group, size in ((others, subset_size), (kept_apart, max_measured or len(kept_apart))):
        distinct = []
        for path in spread(group, size):
            digest = _content_digest(path)
            if digest not in seen:
                seen.add(digest)
                distinct.append(path)
                hasher.update(digest.encode())
        hasher.update(b"|")
        groups.append(tuple(distinct))
    return PhotoSplit(groups[0], groups[1], hasher.hexdigest())


def spread(photos: Sequence[Path], size: int) -> list[Path]:
    """At most this many photos, evenly spread over all of them."""
    count = min(size, len(photos))
    return [photos[index * len(photos) // count] for index in range(count)]


def _content_digest(path: Path) -> str:
    try:
        return verified_files.compute_digest(path).value
    except OSError:
        return f"unreadable {path.name}"  # reported when the file is read


def quantization_key(
    target: QuantizationTarget,
    photos: PhotoSplit,
    target_device: str,
    max_drop: float | None,
) -> dict[str, Any]:
    """All values that determine the bytes of an INT8 IR, as JSON values."""
    settings = asdict(target.settings)
    del settings["unread"]
    # Keys that were added later count only if they are set: earlier INT8 IR stay up to date.
    settings = {key: value for key, value in settings.items() if value or key not in _LATER_KEYS}
    files = [target.fp32_xml.with_suffix(suffix) for suffix in provenance.SUFFIXES]
    quantization = {
        "settings": settings,
        "target_device": target_device,
        "photos": photos.digest,
        "max_drop": max_drop,
        "fp32": [verified_files.compute_digest(file).value for file in files],
        "nncf": package_version("nncf"),
    }
    if target.model.target_size != target.spec.target_size:  # else earlier INT8 IR stay up to date
        quantization["target_size"] = target.model.target_size
    return provenance.conversion_key(target.spec, target.model.decoder, quantization)
